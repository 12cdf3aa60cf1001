"""Draws the figures ``accuracy``, ``grid`` and ``recipes`` from the table ``curves``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import matplotlib
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from inversion.analyse.benchmarks import ID_ACCURACY
from inversion.analyse.curves import CONTROL_MEAN
from inversion.config.run import Run
from inversion.config.scorers import MAIN
from inversion.plot.lines import Cell, Line, cells_of, conflict_sets, curve_rows, line_of, unique
from inversion.plot.panels import (
    Size,
    curve_canvas,
    draw_line,
    label_axes,
    label_ends,
    panel_titles,
    show_no_data,
)
from inversion.plot.style import GREY, SMALL, STYLE, Look, distinct_looks
from inversion.plot.verdict_marks import PanelVerdict, mark_verdict, verdict_of

_CURVES = (
    ("accuracy", ID_ACCURACY, ID_ACCURACY, Look("#009e73", (0, (5, 1.2, 1, 1.2)), "D")),
    ("accuracy", CONTROL_MEAN, CONTROL_MEAN, Look(GREY, (0, (1, 1.2)), "^")),
    ("parametric_rate", None, "parametric answer", Look("#d55e00", (0, (4, 1.4)), "s")),
    ("context_rate", None, "context answer", Look("#0072b2", "-", "o")),
)
"""Metric, set (None is the panel's own), label and look. Later ones are drawn on top."""


Labels = Mapping[str, Mapping[int, str]]
"""For each series, the names of its steps."""


def accuracy(
    curves: pl.DataFrame,
    inversions: pl.DataFrame,
    runs: Sequence[Run],
    scorer: str = MAIN,
    labels: Labels | None = None,
) -> Figure:
    """Context and parametric answers by step, with the control mean and, if there are benchmarks, the ID accuracy
    (paper, figs. 1a and 2).

    It has one panel per conflict set and combination of model, dataset and recipe in ``runs``. Vertical lines mark the
    ends of epochs. Each title has the verdict, and bars mark the windows on which it is based: peak, trough and end.
    Rates are shares of all items. ``labels`` has the names of the steps of series. Raises :class:`ValueError` if
    ``curves`` lacks a column, has no row for the runs, or has rows of several prompts.
    """
    table = curve_rows(curves, runs, scorer)
    sets = conflict_sets(table)
    cells = cells_of(runs, sets)
    size = Size(4.0, 2.5) if len(cells) == 1 else Size(2.35, 1.75)
    verdict = partial(verdict_of, inversions, scorer)
    return _curve_panels(table, cells, verdict, columns=len(sets), size=size, detail=True, labels=labels)


def grid(
    curves: pl.DataFrame,
    inversions: pl.DataFrame,
    runs: Sequence[Run],
    scorer: str = MAIN,
    labels: Labels | None = None,
) -> Figure:
    """The curves of :func:`accuracy` in small panels, with one row per model and one column per dataset (figs. 6 to
    11).

    Several recipes add rows, and several conflict sets add columns. A panel without data says "no data". Raises
    :class:`ValueError` for the reasons of :func:`accuracy`.
    """
    table = curve_rows(curves, runs, scorer)
    columns = [(dataset, name) for dataset in unique(r.dataset for r in runs) for name in conflict_sets(table)]
    rows = unique((r.model, r.recipe) for r in runs)
    cells = [Cell(model, dataset, recipe, name) for model, recipe in rows for dataset, name in columns]
    verdict = partial(verdict_of, inversions, scorer)
    size = Size(1.9, 1.25)
    return _curve_panels(table, cells, verdict, columns=len(columns), size=size, detail=False, labels=labels)


def recipes(curves: pl.DataFrame, runs: Sequence[Run], scorer: str = MAIN) -> Figure:
    """Context answers and the control mean by step, with one line per recipe (figs. 4b and 5).

    It has one row per combination of model and dataset in ``runs``, one column per conflict set and one for the control
    mean. Raises :class:`ValueError` for the reasons of :func:`accuracy`.
    """
    table = curve_rows(curves, runs, scorer)
    sets, names = conflict_sets(table), unique(r.recipe for r in runs)
    pairs = unique((r.model, r.dataset) for r in runs)
    columns = [(name, "context_rate") for name in sets] + [(CONTROL_MEAN, "accuracy")]
    size = Size(2.3, max(1.9, 0.17 * len(names)), side=1.2)
    with matplotlib.rc_context(STYLE):
        figure, panels = curve_canvas(len(pairs), len(columns), size, table)
        titles = panel_titles([(model, dataset) for model, dataset in pairs], figure)
        for (model, dataset), row, title in zip(pairs, panels, titles, strict=True):
            for (name, metric), axes in zip(columns, row, strict=True):
                ends = []
                for recipe, look in zip(names, distinct_looks(len(names)), strict=True):
                    line = line_of(table, Cell(model, dataset, recipe, name), metric)
                    if line is not None:
                        draw_line(axes, line, look)
                        ends.append((recipe, line, look))
                what = "control mean" if metric == "accuracy" else "context answer"
                of_set = [name] if metric != "accuracy" and len(sets) > 1 else []
                axes.set_title(" · ".join(filter(None, [title, *of_set, what])), loc="left")
                if not ends:
                    show_no_data(axes)
                label_ends(axes, ends, size.height)
        label_axes(panels)
    return figure


def _curve_panels(
    table: pl.DataFrame,
    cells: list[Cell],
    verdict: Callable[[Cell, Line], PanelVerdict],
    columns: int,
    size: Size,
    detail: bool,
    labels: Labels | None,
) -> Figure:
    """One panel per cell, row by row, with the curves of ``_CURVES``. A single column becomes a single row.

    The windows of each panel's ``verdict`` are marked. With ``detail`` they and the ends of epochs are labelled. Lines
    are labelled to the right of every full row.
    """
    if columns == 1:
        columns = math.ceil(len(cells) / math.ceil(len(cells) / 3))
    with matplotlib.rc_context(STYLE):
        figure, panels = curve_canvas(math.ceil(len(cells) / columns), columns, size, table)
        for axes in panels.flat[len(cells) :]:
            axes.set_visible(False)
        shown = []
        for axes, cell, title in zip(panels.flat, cells, panel_titles(cells, figure), strict=False):
            ends = _draw_curves(axes, table, cell, detail)
            found = None
            if ends and ends[-1][-1] is _CURVES[-1][-1]:
                found = verdict(cell, ends[-1][1])
                mark_verdict(axes, found, _CURVES[-1][-1], labels=detail)
            lines = "\n".join(filter(None, [title, found.name if found else ""]))
            axes.set_title(lines, loc="left", pad=12 if detail else None)
            shown.append((axes, ends))
        for start in range(0, len(cells) - columns + 1, columns):
            axes, ends = next((pair for pair in reversed(shown[start : start + columns]) if pair[1]), shown[start])
            label_ends(axes, ends, size.height)
        label_axes(panels)
        _name_steps(list(panels.flat)[: len(cells)], [(labels or {}).get(cell.dataset, {}) for cell in cells])
    return figure


def _name_steps(panels: Sequence[Axes], names: Sequence[Mapping[int, str]]) -> None:
    """Write the names of steps on the shared axis or, if they differ between panels, in each panel."""
    if all(of_panel == names[0] for of_panel in names):
        if names[0]:
            panels[0].set_xticks(list(names[0]), list(names[0].values()))
            for axes in panels:
                axes.tick_params(axis="x", labelrotation=30)
                axes.set_xlabel(axes.get_xlabel() and "checkpoint")
        return
    for axes, of_panel in zip(panels, names, strict=True):
        for step, name in of_panel.items():
            axes.axvline(step, color=GREY, linewidth=0.5, linestyle=":")
            axes.annotate(
                name,
                (step, 1.0),
                (2, -2),
                textcoords="offset points",
                rotation=90,
                va="top",
                fontsize=SMALL,
                color=GREY,
            )


def _draw_curves(axes: Axes, table: pl.DataFrame, cell: Cell, detail: bool) -> list[tuple[str, Line, Look]]:
    """Draw the curves of one cell, and return label, line and look of each for :func:`label_ends`."""
    ends = []
    for metric, name, label, look in _CURVES:
        line = line_of(table, cell._replace(set=name or cell.set), metric)
        if line is not None:
            draw_line(axes, line, look)
            ends.append((label, line, look))
    if not ends:
        show_no_data(axes)
    else:
        _mark_epochs(axes, ends[-1][1], detail)
    return ends


def _mark_epochs(axes: Axes, line: Line, detail: bool) -> None:
    """Draw thin vertical lines at the ends of epochs, at most four of them with a label."""
    if line.steps_per_epoch is None:
        return
    count = int(line.steps[-1] / line.steps_per_epoch + 1e-6)
    for epoch in range(1, count + 1):
        step = epoch * line.steps_per_epoch
        axes.axvline(step, color="#b0b0b0", linewidth=0.6, zorder=0.5)
        if detail and epoch % math.ceil(count / 4) == 0:
            axes.annotate(
                f"epoch {epoch}",
                (step, axes.get_ylim()[1]),
                xytext=(0, 1.5),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=SMALL - 0.5,
                color=GREY,
            )
