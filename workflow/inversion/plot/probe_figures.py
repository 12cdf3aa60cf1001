"""Draws the figures ``attention`` and ``gradients`` from the tables of the probes, in the style of
:mod:`inversion.plot`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import polars as pl
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from inversion.analyse.probe_tables import overtakes
from inversion.config.run import Run
from inversion.config.scorers import MAIN
from inversion.plot.lines import Cell, Line, cells_of, conflict_sets, curve_rows, line_of, probe_rows, rows_of_runs
from inversion.plot.panels import (
    draw_line,
    label_ends,
    light_grid,
    panel_titles,
    show_no_data,
    signed_sqrt,
    signed_square,
    step_axis,
)
from inversion.plot.style import GREY, SMALL, STYLE, Look, percent
from inversion.records.frames import require_schema
from inversion.records.measurements import ATTENTION_PARTS, AttentionPoint, GradientPoint

_PARTS = {
    "rest": Look(GREY, (0, (1, 1.2)), "^"),
    "subject": Look("#d55e00", (0, (4, 1.4)), "s"),
    "context": Look("#0072b2", "-", "o"),
}
"""Parts of the prompt. Later ones are drawn on top."""
_KINDS = {
    "counterfactual": Look("#cc79a7", (0, (2.5, 1)), "v"),
    "S": Look(GREY, (0, (1, 1.2)), "^"),
    "C+S": Look("#d55e00", (0, (4, 1.4)), "s"),
    "C": Look("#0072b2", "-", "o"),
}
"""Kinds of examples. C and C+S look as in the figures of the theory."""
_CONTEXT = Look("#000000", "-", "o")
_NORMS = (
    ("example", "all", "gradient norm\nof an example"),
    ("example", "query_key", "of an example,\nqueries and keys"),
    ("batch", "query_key", "part of the step,\nqueries and keys"),
)
"""Measure, weights and name of each row of gradient norms."""
_ALL = Look("#000000", (0, (1, 1)), "")
_WIDTH, _HEIGHT = 2.9, 1.45
_COLORS = sns.color_palette("mako_r", as_cmap=True)
"""From light to dark."""


def attention(table: pl.DataFrame, runs: Sequence[Run], query: str = "answer") -> Figure:
    """Attention from the answer's position by step, as a mean over layers and by layer (fig. 3b).

    It has one row per conflict set and combination of model, dataset and recipe in ``runs``. The left panel shows the
    attention to each part of the prompt. The other panels show the attention to the context and to the subject, with
    one cell per layer and step (mean over seeds). ``table`` is the table ``attention``. Raises :class:`ValueError` if
    it lacks a column or has no row for the runs.
    """
    require_schema(table, AttentionPoint, "attention")
    shown = rows_of_runs(table, runs).filter(pl.col("query") == query).rename({"part": "metric"})
    if shown.is_empty():
        raise ValueError(f"attention: no row from {query!r} for the {len(runs)} runs; rebuild the table")
    cells = cells_of(runs, sorted(shown["set"].unique()))
    last = int(shown["step"].max())  # type: ignore[arg-type]
    layers = shown.filter(pl.col("layer").is_not_null(), pl.col("metric") != "rest")
    highest = float(layers["value"].max())  # type: ignore[arg-type]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(3 * _WIDTH + 1.9, len(cells) * (_HEIGHT + 0.55) + 0.5), layout="constrained")
        panels = figure.subplots(len(cells), 3, squeeze=False, width_ratios=(1, 0.8, 0.8))
        for row, cell, title in zip(panels, cells, panel_titles(cells, figure), strict=True):
            for axes, name in zip(row, (title, "on the context, by layer", "on the subject, by layer"), strict=True):
                axes.set_title(name, loc="left")
                step_axis(axes, last)
                light_grid(axes, "y")
            row[0].set_ylim(-0.02, 1.02)
            row[0].set_yticks([0, 0.25, 0.5, 0.75, 1])
            row[0].yaxis.set_major_formatter(lambda value, _: percent(value))
            row[0].set_ylabel("attention, mean over layers")
            lines = shown.filter(pl.col("layer").is_null())
            ends = _draw_lines(row[0], lines, cell, _PARTS)
            label_ends(row[0], ends, _HEIGHT)
            meshes = [
                _draw_layers(axes, layers, cell, part, highest)
                for axes, part in zip(row[1:], ATTENTION_PARTS, strict=False)
            ]
            for axes, drawn in zip(row, [ends, *meshes], strict=True):
                if not drawn:
                    show_no_data(axes)
        for axes in panels[-1]:
            axes.set_xlabel("step")
        colors = matplotlib.cm.ScalarMappable(matplotlib.colors.Normalize(0, highest), _COLORS)
        bar = figure.colorbar(colors, ax=panels[:, 1:], shrink=0.95)
        bar.ax.yaxis.set_major_formatter(lambda value, _: percent(value))
    return figure


def gradients(table: pl.DataFrame, curves: pl.DataFrame, runs: Sequence[Run], scorer: str = MAIN) -> Figure:
    """Context answers and gradient norms by kind of example, by step, which tests the explanation of section 5.

    It has one column per conflict set and combination of model, dataset and recipe in ``runs``. The first row shows the
    context answers and their peak. The next rows show gradient norms on logarithmic scales, and where the norms of C
    and C+S examples cross. The last row shows how strongly each kind of example, and all together, pull conflicts
    towards the context (up) or towards memory (down), on a scale that is logarithmic in both directions.

    ``table`` and ``curves`` are the tables ``gradients`` and ``curves``, the latter with the rows of one prompt. Raises
    :class:`ValueError` if a table lacks a column or has no row for the runs.
    """
    answers = curve_rows(curves, runs, scorer)
    shown = probe_rows(table, GradientPoint, "gradients", runs)
    cells = cells_of(runs, conflict_sets(answers))
    there = set(shown.select("measure", "weights").unique().rows())
    norms = [row for row in _NORMS if row[:2] in there]  # not all models have separate query and key weights
    count = 2 + len(norms)
    with matplotlib.rc_context(STYLE):
        figure = Figure(
            figsize=(len(cells) * (_WIDTH + 0.35) + 1.3, count * (_HEIGHT + 0.2) + 0.5), layout="constrained"
        )
        panels = figure.subplots(count, len(cells), sharex=True, sharey="row", squeeze=False)
        step_axis(panels[0, 0], int(answers["step"].max()))  # type: ignore[arg-type]
        panels[0, 0].set_ylim(-0.02, 1.02)
        panels[0, 0].set_yticks([0, 0.5, 1])
        panels[0, 0].yaxis.set_major_formatter(lambda value, _: percent(value))
        panels[0, 0].set_ylabel("context answers")
        for cell, axes, title in zip(cells, panels[0], panel_titles(cells, figure), strict=True):
            axes.set_title(title, loc="left", pad=12)
            line = line_of(answers, cell, "context_rate")
            if line is None:
                show_no_data(axes)
                continue
            draw_line(axes, line, _CONTEXT)
            peak = float(line.steps[int(np.argmax(line.mean))])
            for below in panels[:, cells.index(cell)]:
                below.axvline(peak, color=GREY, linewidth=0.9, zorder=0.5)
            _note(axes, peak, f"peak at step {peak:.0f}", GREY)
        for (measure, weights, name), row in zip(norms, panels[1:-1], strict=True):
            row[0].set_ylabel(name)
            part = shown.filter(pl.col("measure") == measure, pl.col("weights") == weights)
            _log_axis(row[0], part["value"])
            ends: list[tuple[str, Line, Look]] = []
            for cell, axes in zip(cells, row, strict=True):
                ends = _draw_kinds(axes, part, cell) or ends
            label_ends(row[-1], ends, _HEIGHT)
        _draw_pulls(panels[-1], shown, cells)
        for axes in panels[-1]:
            axes.set_xlabel("step")
        for axes in panels.flat:
            light_grid(axes, "y")
    return figure


# --- panels -------------------------------------------------------------------------------------


def _draw_lines(axes: Axes, table: pl.DataFrame, cell: Cell, looks: Mapping[str, Look]) -> list[tuple[str, Line, Look]]:
    """Draw a line for each metric in ``looks`` that has data, and return them for :func:`label_ends`."""
    found = [(metric, line_of(table, cell, metric), look) for metric, look in looks.items()]
    ends = [(metric, line, look) for metric, line, look in found if line is not None]
    for _, line, look in ends:
        draw_line(axes, line, look)
    return ends


def _draw_layers(axes: Axes, table: pl.DataFrame, cell: Cell, part: str, highest: float) -> bool:
    """Draw the attention to a part as a mesh of layers (up) and steps (across). Returns whether there are data."""
    rows = (
        table.filter(*(pl.col(name) == value for name, value in zip(Cell._fields, cell, strict=True)))
        .filter(pl.col("metric") == part)
        .group_by("layer", "step")
        .agg(pl.col("value").mean())
    )
    if rows.is_empty():
        return False
    draw_mesh(axes, rows, "layer", cmap=_COLORS, vmin=0, vmax=highest)
    return True


def draw_mesh(axes: Axes, rows: pl.DataFrame, upwards: str, **colors: Any) -> Any:
    """Draw the column ``value`` as a mesh, with the integer column ``upwards`` up and steps across, and return the
    mesh.

    Cell edges are half way between neighbouring values. ``rows`` has one row per cell.
    """
    rows = rows.sort(upwards, "step")
    places, steps = (rows[name].unique().sort().to_numpy() for name in (upwards, "step"))
    axes.grid(visible=False)
    mesh = axes.pcolormesh(
        signed_square(_cell_edges(np.sqrt(steps))),
        np.arange(len(places) + 1) - 0.5,
        rows["value"].to_numpy().reshape(len(places), len(steps)),
        rasterized=True,
        **colors,
    )
    axes.set_ylim(-0.5, len(places) - 0.5)
    axes.set_yticks(sorted({0, *range(0, len(places), max(1, len(places) // 4)), len(places) - 1}))
    axes.set_ylabel(upwards)
    return mesh


def _cell_edges(places: NDArray[Any]) -> NDArray[Any]:
    """The edges of cells around ``places``: half way between neighbours, and equally far beyond the outer ones."""
    if len(places) == 1:
        return np.array([places[0] - 0.5, places[0] + 0.5])
    middle = (places[:-1] + places[1:]) / 2
    return np.array([2 * places[0] - middle[0], *middle, 2 * places[-1] - middle[-1]])


def _draw_kinds(axes: Axes, part: pl.DataFrame, cell: Cell) -> list[tuple[str, Line, Look]]:
    """Draw the logarithms of the norms, and mark where those of C and C+S examples cross."""
    # norms are those of the training data, and do not depend on the set
    rows = part.with_columns(pl.lit(cell.set).alias("set")).rename({"kind": "metric"})
    # an interval that reaches below 0 leaves the panel at the bottom
    rows = rows.with_columns(pl.col("value", "low", "high").clip(1e-30).log10())
    ends = _draw_lines(axes, rows, cell, _KINDS)
    by_kind = {kind: line for kind, line, _ in ends}
    if "C" in by_kind and "C+S" in by_kind:
        _mark_crossings(axes, by_kind["C"], by_kind["C+S"])
    return ends


def _draw_pulls(row: NDArray[Any], table: pl.DataFrame, cells: Sequence[Cell]) -> None:
    """Draw how strongly and in which direction each kind of example, and all together, pull conflicts, as signed
    logarithms."""
    pulls = table.filter(pl.col("measure") == "pull", pl.col("weights") == "all")
    summed = pulls.group_by(*Run._fields, "step", "epoch", maintain_order=True).agg(pl.col("value").sum())
    summed = summed.with_columns(kind=pl.lit("all"), low=pl.col("value"), high=pl.col("value"))
    columns = [*Run._fields, "step", "epoch", "kind", "value", "low", "high"]
    rows = pl.concat([pulls.select(columns), summed.select(columns)]).rename({"kind": "metric"})
    unit = _pull_axis(row[0], rows["value"])
    logs = pl.col("value", "low", "high")
    rows = rows.with_columns(logs.sign() * (1 + logs.abs() / unit).log10())
    ends: list[tuple[str, Line, Look]] = []
    for cell, axes in zip(cells, row, strict=True):
        axes.axhline(0, color=GREY, linewidth=0.7, zorder=0.5)
        of_cell = rows.with_columns(pl.lit(cell.set).alias("set"))
        ends = _draw_lines(axes, of_cell, cell, _KINDS | {"all": _ALL}) or ends
    row[0].set_ylabel("pull on conflicts\n(up: towards the context)")
    label_ends(row[-1], ends, _HEIGHT)


def _pull_axis(axes: Axes, values: pl.Series) -> float:
    """Set up a linear axis for signed logarithms of ``values``. Returns the power of ten below which the scale is
    linear."""
    sizes = np.abs(values.to_numpy())
    sizes = sizes[sizes > 0] if sizes.any() else np.ones(1)
    unit = 10.0 ** math.floor(math.log10(np.median(sizes)))
    tens = max(1, math.ceil(math.log10(sizes.max() / unit)))
    highest = math.log10(1 + 10.0**tens)
    axes.set_ylim(-1.05 * highest, 1.05 * highest)
    ticks = {0.0: "0"}
    for power in range(tens, 0, -2):
        ticks |= {sign * math.log10(1 + 10.0**power): f"{sign * unit * 10.0**power:g}" for sign in (-1, 1)}
    axes.set_yticks(list(ticks), list(ticks.values()))
    return unit


def _mark_crossings(axes: Axes, c: Line, cs: Line) -> None:
    """Draw a thin dashed line where one kind overtakes the other, in its colour, and write the step above the panel."""
    lines = {"C+S": cs, "C": c}
    correlation = []
    for above, below in (("C+S", "C"), ("C", "C+S")):
        places = overtakes(list(c.steps), list(lines[below].mean), list(lines[above].mean))
        for step in places:
            axes.axvline(step, color=_KINDS[above].color, linestyle=(0, (4, 2)), linewidth=0.9, zorder=0.5)
        if places:
            listed = ", ".join(f"{step:.0f}" for step in places[:4]) + (", …" if len(places) > 4 else "")
            correlation.append(f"{above} overtakes {below} at {listed}")
    higher, lower = ("C", "C+S") if c.mean[0] > cs.mean[0] else ("C+S", "C")
    _note(axes, c.steps[0], "; ".join(correlation) or f"{higher} above {lower} throughout", GREY)


def _note(axes: Axes, step: float, text: str, color: str) -> None:
    """Write a small text above the panel at ``step``."""
    low, high = axes.get_xlim()
    across = (signed_sqrt(step) - signed_sqrt(low)) / (signed_sqrt(high) - signed_sqrt(low))
    axes.annotate(
        text,
        (step, 1),
        xycoords=axes.get_xaxis_transform(),
        xytext=(0, 1.5),
        textcoords="offset points",
        ha="left" if across < 0.25 else "right" if across > 0.75 else "center",
        va="bottom",
        fontsize=SMALL,
        color=color,
        annotation_clip=False,
    )


def _log_axis(axes: Axes, values: pl.Series) -> None:
    """Set up a linear axis for logarithms of ``values``, because :func:`label_ends` needs a linear axis."""
    finite = values.filter(values > 0).log10().to_numpy()
    if not len(finite):  # all gradients vanish
        return
    low, high = float(finite.min()), float(finite.max())
    axes.set_ylim(low - 0.1, high + 0.1)
    whole = list(range(math.ceil(low), math.floor(high) + 1))
    axes.set_yticks(whole if len(whole) > 1 else [round(low, 1), *whole, round(high, 1)])
    axes.yaxis.set_major_formatter(lambda value, _: f"{10.0**value:.2g}")
