"""Draws the figure ``factors`` from the table of the same name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from inversion.config.run import Run
from inversion.config.scorers import MAIN
from inversion.plot.lines import Cell, across_seeds, rows_of_runs
from inversion.plot.panels import light_grid, panel_sheet, panel_titles, spread_apart
from inversion.plot.style import GREY, SMALL, STYLE, Look, darker, percent
from inversion.records.frames import require_schema
from inversion.records.tables import FactorRate

_MOMENTS = {
    "start": Look(GREY, "-", "o"),
    "peak": Look("#0072b2", "-", "D"),
    "end": Look("#d55e00", "-", "s"),
}
"""How each moment of a run is drawn. Moments differ in shape, fill and position as well as in colour."""


def factors(table: pl.DataFrame, runs: Sequence[Run], scorer: str = MAIN) -> Figure:
    """Context answers at start, peak and end, for every level of every crossed factor, from the table ``factors``.

    It has one panel per combination of model, dataset, recipe and set with factors. ``table`` has the rows of one
    prompt. Bars are the table's 95 % intervals with one seed, and the range of the seeds with several. Without data the
    figure says "no data". Raises :class:`ValueError` if a column is missing.
    """
    require_schema(table, FactorRate, "factors")
    shown = rows_of_runs(table, runs).filter(pl.col("scorer") == scorer)
    panel = list(Cell._fields)
    means = (
        shown.group_by(*panel, "factor", "level", "moment")
        .agg(across_seeds("context_rate", "low", "high", ("mean", "low", "high")))
        .sort(*panel, "factor", "level")
    )
    frames = means.partition_by(panel, as_dict=True, maintain_order=True)
    with matplotlib.rc_context(STYLE):
        lines = max((frame.select("factor", "level").n_unique() for frame in frames.values()), default=3)
        figure, panels = panel_sheet(len(frames), (3.6, 0.36 * lines + 1.1), (0.6, 0.0))
        keys = [tuple(map(str, key)) for key in frames]
        for axes, frame, title in zip(panels, frames.values(), panel_titles(keys, figure), strict=True):
            axes.set_title(title, loc="left", pad=14)
            _draw_levels(axes, frame)
    return figure


def _draw_levels(axes: Axes, frame: pl.DataFrame) -> None:
    """Draw one line per level, grouped by factor, with a dot and an interval per moment. The top row of dots is
    labelled."""
    levels = frame.select("factor", "level").unique(maintain_order=True).rows()
    # leave a gap between factors for the name of the next one
    places, place = {}, 0.0
    for index, (factor, level) in enumerate(levels):
        if index == 0 or factor != levels[index - 1][0]:
            place += 0.9
            axes.annotate(
                factor.replace("_", " "),
                (0, place - 0.75),
                xycoords=("axes fraction", "data"),
                xytext=(-4, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                fontweight="bold",
                fontsize=SMALL + 0.5,
                annotation_clip=False,
            )
        places[factor, level] = place
        place += 1.0
    top, named = min(places.values()), []
    for offset, (moment, look) in zip((-0.22, 0.0, 0.22), _MOMENTS.items(), strict=True):
        for row in frame.filter(pl.col("moment") == moment).iter_rows(named=True):
            height = places[row["factor"], row["level"]] + offset
            axes.plot([row["low"], row["high"]], [height, height], color=look.color, linewidth=1.3, clip_on=False)
            face = "white" if moment == "start" else look.color
            dot: dict[str, Any] = {"markerfacecolor": face, "markeredgecolor": look.color, "markersize": 4.5}
            axes.plot([row["mean"]], [height], linestyle="none", marker=look.marker, clip_on=False, zorder=3, **dot)
            if height == top + offset:
                named.append((moment, row["mean"], height, look))
    axes.set_xlim(-0.02, 1.02)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.xaxis.set_major_formatter(lambda value, _: percent(value))
    axes.set_ylim(place - 0.3, -0.3)
    axes.set_yticks(list(places.values()), [level for _, level in places])
    light_grid(axes, "x")
    axes.set_xlabel("answered with the context")
    for (moment, mean, height, look), x in zip(
        named, spread_apart([mean for _, mean, *_ in named], 0.16, 0.0, 1.0), strict=True
    ):
        axes.annotate(
            moment,
            (mean, height),
            xytext=(x, 1.01),
            textcoords="axes fraction",
            ha="center",
            va="bottom",
            fontsize=SMALL + 0.5,
            color=darker(look.color),
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": look.color, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 3},
        )
