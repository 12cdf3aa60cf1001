"""The table ``inversions``: how far a run's context reliance rises, falls and recovers, and the verdict."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from inversion.analyse.moments import CROSS_FIT_VARIANCE, Moments, count_flips, moments
from inversion.analyse.panels import ALL, Panel, cluster_codes, panels, whole_and_known
from inversion.analyse.trend import MARGIN, SCATTER, Trend, fit_trend, middle, window_length, window_means
from inversion.analyse.verdicts import decide
from inversion.config.evaluation import KeepCheckpoints
from inversion.config.run import Run
from inversion.records.frames import to_frame
from inversion.records.tables import Inversion
from inversion.score.scorers import SCORERS
from inversion.stats import Bools, Ints, cluster_sums, holm, sign_flip_test

_DRAWS_PER_RESAMPLE = 2
"""Simulated curves per bootstrap resample; a simulated curve is cheaper than a resample of items."""
_DRAWS_PER_TEST = 40
"""Simulated curves for each of the tests that Holm's method corrects together, so that its first step can reject."""


class Primary(NamedTuple):
    """The primary analysis of an experiment. Its tests are corrected together."""

    runs: Sequence[Run]
    scorer: str | None
    """None is the main scorer."""
    prompt: str
    stratum: str = ALL


class _Row(NamedTuple):
    """One row without its verdicts, and the trends if answers that give both count for the context or for memory."""

    row: Inversion
    trend: Trend
    both_context: Trend
    both_parametric: Trend


def inversions(
    items: pl.DataFrame,
    bootstrap: int,
    seed: int = 0,
    *,
    margin: float = MARGIN,
    scatter: float = SCATTER,
    experiments: Mapping[str, Primary] | None = None,
) -> pl.DataFrame:
    """The table ``inversions`` (:class:`~inversion.records.tables.Inversion`) from the table ``items``.

    It has one row per run, conflict set, prompt, scorer and ``stratum``. The strata are ``all`` items and, if there are
    any, the items that the base model knows.

    - ``start`` is the context rate at the first step. ``peak``, ``trough`` and ``end`` are means over windows of
      ``window`` checkpoints. The step of a window is that of its middle checkpoint; for ``end`` it is the last step.
      The fall is the largest from one window to a later one. See :func:`~inversion.analyse.trend.fit_trend`.
    - ``rise`` (start to peak), ``fall`` (peak to trough), ``recovery`` (trough to end) and ``net`` (start to end) have
      one-sided 95 % bounds ``_low`` and ``_high``. The bounds cover the sampling of items (by cluster) and the scatter
      of checkpoints around the trend. They do not cover variation between training runs, for which see the table
      ``experiments``.
    - ``p_value`` tests the hypothesis that the trend never falls. ``p_adjusted`` applies Holm's correction over the
      runs and sets of an experiment's primary analysis; if several experiments share a row, it is the largest. In all
      other rows, which are sensitivity analyses, it is null. Without ``experiments`` each run is an experiment, with
      the main scorer and the first prompt as its primary analysis.
    - ``verdict`` follows :func:`~inversion.analyse.verdicts.decide`. If there is a ``p_adjusted``, it decides whether
      there is a fall. ``verdict_both_context`` and ``verdict_both_parametric`` are the verdicts if answers that give
      both count for the context, or for memory.
    - ``to_parametric`` and ``to_context`` count the items whose majority changes from one answer to the other between
      the peak and the end, which are windows of equal length. ``p_items`` tests the mean change per item by sign flips
      over clusters. All three read each half of the clusters at the peak of the other half
      (:func:`~inversion.analyse.moments.moments`). ``p_items`` tests whether these checkpoints differ; because of the
      checkpoints' scatter, this says nothing about the trend.

    With a single step, or fewer than 5 clusters, bounds are NaN and the verdict is ``inconclusive``. ``bootstrap`` sets
    the number of simulated curves, unless an experiment with many tests needs more.

    Raises :class:`ValueError` for the reasons of :func:`~inversion.analyse.panels.panels`.
    """
    parts = [
        (stratum, part)
        for panel in panels(items)
        if panel.role == "conflict"
        for stratum, part in whole_and_known(panel)
    ]
    primaries = _by_run(parts) if experiments is None else experiments
    family = max((_family_size(primary, parts) for primary in primaries.values()), default=0)
    draws = max(_DRAWS_PER_RESAMPLE * bootstrap, _DRAWS_PER_TEST * family) - 1
    rows = [
        _inversion(part, stratum, scorer, draws, seed, margin, scatter)
        for stratum, part in parts
        for scorer in part.labels
    ]
    adjusted = _adjust([found.row for found in rows], primaries)
    return to_frame([_with_verdicts(found, adjusted.get(place), margin) for place, found in enumerate(rows)], Inversion)


def steps_to_keep(items: pl.DataFrame, keep: KeepCheckpoints) -> set[int]:
    """The steps of one run whose weights the policy ``keep`` retains, computed from the run's labels.

    ``extremes`` retains the first and last step, and for every conflict set and prompt the middle step of the highest
    window of the containment curve (see :func:`inversions`).
    """
    steps = set(items["step"].to_list())
    if keep == "all":
        return steps
    if keep == "none":
        return set()
    kept = {min(steps), max(steps)}
    for panel in panels(items):
        if panel.role == "conflict":
            w = window_length(len(panel.steps))
            first = int(window_means(panel.gives("containment", "context").mean(axis=0), w).argmax())
            kept.add(int(panel.steps[middle(slice(first, first + w))]))
    return kept


def _inversion(panel: Panel, stratum: str, scorer: str, draws: int, seed: int, margin: float, scatter: float) -> _Row:
    """The row of one scorer and stratum. ``panel`` has the items of the stratum only."""
    codes = cluster_codes(panel.clusters)
    sizes = np.bincount(codes).astype(np.float64)
    context, parametric = panel.gives(scorer, "context"), panel.gives(scorer, "parametric")

    def fit(given: Bools) -> Trend:
        return fit_trend(cluster_sums(given.astype(np.float64), codes), sizes, draws, margin, scatter, seed)

    trend = both_context = both_parametric = fit(context)
    both = panel.labels[scorer] == "both"
    if both.any():
        with_both, without = context | both, context & ~both
        both_context = fit(with_both) if (with_both != context).any() else trend
        both_parametric = fit(without) if (without != context).any() else trend
    read = moments(panel, scorer, seed)
    to_parametric, to_context = count_flips(read.majority(context), read.majority(parametric))
    row = Inversion(
        **panel.run._asdict(),
        set=panel.set,
        stratum=stratum,
        prompt=panel.prompt,
        scorer=scorer,
        window=window_length(len(panel.steps)),
        peak_window=trend.peak_window.stop - trend.peak_window.start,
        start=trend.start,
        peak_step=int(panel.steps[middle(trend.peak_window)]),
        peak=trend.peak,
        trough_step=int(panel.steps[middle(trend.trough_window)]),
        trough=trend.trough,
        end_step=int(panel.steps[-1]),
        end=trend.end,
        **{
            f"{name}{suffix}": getattr(getattr(trend, name), field)
            for name in ("rise", "fall", "recovery", "net")
            for suffix, field in (("", "value"), ("_low", "low"), ("_high", "high"))
        },
        to_parametric=to_parametric,
        to_context=to_context,
        p_items=_item_p_value(context, read, codes),
        p_value=trend.fall.p_value,
        p_adjusted=None,
        verdict="",
        verdict_both_context="",
        verdict_both_parametric="",
    )
    return _Row(row, trend, both_context, both_parametric)


def _item_p_value(context: Bools, read: Moments, codes: Ints) -> float:
    """The p-value of the mean change per item between the peak and the end."""
    at_peak, at_end = (read.read(context, moment).sum(axis=1) for moment in ("peak", "end"))
    return sign_flip_test(cluster_sums(at_end - at_peak, codes), variance_ratio=CROSS_FIT_VARIANCE)


def _by_run(parts: Sequence[tuple[str, Panel]]) -> dict[str, Primary]:
    """Each run as a separate experiment."""
    prompt = min((part.prompt for _, part in parts), default="")
    return {run.path: Primary([run], None, prompt) for run in {part.run: None for _, part in parts}}


def _family_size(primary: Primary, parts: Sequence[tuple[str, Panel]]) -> int:
    """How many tests a primary analysis has."""
    runs, analysis = set(primary.runs), (primary.prompt, primary.stratum)
    return sum((part.prompt, stratum) == analysis and part.run in runs for stratum, part in parts)


def main_scorer(scorers: Iterable[str]) -> str:
    """The main scorer among ``scorers``: the one that comes first in :data:`~inversion.score.scorers.SCORERS`."""
    found = set(scorers)
    return next((name for name in SCORERS if name in found), "")


def _run(row: Inversion) -> Run:
    return Run(row.model, row.dataset, row.recipe, row.seed)


def _adjust(rows: Sequence[Inversion], experiments: Mapping[str, Primary]) -> dict[int, float]:
    """The corrected p-values by index of the row, for rows that have a p-value and belong to a primary analysis."""
    found: dict[int, list[float]] = defaultdict(list)
    main = main_scorer(row.scorer for row in rows)
    for primary in experiments.values():
        runs = set(primary.runs)
        family = [
            place
            for place, row in enumerate(rows)
            if (row.scorer, row.prompt, row.stratum) == (primary.scorer or main, primary.prompt, primary.stratum)
            and _run(row) in runs
            and not np.isnan(row.p_value)
        ]
        for place, p_value in zip(family, holm(np.array([rows[place].p_value for place in family])), strict=True):
            found[place].append(float(p_value))
    return {place: max(p_values) for place, p_values in found.items()}


def _with_verdicts(found: _Row, p_adjusted: float | None, margin: float) -> Inversion:
    """The row with its verdicts. The factor by which the p-value was corrected also applies to both other readings."""

    def read(trend: Trend) -> str:
        factor = 1.0 if p_adjusted is None else p_adjusted / found.trend.fall.p_value
        return decide(trend, margin, min(1.0, factor * trend.fall.p_value))

    return dataclasses.replace(
        found.row,
        p_adjusted=p_adjusted,
        verdict=read(found.trend),
        verdict_both_context=read(found.both_context),
        verdict_both_parametric=read(found.both_parametric),
    )
