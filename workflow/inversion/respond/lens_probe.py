"""The logit lens: what every checkpoint would answer if it ended after each of its layers (nostalgebraist, 2020).

The outputs of all layers at one token are passed through the final norm and replace the input of the output embedding,
all at once. Norm, output embedding, soft-capping and scales are therefore the model's own, whatever its family. A tuned
lens translates the outputs before (:mod:`inversion.respond.tuned_lens`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import polars as pl
import torch
from torch import Tensor
from transformers import PreTrainedModel

from inversion.config.probes import LensProbe
from inversion.instruct.templates import encode_prompt
from inversion.manifests import CheckpointEntry
from inversion.models import CheckpointLoader, ModelError
from inversion.models.transformer_modules import (
    deviation,
    input_passes,
    outputs_pass,
    plain,
    rounding,
    transformer_modules,
)
from inversion.records.mechanism import LensReading
from inversion.respond.batches import by_length, pad, positions
from inversion.respond.milestones import LocatedItem, locate_items, with_places
from inversion.respond.probing import ProbedRun, conflict_sample, probe_checkpoints, question_spec
from inversion.respond.resumable import weights_of
from inversion.respond.tuned_lens import Translators, divergence, held_out, train_translators

_LOGITS = 2**28
"""The maximum number of logits of all layers in one batch: 1 GiB in float32."""


def probe_lens(run: ProbedRun, probe: LensProbe) -> pl.DataFrame:
    """The :class:`LensReading` rows of all checkpoints of ``run``, on a sample of its items.

    The sample has conflict items with a context and two different answers from every set. A tuned lens is trained for
    each checkpoint, on the same prompts of other items. Resuming and errors are those of
    :func:`~inversion.respond.probing.probe_checkpoints`. Also raises :class:`ValueError` if no item names its subject
    in the question but the setting needs it, and the errors of :func:`~inversion.respond.tuned_lens.held_out`.
    """
    chosen = conflict_sample(run.items, probe.items, probe.seed)
    texts = held_out(run.items, chosen, probe.tuned.texts, probe.seed) if probe.tuned else []
    spec = {
        "version": probe.version,
        **question_spec(run, chosen),
        "positions": probe.positions,
        "tuned": probe.tuned and [probe.tuned.steps, probe.seed, question_spec(run, texts)["items"]],
    }

    def prepare() -> Callable[[CheckpointEntry], Iterable[LensReading]]:
        checkpoints = CheckpointLoader.on(run.base, run.base_digest, merging=True, tokenizer=run.tokenizer)
        tokenizer = checkpoints.tokenizer
        pad_id = tokenizer.pad_token_id
        items = locate_items(run, chosen, tokenizer, "lens")
        at = {name: with_places(items, name, "lens") for name in dict.fromkeys(probe.positions)}
        prompts = [encode_prompt(tokenizer, run.template, item, run.prompt) for item in texts]

        def measure(entry: CheckpointEntry) -> Iterator[LensReading]:
            model = checkpoints.load(weights_of(entry, run.base, run.folder))
            lenses: dict[str, Translators | None] = {"logit": None}
            if probe.tuned:
                lenses["tuned"] = train_translators(model, prompts, probe.tuned.steps, pad_id, probe.seed)
            for lens, translators in lenses.items():
                for position, located in at.items():
                    found = lens_values(model, located, position, pad_id, run.batch_size, translators)
                    for one, by_depth in zip(located, found.tolist(), strict=True):
                        for depth, (context, parametric, apart) in enumerate(by_depth):
                            yield LensReading(
                                step=entry.step,
                                epoch=entry.epoch,
                                set=one.divergence.item.set,
                                item_id=one.divergence.item.item_id,
                                cluster=one.divergence.item.cluster,
                                lens=lens,
                                position=position,
                                depth=depth,
                                context_logprob=context,
                                parametric_logprob=parametric,
                                divergence=apart,
                            )

        return measure

    return probe_checkpoints(run.folder, "lens", run.steps, spec, prepare, LensReading)


@torch.inference_mode()
def check_lens(model: PreTrainedModel) -> None:
    """Raise :class:`~inversion.models.ModelError` for a model whose layers or final norm are not found, or that does
    something else between its last layer and its logits."""
    row = list(range(8))
    read = lens_logits(model, [row], 0)[0, -1]
    own = model(torch.tensor([row], device=model.device), use_cache=False).logits[0, -1].float()
    if not deviation(read, own) <= rounding(model.dtype):
        raise ModelError(
            f"{type(model).__name__} does more than its final norm between the last layer and the output embedding, so "
            "earlier layers cannot be read through them; remove `lens` from `probes` for this model"
        )


def lens_values(
    model: Any,
    items: Sequence[LocatedItem],
    position: str,
    pad_id: int,
    batch_size: int,
    translators: Translators | None = None,
) -> Tensor:
    """What every layer would answer to each item at the last token of a group: float32 [items, depths, 3].

    The values are the log-probabilities (nats) of the context answer's and the parametric answer's token, and the
    divergence as in :class:`LensReading`. Batches have at most ``batch_size`` prompts and a limited number of logits.
    Raises :class:`~inversion.models.ModelError` if the layers of the model are not found.
    """
    depths = len(transformer_modules(model).layers) + 1
    vocabulary = plain(model).get_output_embeddings().weight.shape[0]
    size = max(1, min(batch_size, _LOGITS // (depths * vocabulary)))
    found = torch.empty(len(items), depths, 3)
    for batch in by_length([len(one.divergence.prefix) for one in items], size):
        chosen = [items[index] for index in batch]
        prefixes = [one.divergence.prefix for one in chosen]
        ends = [len(prefix) - one.places[position][-1] for prefix, one in zip(prefixes, chosen, strict=True)]
        logprobs = lens_logits(model, prefixes, pad_id, ends, translators).log_softmax(-1)
        points = [one.divergence for one in chosen]
        tokens = torch.tensor([[one.context_token, one.parametric_token] for one in points], device=logprobs.device)
        found[batch, :, :2] = logprobs.gather(-1, tokens.unsqueeze(1).expand(-1, depths, -1)).cpu()
        # depth by depth, because several numbers per logit would need as much memory again
        found[batch, :, 2] = torch.stack([divergence(logprobs[:, -1], each) for each in logprobs.unbind(1)], 1).cpu()
    return found


@torch.inference_mode()
def lens_logits(
    model: Any,
    prompts: Sequence[Sequence[int]],
    pad_id: int,
    ends: Sequence[int] | None = None,
    translators: Translators | None = None,
) -> Tensor:
    """The logits after each prompt if the model ended after each of its layers: float32 [prompts, depths, vocabulary].

    ``ends`` is the place of one token of each prompt, counted from its end (1 for the last token, which is the
    default). At the highest depth the logits are the model's own.
    """
    modules, whole = transformer_modules(model), plain(model)
    # left padding: all prompts end at the same place
    ids, mask = pad(prompts, pad_id, "left", whole.device)
    rows = torch.arange(len(prompts), device=whole.device)
    places = ids.shape[1] - torch.tensor(ends or [1] * len(prompts), device=whole.device)
    left: list[Tensor] = []

    def keep(stream: Tensor) -> None:
        state = stream[rows, places]
        left.append(state if translators is None else translators(len(left), state))

    with (
        input_passes(modules.layers[0], keep),
        outputs_pass(modules.layers, lambda _, stream: keep(stream)),
        # from here on the dimension of the tokens contains the depths
        input_passes(whole.get_output_embeddings(), lambda _: modules.norm(torch.stack(left, dim=1))),
    ):
        logits: Tensor = model(input_ids=ids, attention_mask=mask, position_ids=positions(mask), use_cache=False).logits
    return logits.float()
