"""Measures how an answer changes if one attention head cannot attend to the context from the last token.

The keys of the context are masked before the softmax, for one head of one layer and for the last token only (attention
knock-out; Geva et al. 2023), so that the head spreads its attention over the rest of the prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import polars as pl
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from inversion.config.probes import KnockoutProbe
from inversion.manifests import CheckpointEntry
from inversion.models import CheckpointLoader, ModelError
from inversion.models.transformer_modules import eager, plain, transformer_modules
from inversion.records.mechanism import KnockoutMargin
from inversion.respond.batches import by_length
from inversion.respond.milestones import LocatedItem, batch_margins, locate_items, milestones
from inversion.respond.probing import ProbedRun, conflict_sample, probe_checkpoints, question_spec
from inversion.respond.resumable import weights_of

_WEIGHTS = 2**28
"""The maximum number of attention weights of a layer in one batch: 1 GiB in float32."""


class KnockoutResult(NamedTuple):
    """The log-odds of one checkpoint with and without single heads."""

    margins: Tensor
    """The log-odds without each head: float32 [items, layers, heads]."""
    own: Tensor
    """The log-odds with all heads: float32 [items]."""


def probe_knockouts(run: ProbedRun, probe: KnockoutProbe) -> pl.DataFrame:
    """The :class:`KnockoutMargin` rows of the start, peak and end of ``run``, on a sample of its items.

    The sample has conflict items with a context and two different answers from every set. Resuming and errors are those
    of :func:`~inversion.respond.milestones.milestones`.
    """
    chosen = conflict_sample(run.items, probe.items, probe.seed)
    found = milestones(run, chosen, probe, "knockouts")
    steps = {entry.step: entry for entry in found}
    spec = {"version": probe.version, **question_spec(run, chosen), "steps": [entry.step for entry in found]}

    def prepare() -> Callable[[CheckpointEntry], Iterable[KnockoutMargin]]:
        checkpoints = CheckpointLoader.on(run.base, run.base_digest, merging=True, tokenizer=run.tokenizer)
        items = locate_items(run, chosen, checkpoints.tokenizer, "knockouts")

        def measure(entry: CheckpointEntry) -> Iterator[KnockoutMargin]:
            model = checkpoints.load(weights_of(entry, run.base, run.folder))
            knocked = knockout_margins(model, items, checkpoints.tokenizer.pad_token_id, run.batch_size)
            for milestone in (name for name, step in found._asdict().items() if step.step == entry.step):
                for item, by_layer, own in zip(items, knocked.margins.tolist(), knocked.own.tolist(), strict=True):
                    for layer, by_head in enumerate(by_layer):
                        for head, margin in enumerate(by_head):
                            yield KnockoutMargin(
                                step=entry.step,
                                epoch=entry.epoch,
                                milestone=milestone,
                                set=item.divergence.item.set,
                                item_id=item.divergence.item.item_id,
                                cluster=item.divergence.item.cluster,
                                layer=layer,
                                head=head,
                                margin=margin,
                                own=own,
                            )

        return measure

    return probe_checkpoints(run.folder, "knockouts", list(steps.values()), spec, prepare, KnockoutMargin)


@torch.inference_mode()
def check_knockouts(model: PreTrainedModel) -> None:
    """Raise as :func:`knockout_margins` for a model whose heads cannot be cut off; one head of each layer is tried."""
    modules = transformer_modules(model)
    ids = torch.arange(8, device=model.device)[None]
    context = torch.arange(8, device=model.device)[None] < 4
    with eager(model), ExitStack() as cuts:
        for attention in modules.attention:
            cuts.enter_context(_cut(attention, 0, modules.heads, context))
        model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False)


@torch.inference_mode()
def knockout_margins(model: Any, items: Sequence[LocatedItem], pad_id: int, batch_size: int) -> KnockoutResult:
    """The log-odds of ``model`` on each item while one head at a time may not read the context from the last token.

    ``model`` attends as before afterwards. Raises :class:`~inversion.models.ModelError` for a model whose attention
    modules are not found, or are not given a mask.
    """
    modules, whole = transformer_modules(model), plain(model)
    longest = max(len(one.divergence.prefix) for one in items)
    rows = max(1, min(batch_size, _WEIGHTS // (modules.heads * longest**2)))
    found = torch.empty(len(items), len(modules.attention), modules.heads)
    own = torch.empty(len(items))
    with eager(whole):
        for batch in by_length([len(one.divergence.prefix) for one in items], rows):
            chosen = [items[index] for index in batch]
            points = [one.divergence for one in chosen]
            context = _context(chosen).to(whole.device)
            own[batch] = batch_margins(model, points, pad_id).cpu()
            for layer, attention in enumerate(modules.attention):
                for head in range(modules.heads):
                    with _cut(attention, head, modules.heads, context):
                        found[batch, layer, head] = batch_margins(model, points, pad_id).cpu()
    return KnockoutResult(found, own)


def _context(items: Sequence[LocatedItem]) -> Tensor:
    """Which tokens of a left-padded batch belong to the context: [items, width]."""
    width = max(len(one.divergence.prefix) for one in items)
    flags = torch.zeros(len(items), width, dtype=torch.bool)
    for row, one in enumerate(items):
        flags[row, [width - len(one.divergence.prefix) + place for place in one.places["context"]]] = True
    return flags


@contextmanager
def _cut(attention: nn.Module, head: int, heads: int, context: Tensor) -> Iterator[None]:
    """Within the block, one head of ``attention`` does not attend to ``context`` from the last token."""

    def change(module: nn.Module, arguments: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        mask = named.get("attention_mask")
        if mask is None or mask.dim() != 4:
            raise ModelError(
                f"{type(module).__name__} is given no mask of queries and keys, so that its heads cannot be cut off; "
                "leave `probes.knockouts` out for this model"
            )
        mask = mask.expand(-1, heads, -1, -1).clone()
        mask[:, head, -1].masked_fill_(context, False if mask.dtype == torch.bool else torch.finfo(mask.dtype).min)
        return arguments, {**named, "attention_mask": mask}

    handle = attention.register_forward_pre_hook(change, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()
