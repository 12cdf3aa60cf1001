"""Takes the lines of a figure from the table ``curves``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import polars as pl

from inversion.analyse.benchmarks import ID_ACCURACY
from inversion.analyse.curves import CONTROL_MEAN
from inversion.analyse.panels import ALL
from inversion.config.run import Run
from inversion.records.frames import require_schema
from inversion.records.tables import CurvePoint
from inversion.stats import Floats


class Line(NamedTuple):
    """One line of a figure: ``mean``, ``low`` and ``high`` by step, and steps and values of each seed if there are
    several."""

    steps: Floats
    mean: Floats
    low: Floats
    high: Floats
    seeds: list[tuple[Floats, Floats]]
    steps_per_epoch: float | None


class Cell(NamedTuple):
    """The combination that one panel shows."""

    model: str
    dataset: str
    recipe: str
    set: str


def run_keys(table: pl.DataFrame, runs: Sequence[Run]) -> pl.DataFrame:
    """``runs`` as a table with one row per run, with the column types of ``table`` so that the two can be joined."""
    return pl.DataFrame(list(runs), schema={name: table.schema[name] for name in Run._fields}, orient="row")


def rows_of_runs(table: pl.DataFrame, runs: Sequence[Run]) -> pl.DataFrame:
    """The rows of ``table`` that belong to ``runs``."""
    return table.join(run_keys(table, runs), on=Run._fields, how="semi", maintain_order="left")


def probe_rows(table: pl.DataFrame, record: type, name: str, runs: Sequence[Run], *conditions: pl.Expr) -> pl.DataFrame:
    """The rows of ``runs`` in the table ``name`` of a probe that meet the ``conditions``.

    Raises :class:`ValueError` if the table lacks a column of ``record``, or if there are none.
    """
    require_schema(table, record, name)
    rows = rows_of_runs(table, runs).filter(*conditions)
    if rows.is_empty():
        raise ValueError(f"{name}: no row for the {len(runs)} runs; rebuild the table")
    return rows


def cells_of(runs: Sequence[Run], sets: Iterable[str]) -> list[Cell]:
    """One cell per set for each combination of model, dataset and recipe in ``runs``."""
    names = list(sets)
    combinations = unique((run.model, run.dataset, run.recipe) for run in runs)
    return [Cell(model, dataset, recipe, name) for model, dataset, recipe in combinations for name in names]


def curve_rows(curves: pl.DataFrame, runs: Sequence[Run], scorer: str) -> pl.DataFrame:
    """The rows of ``curves`` that a figure of ``runs`` shows.

    Raises :class:`ValueError` if there are none, or if they belong to several prompts.
    """
    require_schema(curves, CurvePoint, "curves")
    whole = rows_of_runs(curves, runs).filter(pl.col("stratum") == ALL, pl.col("value").is_finite())
    benchmarks = whole.filter(pl.col("set") == ID_ACCURACY)
    table = whole.filter(
        pl.col("scorer") == scorer,
        pl.col("metric").is_in(["context_rate", "parametric_rate"])
        | ((pl.col("metric") == "accuracy") & (pl.col("set") == CONTROL_MEAN)),
    )
    if not conflict_sets(table):
        scorers = ", ".join(sorted(whole["scorer"].unique())) or "none"
        raise ValueError(
            f"curves: no context_rate of scorer {scorer!r} for the {len(runs)} runs from "
            f"{runs[0].path if runs else 'an empty list'} on (their scorers: {scorers}); rebuild the table"
        )
    prompts = sorted(table["prompt"].unique())
    if len(prompts) > 1:
        raise ValueError(f"curves: a figure shows one prompt, found {', '.join(prompts)}; filter the table first")
    return pl.concat([table, benchmarks])


def conflict_sets(table: pl.DataFrame) -> list[str]:
    """The names of the sets that have a context rate, sorted."""
    return sorted(table.filter(pl.col("metric") == "context_rate")["set"].unique())


def line_of(table: pl.DataFrame, cell: Cell, metric: str) -> Line | None:
    """The line of one metric over the seeds that have it, at the steps that all of them have; None without rows."""
    found = table.filter(
        *(pl.col(name) == value for name, value in zip(Cell._fields, cell, strict=True)), pl.col("metric") == metric
    ).sort("seed", "step")
    count = found["seed"].n_unique()
    by_step = (
        found.group_by("step", maintain_order=True)
        .agg(
            *across_seeds("value", "low", "high", ("value", "low", "high")),
            pl.col("epoch").first(),
            pl.col("seed").n_unique(),
        )
        .filter(pl.col("seed") == count)
        .sort("step")
    )
    if by_step.is_empty():
        return None
    steps, mean, low, high = (by_step[name].to_numpy().astype(float) for name in ("step", "value", "low", "high"))
    seeds = [
        (rows["step"].to_numpy().astype(float), rows["value"].to_numpy())
        for rows in found.partition_by("seed", maintain_order=True)
    ]
    last_epoch = by_step["epoch"][-1]
    return Line(
        steps, mean, low, high, seeds if count > 1 else [], float(steps[-1]) / last_epoch if last_epoch > 0 else None
    )


def across_seeds(value: str, low: str, high: str, names: tuple[str, str, str]) -> list[pl.Expr]:
    """Expressions that aggregate seeds into the columns ``names``: mean, low and high.

    With one seed, low and high are the table's 95 % interval; with several, the lowest and the highest seed.
    """
    single = pl.col("seed").n_unique() < 2
    return [
        pl.col(value).mean().alias(names[0]),
        pl.when(single).then(pl.col(low).first()).otherwise(pl.col(value).min()).alias(names[1]),
        pl.when(single).then(pl.col(high).first()).otherwise(pl.col(value).max()).alias(names[2]),
    ]


def unique(values: Iterable[Any]) -> list[Any]:
    """Each value once, in order."""
    return list(dict.fromkeys(values))
