"""Measures how an answer changes if attention heads cannot attend to the context from the last token, or attend less or
more.

For the chosen heads and for the last token only, the attention weights of the context are multiplied by a factor, and
all weights are normalised again. With the factor 0 this masks the keys of the context before the softmax (attention
knock-out; Geva et al. 2023), so that the head spreads its attention over the rest of the prompt.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from hashlib import sha256
from typing import Any, NamedTuple

import polars as pl
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from inversion.config.probes import RANDOM_SETS, KnockoutProbe
from inversion.manifests import CheckpointEntry
from inversion.models import CheckpointLoader, ModelError
from inversion.models.transformer_modules import eager, plain, transformer_modules
from inversion.records.mechanism import KnockoutMargin
from inversion.respond.batches import by_similar_length
from inversion.respond.milestones import LocatedItem, locate_items, margins_of, milestones
from inversion.respond.probing import ProbedRun, conflict_sample, probe_checkpoints, question_spec
from inversion.respond.rereading import Rereading
from inversion.respond.resumable import weights_of

_WEIGHTS = 2**28
"""The maximum number of attention weights of a layer in one batch: 1 GiB in float32."""

Heads = Sequence[tuple[int, int]]
"""Heads, each as its layer and its number within the layer."""


class KnockoutResult(NamedTuple):
    """The log-odds of one checkpoint with and without some heads."""

    margins: Tensor
    """The log-odds without some heads: float32 [items, sets of heads]."""
    own: Tensor
    """The log-odds with all heads: float32 [items]."""


def probe_knockouts(run: ProbedRun, probe: KnockoutProbe) -> pl.DataFrame:
    """The :class:`KnockoutMargin` rows of the start, peak and end of ``run``, on a sample of its items.

    The sample has conflict items with a context and two different answers from every set. Resuming and errors are those
    of :func:`~inversion.respond.milestones.milestones`. Also raises :class:`ValueError` if more heads are to be knocked
    out together than there are, or if all items belong to one cluster.
    """
    chosen = conflict_sample(run.items, probe.items, probe.seed)
    found = milestones(run, chosen, probe, "knockouts")
    steps = {entry.step: entry for entry in found}
    spec = {
        "version": probe.version,
        **question_spec(run, chosen),
        "steps": [entry.step for entry in found],
        **probe.model_dump(mode="json", include={"seed", "scales", "together"}),
    }

    def prepare() -> Callable[[CheckpointEntry], Iterable[KnockoutMargin]]:
        checkpoints = CheckpointLoader.on(run.base, run.base_digest, merging=True, tokenizer=run.tokenizer)
        items = locate_items(run, chosen, checkpoints.tokenizer, "knockouts")
        halves = _halves(items) if probe.together else []

        def measure(entry: CheckpointEntry) -> Iterator[KnockoutMargin]:
            model = checkpoints.load(weights_of(entry, run.base, run.folder))
            ask = partial(knockout_margins, model, pad_id=checkpoints.tokenizer.pad_token_id, batch_size=run.batch_size)
            modules = transformer_modules(model)
            if (reason := probe.misfit(len(modules.layers), modules.heads)) is not None:
                raise ValueError(reason)
            singles = every_head(model)
            sets = random_sets(singles, probe.together, probe.seed) if probe.together else []
            for milestone in (name for name, step in found._asdict().items() if step.step == entry.step):
                for scale in dict.fromkeys(probe.scales):
                    asked = ask(items, [[head] for head in singles], scale=scale)
                    for (layer, head), of_head in zip(singles, asked.margins.T, strict=True):
                        yield from _rows(entry, milestone, scale, items, of_head, asked.own, "one", layer, head)
                    for own, others in halves:
                        mine = [items[index] for index in own]
                        top = top_heads(singles, (asked.margins - asked.own[:, None])[others].mean(0), scale)
                        together = ask(mine, [top[: probe.together], *sets], scale=scale)
                        add = partial(_rows, entry, milestone, scale, mine, own=together.own)
                        yield from add(margins=together.margins[:, 0], heads="top")
                        for draw, of_set in enumerate(together.margins.T[1:]):
                            yield from add(margins=of_set, heads="random", draw=draw)

        return measure

    return probe_checkpoints(run.folder, "knockouts", list(steps.values()), spec, prepare, KnockoutMargin)


def _rows(
    entry: CheckpointEntry,
    milestone: str,
    scale: float,
    items: Sequence[LocatedItem],
    margins: Tensor,
    own: Tensor,
    heads: str,
    layer: int | None = None,
    head: int | None = None,
    draw: int | None = None,
) -> Iterator[KnockoutMargin]:
    """One row per item."""
    for item, margin, unchanged in zip(items, margins.tolist(), own.tolist(), strict=True):
        yield KnockoutMargin(
            step=entry.step,
            epoch=entry.epoch,
            milestone=milestone,
            set=item.divergence.item.set,
            item_id=item.divergence.item.item_id,
            cluster=item.divergence.item.cluster,
            scale=scale,
            heads=heads,
            layer=layer,
            head=head,
            draw=draw,
            margin=margin,
            own=unchanged,
        )


def every_head(model: Any) -> list[tuple[int, int]]:
    """All heads of ``model``, layer by layer."""
    modules = transformer_modules(model)
    return [(layer, head) for layer in range(len(modules.attention)) for head in range(modules.heads)]


def random_sets(heads: Heads, count: int, seed: int) -> list[Heads]:
    """:data:`RANDOM_SETS` sets of ``count`` of ``heads``, each drawn without replacement."""
    draw = random.Random(seed)
    return [sorted(draw.sample(list(heads), count)) for _ in range(RANDOM_SETS)]


def top_heads(heads: Heads, effects: Tensor, scale: float) -> list[tuple[int, int]]:
    """``heads``, beginning with the one that brings the context answer most. ``effects`` is the change in the log-odds
    with each head's attention multiplied by ``scale``: weakening such a head lowers them, strengthening raises them."""
    ranked = (effects if scale < 1 else -effects).argsort(stable=True)
    return [heads[index] for index in ranked.tolist()]


def _halves(items: Sequence[LocatedItem]) -> list[tuple[list[int], list[int]]]:
    """Two divisions of the indices of ``items`` into those that are asked and those on which heads are chosen.

    Chosen and evaluated on the same items, the heads with the largest effects would be those with the luckiest noise.
    All items of a cluster are in the same half. Raises :class:`ValueError` if there is only one cluster.
    """
    clusters = sorted({one.divergence.item.cluster for one in items}, key=lambda name: sha256(name.encode()).digest())
    if len(clusters) < 2:
        raise ValueError(
            "`probes.knockouts.together` chooses heads on items of other clusters, but all sampled items are of one "
            "cluster; sample more items, or remove it"
        )
    half = {cluster: place % 2 for place, cluster in enumerate(clusters)}
    sides = [[index for index, one in enumerate(items) if half[one.divergence.item.cluster] == side] for side in (0, 1)]
    return [(sides[0], sides[1]), (sides[1], sides[0])]


@torch.inference_mode()
def check_knockouts(model: PreTrainedModel) -> None:
    """Raise as :func:`knockout_margins` for a model whose heads cannot be cut off; one head of each layer is tried."""
    modules = transformer_modules(model)
    ids = torch.arange(8, device=model.device)[None]
    context = torch.arange(8, device=model.device)[None] < 4
    with eager(model), ExitStack() as cuts:
        for attention in modules.attention:
            cuts.enter_context(_scaled(attention, [0], modules.heads, context, 0.0))
        model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False)


@torch.inference_mode()
def knockout_margins(
    model: Any, items: Sequence[LocatedItem], cuts: Sequence[Heads], pad_id: int, batch_size: int, scale: float = 0.0
) -> KnockoutResult:
    """The log-odds of ``model`` on each item while the heads of one of ``cuts`` at a time attend to the context with
    ``scale`` times their weights from the last token.

    ``model`` attends as before afterwards. Raises :class:`~inversion.models.ModelError` for a model whose attention
    modules are not found, or are not given a mask.
    """
    modules, whole = transformer_modules(model), plain(model)
    longest = max(len(one.divergence.prefix) for one in items)
    rows = max(1, min(batch_size, _WEIGHTS // (modules.heads * longest**2)))
    found = torch.empty(len(items), len(cuts))
    own = torch.empty(len(items))
    with eager(whole):
        for batch in by_similar_length([len(one.divergence.prefix) for one in items], rows):
            chosen = [items[index] for index in batch]
            points = [one.divergence for one in chosen]
            context = _context(chosen).to(whole.device)
            # only the last token can change
            rereading = Rereading(model, [point.prefix for point in points], pad_id, begin=context.shape[1] - 1)
            own[batch] = margins_of(rereading.own, points).cpu()
            for place, heads in enumerate(cuts):
                with ExitStack() as scaled:
                    for layer in sorted({layer for layer, _ in heads}):
                        of_layer = [head for other, head in heads if other == layer]
                        attention = modules.attention[layer]
                        scaled.enter_context(_scaled(attention, of_layer, modules.heads, context, scale))
                    changed = rereading.logits(min(layer for layer, _ in heads))
                    found[batch, place] = margins_of(changed, points).cpu()
    return KnockoutResult(found, own)


def _context(items: Sequence[LocatedItem]) -> Tensor:
    """Which tokens of a left-padded batch belong to the context: [items, width]."""
    width = max(len(one.divergence.prefix) for one in items)
    flags = torch.zeros(len(items), width, dtype=torch.bool)
    for row, one in enumerate(items):
        flags[row, [width - len(one.divergence.prefix) + place for place in one.places["context"]]] = True
    return flags


@contextmanager
def _scaled(attention: nn.Module, heads: Sequence[int], count: int, context: Tensor, scale: float) -> Iterator[None]:
    """Within the block, ``heads`` of the ``count`` heads of ``attention`` attend to ``context`` with ``scale`` times
    their weights from the last token, relative to those of other keys."""

    def change(module: nn.Module, arguments: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        mask = named.get("attention_mask")
        if mask is None or mask.dim() != 4:
            raise ModelError(
                f"{type(module).__name__} is given no mask of queries and keys, so that its heads cannot be cut off; "
                "leave `probes.knockouts` out for this model"
            )
        if mask.dtype == torch.bool and scale:
            raise ModelError(
                f"{type(module).__name__} is given a mask without numbers, so that its attention cannot be scaled; "
                "use `scales: [0]` in `probes.knockouts` for this model"
            )
        mask = mask.expand(-1, count, -1, -1).clone()
        hidden = 0 if mask.dtype == torch.bool else torch.finfo(mask.dtype).min / 2
        for head in heads:
            last = mask[:, head, -1]
            if not scale:
                last.masked_fill_(context, False if mask.dtype == torch.bool else torch.finfo(mask.dtype).min)
            else:
                # what is added to a score before the softmax multiplies its weight
                last.copy_(torch.where(context & (last > hidden), last + math.log(scale), last))
        return arguments, {**named, "attention_mask": mask}

    handle = attention.register_forward_pre_hook(change, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()
