"""The table ``tradeoffs``: how much context reliance each recipe and prompt gains, and what it costs elsewhere."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from inversion.analyse.benchmarks import ID_ACCURACY, LM_EVAL, score_grid
from inversion.analyse.curves import CONTROL_MEAN
from inversion.analyse.moments import Moments, moments
from inversion.analyse.panels import (
    CONTROL_SCORERS,
    Panel,
    Strings,
    is_correct,
    panels,
)
from inversion.analyse.trend import window_length
from inversion.config.run import Run
from inversion.records.answers import BenchmarkScore
from inversion.records.data import conflict_set_of
from inversion.records.frames import require_schema, to_frame
from inversion.records.tables import Tradeoff
from inversion.stats import (
    Floats,
    cluster_influence,
    cluster_sums,
    difference_interval,
    holm,
    rate_interval,
    sign_flip_test,
)


class MetricKey(NamedTuple):
    """What is compared between runs: one metric of one scorer on one set under one prompt."""

    prompt: str
    set: str
    scorer: str
    metric: str


class SetScores(NamedTuple):
    """The scores of the items of one set: at the end and, if the set has a peak, at the peak."""

    set: str
    items: Strings
    clusters: Strings
    end_step: int
    scores: Floats
    """End, and peak if there is one: (items, 1 or 2)."""
    window: int
    """The number of checkpoints over which each score is averaged."""


RunScores = dict[MetricKey, list[SetScores]]
"""The scores of one run. A metric is averaged over the items of each set, and then over the sets in its list."""


class ComparedRuns(NamedTuple):
    """The runs and prompts that one experiment compares."""

    runs: Sequence[Run]
    prompts: Sequence[str]


class Reference(NamedTuple):
    """The recipe and the prompt with which the others are compared. ``recipe`` is None if there is no such recipe."""

    recipe: str | None
    prompt: str

    def run(self, run: Run) -> Run | None:
        """The run with which ``run`` is compared, or None."""
        return run._replace(recipe=self.recipe) if self.recipe is not None else None

    def key(self, key: MetricKey) -> MetricKey:
        """The metric with which ``key`` is compared. Benchmarks have a single prompt, which is kept."""
        return key if key.prompt == LM_EVAL else key._replace(prompt=self.prompt)


def tradeoffs(
    run_scores: Mapping[Run, RunScores],
    experiments: Mapping[str, ComparedRuns],
    reference: Reference,
) -> pl.DataFrame:
    """The table ``tradeoffs`` (:class:`~inversion.records.tables.Tradeoff`): one row per experiment, run and metric.

    - ``end`` and ``peak`` are means over windows of equal length (:func:`~inversion.analyse.moments.moments`). The
      controls of a conflict set (``{set}+matching`` and others) are read at the peak of that set. Sets that belong to
      no conflict set have no peak.
    - ``difference`` is ``end`` minus that of the reference with the same model, dataset and seed, item by item. It is
      null for the reference itself, and in experiments without a reference.
    - Intervals are those of :func:`~inversion.stats.rate_interval` and :func:`~inversion.stats.difference_interval`.
      They cover the sampling of items. They cover neither the uncertainty of where the peak is nor the variation
      between training runs; for the latter, compare seeds. A cluster that several sets of a mean share counts once.
    - ``p_value`` tests the mean difference per item by sign flips over clusters. ``p_adjusted`` is corrected by Holm's
      method over the experiment.

    ``run_scores`` has the results of :func:`item_scores` and :func:`benchmark_scores`. Raises :class:`ValueError` if
    two runs that are compared have different items.
    """
    rows: list[Tradeoff] = []
    for experiment, (runs, prompts) in experiments.items():
        found = [
            _row(experiment, run, key, parts, _compared(run, key, run_scores, runs, reference))
            for run in runs
            for key, parts in sorted(run_scores.get(run, {}).items())
            if key.prompt in (*prompts, LM_EVAL)
        ]
        adjusted = iter(holm(np.array([row.p_value for row in found if row.p_value is not None])))
        rows += [
            row if row.p_value is None else dataclasses.replace(row, p_adjusted=float(next(adjusted))) for row in found
        ]
    return to_frame(rows, Tradeoff)


def item_scores(items: pl.DataFrame, seed: int = 0) -> dict[Run, RunScores]:
    """Scores from the table ``items``: context answers on conflict sets, and correct answers on control sets.

    The set ``control mean`` is the mean over a run's control sets. ``seed`` determines how clusters are split into
    halves to find peaks. Raises :class:`ValueError` for the reasons of :func:`~inversion.analyse.panels.panels`.
    """
    run_scores: dict[Run, RunScores] = defaultdict(dict)
    peaks: dict[tuple[Run, str, str, str], dict[str, int]] = {}
    found = list(panels(items))
    for panel in found:
        if panel.role == "conflict":
            for scorer in panel.labels:
                first = moments(panel, scorer, seed).peaks
                peaks[panel.run, panel.prompt, panel.set, scorer] = dict(
                    zip(panel.clusters, first.tolist(), strict=True)
                )
    for panel in found:
        conflict = panel.role == "conflict"
        owner = panel.set if conflict else conflict_set_of(panel.set)
        for scorer in panel.labels:
            if not conflict and scorer not in CONTROL_SCORERS:
                continue
            owned = peaks.get((panel.run, panel.prompt, owner, scorer)) if owner else None
            given = panel.gives(scorer, "context") if conflict else is_correct(panel, scorer)
            part = _set_scores(panel, given.astype(np.float64), owned)
            metric = "context_rate" if conflict else "accuracy"
            run_scores[panel.run][MetricKey(panel.prompt, panel.set, scorer, metric)] = [part]
            if not conflict:
                mean = MetricKey(panel.prompt, CONTROL_MEAN, scorer, metric)
                run_scores[panel.run].setdefault(mean, []).append(part._replace(scores=part.scores[:, :1]))
    return dict(run_scores)


def benchmark_scores(
    scores: pl.DataFrame, run: Run, metrics: Mapping[str, str], id_benchmarks: Sequence[str]
) -> RunScores:
    """Scores of every benchmark of a run, and ``ID accuracy``, the mean over ``id_benchmarks``.

    Arguments and errors are those of :func:`~inversion.analyse.benchmarks.with_benchmarks`.
    """
    require_schema(scores, BenchmarkScore, "benchmarks")
    steps = np.array(sorted(scores["step"].unique()))
    run_scores: RunScores = {}
    for name, metric in metrics.items():
        grid = score_grid(scores, name, metric, len(steps), run)
        questions = np.array([f"{name}/{i}" for i in range(len(grid))], dtype=object)
        window = window_length(len(steps))
        end = grid[:, -window:].mean(axis=1, keepdims=True)
        run_scores[MetricKey(LM_EVAL, name, metric, "accuracy")] = [
            SetScores(name, questions, questions, int(steps[-1]), end, window)
        ]
    if id_benchmarks:
        run_scores[MetricKey(LM_EVAL, ID_ACCURACY, LM_EVAL, "accuracy")] = [
            part for key, parts in run_scores.items() if key.set in id_benchmarks for part in parts
        ]
    return run_scores


def _set_scores(panel: Panel, given: Floats, peaks: Mapping[str, int] | None) -> SetScores:
    """The scores of a panel's items from ``given`` (items, steps). ``peaks`` has, for each cluster, the index of the
    first checkpoint of its peak; None if the set has no peak."""
    m, w = len(panel.steps), window_length(len(panel.steps))
    first = np.array([peaks[cluster] for cluster in panel.clusters] if peaks else [m - w] * len(given), dtype=np.int64)
    read = Moments(w, first, m)
    scores = [read.mean(given, moment) for moment in (("end", "peak") if peaks else ("end",))]
    return SetScores(panel.set, panel.items, panel.clusters, int(panel.steps[-1]), np.stack(scores, axis=-1), w)


def _compared(
    run: Run, key: MetricKey, run_scores: Mapping[Run, RunScores], runs: Sequence[Run], reference: Reference
) -> list[SetScores] | None:
    """The scores of the reference, or None if there is no reference or the run itself is the reference."""
    other, other_key = reference.run(run), reference.key(key)
    if other is None or other not in runs or (other, other_key) == (run, key):
        return None
    return run_scores.get(other, {}).get(other_key)


def _row(
    experiment: str,
    run: Run,
    key: MetricKey,
    parts: Sequence[SetScores],
    compared: Sequence[SetScores] | None,
) -> Tradeoff:
    """One row, with its p-value not yet corrected."""
    means, influence = _mean(parts)
    low, high = rate_interval(means, influence)
    peak = len(means) > 1
    row = Tradeoff(
        experiment=experiment,
        **run._asdict(),
        **key._asdict(),
        end_step=parts[0].end_step,
        end=float(means[0]),
        end_low=float(low[0]),
        end_high=float(high[0]),
        peak=float(means[1]) if peak else None,
        peak_low=float(low[1]) if peak else None,
        peak_high=float(high[1]) if peak else None,
        n=sum(len(part.items) for part in parts),
    )
    if compared is None:
        return row
    changes = list(_changes(run, parts, compared))
    means, influence = _mean(changes)
    low, high = difference_interval(means, influence)
    return dataclasses.replace(
        row,
        difference=float(means[0]),
        difference_low=float(low[0]),
        difference_high=float(high[0]),
        p_value=_sign_flips(changes, influence),
    )


def _mean(parts: Sequence[SetScores]) -> tuple[Floats, Floats]:
    """The mean over ``parts`` at each moment, and the influence of each cluster on it: (clusters, moments)."""
    names = sorted({cluster for part in parts for cluster in part.clusters})
    influence = np.zeros((len(names), parts[0].scores.shape[1]))
    for part in parts:
        codes = np.searchsorted(names, part.clusters.astype(str))
        own, place = np.unique(codes, return_inverse=True)
        influence[own] += cluster_influence(part.scores, place.astype(np.int64)) / len(parts)
    return np.mean([part.scores.mean(axis=0) for part in parts], axis=0), influence


def _changes(run: Run, parts: Sequence[SetScores], compared: Sequence[SetScores]) -> Iterator[SetScores]:
    """The end scores of each part minus those of the reference."""
    for part, other in zip(parts, compared, strict=True):
        if not np.array_equal(part.items, other.items):
            raise ValueError(
                f"{run.path}: the set {part.set!r} has different items from the run that it is compared with; delete "
                "the labels of both and rerun"
            )
        yield part._replace(scores=part.scores[:, :1] - other.scores[:, :1])


def _sign_flips(changes: Sequence[SetScores], influence: Floats) -> float:
    """The p-value of a sign-flip test over clusters. A single part is tested on integer counts of checkpoints, for
    which the test is exact."""
    if len(changes) > 1:
        total = sum(part.scores.mean() for part in changes) / len(changes)
        return sign_flip_test(influence[:, 0] + total / len(influence))
    part = changes[0]
    codes = np.unique(part.clusters.astype(str), return_inverse=True)[1].astype(np.int64)
    sums = cluster_sums(part.scores[:, 0] * part.window, codes)
    # the sums are integers up to rounding, unless the scores are not binary
    return sign_flip_test(np.rint(sums) if np.allclose(sums, np.rint(sums), atol=1e-6) else sums)
