"""Figures of the probes inside checkpoints, in the style of :mod:`inversion.plot`: attention and gradients.

As there, lines are named at their ends, the step axis is a square root, and a band is the 95 % interval of a single
seed or reaches from the lowest of several seeds to the highest.
"""

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
from inversion.plot.panels import (
    draw_series,
    label_ends,
    light_grid,
    panel_titles,
    say_empty,
    signed_sqrt,
    signed_square,
    step_axis,
)
from inversion.plot.series import Cell, Series, conflict_sets, of_runs, rows_of, series_of, unique
from inversion.plot.style import GREY, SMALL, STYLE, Look, percent
from inversion.records.frames import require_schema
from inversion.records.measurements import ATTENTION_PARTS, AttentionPoint, GradientPoint

_PARTS = {
    "rest": Look(GREY, (0, (1, 1.2)), "^"),
    "subject": Look("#d55e00", (0, (4, 1.4)), "s"),
    "context": Look("#0072b2", "-", "o"),
}
"""Parts of the prompt; later ones are drawn on top."""
_KINDS = {
    "counterfactual": Look("#cc79a7", (0, (2.5, 1)), "v"),
    "S": Look(GREY, (0, (1, 1.2)), "^"),
    "C+S": Look("#d55e00", (0, (4, 1.4)), "s"),
    "C": Look("#0072b2", "-", "o"),
}
"""Kinds of examples, C and C+S as in the figures of the theory."""
_CONTEXT = Look("#000000", "-", "o")
_NORMS = (
    ("example", "all", "gradient norm\nof an example"),
    ("example", "query_key", "of an example,\nqueries and keys"),
    ("batch", "query_key", "part of the step,\nqueries and keys"),
)
"""Measure and weights of each row of gradient norms, and its name."""
_ALL = Look("#000000", (0, (1, 1)), "")
_WIDTH, _HEIGHT = 2.9, 1.45
_COLORS = sns.color_palette("mako_r", as_cmap=True)
"""From light to dark."""


def attention(table: pl.DataFrame, runs: Sequence[Run], query: str = "answer") -> Figure:
    """Attention from the answer's position by step: mean over layers, and by layer (fig. 3b).

    One row per conflict set and combination of model, dataset and recipe in ``runs``. Left: on each part of the prompt.
    Next to it, on the context and on the subject: one cell per layer and step, mean over seeds. ``table`` is the table
    ``attention``; raises :class:`ValueError` if it lacks a column or has no row for the runs.
    """
    require_schema(table, AttentionPoint, "attention")
    shown = of_runs(table, runs).filter(pl.col("query") == query).rename({"part": "metric"})
    if shown.is_empty():
        raise ValueError(f"attention: no row from {query!r} for the {len(runs)} runs; rebuild the table")
    cells = [
        Cell(model, dataset, recipe, name)
        for model, dataset, recipe in unique((r.model, r.dataset, r.recipe) for r in runs)
        for name in sorted(shown["set"].unique())
    ]
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
                    say_empty(axes)
        for axes in panels[-1]:
            axes.set_xlabel("step")
        colors = matplotlib.cm.ScalarMappable(matplotlib.colors.Normalize(0, highest), _COLORS)
        bar = figure.colorbar(colors, ax=panels[:, 1:], shrink=0.95)
        bar.ax.yaxis.set_major_formatter(lambda value, _: percent(value))
    return figure


def gradients(table: pl.DataFrame, curves: pl.DataFrame, runs: Sequence[Run], scorer: str = MAIN) -> Figure:
    """Gradient norms by kind of example under the context answers, by step: section 5's explanation, measured.

    One column per conflict set and combination of model, dataset and recipe in ``runs``. Rows: context answers with
    their peak; norms on logarithmic scales, and where those of C and C+S examples cross; last the direction in which
    each kind pulls conflicts, up towards the context and down towards memory, on a scale that is logarithmic in both
    directions, with the sum of all kinds.
    ``table`` and ``curves`` are the tables ``gradients`` and ``curves``, the latter of one prompt. Raises
    :class:`ValueError` if one lacks a column or has no row for the runs.
    """
    require_schema(table, GradientPoint, "gradients")
    answers = rows_of(curves, runs, scorer)
    shown = of_runs(table, runs)
    if shown.is_empty():
        raise ValueError(f"gradients: no row for the {len(runs)} runs; rebuild the table")
    cells = [
        Cell(model, dataset, recipe, name)
        for model, dataset, recipe in unique((r.model, r.dataset, r.recipe) for r in runs)
        for name in conflict_sets(answers)
    ]
    there = set(shown.select("measure", "weights").unique().rows())
    norms = [row for row in _NORMS if row[:2] in there]  # some models have no separate query and key weights
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
            series = series_of(answers, cell, "context_rate")
            if series is None:
                say_empty(axes)
                continue
            draw_series(axes, series, _CONTEXT)
            peak = float(series.steps[int(np.argmax(series.mean))])
            for below in panels[:, cells.index(cell)]:
                below.axvline(peak, color=GREY, linewidth=0.9, zorder=0.5)
            _note(axes, peak, f"peak at step {peak:.0f}", GREY)
        for (measure, weights, name), row in zip(norms, panels[1:-1], strict=True):
            row[0].set_ylabel(name)
            part = shown.filter(pl.col("measure") == measure, pl.col("weights") == weights)
            _log_axis(row[0], part["value"])
            ends: list[tuple[str, Series, Look]] = []
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


def _draw_lines(
    axes: Axes, table: pl.DataFrame, cell: Cell, looks: Mapping[str, Look]
) -> list[tuple[str, Series, Look]]:
    """Draw a line a metric of ``looks``; returns those that there are, as :func:`label_ends` takes them."""
    found = [(metric, series_of(table, cell, metric), look) for metric, look in looks.items()]
    ends = [(metric, series, look) for metric, series, look in found if series is not None]
    for _, series, look in ends:
        draw_series(axes, series, look)
    return ends


def _draw_layers(axes: Axes, table: pl.DataFrame, cell: Cell, part: str, highest: float) -> bool:
    """Draw the attention on a part as a mesh, layers up and steps across, and say whether there is any."""
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
    """Draw ``value`` as a mesh with the column ``upwards`` (integers) up and steps across; returns the mesh.

    A cell of the mesh reaches half way to its neighbours. ``rows`` has one row for each of its cells.
    """
    rows = rows.sort(upwards, "step")
    places, steps = (rows[name].unique().sort().to_numpy() for name in (upwards, "step"))
    axes.grid(visible=False)
    mesh = axes.pcolormesh(
        signed_square(_between(np.sqrt(steps))),
        np.arange(len(places) + 1) - 0.5,
        rows["value"].to_numpy().reshape(len(places), len(steps)),
        rasterized=True,
        **colors,
    )
    axes.set_ylim(-0.5, len(places) - 0.5)
    axes.set_yticks(sorted({0, *range(0, len(places), max(1, len(places) // 4)), len(places) - 1}))
    axes.set_ylabel(upwards)
    return mesh


def _between(places: NDArray[Any]) -> NDArray[Any]:
    """The edges of cells around ``places``: half way between neighbours, and as far beyond the outer ones."""
    if len(places) == 1:
        return np.array([places[0] - 0.5, places[0] + 0.5])
    middle = (places[:-1] + places[1:]) / 2
    return np.array([2 * places[0] - middle[0], *middle, 2 * places[-1] - middle[-1]])


def _draw_kinds(axes: Axes, part: pl.DataFrame, cell: Cell) -> list[tuple[str, Series, Look]]:
    """Draw the norms of one cell as logarithms, and mark where those of C and C+S examples cross."""
    # norms are of the training data, whatever set is asked
    rows = part.with_columns(pl.lit(cell.set).alias("set")).rename({"kind": "metric"})
    # the lower end of an interval may be below 0: out of the panel
    rows = rows.with_columns(pl.col("value", "low", "high").clip(1e-30).log10())
    ends = _draw_lines(axes, rows, cell, _KINDS)
    by_kind = {kind: series for kind, series, _ in ends}
    if "C" in by_kind and "C+S" in by_kind:
        _mark_crossings(axes, by_kind["C"], by_kind["C+S"])
    return ends


def _draw_pulls(row: NDArray[Any], table: pl.DataFrame, cells: Sequence[Cell]) -> None:
    """Draw which way each kind of example, and all of them together, pull conflicts, as signed logarithms."""
    pulls = table.filter(pl.col("measure") == "pull", pl.col("weights") == "all")
    summed = pulls.group_by(*Run._fields, "step", "epoch", maintain_order=True).agg(pl.col("value").sum())
    summed = summed.with_columns(kind=pl.lit("all"), low=pl.col("value"), high=pl.col("value"))
    columns = [*Run._fields, "step", "epoch", "kind", "value", "low", "high"]
    rows = pl.concat([pulls.select(columns), summed.select(columns)]).rename({"kind": "metric"})
    unit = _pull_axis(row[0], rows["value"])
    logs = pl.col("value", "low", "high")
    rows = rows.with_columns(logs.sign() * (1 + logs.abs() / unit).log10())
    ends: list[tuple[str, Series, Look]] = []
    for cell, axes in zip(cells, row, strict=True):
        axes.axhline(0, color=GREY, linewidth=0.7, zorder=0.5)
        of_cell = rows.with_columns(pl.lit(cell.set).alias("set"))
        ends = _draw_lines(axes, of_cell, cell, _KINDS | {"all": _ALL}) or ends
    row[0].set_ylabel("pull on conflicts\n(up: towards the context)")
    label_ends(row[-1], ends, _HEIGHT)


def _pull_axis(axes: Axes, values: pl.Series) -> float:
    """A linear axis for signed logarithms of ``values``; returns the power of ten below which these are linear."""
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


def _mark_crossings(axes: Axes, c: Series, cs: Series) -> None:
    """Thin dashed lines where one kind overtakes the other, in its colour, and above the panel where that is."""
    lines = {"C+S": cs, "C": c}
    said = []
    for above, below in (("C+S", "C"), ("C", "C+S")):
        places = overtakes(list(c.steps), list(lines[below].mean), list(lines[above].mean))
        for step in places:
            axes.axvline(step, color=_KINDS[above].color, linestyle=(0, (4, 2)), linewidth=0.9, zorder=0.5)
        if places:
            listed = ", ".join(f"{step:.0f}" for step in places[:4]) + (", …" if len(places) > 4 else "")
            said.append(f"{above} overtakes {below} at {listed}")
    higher, lower = ("C", "C+S") if c.mean[0] > cs.mean[0] else ("C+S", "C")
    _note(axes, c.steps[0], "; ".join(said) or f"{higher} above {lower} throughout", GREY)


def _note(axes: Axes, step: float, text: str, color: str) -> None:
    """A small text above the panel at ``step``."""
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
    """A linear axis for logarithms of ``values``: labels at the ends of lines are spread on a linear one."""
    finite = values.filter(values > 0).log10().to_numpy()
    if not len(finite):  # all gradients vanish
        return
    low, high = float(finite.min()), float(finite.max())
    axes.set_ylim(low - 0.1, high + 0.1)
    whole = list(range(math.ceil(low), math.floor(high) + 1))
    axes.set_yticks(whole if len(whole) > 1 else [round(low, 1), *whole, round(high, 1)])
    axes.yaxis.set_major_formatter(lambda value, _: f"{10.0**value:.2g}")
