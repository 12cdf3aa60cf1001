"""Draws the figure ``tradeoffs`` from the table of the same name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from inversion.analyse.benchmarks import ID_ACCURACY
from inversion.analyse.curves import CONTROL_MEAN
from inversion.config.run import Run
from inversion.config.scorers import MAIN
from inversion.plot.lines import across_seeds, run_keys
from inversion.plot.panels import Size, light_grid, panel_sheet, panel_titles
from inversion.plot.style import SMALL, STYLE, Look, darker, distinct_looks, percent
from inversion.records.frames import require_schema
from inversion.records.tables import Tradeoff
from inversion.stats import Floats, pareto_front


def tradeoffs(table: pl.DataFrame, runs: Sequence[Run], scorer: str = MAIN) -> Figure:
    """Context answers at the end against ID accuracy, with a labelled mark per recipe and prompt.

    It has one panel per conflict set and combination of model and dataset in ``runs``. Without benchmarks, the control
    mean replaces the ID accuracy. Bars are the table's 95 % intervals with one seed, and the range of the seeds with
    several. A line joins the filled marks, which no other mark beats in both (:func:`~inversion.stats.pareto_front`).
    Raises :class:`ValueError` if a column is missing.
    """
    require_schema(table, Tradeoff, "tradeoffs")
    marks = _marks(table, runs, scorer)
    panel = ["model", "dataset", "set"]
    frames = marks.partition_by(panel, as_dict=True, maintain_order=True)
    size = Size(3.3, 2.7, side=0.5, top=0.55)
    with matplotlib.rc_context(STYLE):
        figure, panels = panel_sheet(len(frames), (size.width + size.side, size.height + size.top), (0.3, 0.2))
        settings = marks.select("recipe", "prompt").unique(maintain_order=True).rows()
        looks = dict(zip(settings, distinct_looks(len(settings)), strict=True))
        keys = [tuple(map(str, key)) for key in frames]
        for axes, frame, title in zip(panels, frames.values(), panel_titles(keys, figure), strict=True):
            axes.set_title(title, loc="left")
            _draw_marks(axes, frame, looks, size)
    return figure


def _marks(table: pl.DataFrame, runs: Sequence[Run], scorer: str) -> pl.DataFrame:
    """One row per mark, with its position (``x``, ``y``) and its bars. Rows are in the order of ``runs``; the prompts
    of a run are sorted by name."""
    # a run that several experiments share has one row per experiment
    question = [*Run._fields, "prompt", "set", "scorer", "metric"]
    shown = (
        run_keys(table, runs)
        .join(table, on=Run._fields, how="left", maintain_order="left_right")
        .unique(question, keep="first", maintain_order=True)
    )
    ends = pl.col("end", "end_low", "end_high")
    y = shown.filter(pl.col("scorer") == scorer, pl.col("metric") == "context_rate")
    benchmark = shown.filter(pl.col("set") == ID_ACCURACY).select(*Run._fields, ends.name.prefix("x_"))
    control = shown.filter(pl.col("set") == CONTROL_MEAN, pl.col("scorer") == scorer)
    joined = (
        y.join(benchmark, on=Run._fields, maintain_order="left")
        if benchmark.height
        else y.join(control.select(*Run._fields, "prompt", ends.name.prefix("x_")), on=[*Run._fields, "prompt"])
    )
    return joined.group_by("model", "dataset", "set", "recipe", "prompt", maintain_order=True).agg(
        *across_seeds("x_end", "x_end_low", "x_end_high", ("x", "x_low", "x_high")),
        *across_seeds("end", "end_low", "end_high", ("y", "y_low", "y_high")),
        pl.lit(ID_ACCURACY if benchmark.height else CONTROL_MEAN).alias("against"),
    )


def _draw_marks(axes: Axes, frame: pl.DataFrame, looks: dict[Any, Look], size: Size) -> None:
    """Draw the marks of one panel with bars and names, and their Pareto front."""
    points = frame.select("x", "y").to_numpy()
    low, high = frame.select("x_low", "y_low").to_numpy(), frame.select("x_high", "y_high").to_numpy()
    for axis, limit in (("x", axes.set_xlim), ("y", axes.set_ylim)):
        column = frame.select(axis, f"{axis}_low", f"{axis}_high").to_numpy()
        least, most = np.nanmin(column), np.nanmax(column)
        room = 0.15 * max(most - least, 0.1)
        limit(max(least - room, -0.02), min(most + room, 1.02))
    front = pareto_front(points.round(9))  # rates that differ only by rounding are equal
    along = points[front][np.lexsort((-points[front][:, 1], points[front][:, 0]))]
    # extend the line to the edges of the panel: marks below and left of it are beaten
    along = np.vstack([[axes.get_xlim()[0], along[0, 1]], along, [along[-1, 0], axes.get_ylim()[0]]])
    axes.plot(*along.T, drawstyle="steps-pre", color="#b0b0b0", linewidth=1.1, linestyle=(0, (4, 2)), zorder=1)
    names = []
    recipes, prompts = frame["recipe"].n_unique(), frame["prompt"].n_unique()
    for i, row in enumerate(frame.iter_rows(named=True)):
        look = looks[row["recipe"], row["prompt"]]
        names.append(" · ".join([row["recipe"]] * (recipes > 1 or prompts < 2) + [row["prompt"]] * (prompts > 1)))
        axes.plot([row["x_low"], row["x_high"]], [row["y"]] * 2, color=look.color, linewidth=1.0, alpha=0.75, zorder=2)
        axes.plot([row["x"]] * 2, [row["y_low"], row["y_high"]], color=look.color, linewidth=1.0, alpha=0.75, zorder=2)
        axes.plot(
            [row["x"]],
            [row["y"]],
            linestyle="none",
            marker=look.marker,
            markersize=6,
            markeredgecolor=look.color,
            markerfacecolor=look.color if front[i] else "white",
            zorder=3,
        )
    colors = [darker(looks[row["recipe"], row["prompt"]].color) for row in frame.iter_rows(named=True)]
    _name_marks(axes, points, low, high, along, names, colors, size)
    light_grid(axes, "both")
    axes.spines["left"].set_visible(True)
    for ticks in (axes.xaxis, axes.yaxis):
        ticks.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        ticks.set_major_formatter(lambda value, _: percent(value))
    axes.set_xlabel(frame["against"][0])
    axes.set_ylabel("answered with the context")


class _Box(NamedTuple):
    """A rectangle in the figure, in points."""

    left: float
    bottom: float
    right: float
    top: float

    def shared(self, other: _Box) -> float:
        """The area that two rectangles share."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(0.0, width) * max(0.0, height)


def _name_marks(
    axes: Axes,
    points: Floats,
    low: Floats,
    high: Floats,
    front: Floats,
    names: Sequence[str],
    colors: Sequence[str],
    size: Size,
) -> None:
    """Write each name near its mark, where it covers as little as possible of marks, bars, front and other names. A
    name far from its mark gets a leader line."""
    corner = np.array([axes.get_xlim()[0], axes.get_ylim()[0]])
    scale = 72 * np.array([size.width, size.height]) / (np.array([axes.get_xlim()[1], axes.get_ylim()[1]]) - corner)
    at, low, high, front = ((each - corner) * scale for each in (points, low, high, front))
    paper = _Box(0, 0, 72 * size.width, 72 * size.height)
    taken = [_Box(x - 4, y - 4, x + 4, y + 4) for x, y in at]
    for (x, y), (left, bottom), (right, top) in zip(at, low, high, strict=True):
        taken += [_Box(left, y - 1, right, y + 1), _Box(x - 1, bottom, x + 1, top)]
    for (left, top), (right, bottom) in pairwise(front):
        taken += [_Box(left - 1, bottom, left + 1, top), _Box(left, bottom - 1, right, bottom + 1)]
    height = 1.25 * SMALL
    for (x, y), name, color in zip(at, names, colors, strict=True):
        width = 0.56 * SMALL * len(name)
        best, least = (x, y), math.inf
        for distance in (7, 12, 20, 32, 48):
            for angle in np.arange(0, 2 * np.pi, np.pi / 8):
                # the distance is that of the nearest edge of the name
                middle = np.array([x, y]) + np.array([np.cos(angle), np.sin(angle)]) * distance
                middle += np.array([np.cos(angle) * width / 2, np.sin(angle) * height / 2])
                box = _Box(middle[0] - width / 2, middle[1] - height / 2, middle[0] + width / 2, middle[1] + height / 2)
                outside = width * height - box.shared(paper)
                cost = 10 * outside + sum(box.shared(other) for other in taken) + distance
                if cost < least - 1e-9:
                    best, least, chosen, far = (middle[0] - x, middle[1] - y), cost, box, distance > 12
        taken.append(chosen)
        axes.annotate(
            name,
            (x / scale[0] + corner[0], y / scale[1] + corner[1]),
            xytext=best,
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=SMALL,
            color=color,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": color, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 4}
            if far
            else None,
        )
