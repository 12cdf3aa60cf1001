"""The table ``inversions``: where a run's context answers turn, how far they fall, and the verdict."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Literal, NamedTuple

import numpy as np
import polars as pl

from inversion.analyse.panels import Bools, Panel, cluster_codes, generator, panels, whole_and_known
from inversion.artifacts import sha256_bytes
from inversion.config.evaluation import KeepCheckpoints
from inversion.records.frames import to_frame
from inversion.records.tables import Inversion
from inversion.stats import Floats, Ints, agreeing, cluster_sums, cluster_weights, holm, interval, mcnemar

NEGLIGIBLE = 0.05
"""A rise or drop whose interval lies below this is taken to be none."""
FEWEST_CLUSTERS = 20
"""Clusters below which resampling them says too little of other items for a verdict."""
Verdict = Literal["inversion", "no_drop", "no_rise", "inconclusive"]


def inversions(items: pl.DataFrame, bootstrap: int, seed: int = 0) -> pl.DataFrame:
    """The table ``inversions`` (:class:`~inversion.records.tables.Inversion`) from the table ``items``.

    A row a run, conflict set, prompt and scorer, over ``all`` items and, where there are any, over those that
    the base model knows (``stratum``):

    - ``start`` is the context rate at the first step; ``end`` its mean over the checkpoints in the last
      tenth of the steps (above 0.9 x the last step; the last always belongs), ``end_step`` the last step.
    - ``peak`` is picked on one half of the items and one checkpoint, and read on others, so that picking
      a maximum does not make a drop: the clusters are split into two halves, each half picks its best
      step, and every item is read at the checkpoint *after* the one that the *other* half picked (both
      ways, averaged over the items), because a checkpoint that is high by accident is so for both halves.
      See :func:`reading_places`. Rise is peak - start, drop peak - end. ``peak_step`` is the best step of
      all clusters together, the earliest of equals: it says where the curve turns, and the rate at it is
      usually above ``peak``.
    - Intervals resample the clusters within each half and repeat all this, the picking included. They
      cover the sampling of items, not of training runs: for that, compare seeds.
    - Known items are so by the base model alone: every comparison pairs the same items at both ends.
    - ``p_value`` is an exact McNemar test of "answered with the context", at the peak (where it is read)
      against the end (an item's majority over the end's checkpoints, a tie settled by
      the last), the discordant items of both halves pooled; items count singly here, also where
      they share a cluster. ``p_adjusted`` is corrected by Holm's method over the whole table.
    - ``to_parametric`` and ``to_context`` count the items that change from one answer to the other;
      by containment, items with both answers are in neither.
    - ``verdict``: see :func:`verdict`. With a single step, or fewer than :data:`FEWEST_CLUSTERS` clusters, bounds
      are NaN and it is ``inconclusive``; with a single cluster there is no other half, so the peak is NaN
      and the test compares the start. Where all items agree no resample differs: bounds are then those
      of so many agreeing items (:func:`~inversion.stats.agreeing`).

    ``bootstrap`` is the number of resamples. Raises as :func:`~inversion.analyse.panels.panels`.
    """
    rows = [
        _inversion(part, stratum, scorer, bootstrap, seed)
        for panel in panels(items)
        if panel.role == "conflict"
        for stratum, part in whole_and_known(panel)
        for scorer in part.labels
    ]
    adjusted = holm(np.array([row.p_value for row in rows]))
    return to_frame(
        [dataclasses.replace(row, p_adjusted=float(p)) for row, p in zip(rows, adjusted, strict=True)], Inversion
    )


def verdict(rise_low: float, rise_high: float, drop_low: float, drop_high: float) -> Verdict:
    """What the 95 % intervals of rise and drop say; the first that holds of:

    ``inversion``: both lie above 0; ``no_drop``: the rise lies above 0 and the drop below 0.05;
    ``no_rise``: the rise lies below 0.05; ``inconclusive``: anything else, NaN included.
    """
    if rise_low > 0 and drop_low > 0:
        return "inversion"
    if rise_low > 0 and drop_high < NEGLIGIBLE:
        return "no_drop"
    if rise_high < NEGLIGIBLE:
        return "no_rise"
    return "inconclusive"


def steps_to_keep(items: pl.DataFrame, keep: KeepCheckpoints) -> set[int]:
    """The steps of one run, by its labels, whose weights stay under ``keep``.

    ``extremes`` are the first and the last step, and for every conflict set and prompt the ``peak_step``
    by containment (see :func:`inversions`).
    """
    steps = set(items["step"].to_list())
    if keep == "all":
        return steps
    if keep == "none":
        return set()
    conflicts = (panel for panel in panels(items) if panel.role == "conflict")
    return {min(steps), max(steps)} | {
        int(panel.steps[panel.gives("containment", "context").sum(axis=0).argmax()]) for panel in conflicts
    }


class _Path(NamedTuple):
    """Context rates, one a resample."""

    start: Floats
    peak: Floats
    end: Floats


def _inversion(panel: Panel, stratum: str, scorer: str, bootstrap: int, seed: int) -> Inversion:
    """The row of one panel, stratum (whose items it holds) and scorer, its p-value not yet corrected."""
    codes = cluster_codes(panel.clusters)
    half = _first_half(np.unique(panel.clusters), seed)
    closing = closing_steps(panel.steps)
    context, parametric = panel.gives(scorer, "context"), panel.gives(scorer, "parametric")

    sums = cluster_sums(context.astype(np.float64), codes)
    sizes = np.bincount(codes).astype(np.float64)
    found = _cross_fit(sums, sizes, half, np.ones((1, len(half))), closing)
    start, peak, end = (float(rate[0]) for rate in found)
    resampled = _resample(sums, sizes, half, closing, bootstrap, generator(seed, panel.set))
    rise_low, rise_high = agreeing(interval(resampled.peak - resampled.start), len(codes))
    drop_low, drop_high = agreeing(interval(resampled.peak - resampled.end), len(codes))

    at_peak = _peak_steps(context, codes, half, closing)
    rows = np.arange(len(codes))
    peak_context, peak_parametric = context[rows, at_peak], parametric[rows, at_peak]
    end_context, end_parametric = majority(context[:, -closing:]), majority(parametric[:, -closing:])
    return Inversion(
        **panel.run._asdict(),
        set=panel.set,
        stratum=stratum,
        prompt=panel.prompt,
        scorer=scorer,
        start=start,
        peak_step=int(panel.steps[sums.sum(axis=0).argmax()]),
        peak=peak,
        end_step=int(panel.steps[-1]),
        end=end,
        rise=peak - start,
        rise_low=rise_low,
        rise_high=rise_high,
        drop=peak - end,
        drop_low=drop_low,
        drop_high=drop_high,
        to_parametric=count(peak_context, ~peak_parametric, ~end_context, end_parametric),
        to_context=count(~peak_context, peak_parametric, end_context, ~end_parametric),
        p_value=mcnemar(count(peak_context, ~end_context), count(~peak_context, end_context)),
        p_adjusted=float("nan"),
        verdict=verdict(rise_low, rise_high, drop_low, drop_high),
    )


def closing_steps(steps: Ints) -> int:
    """How many of the last checkpoints, whose steps ascend, are the end: those in the last tenth, at least the last."""
    return max(1, int((steps > 0.9 * steps[-1]).sum()))


def peak_places(panel: Panel, scorer: str, seed: int) -> Ints:
    """The index of the step at which each item's peak is read, as in :func:`inversions`."""
    half, closing = _first_half(np.unique(panel.clusters), seed), closing_steps(panel.steps)
    return _peak_steps(panel.gives(scorer, "context"), cluster_codes(panel.clusters), half, closing)


def reading_places(steps: int, closing: int) -> Ints:
    """Where a peak is read that is picked at each of so many checkpoints, the last ``closing`` of which are the end.

    One checkpoint later, and one earlier where the end follows; a peak within the end at the last checkpoint before it.
    At itself where none is left beside start and end, and at the start, which nobody picks from many.
    """
    last = steps - closing - 1
    picked = np.arange(steps)
    read = np.where(picked < last, picked + 1, np.where(picked == last, last - 1, last))
    return np.where((picked == 0) | (read < 1), picked, read)


def _peak_steps(context: Bools, codes: Ints, half: Bools, closing: int) -> Ints:
    """The index of the step at which each item's peak is read, by what the other half of the clusters picks."""
    sums = cluster_sums(context.astype(np.float64), codes)
    picked = np.where(half, sums[~half].sum(axis=0).argmax(), sums[half].sum(axis=0).argmax())
    return np.asarray(reading_places(context.shape[1], closing)[picked][codes])


def _first_half(clusters: Iterable[str], seed: int) -> Bools:
    """Whether each cluster is in the first half: every second one by the hash of seed and name."""
    hashes = np.array([sha256_bytes(f"{seed}:{cluster}".encode()) for cluster in clusters])
    rank = hashes.argsort(kind="stable").argsort(kind="stable")
    return np.asarray(rank % 2 == 0)


def _cross_fit(sums: Floats, sizes: Floats, half: Bools, weights: Floats, closing: int) -> _Path:
    """Start, cross-fitted peak and end under each row of cluster weights.

    ``sums`` is (clusters, steps): items answered with the context; ``sizes`` the items of each cluster;
    ``weights`` (resamples, clusters); the last ``closing`` steps are the end. Without a second half the
    peak is NaN.
    """
    first, second = weights[:, half] @ sums[half], weights[:, ~half] @ sums[~half]
    total = (weights @ sizes)[:, None]
    read = reading_places(sums.shape[1], closing)
    peak = np.take_along_axis(first, read[second.argmax(axis=1, keepdims=True)], axis=1)
    peak = peak + np.take_along_axis(second, read[first.argmax(axis=1, keepdims=True)], axis=1)
    if half.all():
        peak = np.full_like(peak, np.nan)
    rates = (first + second) / total
    return _Path(rates[:, 0], (peak / total)[:, 0], rates[:, -closing:].mean(axis=1))


def _resample(
    sums: Floats, sizes: Floats, half: Bools, closing: int, bootstrap: int, rng: np.random.Generator
) -> _Path:
    """:func:`_cross_fit` with the clusters of each half drawn anew; NaN where nothing can vary."""
    if sums.shape[1] < 2 or len(half) < FEWEST_CLUSTERS:
        return _Path(*np.full((3, bootstrap), np.nan))
    weights = np.empty((bootstrap, len(half)))
    weights[:, half] = cluster_weights(int(half.sum()), bootstrap, rng)
    weights[:, ~half] = cluster_weights(int((~half).sum()), bootstrap, rng)
    return _cross_fit(sums, sizes, half, weights, closing)


def majority(given: Bools) -> Bools:
    """Whether each item is true at most of the steps, a tie settled by the last: from (items, steps)."""
    share = given.mean(axis=1)
    return np.asarray((share > 0.5) | ((share == 0.5) & given[:, -1]))


def count(*conditions: Bools) -> int:
    """Items for which all conditions hold."""
    return int(np.logical_and.reduce(conditions).sum())
