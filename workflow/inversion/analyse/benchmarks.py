"""Adds benchmark accuracies, and their mean (the paper's ID accuracy), to the table ``curves``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from inversion.analyse.curves import CURVE_ORDER
from inversion.analyse.panels import ALL
from inversion.config.run import Run
from inversion.records.answers import BenchmarkScore
from inversion.records.frames import require_schema, to_frame
from inversion.records.tables import CurvePoint
from inversion.stats import Floats, cluster_influence, rate_interval

ID_ACCURACY = "ID accuracy"
"""The set name of the mean over a run's benchmarks."""
LM_EVAL = "lm-eval"
"""The prompt of all benchmarks. It is also the scorer of their mean, because their own metrics differ."""


def with_benchmarks(
    curves: pl.DataFrame,
    run: Run,
    scores: pl.DataFrame,
    metrics: Mapping[str, str],
    id_benchmarks: Sequence[str],
    steps_per_epoch: float,
) -> pl.DataFrame:
    """The table ``curves`` with the benchmarks of one run added.

    ``scores`` has the run's :class:`BenchmarkScore` rows. Each benchmark becomes a set of the same name. Its scorer is
    its metric in ``metrics``, and its ``accuracy`` is the mean over its questions. The set ``ID accuracy`` is the
    unweighted mean over ``id_benchmarks``. Intervals are those of :func:`~inversion.stats.rate_interval`, over
    questions.

    Raises :class:`ValueError` if a column or metric is missing, or a question has no score at a step.
    """
    require_schema(scores, BenchmarkScore, "benchmarks")
    steps = sorted(scores["step"].unique())
    points: list[CurvePoint] = []
    found: dict[str, tuple[Floats, Floats]] = {}

    def add(name: str, scorer: str, values: Floats, influence: Floats) -> None:
        n = len(influence)
        low, high = rate_interval(values, influence)
        points.extend(
            CurvePoint(
                **run._asdict(),
                step=step,
                epoch=step / steps_per_epoch,
                set=name,
                stratum=ALL,
                prompt=LM_EVAL,
                scorer=scorer,
                metric="accuracy",
                value=float(values[i]),
                low=float(low[i]),
                high=float(high[i]),
                n=n,
            )
            for i, step in enumerate(steps)
        )

    for name, metric in metrics.items():
        grid = score_grid(scores, name, metric, len(steps), run)
        found[name] = grid.mean(axis=0), cluster_influence(grid, np.arange(len(grid)))
        add(name, metric, *found[name])
    if id_benchmarks:
        means, influences = zip(*(found[name] for name in id_benchmarks), strict=True)
        add(ID_ACCURACY, LM_EVAL, np.mean(means, axis=0), np.concatenate(influences) / len(id_benchmarks))
    return pl.concat([curves, to_frame(points, CurvePoint)]).sort(CURVE_ORDER)


def score_grid(scores: pl.DataFrame, name: str, metric: str, steps: int, run: Run) -> Floats:
    """The scores of one benchmark under one metric, as an array (questions, steps)."""
    rows = scores.filter(pl.col("benchmark") == name, pl.col("metric") == metric).sort("task", "doc_id", "step")
    counts = rows.group_by("task", "doc_id").agg(n=pl.len(), distinct=pl.col("step").n_unique())
    if rows.is_empty() or not counts.filter((pl.col("n") != steps) | (pl.col("distinct") != steps)).is_empty():
        raise ValueError(
            f"{run.path}: the benchmark {name!r} lacks {metric!r} of some questions or steps; delete the run's "
            "benchmarks and rerun"
        )
    return rows["score"].to_numpy().reshape(-1, steps)
