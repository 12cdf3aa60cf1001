"""The table ``contributions``: how much each part of a set contributes to a run's fall."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from inversion.analyse.panels import Panel, cluster_codes, panels
from inversion.records.frames import require_schema, to_frame
from inversion.records.tables import Contribution, Inversion
from inversion.stats import Bools, Ints, cluster_influence, difference_interval

_KEYS = ("model", "dataset", "recipe", "seed", "set", "prompt", "scorer")


def contributions(items: pl.DataFrame, inversions: pl.DataFrame) -> pl.DataFrame:
    """The table ``contributions`` (:class:`~inversion.records.tables.Contribution`).

    It has one row per run, conflict set, prompt, scorer and stratum or factor level, for sets with several strata or
    any factors. All parts use the peak and trough that the table ``inversions`` gives for the whole set. The fall of
    the set is therefore the mean of its strata's falls, weighted by their shares of the items.

    Raises :class:`ValueError` if a table lacks a column or ``inversions`` lacks a row.
    """
    require_schema(inversions, Inversion, "inversions")
    whole = {tuple(row[key] for key in _KEYS): row for row in inversions.filter(stratum="all").iter_rows(named=True)}
    rows: list[Contribution] = []
    for panel in panels(items):
        if panel.role != "conflict":
            continue
        parts = list(_parts(panel))
        for scorer in panel.labels if parts else ():
            key = (*panel.run, panel.set, panel.prompt, scorer)
            if key not in whole:
                raise ValueError(f"inversions: no row of {panel.run.path}, set {panel.set!r}, scorer {scorer!r}; rerun")
            rows += _contributions(panel, scorer, whole[key], parts)
    return to_frame(rows, Contribution)


def _parts(panel: Panel) -> Iterator[tuple[str, str, Bools]]:
    """The strata and factor levels of a set: name, level, and which items have it."""
    strata = sorted(set(panel.strata))
    for name in strata if len(strata) > 1 else ():
        yield "stratum", name, np.asarray(panel.strata == name)
    for crossed in sorted({crossed for listed in panel.factors for crossed in listed}):
        factor, _, level = crossed.partition("=")
        yield factor, level, np.array([crossed in listed for listed in panel.factors])


def _contributions(
    panel: Panel, scorer: str, whole: dict[str, Any], parts: list[tuple[str, str, Bools]]
) -> Iterator[Contribution]:
    context = panel.gives(scorer, "context").astype(np.float64)
    lengths = {"peak": whole["peak_window"], "trough": whole["window"]}
    peak, trough = (
        context[:, _window(panel.steps, whole[f"{moment}_step"], length)].mean(axis=1)
        for moment, length in lengths.items()
    )
    fall = float(peak.mean() - trough.mean())
    for part, level, chosen in parts:
        change = peak[chosen] - trough[chosen]
        influence = cluster_influence(change, cluster_codes(panel.clusters[chosen]))
        low, high = difference_interval(np.asarray(change.mean()), influence)
        share, within = float(chosen.mean()), float(change.mean())
        yield Contribution(
            **panel.run._asdict(),
            set=panel.set,
            prompt=panel.prompt,
            scorer=scorer,
            part=part,
            level=level,
            n=int(chosen.sum()),
            share=share,
            peak=float(peak[chosen].mean()),
            trough=float(trough[chosen].mean()),
            fall=within,
            fall_low=float(low),
            fall_high=float(high),
            contribution=share * within,
            share_of_fall=share * within / fall if abs(fall) > 1e-9 else float("nan"),
        )


def _window(steps: Ints, middle: int, length: int) -> slice:
    """The window of ``length`` checkpoints whose middle is at the step ``middle``, as in the table ``inversions``."""
    first = int(np.searchsorted(steps, middle)) - (length - 1) // 2
    return slice(first, first + length)
