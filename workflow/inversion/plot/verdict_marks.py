"""The windows of a verdict, marked on the curve of the context answers: peak, trough and end."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from matplotlib.axes import Axes

from inversion.analyse.panels import ALL
from inversion.plot.panels import signed_sqrt, signed_square
from inversion.plot.series import Cell, Series
from inversion.plot.style import SMALL, Look, ink, percent
from inversion.stats import Floats

_LABELLED = {
    "inversion": ("peak", "trough"),
    "fall": ("peak", "trough"),
    "recovery": ("peak", "trough", "end"),
}
"""Which windows are labelled with their rate, by verdict; only the peak for others."""


class Window(NamedTuple):
    """Successive checkpoints whose mean rate a verdict reads."""

    moment: str
    """``peak``, ``trough`` or ``end``."""
    steps: Floats
    rate: float


class Verdict(NamedTuple):
    """The verdict on the curve of one panel, and the windows to mark on it."""

    name: str
    """The verdict of one seed, or the count of each verdict over several seeds, as in ``2 of 3 inversion``; empty
    if the table has none."""
    windows: list[Window]
    """Peak, trough and end of one seed; of several seeds the highest checkpoint of their mean."""


def verdict_of(inversions: pl.DataFrame, scorer: str, cell: Cell, series: Series) -> Verdict:
    """The verdict that the table ``inversions`` gives to the curve of a panel, over all items of its set."""
    rows = inversions.filter(
        *(pl.col(name) == value for name, value in zip(Cell._fields, cell, strict=True)),
        pl.col("scorer") == scorer,
        pl.col("stratum") == ALL,
    )
    if len(rows) == 1:
        row = rows.row(0, named=True)
        return Verdict(row["verdict"], _windows(row, series.steps))
    counts = Counter(rows["verdict"].to_list()).most_common()
    highest = int(series.mean.argmax())
    peak = Window("peak", series.steps[[highest]], float(series.mean[highest]))
    return Verdict(", ".join(f"{count} of {len(rows)} {name}" for name, count in counts), [peak])


def _windows(row: dict[str, Any], steps: Floats) -> list[Window]:
    def around(step: int, length: int) -> Floats:
        first = int(np.searchsorted(steps, step)) - (length - 1) // 2
        return steps[first : first + length]

    return [
        Window("peak", around(row["peak_step"], row["peak_window"]), row["peak"]),
        Window("trough", around(row["trough_step"], row["window"]), row["trough"]),
        Window("end", steps[-row["window"] :], row["end"]),
    ]


def mark_verdict(axes: Axes, verdict: Verdict, look: Look, *, labels: bool) -> None:
    """A bar over each window at the height of its mean, and the rates of those that the verdict is about.

    Without ``labels`` only the bars.
    """
    color = ink(look.color)
    named = _LABELLED.get(verdict.name, ("peak",)) if labels else ()
    for window in verdict.windows:
        first, last = window.steps[[0, -1]]
        bar: dict[str, Any] = {"linewidth": 3, "alpha": 0.5, "solid_capstyle": "round", "clip_on": False}
        axes.plot([first, last], [window.rate] * 2, color=color, label=f"_{window.moment}", **bar)
        if window.moment in named:
            below = window.moment == "trough"
            axes.annotate(
                f"{window.moment} {percent(window.rate)}",
                (float(signed_square((signed_sqrt(first) + signed_sqrt(last)) / 2)), window.rate),
                xytext=(0, -5 if below else 5),
                textcoords="offset points",
                ha="center",
                va="top" if below else "bottom",
                fontsize=SMALL,
                color=color,
                bbox={"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 0.5},
            )
