"""The gain of each recipe and prompt in context reliance, and its cost elsewhere: the table ``tradeoffs``."""

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
    panels,
    right,
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
    """One question on which runs are compared."""

    prompt: str
    set: str
    scorer: str
    metric: str


class Part(NamedTuple):
    """One set of one run, each item with its score at the end and, where the set has a peak, at the peak."""

    set: str
    items: Strings
    clusters: Strings
    end_step: int
    scores: Floats
    """(items, 1 or 2)."""
    counted: int
    """Checkpoints that each score is the mean of."""


Judged = dict[MetricKey, list[Part]]
"""One run: what is averaged over the items of each part, and then over the parts."""


class Comparison(NamedTuple):
    """The runs and prompts that one experiment compares."""

    runs: Sequence[Run]
    prompts: Sequence[str]


class Reference(NamedTuple):
    """The recipe (None: there is none) and the prompt that the others are compared with."""

    recipe: str | None
    prompt: str

    def run(self, run: Run) -> Run | None:
        """The run that ``run`` is compared with."""
        return run._replace(recipe=self.recipe) if self.recipe is not None else None

    def question(self, question: MetricKey) -> MetricKey:
        """The question that ``question`` is compared with: benchmarks have one prompt."""
        return question if question.prompt == LM_EVAL else question._replace(prompt=self.prompt)


def tradeoffs(
    judged: Mapping[Run, Judged],
    experiments: Mapping[str, Comparison],
    reference: Reference,
) -> pl.DataFrame:
    """The table ``tradeoffs`` (:class:`~inversion.records.tables.Tradeoff`), one row per experiment, run and question.

    - ``end`` and ``peak`` are means over windows of equal length, read as in
      :func:`~inversion.analyse.moments.moments`. The controls of a conflict set (``{set}+matching`` and others) are
      read at its peak; what belongs to no conflict set has none.
    - ``difference`` is ``end`` less that of the reference, with the same model, dataset and seed, item by item; null
      for the reference itself, and in experiments without it.
    - Intervals are those of :func:`~inversion.stats.rate_interval` and :func:`~inversion.stats.difference_interval`.
      They take the peak's steps as given, and cover the sampling of items, not of training runs: for that, compare
      seeds. A cluster that several sets of a mean share counts once.
    - ``p_value`` tests the mean difference per item, by sign flips over clusters; ``p_adjusted`` is corrected by
      Holm's method over the experiment.

    ``judged`` has the results of :func:`judge_items` and :func:`judge_benchmarks`. Raises :class:`ValueError` if two
    runs that are compared were asked different items.
    """
    rows: list[Tradeoff] = []
    for experiment, (runs, prompts) in experiments.items():
        found = [
            _row(experiment, run, question, parts, _compared(run, question, judged, runs, reference))
            for run in runs
            for question, parts in sorted(judged.get(run, {}).items())
            if question.prompt in (*prompts, LM_EVAL)
        ]
        adjusted = iter(holm(np.array([row.p_value for row in found if row.p_value is not None])))
        rows += [
            row if row.p_value is None else dataclasses.replace(row, p_adjusted=float(next(adjusted))) for row in found
        ]
    return to_frame(rows, Tradeoff)


def judge_items(items: pl.DataFrame, seed: int = 0) -> dict[Run, Judged]:
    """Context answers of conflict sets and right answers of control sets, from the table ``items``.

    The set ``control mean`` is the mean over a run's control sets; ``seed`` splits the clusters, by which peaks are
    picked. Raises as :func:`~inversion.analyse.panels.panels`.
    """
    judged: dict[Run, Judged] = defaultdict(dict)
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
            given = panel.gives(scorer, "context") if conflict else right(panel, scorer)
            part = _part(panel, given.astype(np.float64), owned)
            metric = "context_rate" if conflict else "accuracy"
            judged[panel.run][MetricKey(panel.prompt, panel.set, scorer, metric)] = [part]
            if not conflict:
                mean = MetricKey(panel.prompt, CONTROL_MEAN, scorer, metric)
                judged[panel.run].setdefault(mean, []).append(part._replace(scores=part.scores[:, :1]))
    return dict(judged)


def judge_benchmarks(
    scores: pl.DataFrame, run: Run, metrics: Mapping[str, str], id_benchmarks: Sequence[str]
) -> Judged:
    """Every benchmark of a run and, of ``id_benchmarks``, their mean ``ID accuracy``.

    Arguments and errors are those of :func:`~inversion.analyse.benchmarks.with_benchmarks`.
    """
    require_schema(scores, BenchmarkScore, "benchmarks")
    steps = np.array(sorted(scores["step"].unique()))
    judged: Judged = {}
    for name, metric in metrics.items():
        grid = score_grid(scores, name, metric, len(steps), run)
        asked = np.array([f"{name}/{i}" for i in range(len(grid))], dtype=object)
        counted = window_length(len(steps))
        end = grid[:, -counted:].mean(axis=1, keepdims=True)
        judged[MetricKey(LM_EVAL, name, metric, "accuracy")] = [Part(name, asked, asked, int(steps[-1]), end, counted)]
    if id_benchmarks:
        judged[MetricKey(LM_EVAL, ID_ACCURACY, LM_EVAL, "accuracy")] = [
            part for question, parts in judged.items() if question.set in id_benchmarks for part in parts
        ]
    return judged


def _part(panel: Panel, given: Floats, peaks: Mapping[str, int] | None) -> Part:
    """The scores of a panel's items, from (items, steps); ``peaks`` says at which step each cluster's peak begins."""
    m, w = len(panel.steps), window_length(len(panel.steps))
    first = np.array([peaks[cluster] for cluster in panel.clusters] if peaks else [m - w] * len(given), dtype=np.int64)
    read = Moments(w, first, m)
    scores = [read.mean(given, moment) for moment in (("end", "peak") if peaks else ("end",))]
    return Part(panel.set, panel.items, panel.clusters, int(panel.steps[-1]), np.stack(scores, axis=-1), w)


def _compared(
    run: Run, question: MetricKey, judged: Mapping[Run, Judged], runs: Sequence[Run], reference: Reference
) -> list[Part] | None:
    """The reference's scores on a question; None if there is no reference, or it is the run itself."""
    other, asked = reference.run(run), reference.question(question)
    if other is None or other not in runs or (other, asked) == (run, question):
        return None
    return judged.get(other, {}).get(asked)


def _row(
    experiment: str,
    run: Run,
    question: MetricKey,
    parts: Sequence[Part],
    compared: Sequence[Part] | None,
) -> Tradeoff:
    """One row, its p-value not yet corrected."""
    means, influence = _mean(parts)
    low, high = rate_interval(means, influence)
    peak = len(means) > 1
    row = Tradeoff(
        experiment=experiment,
        **run._asdict(),
        **question._asdict(),
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


def _mean(parts: Sequence[Part]) -> tuple[Floats, Floats]:
    """The mean over parts by moment, and what each cluster contributes to its deviation: (clusters, moments)."""
    names = sorted({cluster for part in parts for cluster in part.clusters})
    influence = np.zeros((len(names), parts[0].scores.shape[1]))
    for part in parts:
        codes = np.searchsorted(names, part.clusters.astype(str))
        own, place = np.unique(codes, return_inverse=True)
        influence[own] += cluster_influence(part.scores, place.astype(np.int64)) / len(parts)
    return np.mean([part.scores.mean(axis=0) for part in parts], axis=0), influence


def _changes(run: Run, parts: Sequence[Part], compared: Sequence[Part]) -> Iterator[Part]:
    """The end of each part less that of the reference."""
    for part, other in zip(parts, compared, strict=True):
        if not np.array_equal(part.items, other.items):
            raise ValueError(
                f"{run.path}: the set {part.set!r} has different items from the run that it is compared with; delete "
                "the labels of both and rerun"
            )
        yield part._replace(scores=part.scores[:, :1] - other.scores[:, :1])


def _sign_flips(changes: Sequence[Part], influence: Floats) -> float:
    """p of clusters changing as much either way; of one part in counts of checkpoints, for which the test is exact."""
    if len(changes) > 1:
        total = sum(part.scores.mean() for part in changes) / len(changes)
        return sign_flip_test(influence[:, 0] + total / len(influence))
    part = changes[0]
    codes = np.unique(part.clusters.astype(str), return_inverse=True)[1].astype(np.int64)
    sums = cluster_sums(part.scores[:, 0] * part.counted, codes)
    # sums of means need not be exact integers
    return sign_flip_test(np.rint(sums) if np.allclose(sums, np.rint(sums), atol=1e-6) else sums)
