"""Measures the attention from the answer to the context and to the subject at every checkpoint (fig. 3b).

The model's eager attention is used, because other implementations do not compute attention weights. A hook on every
attention module sums the weights of its layer as soon as they are computed, and then discards them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import polars as pl
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from inversion.config.probes import AttentionProbe
from inversion.instruct.templates import LocatedPrompt, locate_in_prompt
from inversion.manifests import CheckpointEntry
from inversion.models import CheckpointLoader, ModelError
from inversion.models.transformer_modules import eager, plain
from inversion.records.data import ConflictItem
from inversion.records.measurements import ATTENTION_PARTS, AttentionMass
from inversion.respond.batches import by_length, pad, positions
from inversion.respond.probing import ProbedRun, conflict_sample, probe_checkpoints, question_spec
from inversion.respond.resumable import weights_of

QUERIES = ("answer", "after_context")
"""The tokens from which attention is measured: the last token of the prompt, or the mean over all tokens after the
context."""

_WEIGHTS = 2**28
"""The maximum number of attention weights of a layer in one batch: 1 GiB in float32."""


def probe_attention(run: ProbedRun, probe: AttentionProbe) -> pl.DataFrame:
    """The :class:`AttentionMass` rows of all checkpoints of ``run``, on a sample of its items.

    The sample has conflict items with a context from every set. Resuming and errors are those of
    :func:`~inversion.respond.probing.probe_checkpoints`.
    """
    chosen = conflict_sample(run.items, probe.items, probe.seed)
    spec = {"version": probe.version, **question_spec(run, chosen)}

    def prepare() -> Callable[[CheckpointEntry], Iterable[AttentionMass]]:
        checkpoints = CheckpointLoader.on(run.base, run.base_digest, tokenizer=run.tokenizer)
        prompts = [locate_in_prompt(checkpoints.tokenizer, run.template, item, run.prompt) for item in chosen]

        def measure(entry: CheckpointEntry) -> list[AttentionMass]:
            model = checkpoints.load(weights_of(entry, run.base, run.folder))
            masses = attention_masses(model, prompts, checkpoints.tokenizer.pad_token_id, run.batch_size)
            return [
                row
                for item, located, mass in zip(chosen, prompts, masses.tolist(), strict=True)
                for row in _rows(entry, item, located, mass)
            ]

        return measure

    return probe_checkpoints(run.folder, "attention", run.steps, spec, prepare, AttentionMass)


def check_attention(model: PreTrainedModel) -> None:
    """Raise as :func:`attention_masses` for a model whose attention cannot be probed."""
    half = [True] * 4 + [False] * 4
    attention_masses(model, [LocatedPrompt(list(range(8)), half, [False] * 8)], 0, 1)


@torch.inference_mode()
def attention_masses(model: Any, prompts: Sequence[LocatedPrompt], pad_id: int, batch_size: int) -> Tensor:
    """The attention to each part of each prompt, averaged over heads: float32 [prompts, layers, queries, parts].

    Queries and parts are those of :data:`QUERIES` and :data:`~inversion.records.measurements.ATTENTION_PARTS`. Each
    prompt must have a context. Batches have at most ``batch_size`` prompts and a limited number of weights. The
    attention implementation of ``model`` is restored afterwards. Raises :class:`ModelError` if the attention modules of
    the model are not found.
    """
    whole = plain(model)
    config = whole.config.get_text_config()
    modules = _attention_modules(whole, config.num_hidden_layers)
    masses = torch.empty(len(prompts), len(modules), len(QUERIES), len(ATTENTION_PARTS))
    longest = max(len(prompt.prompt_ids) for prompt in prompts)
    size = max(1, min(batch_size, _WEIGHTS // (config.num_attention_heads * longest**2)))
    with eager(whole):
        for batch in by_length([len(prompt.prompt_ids) for prompt in prompts], size):
            chosen = [prompts[index] for index in batch]
            # with left padding all prompts end at the same position
            ids, mask = pad([prompt.prompt_ids for prompt in chosen], pad_id, "left", whole.device)
            queries, parts = (grid.to(whole.device) for grid in _grids(chosen, ids.shape[1]))

            def reduce(
                layer: int, weights: Tensor, batch: list[int] = batch, queries: Tensor = queries, parts: Tensor = parts
            ) -> None:
                heads = weights.mean(1, dtype=torch.float32)
                masses[batch, layer] = torch.einsum("bnq,bqk,bpk->bnp", queries, heads, parts).cpu()

            with _reducing(modules, reduce):
                model(
                    input_ids=ids,
                    attention_mask=mask,
                    position_ids=positions(mask),
                    use_cache=False,
                    # as an index: see inversion.respond.answers.continue_prompts
                    logits_to_keep=torch.tensor([ids.shape[1] - 1], device=ids.device),
                )
    return masses


def _grids(prompts: Sequence[LocatedPrompt], width: int) -> tuple[Tensor, Tensor]:
    """The weight of every position as a query, and whether it belongs to a part: [prompts, queries or parts, width]."""
    queries = torch.zeros(len(prompts), len(QUERIES), width)
    parts = torch.zeros(len(prompts), len(ATTENTION_PARTS), width)
    for row, prompt in enumerate(prompts):
        begin = width - len(prompt.prompt_ids)
        behind = len(prompt.context) - prompt.context[::-1].index(True)
        queries[row, 0, -1] = 1
        queries[row, 1, begin + behind :] = 1 / (len(prompt.context) - behind)
        context, subject = torch.tensor(prompt.context), torch.tensor(prompt.subject)
        parts[row, :, begin:] = torch.stack([context, subject, ~(context | subject)]).float()
    return queries, parts


def _rows(
    entry: CheckpointEntry, item: ConflictItem, located: LocatedPrompt, mass: list[list[list[float]]]
) -> Iterator[AttentionMass]:
    """The rows of one item. ``mass`` is nested by layers, queries and parts."""
    for layer, by_query in enumerate(mass):
        for query, (context, subject, rest) in zip(QUERIES, by_query, strict=True):
            yield AttentionMass(
                step=entry.step,
                epoch=entry.epoch,
                set=item.set,
                item_id=item.item_id,
                cluster=item.cluster,
                layer=layer,
                query=query,
                context=context,
                subject=subject if any(located.subject) else None,
                rest=rest,
                tokens=len(located.prompt_ids),
                context_tokens=sum(located.context),
                subject_tokens=sum(located.subject),
            )


# --- inside the model ---------------------------------------------------------------------------


def _attention_modules(model: nn.Module, layers: int) -> list[nn.Module]:
    """The attention modules in the order of the layers."""
    found: dict[int, nn.Module] = {
        module.layer_idx: module  # type: ignore[misc]
        for module in model.modules()
        if type(module).__name__.endswith("Attention") and isinstance(getattr(module, "layer_idx", None), int)
    }
    if sorted(found) != list(range(layers)):
        raise ModelError(
            f"{type(model).__name__} has {layers} layers and {len(found)} attention modules with a number, so its "
            "attention cannot be probed; remove `probes.attention` for this model"
        )
    return [found[layer] for layer in range(layers)]


@contextmanager
def _reducing(modules: Sequence[nn.Module], reduce: Any) -> Iterator[None]:
    """Within the block, call ``reduce`` with the layer and the weights [prompts, heads, queries, keys] of each module,
    and discard the weights afterwards."""

    def hook(layer: int) -> Any:
        def drop_weights(module: nn.Module, arguments: Any, output: tuple[Tensor, Tensor | None]) -> Any:
            attended, weights = output
            if weights is None:
                raise ModelError(
                    f"{type(module).__name__} returns no attention weights, so its attention cannot be probed; "
                    "remove `probes.attention` for this model"
                )
            reduce(layer, weights)
            return attended, None

        return drop_weights

    with ExitStack() as hooks:
        for layer, module in enumerate(modules):
            hooks.callback(module.register_forward_hook(hook(layer)).remove)
        yield
