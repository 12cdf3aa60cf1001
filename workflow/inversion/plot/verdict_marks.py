"""Marks the windows of a verdict (peak, trough and end) on the curve of the context answers."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from matplotlib.axes import Axes

from inversion.analyse.panels import ALL
from inversion.plot.lines import Cell, Line
from inversion.plot.panels import signed_sqrt, signed_square
from inversion.plot.style import SMALL, Look, darker, percent
from inversion.stats import Floats

_LABELLED = {
    "inversion": ("peak", "trough"),
    "fall": ("peak", "trough"),
    "recovery": ("peak", "trough", "end"),
}
"""For each verdict, the windows whose rate is written next to them. For other verdicts it is only the peak."""


class Window(NamedTuple):
    """Consecutive checkpoints over which a verdict averages the rate."""

    moment: str
    """``peak``, ``trough`` or ``end``."""
    steps: Floats
    rate: float


class PanelVerdict(NamedTuple):
    """The verdict on the curve of one panel, and the windows to mark on it."""

    name: str
    """The verdict of one seed, or the count of each verdict over several seeds, as in ``2 of 3 inversion``. Empty if
    the table has none."""
    windows: list[Window]
    """With one seed: peak, trough and end. With several: the highest checkpoint of their mean."""


def verdict_of(inversions: pl.DataFrame, scorer: str, cell: Cell, line: Line) -> PanelVerdict:
    """The verdict in the table ``inversions`` on the curve of a panel, for all items of its set."""
    rows = inversions.filter(
        *(pl.col(name) == value for name, value in zip(Cell._fields, cell, strict=True)),
        pl.col("scorer") == scorer,
        pl.col("stratum") == ALL,
    )
    if len(rows) == 1:
        row = rows.row(0, named=True)
        return PanelVerdict(row["verdict"], _windows(row, line.steps))
    counts = Counter(rows["verdict"].to_list()).most_common()
    highest = int(line.mean.argmax())
    peak = Window("peak", line.steps[[highest]], float(line.mean[highest]))
    return PanelVerdict(", ".join(f"{count} of {len(rows)} {name}" for name, count in counts), [peak])


def _windows(row: dict[str, Any], steps: Floats) -> list[Window]:
    def around(step: int, length: int) -> Floats:
        first = int(np.searchsorted(steps, step)) - (length - 1) // 2
        return steps[first : first + length]

    return [
        Window("peak", around(row["peak_step"], row["peak_window"]), row["peak"]),
        Window("trough", around(row["trough_step"], row["window"]), row["trough"]),
        Window("end", steps[-row["window"] :], row["end"]),
    ]


def mark_verdict(axes: Axes, verdict: PanelVerdict, look: Look, *, labels: bool) -> None:
    """Draw a bar over each window at the height of its mean. With ``labels``, also write the rates of the windows that
    matter for the verdict.
    """
    color = darker(look.color)
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
