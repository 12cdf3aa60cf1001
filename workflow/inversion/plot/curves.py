"""The figures ``accuracy``, ``grid`` and ``recipes``, from the table ``curves``."""

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
from inversion.plot.panels import (
    Size,
    curve_canvas,
    draw_series,
    label_axes,
    label_ends,
    panel_titles,
    say_empty,
)
from inversion.plot.series import Cell, Series, conflict_sets, rows_of, series_of, unique
from inversion.plot.style import GREY, SMALL, STYLE, Look, distinct_looks
from inversion.plot.verdict_marks import Verdict, mark_verdict, verdict_of

_CURVES = (
    ("accuracy", ID_ACCURACY, ID_ACCURACY, Look("#009e73", (0, (5, 1.2, 1, 1.2)), "D")),
    ("accuracy", CONTROL_MEAN, CONTROL_MEAN, Look(GREY, (0, (1, 1.2)), "^")),
    ("parametric_rate", None, "parametric answer", Look("#d55e00", (0, (4, 1.4)), "s")),
    ("context_rate", None, "context answer", Look("#0072b2", "-", "o")),
)
"""Metric, set (None for the panel's own), label and look; later ones are drawn on top."""


Labels = Mapping[str, Mapping[int, str]]
"""The names of steps, by series."""


def accuracy(
    curves: pl.DataFrame,
    inversions: pl.DataFrame,
    runs: Sequence[Run],
    scorer: str = MAIN,
    labels: Labels | None = None,
) -> Figure:
    """Context and parametric answers next to the control mean and, where there are benchmarks, the ID
    accuracy, by step (paper, figs. 1a and 2).

    One panel per conflict set and combination of model, dataset and recipe in ``runs``; epoch ends
    are marked. Each title has the verdict, and bars mark the windows that it reads: peak, trough and end. Rates are
    shares of all items. ``labels`` names the steps of series. Raises :class:`ValueError` if ``curves`` lacks a
    column, has no row for the runs, or mixes prompts.
    """
    table = rows_of(curves, runs, scorer)
    sets = conflict_sets(table)
    combinations = unique((r.model, r.dataset, r.recipe) for r in runs)
    cells = [Cell(model, dataset, recipe, name) for model, dataset, recipe in combinations for name in sets]
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
    """The curves of :func:`accuracy` in small panels: models down, datasets across (figs. 6 to 11).

    Several recipes add rows and several conflict sets add columns; a combination without rows says
    "no data". Raises as :func:`accuracy`.
    """
    table = rows_of(curves, runs, scorer)
    columns = [(dataset, name) for dataset in unique(r.dataset for r in runs) for name in conflict_sets(table)]
    rows = unique((r.model, r.recipe) for r in runs)
    cells = [Cell(model, dataset, recipe, name) for model, recipe in rows for dataset, name in columns]
    verdict = partial(verdict_of, inversions, scorer)
    size = Size(1.9, 1.25)
    return _curve_panels(table, cells, verdict, columns=len(columns), size=size, detail=False, labels=labels)


def recipes(curves: pl.DataFrame, runs: Sequence[Run], scorer: str = MAIN) -> Figure:
    """Context answers by step, one line per recipe, and next to them the control mean (figs. 4b and 5).

    One row per combination of model and dataset in ``runs``; one column per conflict set and one for
    the control mean. Raises as :func:`accuracy`.
    """
    table = rows_of(curves, runs, scorer)
    sets, names = conflict_sets(table), unique(r.recipe for r in runs)
    pairs = unique((r.model, r.dataset) for r in runs)
    columns = [(name, "context_rate") for name in sets] + [(CONTROL_MEAN, "accuracy")]
    size = Size(2.3, max(1.9, 0.17 * len(names)), beside=1.2)
    with matplotlib.rc_context(STYLE):
        figure, panels = curve_canvas(len(pairs), len(columns), size, table)
        titles = panel_titles([(model, dataset) for model, dataset in pairs], figure)
        for (model, dataset), row, title in zip(pairs, panels, titles, strict=True):
            for (name, metric), axes in zip(columns, row, strict=True):
                ends = []
                for recipe, look in zip(names, distinct_looks(len(names)), strict=True):
                    series = series_of(table, Cell(model, dataset, recipe, name), metric)
                    if series is not None:
                        draw_series(axes, series, look)
                        ends.append((recipe, series, look))
                what = "control mean" if metric == "accuracy" else "context answer"
                of_set = [name] if metric != "accuracy" and len(sets) > 1 else []
                axes.set_title(" · ".join(filter(None, [title, *of_set, what])), loc="left")
                if not ends:
                    say_empty(axes)
                label_ends(axes, ends, size.height)
        label_axes(panels)
    return figure


def _curve_panels(
    table: pl.DataFrame,
    cells: list[Cell],
    verdict: Callable[[Cell, Series], Verdict],
    columns: int,
    size: Size,
    detail: bool,
    labels: Labels | None,
) -> Figure:
    """One panel per cell, row by row, with the curves of ``_CURVES``; a single column is laid out across.

    The windows of each panel's ``verdict`` are marked. With ``detail`` they and the epoch ends are labelled. Lines are
    named right of every full row.
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
    """Put the names of steps on the axis that the panels share or, where they differ, into each panel."""
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


def _draw_curves(axes: Axes, table: pl.DataFrame, cell: Cell, detail: bool) -> list[tuple[str, Series, Look]]:
    """Draw the curves of one cell; returns what there is, as :func:`label_ends` takes it."""
    ends = []
    for metric, name, label, look in _CURVES:
        series = series_of(table, cell._replace(set=name or cell.set), metric)
        if series is not None:
            draw_series(axes, series, look)
            ends.append((label, series, look))
    if not ends:
        say_empty(axes)
    else:
        _mark_epochs(axes, ends[-1][1], detail)
    return ends


def _mark_epochs(axes: Axes, series: Series, detail: bool) -> None:
    """Thin vertical lines where epochs end; at most four of them are labelled."""
    if series.steps_per_epoch is None:
        return
    count = int(series.steps[-1] / series.steps_per_epoch + 1e-6)
    for epoch in range(1, count + 1):
        step = epoch * series.steps_per_epoch
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
