"""Measures how far the weights of each part of the network move before and after the peak, and which part's update
changes the answers.

The weights of the start, the peak and the end are compared with merged adapters. Then items are answered by models that
have the weights of one checkpoint in one group of modules, and those of another checkpoint everywhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import torch
from torch import Tensor

from inversion.config.probes import WeightsProbe
from inversion.manifests import CheckpointEntry
from inversion.models import CheckpointLoader, ModelError
from inversion.models.weight_parts import WeightPart, weight_parts
from inversion.records.frames import read_frame
from inversion.records.mechanism import DIRECTIONS, WEIGHT_GROUPS, WeightFact
from inversion.respond.answers import encode_questions
from inversion.respond.milestones import Milestones, margins, milestones
from inversion.respond.probing import FACTS_FILE, Divergence, ProbedRun, conflict_sample, divergences, question_spec
from inversion.respond.resumable import MeasurePart, ResultFiles, measure_checkpoints, weights_of

Weights = Mapping[str, Tensor]
"""The parameters of a model by name, in main memory."""
MarginFunction = Callable[[Weights], Tensor]
"""The log-odds of the model with given weights: float32 [items]."""
TOLERANCE = 1e-3
"""The largest allowed difference in log-odds (nats) between two models with equal weights."""


class MilestoneWeights(NamedTuple):
    """The weights and log-odds of the compared checkpoints by step, and a function that evaluates other weights."""

    weights: dict[int, Weights]
    margins: dict[int, Tensor]
    """Log-odds: float32 [items]."""
    parts: list[WeightPart]
    ask: MarginFunction


def probe_weights(run: ProbedRun, probe: WeightsProbe) -> pl.DataFrame:
    """The :class:`WeightFact` rows of the rise and the fall of ``run``: the updates of its weights, and the answers to
    a sample of its items if single groups of weights are swapped.

    The sample has conflict items with a context and two different answers from every set. Everything, including the
    merging of adapters, is computed in float32. The probe resumes by group of weights. It raises the errors of
    :func:`~inversion.respond.milestones.milestones`, :func:`~inversion.models.weight_parts.weight_parts` and
    :func:`~inversion.respond.resumable.measure_checkpoints`, and :class:`~inversion.models.ModelError` for checkpoints
    that differ in more than the values of their weights.
    """
    chosen = conflict_sample(run.items, probe.items, probe.seed)
    found = milestones(run, chosen, probe, "weights")
    spec = {"version": probe.version, **question_spec(run, chosen)}
    digests = {name: entry.digest for name, entry in found._asdict().items()}

    def prepare() -> Callable[[CheckpointEntry], MeasurePart[WeightFact]]:
        loader = CheckpointLoader.on(
            run.base, run.base_digest, merging=True, tokenizer=run.tokenizer, dtype=torch.float32
        )
        questions = encode_questions(chosen, loader.tokenizer, run.template, {"": run.prompt})
        points = divergences(questions, "weights")
        compared = _load_milestones(run, found, loader, points)

        def measure(entry: CheckpointEntry) -> MeasurePart[WeightFact]:
            return lambda group: _facts(group, found, entry, compared, points)

        return measure

    files = ResultFiles("probes/weights", FACTS_FILE, "compared", ("group",))
    parts = dict.fromkeys(WEIGHT_GROUPS, digests)
    manifest = measure_checkpoints(run.folder, files, found[1:], spec, parts, prepare, WeightFact)
    return pl.concat(read_frame(Path(run.folder) / step.folder / FACTS_FILE, WeightFact) for step in manifest.steps)


def _load_milestones(
    run: ProbedRun, found: Milestones, loader: CheckpointLoader, points: Sequence[Divergence]
) -> MilestoneWeights:
    """Load the milestones, and check that the weights of each give the same answers in the model of the last one."""
    pad_id = loader.tokenizer.pad_token_id
    weights: dict[int, Weights] = {}
    own: dict[int, Tensor] = {}
    steps = {entry.step: entry for entry in found}
    for step, entry in steps.items():
        model = loader.load(folder := weights_of(entry, run.base, run.folder))
        if hasattr(model, "get_base_model"):
            raise ModelError(
                f"the adapter in {folder} cannot be merged into the weights of its base, which `probes.weights` "
                "compares; list whole models, or remove the probe"
            )
        weights[step] = {name: parameter.data.cpu() for name, parameter in model.named_parameters()}
        own[step] = margins(model, points, pad_id, run.batch_size)
    parts, shell = weight_parts(loader.model), loader.model
    for step in weights:
        _require_same_shapes(step, weights[step], found.end.step, weights[found.end.step])

    def ask(taken: Weights) -> Tensor:
        take_weights(shell, taken)
        return margins(shell, points, pad_id, run.batch_size)

    for step in {found.start.step, found.peak.step}:
        if not torch.allclose(ask(weights[step]), own[step], rtol=TOLERANCE, atol=TOLERANCE):
            raise ModelError(
                f"the weights of step {step} answer differently in the model of step {found.end.step}, so these "
                "checkpoints differ in more than their weights; compare their config.json, or remove `probes.weights`"
            )
    return MilestoneWeights(weights, own, parts, ask)


def _require_same_shapes(step: int, weights: Weights, other_step: int, others: Weights) -> None:
    """Raises :class:`ModelError` unless the two checkpoints have the same parameters."""
    shapes, expected = ({name: tuple(x.shape) for name, x in each.items()} for each in (weights, others))
    if different := sorted(dict(shapes.items() ^ expected.items())):
        raise ModelError(
            f"steps {step} and {other_step} differ in the shape of {different[0]} ({shapes.get(different[0])} and "
            f"{expected.get(different[0])}), so that `probes.weights` cannot compare them; remove the probe"
        )


def _facts(
    group: str, found: Milestones, entry: CheckpointEntry, compared: MilestoneWeights, points: Sequence[Divergence]
) -> Iterator[WeightFact]:
    """The facts about one group of weights in the interval that ends with ``entry``."""
    rises = entry.step == found.peak.step
    since = found.start.step if rises else found.peak.step
    fact = partial(
        WeightFact,
        step=entry.step,
        epoch=entry.epoch,
        since=since,
        interval="rise" if rises else "fall",
        group=group,
    )
    parts = [part for part in compared.parts if part.kind in WEIGHT_GROUPS[group]]
    start, peak, end = (compared.weights[each.step] for each in found)
    for (kind, layer), update in updates(parts, start, peak, end, rises).items():
        yield fact(kind=kind, layer=layer, **update._asdict())
    before, after = compared.weights[since], compared.weights[entry.step]
    for direction, own, taken in zip(DIRECTIONS, (before, after), (after, before), strict=True):
        answers = compared.ask(exchanged(parts, own, taken)).tolist()
        for index, (one, margin) in enumerate(zip(points, answers, strict=True)):
            yield fact(
                set=one.item.set,
                item_id=one.item.item_id,
                cluster=one.item.cluster,
                direction=direction,
                margin=margin,
                before=compared.margins[since][index].item(),
                after=compared.margins[entry.step][index].item(),
            )


class Update(NamedTuple):
    """The update of some weights in one interval, as in :class:`WeightFact`."""

    start: float
    norm: float
    other: float
    whole: float
    along_other: float
    along_whole: float


def updates(
    parts: Iterable[WeightPart], start: Weights, peak: Weights, end: Weights, rises: bool
) -> dict[tuple[str, int | None], Update]:
    """The updates of the rise or of the fall by kind and layer, computed in float64."""
    sums: dict[tuple[str, int | None], Tensor] = {}
    for part in parts:
        first, middle, last = (part.of(each[part.name]).double().flatten() for each in (start, peak, end))
        rise, fall, whole = middle - first, last - middle, last - first
        own, other = (rise, fall) if rises else (fall, rise)
        products = ((first, first), (own, own), (other, other), (whole, whole), (own, other), (own, whole))
        key = part.kind, part.layer
        sums[key] = sums.get(key, torch.zeros(6, dtype=torch.float64)) + torch.stack([a @ b for a, b in products])
    return {key: Update(*total[:4].sqrt().tolist(), *total[4:].tolist()) for key, total in sums.items()}


def exchanged(parts: Iterable[WeightPart], own: Weights, taken: Weights) -> Weights:
    """The weights ``own``, with those of ``parts`` replaced by ``taken``."""
    mixed = dict(own)
    for part in parts:
        mixed[part.name] = part.put(mixed[part.name], taken[part.name])
    return mixed


def take_weights(model: Any, weights: Weights) -> None:
    """Replace the weights of ``model`` by ``weights``. They can share memory, so neither must be modified."""
    for name, parameter in model.named_parameters():
        parameter.data = weights[name].to(parameter.device)
