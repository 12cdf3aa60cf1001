"""Patching between checkpoints: which component of the network causes a change in the answers between two checkpoints.

One checkpoint reads an item while the output of one of its components, at some of the tokens, is replaced by that of
another checkpoint (causal tracing; Meng et al. 2022; between models as in Prakash et al. 2024). Two models are in
memory, and the outputs of one of them for one batch.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from inversion.config.datasets import Template
from inversion.config.probes import PatchingProbe
from inversion.manifests import CheckpointEntry
from inversion.models import CheckpointLoader, ModelError
from inversion.models.transformer_modules import (
    head_projections,
    input_passes,
    outputs_pass,
    plain,
    transformer_modules,
)
from inversion.records.frames import read_frame
from inversion.records.mechanism import DONORS, PatchedMargin
from inversion.respond.answers import answer_texts, keeps_keys_only
from inversion.respond.batches import by_length, by_similar_length
from inversion.respond.milestones import (
    LocatedItem,
    Milestones,
    before_the_answer,
    locate_items,
    margins,
    margins_of,
    milestones,
    with_places,
)
from inversion.respond.probing import FACTS_FILE, ProbedRun, conflict_sample, question_spec
from inversion.respond.rereading import Rereading
from inversion.respond.resumable import MeasurePart, ResultFiles, measure_checkpoints, weights_of

_NUMBERS = 2**28
"""The maximum size of a donor's outputs for one batch, in numbers: 1 GiB in float32."""


class Patch(NamedTuple):
    """What is taken from another checkpoint, and at which tokens."""

    component: str
    """One of :data:`~inversion.records.mechanism.COMPONENTS`, or ``head``."""
    layer: int
    head: int | None
    """The head of the layer, if the component is ``head``."""
    positions: str
    """One of :data:`~inversion.records.mechanism.GROUPS`."""


class PatchingResult(NamedTuple):
    """The log-odds of a receiver with and without patches."""

    margins: Tensor
    """The log-odds with each patch: float32 [items, patches]. NaN for an item that has no token of the patch's
    group."""
    own: Tensor
    """The log-odds without a patch, read in the same steps as with it, so that a patch that changes nothing has no
    effect at all: float32 [items, patches], with the same NaN."""


def probe_patching(run: ProbedRun, probe: PatchingProbe) -> pl.DataFrame:
    """The :class:`PatchedMargin` rows of the peak and the end of ``run``, on a sample of its items.

    The sample has conflict items with a context and two different answers from every set. The probe resumes by donor.
    Its errors are those of :func:`~inversion.respond.milestones.milestones` and
    :func:`~inversion.respond.resumable.measure_checkpoints`. Also raises :class:`ValueError` for layers that the model
    does not have, and if no item names its subject in the question but the setting needs it.
    """
    chosen = conflict_sample(run.items, probe.items, probe.seed)
    found = milestones(run, chosen, probe, "patching")
    before = as_far_before(found, run.steps)
    spec = {
        "version": probe.version,
        **question_spec(run, chosen),
        **probe.model_dump(mode="json", include={"components", "positions", "layers", "answers"}),
        "max_new_tokens": run.max_new_tokens if probe.answers else 0,
    }
    donors = [donor for donor in DONORS if donor != "before" or before]
    parts = {donor: {step.step: _donor(found, before, step, donor).digest for step in found[1:]} for donor in donors}

    def prepare() -> Callable[[CheckpointEntry], MeasurePart[PatchedMargin]]:
        receivers, givers = (
            CheckpointLoader.on(run.base, run.base_digest, merging=True, tokenizer=run.tokenizer) for _ in range(2)
        )
        tokenizer = receivers.tokenizer
        items = locate_items(run, chosen, tokenizer, "patching")
        for group in dict.fromkeys(probe.positions):
            with_places(items, group, "patching")
        ask = partial(margins, points=[x.divergence for x in items], pad_id=tokenizer.pad_token_id)
        answer = partial(
            answers, tokenizer=tokenizer, template=run.template, max_new_tokens=run.max_new_tokens, size=run.batch_size
        )
        prompts = [before_the_answer(item) for item in items]

        def load(loader: CheckpointLoader, entry: CheckpointEntry) -> Any:
            return loader.load(weights_of(entry, run.base, run.folder))

        def measure(entry: CheckpointEntry) -> MeasurePart[PatchedMargin]:
            receiver = load(receivers, entry)
            patches = every_patch(receiver, probe)
            answered = [patch for patch in patches if patch.layer in probe.answers]
            rival = load(givers, _donor(found, before, entry, "rival"))
            rival_margins = ask(rival, batch_size=run.batch_size).tolist()
            own_texts, rival_texts = ([], []) if not answered else (answer(receiver, prompts), answer(rival, prompts))

            def rows(donor: str) -> Iterator[PatchedMargin]:
                giving = _donor(found, before, entry, donor)
                sources = others(items) if donor == "other_item" else items
                model = receiver if giving.step == entry.step else load(givers, giving)
                result = patched_margins(
                    receiver, model, items, sources, patches, tokenizer.pad_token_id, run.batch_size
                )
                written: dict[Patch, list[str | None]] = {}
                if answered:
                    read = [before_the_answer(item) for item in sources]
                    written = patched_answers(
                        receiver, model, prompts, read, answered, tokenizer, run.template, run.max_new_tokens,
                        run.batch_size,
                    )  # fmt: skip
                for place, item in enumerate(items):
                    row = partial(
                        PatchedMargin,
                        step=entry.step,
                        epoch=entry.epoch,
                        receiver="end" if entry.step == found.end.step else "peak",
                        donor=donor,
                        donor_step=giving.step,
                        set=item.divergence.item.set,
                        item_id=item.divergence.item.item_id,
                        cluster=item.divergence.item.cluster,
                        rival=rival_margins[place],
                    )
                    of_item = result.margins[place].tolist(), result.own[place].tolist()
                    for patch, margin, own in zip(patches, *of_item, strict=True):
                        if math.isnan(margin):
                            continue
                        if patch not in written:
                            yield row(**patch._asdict(), margin=margin, own=own)
                            continue
                        yield row(
                            **patch._asdict(),
                            margin=margin,
                            own=own,
                            text=written[patch][place],
                            own_text=own_texts[place],
                            rival_text=rival_texts[place],
                            item=json.dumps(asdict(item.divergence.item), sort_keys=True),
                        )

            return rows

        return measure

    files = ResultFiles("probes/patching", FACTS_FILE, "patched", ("donor",))
    manifest = measure_checkpoints(run.folder, files, found[1:], spec, parts, prepare, PatchedMargin)
    return pl.concat(read_frame(Path(run.folder) / step.folder / FACTS_FILE, PatchedMargin) for step in manifest.steps)


def check_patching(model: PreTrainedModel) -> None:
    """Raise :class:`~inversion.models.ModelError` for a model whose layers, attention or MLPs are not found."""
    transformer_modules(model)


def as_far_before(found: Milestones, steps: Sequence[CheckpointEntry]) -> CheckpointEntry | None:
    """The checkpoint between the start and the peak whose distance from the peak is nearest to that of the end, in
    steps. None if the start is nearer to that distance, or equally near."""
    target = 2 * found.peak.step - found.end.step
    between = [entry for entry in steps if found.start.step < entry.step < found.peak.step]
    nearest = min([found.start, *between], key=lambda entry: abs(entry.step - target))
    return None if nearest.step == found.start.step else nearest


def _donor(found: Milestones, before: CheckpointEntry | None, receiver: CheckpointEntry, donor: str) -> CheckpointEntry:
    """The checkpoint that ``donor`` refers to, for a receiver that is the peak or the end."""
    rival = found.peak if receiver.step == found.end.step else found.end
    named = {"rival": rival, "other_item": rival, "start": found.start, "before": before, "self": receiver}
    return named[donor] or found.start


def every_patch(model: Any, probe: PatchingProbe) -> list[Patch]:
    """All patches that ``probe`` asks for. Raises :class:`ValueError` for a layer that ``model`` does not have."""
    modules = transformer_modules(model)
    count = len(modules.layers)
    if (reason := probe.misfit(count, modules.heads)) is not None:
        raise ValueError(reason)
    return [
        Patch(component, layer, head, group)
        for component in dict.fromkeys(probe.components)
        for layer in (range(count) if probe.layers is None else sorted({*probe.layers}))
        for head in (range(modules.heads) if component == "head" else (None,))
        for group in dict.fromkeys(probe.positions)
    ]


def others(items: Sequence[LocatedItem]) -> list[LocatedItem]:
    """For each item an unrelated one: the next item of its set, cyclically, that belongs to another cluster.

    Raises :class:`ValueError` if all items of a set belong to one cluster.
    """
    found = []
    for index, one in enumerate(items):
        turned = [*items[index + 1 :], *items[:index]]
        other = next(
            (
                each
                for each in turned
                if each.divergence.item.set == one.divergence.item.set
                and each.divergence.item.cluster != one.divergence.item.cluster
            ),
            None,
        )
        if other is None:
            raise ValueError(
                f"sets.{one.divergence.item.set}: all items that `probes.patching` samples are of one cluster, so that "
                "none is unrelated to another; sample more items"
            )
        found.append(other)
    return found


@torch.inference_mode()
def patched_margins(
    receiver: Any,
    donor: Any,
    items: Sequence[LocatedItem],
    sources: Sequence[LocatedItem],
    patches: Sequence[Patch],
    pad_id: int,
    batch_size: int,
) -> PatchingResult:
    """The log-odds of ``receiver`` on each item with each of ``patches`` from ``donor`` on the source.

    The source is the item itself or another item. The tokens of each group are aligned from the end backwards. If the
    source has fewer tokens, its first token is used for the remaining ones. Raises
    :class:`~inversion.models.ModelError` if the components of the model are not found.
    """
    found, own = (torch.full((len(items), len(patches)), math.nan) for _ in range(2))
    places = {patch: place for place, patch in enumerate(patches)}
    skips = None
    for one in _patchings(receiver, donor, items, sources, patches, pad_id, batch_size):
        points = [items[index].divergence for index in one.batch]
        rereading = Rereading(receiver, [point.prefix for point in points], pad_id, one.begin, skips)
        skips = rereading.skips
        for patch, patching in one.patchings:
            with patching(rereading.begin):
                found[one.batch, places[patch]] = margins_of(rereading.logits(patch.layer), points).cpu()
            own[one.batch, places[patch]] = margins_of(rereading.own, points).cpu()
    for place, patch in enumerate(patches):
        missing = [index for index, pair in enumerate(zip(items, sources, strict=True)) if not _has(patch, *pair)]
        found[missing, place] = own[missing, place] = math.nan
    return PatchingResult(found, own)


@torch.inference_mode()
def patched_answers(
    receiver: Any,
    donor: Any,
    items: Sequence[LocatedItem],
    sources: Sequence[LocatedItem],
    patches: Sequence[Patch],
    tokenizer: PreTrainedTokenizerBase,
    template: Template,
    max_new_tokens: int,
    batch_size: int,
) -> dict[Patch, list[str | None]]:
    """The greedy answers of ``receiver`` to each item with each of ``patches``, as in :func:`patched_margins`.

    The prefixes of ``items`` and ``sources`` must be prompts. Only the reading of the prompt is patched: the answer is
    generated by the unchanged receiver, from the keys and values of the patched pass. None for an item that has no
    token of the patch's group.
    """
    _require_cache(receiver)
    pad_id = tokenizer.pad_token_id
    found: dict[Patch, list[str | None]] = {patch: [None] * len(items) for patch in patches}
    for one in _patchings(receiver, donor, items, sources, patches, pad_id, batch_size):
        prompts = [items[index].divergence.prefix for index in one.batch]
        for patch, patching in one.patchings:
            texts = answer_texts(receiver, tokenizer, prompts, template, max_new_tokens, patching(0))
            for index, text in zip(one.batch, texts, strict=True):
                if _has(patch, items[index], sources[index]):
                    found[patch][index] = text
    return found


@torch.inference_mode()
def answers(
    model: Any,
    items: Sequence[LocatedItem],
    tokenizer: PreTrainedTokenizerBase,
    template: Template,
    max_new_tokens: int,
    size: int,
) -> list[str]:
    """The greedy answers of ``model`` to each item, whose prefix must be a prompt, in batches of ``size``."""
    _require_cache(model)
    found = [""] * len(items)
    for batch in by_length([len(one.divergence.prefix) for one in items], size):
        prompts = [items[index].divergence.prefix for index in batch]
        for index, text in zip(batch, answer_texts(model, tokenizer, prompts, template, max_new_tokens), strict=True):
            found[index] = text
    return found


def _require_cache(model: Any) -> None:
    """Raises :class:`ModelError` for a model that cannot continue an answer from keys and values alone."""
    if not keeps_keys_only(model):
        raise ModelError(
            f"models of type {plain(model).config.model_type} have layers with a memory of their own (state spaces or "
            "convolutions), so that a patched reading cannot be continued; remove `probes.patching.answers`"
        )


def _has(patch: Patch, item: LocatedItem, source: LocatedItem) -> bool:
    """Whether both the item and its source have tokens of the patch's group."""
    return bool(item.places[patch.positions] and source.places[patch.positions])


class _Patchings(NamedTuple):
    """The patches of one group of tokens for one batch of items."""

    batch: list[int]
    """The indices of the items."""
    begin: int
    """The first column of the left-padded batch that is patched."""
    patchings: Sequence[tuple[Patch, Callable[[int], AbstractContextManager[None]]]]
    """Each patch, and a function that returns a context within which the receiver reads the columns of the batch from
    a given one on with this patch."""


def _patchings(
    receiver: Any,
    donor: Any,
    items: Sequence[LocatedItem],
    sources: Sequence[LocatedItem],
    patches: Sequence[Patch],
    pad_id: int,
    batch_size: int,
) -> Iterator[_Patchings]:
    """All ``patches``, by batches of items and groups of tokens. Groups of which no item has a token are omitted."""
    components = list(dict.fromkeys(patch.component for patch in patches))
    layers = sorted({patch.layer for patch in patches})
    taking, giving = _modules(receiver, components), _modules(donor, components)
    modules = transformer_modules(receiver)
    size = plain(receiver).config.get_text_config().hidden_size
    longest = max(len(one.divergence.prefix) for one in [*items, *sources])
    kept = len(components) * len(layers) + len(modules.layers)
    rows = max(1, min(batch_size, _NUMBERS // max(1, kept * longest * size)))
    for batch in by_similar_length([len(one.divergence.prefix) for one in items], rows):
        here, there = [items[index] for index in batch], [sources[index] for index in batch]
        for group in dict.fromkeys(patch.positions for patch in patches):
            chosen, taken = _lined_up(here, there, group)
            if not chosen.any():
                continue
            begin, taken_from = int(chosen.any(0).nonzero().min()), int(taken[chosen].min())
            states = _left_by(donor, giving, layers, there, pad_id, taken_from)
            grid = chosen.to(receiver.device), (taken - taken_from).clamp(min=0).to(receiver.device)
            patchings = [
                (patch, partial(_patching, patch, taking, states, *grid, modules.heads))
                for patch in patches
                if patch.positions == group
            ]
            yield _Patchings(batch, begin, patchings)


def _patching(
    patch: Patch,
    modules: Mapping[str, Sequence[nn.Module]],
    given: Mapping[tuple[str, int], Tensor],
    chosen: Tensor,
    taken: Tensor,
    heads: int,
    begin: int,
) -> AbstractContextManager[None]:
    """A context within which ``modules`` read the columns from ``begin`` on with ``patch``: what they give is replaced
    by what is ``given``, which begins at the first column that is taken."""
    module, states = modules[patch.component][patch.layer], given[patch.component, patch.layer]
    chosen, taken = chosen[:, begin:], taken[:, begin:]
    if patch.head is None:
        return outputs_pass([module], lambda _, output: _replace(chosen, taken, states, output))
    width = states.shape[-1] // heads
    part = slice(patch.head * width, (patch.head + 1) * width)
    return input_passes(module, lambda own: _replace(chosen, taken, states, own, part))


def _modules(model: Any, components: Sequence[str]) -> dict[str, list[nn.Module]]:
    """For each component, the module of each layer whose output it is; for ``head``, whose input is all heads."""
    writers = transformer_modules(model).writers
    return {name: head_projections(model) if name == "head" else writers[name] for name in components}


def _replace(chosen: Tensor, taken: Tensor, given: Tensor, states: Tensor, part: slice = slice(None)) -> Tensor:
    """``states``, in which a ``part`` of the ``chosen`` tokens is replaced by that of the tokens ``taken`` of ``given``
    (:func:`_lined_up`)."""
    index = taken.unsqueeze(-1).expand(-1, -1, given.shape[-1])
    replaced = torch.where(chosen.unsqueeze(-1), given.to(states).gather(1, index), states)
    changed = states.clone()
    changed[..., part] = replaced[..., part]
    return changed


def _left_by(
    model: Any,
    modules: Mapping[str, Sequence[nn.Module]],
    layers: Sequence[int],
    read: Sequence[LocatedItem],
    pad_id: int,
    begin: int,
) -> dict[tuple[str, int], Tensor]:
    """What each component of some ``layers`` of ``model`` gives at the columns of a left-padded batch from ``begin``
    on."""
    left: dict[tuple[str, int], Tensor] = {}

    def keep(place: tuple[str, int], *states: Any) -> None:
        left[place] = states[-1]

    with ExitStack() as hooks:
        for component, of_component in modules.items():
            for layer in layers:
                keep_this = partial(keep, (component, layer))
                module = of_component[layer]
                hooks.enter_context(
                    input_passes(module, keep_this) if component == "head" else outputs_pass([module], keep_this)
                )
        rereading = Rereading(model, [one.divergence.prefix for one in read], pad_id, begin, skips=False)
    return {place: states[:, begin - rereading.begin :] for place, states in left.items()}


def _lined_up(here: Sequence[LocatedItem], there: Sequence[LocatedItem], name: str) -> tuple[Tensor, Tensor]:
    """Which tokens of the left-padded batch ``here`` are patched, and the index of the token of the left-padded batch
    ``there`` that each receives: two tensors [items, width]."""
    width, wide = (max(len(one.divergence.prefix) for one in side) for side in (here, there))
    chosen = torch.zeros(len(here), width, dtype=torch.bool)
    taken = torch.zeros(len(here), width, dtype=torch.long)
    for row, (one, other) in enumerate(zip(here, there, strict=True)):
        begin, from_begin = width - len(one.divergence.prefix), wide - len(other.divergence.prefix)
        for group in ("context", "question", "last") if name == "all" else (name,):
            places, given = one.places[group], other.places[group]
            for behind, place in enumerate(reversed(places if given else []), start=1):
                chosen[row, begin + place] = True
                taken[row, begin + place] = from_begin + given[-min(behind, len(given))]
    return chosen, taken
