"""The table ``experiments``: the results of an experiment over its seeds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from inversion.analyse.inversions import Primary, main_scorer
from inversion.analyse.verdicts import VERDICTS
from inversion.records.frames import from_frame, to_frame
from inversion.records.tables import ExperimentRow, Inversion
from inversion.stats import Floats, mean_interval


def experiments(inversions: pl.DataFrame, primaries: Mapping[str, Primary], reference: str | None) -> pl.DataFrame:
    """The table ``experiments`` (:class:`~inversion.records.tables.ExperimentRow`) from the table ``inversions``.

    It has one row per experiment, model, dataset, recipe and conflict set. Each row summarises the seeds of the primary
    analysis: means with t intervals, the mean difference from the recipe ``reference`` paired by seed (null if
    ``reference`` is None), and how many runs have each verdict. Fewer than three seeds allow no inference: the bounds
    are NaN, and ``inference`` is ``descriptive: one run`` or ``descriptive: 2 runs``.
    """
    rows = from_frame(inversions, Inversion)
    return to_frame(
        [row for name, primary in primaries.items() for row in _experiment(name, primary, rows, reference)],
        ExperimentRow,
    )


def _experiment(
    name: str, primary: Primary, rows: Sequence[Inversion], reference: str | None
) -> Iterator[ExperimentRow]:
    scorer = primary.scorer or main_scorer(row.scorer for row in rows)
    analysis = (scorer, primary.prompt, primary.stratum)
    runs = set(primary.runs)
    groups: dict[tuple[str, str, str, str], dict[int, Inversion]] = {}
    for row in rows:
        key = (row.model, row.dataset, row.recipe, row.set)
        if (row.scorer, row.prompt, row.stratum) == analysis and (*key[:3], row.seed) in runs:
            groups.setdefault(key, {})[row.seed] = row
    for (model, dataset, recipe, conflict_set), found in groups.items():
        usual = groups.get((model, dataset, reference, conflict_set)) if reference and recipe != reference else None
        verdicts = [row.verdict for row in found.values()]
        yield ExperimentRow(
            experiment=name,
            model=model,
            dataset=dataset,
            recipe=recipe,
            set=conflict_set,
            scorer=scorer,
            prompt=primary.prompt,
            stratum=primary.stratum,
            seeds=len(found),
            inference=_inference(len(found)),
            **_estimates(list(found.values())),
            **_differences(found, usual),
            **{f"runs_{verdict}": verdicts.count(verdict) for verdict in VERDICTS},
        )


def _inference(seeds: int) -> str:
    if seeds >= 3:
        return f"t interval over {seeds} seeds"
    return "descriptive: one run" if seeds == 1 else f"descriptive: {seeds} runs"


def _estimates(rows: Sequence[Inversion]) -> dict[str, Any]:
    """The mean over seeds of rise, fall, recovery and end, with intervals."""
    found: dict[str, Any] = {}
    for measure in ("rise", "fall", "recovery", "end"):
        found |= _estimate(measure, np.array([getattr(row, measure) for row in rows]))
    return found


def _differences(found: Mapping[int, Inversion], usual: Mapping[int, Inversion] | None) -> dict[str, Any]:
    """The mean difference in fall and end over the seeds that both recipes have, with intervals."""
    shared = sorted(set(found) & set(usual or {}))
    differences: dict[str, Any] = {}
    for measure in ("fall", "end"):
        values = [getattr(found[seed], measure) - getattr((usual or {})[seed], measure) for seed in shared]
        estimate = _estimate(f"{measure}_difference", np.array(values or [math.nan]))
        differences |= {key: None if math.isnan(value) else value for key, value in estimate.items()}
    return differences


def _estimate(name: str, values: Floats) -> dict[str, float]:
    low, high = mean_interval(values)
    return {name: float(values.mean()), f"{name}_low": low, f"{name}_high": high}
