"""Draws the figure ``style`` from the table of the same name."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from inversion.config.run import Run
from inversion.plot.lines import Cell, rows_of_runs
from inversion.plot.panels import light_grid, panel_sheet, panel_titles
from inversion.plot.style import GREY, SMALL, STYLE, Look, percent
from inversion.records.frames import require_schema
from inversion.records.tables import StylePoint

_LINES = {
    "unfinished": ("unfinished", Look(GREY, (0, (1, 1.2)), "^")),
    "abstains": ("abstains", Look("#cc79a7", (0, (3, 1.2)), "v")),
    "both": ("contains both answers", Look("#d55e00", (0, (4, 1.4)), "s")),
    "copied": ("words copied from the passage", Look("#009e73", (0, (5, 1.2, 1, 1.2)), "D")),
    "context_of_answered": ("context answer, of those that follow one side", Look("#0072b2", "-", "o")),
}
"""The columns that are drawn, each with its label and look. Later ones are drawn on top."""


def answer_styles(table: pl.DataFrame, runs: Sequence[Run]) -> Figure:
    """How answers are worded at each step: one panel per combination of model, dataset, recipe and set.

    ``table`` has the rows of one prompt. Shares are means over seeds. Raises :class:`ValueError` if a column is
    missing.
    """
    require_schema(table, StylePoint, "style")
    panel = list(Cell._fields)
    means = (
        rows_of_runs(table, runs)
        .group_by(*panel, "step")
        .agg(pl.col(column).mean() for column in _LINES)
        .sort(*panel, "step")
    )
    frames = means.partition_by(panel, as_dict=True, maintain_order=True)
    with matplotlib.rc_context(STYLE):
        figure, panels = panel_sheet(len(frames), (4.6, 2.6) if len(frames) == 1 else (2.9, 2.1), (0.2, 0.7))
        keys = [tuple(map(str, key)) for key in frames]
        for axes, frame, title in zip(panels, frames.values(), panel_titles(keys, figure), strict=True):
            axes.set_title(title, loc="left")
            _draw(axes, frame)
        if frames:
            handles, labels = panels[0].get_legend_handles_labels()
            figure.legend(
                handles, labels, loc="outside lower center", ncols=1 if len(frames) == 1 else 3, fontsize=SMALL
            )
    return figure


def _draw(axes: Axes, frame: pl.DataFrame) -> None:
    """Draw one panel, with a line per column."""
    for column, (label, look) in _LINES.items():
        axes.plot(
            frame["step"], frame[column], color=look.color, linestyle=look.dashes, marker=look.marker,
            markersize=3, linewidth=1.4, label=label,
        )  # fmt: skip
    axes.set_ylim(0, 1)
    axes.set_xlabel("step")
    axes.yaxis.set_major_formatter(lambda value, _: percent(value))
    light_grid(axes, "y")
