"""Patching between checkpoints: which component of the network causes a change in the answers between two checkpoints.

One checkpoint reads an item while the output of one of its components, at some of the tokens, is replaced by that of
another checkpoint (causal tracing; Meng et al. 2022; between models as in Prakash et al. 2024). Two models are in
memory, and the outputs of one of them for one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import torch
from torch import Tensor
from transformers import PreTrainedModel

from inversion.config.probes import PatchingProbe
from inversion.manifests import CheckpointEntry
from inversion.models import CheckpointLoader
from inversion.models.transformer_modules import outputs_pass, plain, transformer_modules
from inversion.records.frames import read_frame
from inversion.records.mechanism import COMPONENTS, DONORS, POSITIONS, PatchedMargin
from inversion.respond.batches import by_length, pad, positions
from inversion.respond.milestones import LocatedItem, Milestones, batch_margins, locate_items, margins, milestones
from inversion.respond.probing import FACTS_FILE, ProbedRun, conflict_sample, question_spec
from inversion.respond.resumable import MeasurePart, ResultFiles, measure_checkpoints, weights_of

_NUMBERS = 2**28
"""The maximum size of a donor's outputs for one batch, in numbers: 1 GiB in float32."""


class PatchingResult(NamedTuple):
    """The log-odds of a receiver with and without patches."""

    margins: Tensor
    """The log-odds with each patch: float32 [items, components, layers, positions]."""
    own: Tensor
    """The log-odds without a patch: float32 [items]."""


def probe_patching(run: ProbedRun, probe: PatchingProbe) -> pl.DataFrame:
    """The :class:`PatchedMargin` rows of the peak and the end of ``run``, on a sample of its items.

    The sample has conflict items with a context and two different answers from every set. The probe resumes by donor.
    Its errors are those of :func:`~inversion.respond.milestones.milestones` and
    :func:`~inversion.respond.resumable.measure_checkpoints`.
    """
    chosen = conflict_sample(run.items, probe.items, probe.seed)
    found = milestones(run, chosen, probe, "patching")
    spec = {"version": probe.version, **question_spec(run, chosen)}
    parts = {donor: {step.step: _donor(found, step, donor).digest for step in found[1:]} for donor in DONORS}

    def prepare() -> Callable[[CheckpointEntry], MeasurePart[PatchedMargin]]:
        receivers, donors = (
            CheckpointLoader.on(run.base, run.base_digest, merging=True, tokenizer=run.tokenizer) for _ in range(2)
        )
        pad_id = receivers.tokenizer.pad_token_id
        items = locate_items(run, chosen, receivers.tokenizer, "patching")

        def load(loader: CheckpointLoader, entry: CheckpointEntry) -> Any:
            return loader.load(weights_of(entry, run.base, run.folder))

        def measure(entry: CheckpointEntry) -> MeasurePart[PatchedMargin]:
            receiver = load(receivers, entry)
            rival = margins(
                load(donors, _donor(found, entry, "rival")), [x.divergence for x in items], pad_id, run.batch_size
            )

            def rows(donor: str) -> Iterator[PatchedMargin]:
                giving = _donor(found, entry, donor)
                sources = others(items) if donor == "other_item" else items
                model = receiver if giving.step == entry.step else load(donors, giving)
                patched = patched_margins(receiver, model, items, sources, pad_id, run.batch_size)
                role = "end" if entry.step == found.end.step else "peak"
                for item, by_place, own, other in zip(
                    items, patched.margins.tolist(), patched.own.tolist(), rival.tolist(), strict=True
                ):
                    yield from _rows(entry, role, donor, giving.step, item, by_place, own, other)

            return rows

        return measure

    files = ResultFiles("probes/patching", FACTS_FILE, "patched", ("donor",))
    manifest = measure_checkpoints(run.folder, files, found[1:], spec, parts, prepare, PatchedMargin)
    return pl.concat(read_frame(Path(run.folder) / step.folder / FACTS_FILE, PatchedMargin) for step in manifest.steps)


def check_patching(model: PreTrainedModel) -> None:
    """Raise :class:`~inversion.models.ModelError` for a model whose layers, attention or MLPs are not found."""
    transformer_modules(model)


def _donor(found: Milestones, receiver: CheckpointEntry, donor: str) -> CheckpointEntry:
    """The checkpoint that ``donor`` refers to, for a receiver that is the peak or the end."""
    rival = found.peak if receiver.step == found.end.step else found.end
    return {"rival": rival, "other_item": rival, "start": found.start, "self": receiver}[donor]


def _rows(
    entry: CheckpointEntry,
    role: str,
    donor: str,
    donor_step: int,
    item: LocatedItem,
    by_place: list[list[list[float]]],
    own: float,
    rival: float,
) -> Iterator[PatchedMargin]:
    """The rows of one item. ``by_place`` is nested by components, layers and positions."""
    for component, by_layer in zip(COMPONENTS, by_place, strict=True):
        for layer, by_position in enumerate(by_layer):
            for name, margin in zip(POSITIONS, by_position, strict=True):
                yield PatchedMargin(
                    step=entry.step,
                    epoch=entry.epoch,
                    receiver=role,
                    donor=donor,
                    donor_step=donor_step,
                    set=item.divergence.item.set,
                    item_id=item.divergence.item.item_id,
                    cluster=item.divergence.item.cluster,
                    component=component,
                    layer=layer,
                    positions=name,
                    margin=margin,
                    own=own,
                    rival=rival,
                )


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
    pad_id: int,
    batch_size: int,
) -> PatchingResult:
    """The log-odds of ``receiver`` on each item if one output at a time is replaced by that of ``donor`` on the source.

    The source is the item itself or another item. The tokens of each group are aligned from the end backwards. If the
    source has fewer tokens, its first token is used for the remaining ones. Raises
    :class:`~inversion.models.ModelError` if the components of the model are not found.
    """
    taking, giving = transformer_modules(receiver), transformer_modules(donor)
    layers = len(taking.layers)
    size = plain(receiver).config.get_text_config().hidden_size
    longest = max(len(one.divergence.prefix) for one in [*items, *sources])
    rows = max(1, min(batch_size, _NUMBERS // (len(COMPONENTS) * layers * longest * size)))
    found = torch.empty(len(items), len(COMPONENTS), layers, len(POSITIONS))
    own = torch.empty(len(items))
    for batch in by_length([len(one.divergence.prefix) for one in items], rows):
        here, there = [items[index] for index in batch], [sources[index] for index in batch]
        points = [one.divergence for one in here]
        given = _left_by(donor, giving.writers, there, pad_id)
        own[batch] = batch_margins(receiver, points, pad_id).cpu()
        for group, name in enumerate(POSITIONS):
            chosen, taken = (grid.to(receiver.device) for grid in _lined_up(here, there, name))
            for part, component in enumerate(COMPONENTS):
                for layer, writer in enumerate(taking.writers[component]):
                    with outputs_pass([writer], partial(_replace, chosen, taken, given[component][layer])):
                        found[batch, part, layer, group] = batch_margins(receiver, points, pad_id).cpu()
    return PatchingResult(found, own)


def _replace(chosen: Tensor, taken: Tensor, given: Tensor, _: int, output: Tensor) -> Tensor:
    """``output``, in which the ``chosen`` tokens are replaced by the tokens ``taken`` of ``given``
    (:func:`_lined_up`)."""
    index = taken.unsqueeze(-1).expand(-1, -1, given.shape[-1])
    return torch.where(chosen.unsqueeze(-1), given.to(output).gather(1, index), output)


def _left_by(
    model: Any, writers: Mapping[str, Sequence[Any]], read: Sequence[LocatedItem], pad_id: int
) -> dict[str, list[Tensor]]:
    """The output of each component of ``model`` at every token of a left-padded batch, by component and layer."""
    left: dict[str, list[Tensor]] = {component: [] for component in COMPONENTS}
    every = [(component, module) for component in COMPONENTS for module in writers[component]]

    def keep(index: int, output: Tensor) -> None:
        left[every[index][0]].append(output)  # hooks are called in the order of the layers

    with outputs_pass([module for _, module in every], keep):
        ids, mask = pad([one.divergence.prefix for one in read], pad_id, "left", model.device)
        model(input_ids=ids, attention_mask=mask, position_ids=positions(mask), use_cache=False, logits_to_keep=1)
    return left


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
            for behind, place in enumerate(reversed(places), start=1):
                chosen[row, begin + place] = True
                taken[row, begin + place] = from_begin + given[-min(behind, len(given))]
    return chosen, taken
