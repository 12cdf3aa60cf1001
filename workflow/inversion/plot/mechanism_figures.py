"""Draws the figures ``lens``, ``patching``, ``knockouts`` and ``weights``: where in the network answers are decided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
import polars as pl
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from inversion.config.run import Run
from inversion.config.scorers import MAIN
from inversion.plot.lines import Cell, Line, across_seeds, cells_of, conflict_sets, curve_rows, line_of, probe_rows
from inversion.plot.panels import draw_line, light_grid, panel_titles, show_no_data, step_axis
from inversion.plot.probe_figures import draw_mesh
from inversion.plot.style import GREY, STYLE, Look, percent
from inversion.records.mechanism import (
    COMPONENTS,
    KnockoutPoint,
    LensPoint,
    PatchPoint,
    WeightPoint,
)

_CONTEXT = Look("#000000", "-", "o")
_WIDTH, _HEIGHT = 2.9, 1.45
_SIDES = sns.color_palette("vlag_r", as_cmap=True)
"""From red (the parametric answer) through white to blue (the context answer)."""
_LENSES = {"logit": "logit lens", "tuned": "tuned lens"}
_READ_AT = {"last": "last token", "subject": "last token of the subject"}
_PLACES = {"context": "#0072b2", "question": "#d55e00", "last": "#009e73", "subject": "#cc79a7", "all": "#000000"}
_RECEIVERS = {"end": "the end with parts of the peak", "peak": "the peak with parts of the end"}
_PARTS = {"residual": "residual stream", "attention": "attention", "mlp": "MLP"}
_GROUPS = {
    "query_key": ("query\nand key", "#0072b2"),
    "value_output": ("value\nand output", "#d55e00"),
    "mlp": ("MLP", "#009e73"),
    "rest": ("rest", GREY),
}
"""The name and the colour of each group of weights."""
_DIRECTIONS = {"insert": ("only this group is updated", 0.85), "leave_out": ("lost without its update", 0.4)}
"""The name and the opacity of the bars of each direction."""
_SHARES = (-1.0, 2.0)
"""The largest range of an axis of shares. Shares of a small change have intervals that would hide all others."""
_INTERVALS: dict[str, Any] = {"rise": "-", "fall": (0, (4, 1.4))}
"""The dashes of each interval's lines."""


def lens(table: pl.DataFrame, curves: pl.DataFrame, runs: Sequence[Run], scorer: str = MAIN) -> Figure:
    """Log-odds of the context answer over the parametric one after every layer, with the share of context answers.

    It has one column per conflict set and combination of model, dataset and recipe in ``runs``. The upper panel shows
    context answers and their peak. Below it there is one panel for each lens and token at which it was read, with one
    cell per depth and step, the mean over items and seeds. Its line is the mean depth from which an item's log-odds
    keep the sign that they have at the last layer. The colours are scaled to the upper half of the depths, because the
    output embedding was not trained to read the lower ones. ``table`` and ``curves`` are the tables ``lens`` and
    ``curves``, the latter with the rows of one prompt. Raises :class:`ValueError` if a table lacks a column or has no
    row for the runs.
    """
    answers = curve_rows(curves, runs, scorer)
    shown = probe_rows(table, LensPoint, "lens", runs).rename({"measure": "metric"})
    cells = cells_of(runs, (name for name in conflict_sets(answers) if name in set(shown["set"])))
    readings = sorted(shown.select("position", "lens").unique().rows())
    margins = shown.filter(pl.col("metric") == "margin")
    highest = _scale_of(margins.filter(2 * pl.col("depth") >= pl.col("depth").max())["value"])
    beyond = _scale_of(margins["value"]) > highest
    height = (1 + len(readings)) * (_HEIGHT + 0.3) + 0.5
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(len(cells) * (_WIDTH + 0.35) + 1.6, height), layout="constrained")
        panels = figure.subplots(1 + len(readings), len(cells), sharex=True, squeeze=False)
        step_axis(panels[0, 0], int(answers["step"].max()))  # type: ignore[arg-type]
        for cell, (above, *below), title in zip(cells, panels.T, panel_titles(cells, figure), strict=True):
            above.set_title(title, loc="left")
            _draw_curve(above, line_of(answers, cell, "context_rate"), [above, *below])
            for axes, (position, kind) in zip(below, readings, strict=True):
                if len(readings) > 1:
                    axes.set_title(f"{_LENSES[kind]}, {_READ_AT[position]}", loc="left")
                read = pl.col("position") == position, pl.col("lens") == kind
                _draw_lens(axes, margins.filter(*read), line_of(shown.filter(*read), cell, "turn"), cell, highest)
                axes.set_ylabel("layers passed" if cell is cells[0] else "")
            below[-1].set_xlabel("step")
        panels[0, 0].set_ylabel("context answers")
        colors = matplotlib.cm.ScalarMappable(matplotlib.colors.Normalize(-highest, highest), _SIDES)
        extend = "both" if beyond else "neither"
        label = "log-odds (nats)\nup: the context's answer"
        figure.colorbar(colors, ax=panels[1:, :], shrink=0.95, label=label, extend=extend)
    return figure


def _scale_of(values: pl.Series) -> float:
    """The largest absolute value, as the end of a scale of colours."""
    return float(values.abs().max() or 1.0)  # type: ignore[arg-type]


def _limit_shares(axes: Axes) -> None:
    """Limit an axis of shares to :data:`_SHARES`; intervals end at its edge."""
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, _SHARES[0]), min(high, _SHARES[1]))


def _draw_lens(axes: Axes, margins: pl.DataFrame, turn: Line | None, cell: Cell, highest: float) -> None:
    """Draw the log-odds by depth and step, and the depth at which items turn."""
    rows = (
        margins.filter(*(pl.col(name) == value for name, value in zip(Cell._fields, cell, strict=True)))
        .group_by("depth", "step")
        .agg(pl.col("value").mean())
    )
    if rows.is_empty():
        show_no_data(axes)
        return
    draw_mesh(axes, rows, "depth", cmap=_SIDES, vmin=-highest, vmax=highest)
    if turn is not None:
        axes.plot(turn.steps, turn.mean, color="#000000", linewidth=1.2, linestyle=(0, (4, 1.4)))


def patching(table: pl.DataFrame, runs: Sequence[Run]) -> Figure:
    """The share of the fall between peak and end that patching one component of one layer restores or removes.

    It has two rows per conflict set and combination of model, dataset and recipe in ``runs``: the end patched from the
    peak, and the peak patched from the end. There is one column per component, one group of bars per layer, and one bar
    per group of tokens. A cross is the same patch from an unrelated item. The axis is limited to :data:`_SHARES`.
    ``table`` is the table ``patching``. Raises :class:`ValueError` if it lacks a column or has no row for the runs.
    """
    share = pl.col("measure") == "share", pl.col("value").is_finite()
    shown = probe_rows(table, PatchPoint, "patching", runs, *share)
    cells = [(cell, receiver) for cell in cells_of(runs, sorted(shown["set"].unique())) for receiver in _RECEIVERS]
    components = [name for name in COMPONENTS if name in set(shown["component"])] or COMPONENTS[:1]
    with matplotlib.rc_context(STYLE):
        figure = Figure(
            figsize=(len(components) * _WIDTH + 1.2, len(cells) * (_HEIGHT + 0.55) + 0.5), layout="constrained"
        )
        panels = figure.subplots(len(cells), len(components), squeeze=False, sharex=True, sharey="row")
        titles = panel_titles([(*cell, _RECEIVERS[receiver]) for cell, receiver in cells], figure)
        for row, (cell, receiver), title in zip(panels, cells, titles, strict=True):
            rows = shown.filter(
                *(pl.col(name) == value for name, value in zip(Cell._fields, cell, strict=True)),
                pl.col("receiver") == receiver,
            )
            row[0].set_ylabel("share of the fall")
            row[0].yaxis.set_major_formatter(lambda value, _: percent(value))
            for axes, component in zip(row, components, strict=True):
                axes.set_title(f"{title}\n{_PARTS[component]}" if axes is row[0] else _PARTS[component], loc="left")
                light_grid(axes, "y")
                _draw_shares(axes, rows.filter(pl.col("component") == component))
            _limit_shares(row[0])
        for axes in panels[-1]:
            axes.set_xlabel("layer")
        handles = [Patch(color=color, label=name) for name, color in _PLACES.items() if name in set(shown["positions"])]
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
    return figure


def knockouts(table: pl.DataFrame, runs: Sequence[Run]) -> Figure:
    """The change in log-odds when a head can no longer attend to the context, at start, peak and end.

    It has one row per conflict set and combination of model, dataset and recipe in ``runs``, one column per milestone,
    and one cell per layer and head (mean over seeds). Red heads support the context answer. The title of a panel gives
    its rank correlation with the peak. If attention was scaled by several factors, the smallest is shown. ``table`` is
    the table ``knockouts``. Raises :class:`ValueError` if it lacks a column or has no row for the runs.
    """
    shown = probe_rows(table, KnockoutPoint, "knockouts", runs).filter(pl.col("scale") == pl.col("scale").min())
    cells = cells_of(runs, sorted(shown["set"].unique()))
    effects = shown.filter(pl.col("measure") == "effect")
    highest = _scale_of(effects["value"])
    milestones = ("start", "peak", "end")
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(3 * 2.2 + 1.4, len(cells) * (_HEIGHT + 0.55) + 0.4), layout="constrained")
        panels = figure.subplots(len(cells), len(milestones), squeeze=False)
        for row, cell, title in zip(panels, cells, panel_titles(cells, figure), strict=True):
            own = [pl.col(name) == value for name, value in zip(Cell._fields, cell, strict=True)]
            for axes, milestone in zip(row, milestones, strict=True):
                at = shown.filter(*own, pl.col("milestone") == milestone)
                mesh = at.filter(pl.col("measure") == "effect").group_by("layer", "head").agg(pl.col("value").mean())
                if mesh.is_empty():
                    show_no_data(axes)
                    continue
                values = mesh.sort("layer", "head")["value"].to_numpy().reshape(mesh["layer"].n_unique(), -1)
                axes.pcolormesh(values, cmap=_SIDES, vmin=-highest, vmax=highest, rasterized=True)
                axes.set_xticks(np.arange(values.shape[1]) + 0.5, [str(head) for head in range(values.shape[1])])
                labelled = range(0, values.shape[0], -(-values.shape[0] // 10))
                axes.set_yticks([layer + 0.5 for layer in labelled], [str(layer) for layer in labelled])
                like_peak = at.filter(pl.col("measure") == "peak")["value"].to_numpy()
                correlation = f"\nrank correlation with the peak {like_peak.mean():.2f}" if len(like_peak) else ""
                axes.set_title(f"{title + ' · ' if axes is row[0] else ''}{milestone}{correlation}", loc="left")
                axes.set_xlabel("head")
            row[0].set_ylabel("layer")
        colors = matplotlib.cm.ScalarMappable(matplotlib.colors.Normalize(-highest, highest), _SIDES)
        figure.colorbar(colors, ax=panels, shrink=0.95, label="change of log-odds (nats)")
    return figure


def weights(table: pl.DataFrame, runs: Sequence[Run]) -> Figure:
    """The shares of the rise and the fall that the update of each group of weights carries, and the updates' norms.

    It has one row per conflict set and combination of model, dataset and recipe in ``runs``. The left and middle panels
    have two bars per group: the share when only this group is updated, and the share that is lost when only this group
    is not updated; their axis is limited to :data:`_SHARES`. The right panel shows the norm of the updates relative to
    the weights at the start, by layer and for all layers (mean over seeds). ``table`` is the table ``weights``. Raises
    :class:`ValueError` if it lacks a column or has no row for the runs.
    """
    shown = probe_rows(table, WeightPoint, "weights", runs)
    cells = cells_of(runs, sorted(shown["set"].drop_nulls().unique()))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(3 * _WIDTH + 1.2, len(cells) * (_HEIGHT + 0.75) + 0.7), layout="constrained")
        panels = figure.subplots(len(cells), 3, squeeze=False)
        for row, cell, title in zip(panels, cells, panel_titles(cells, figure), strict=True):
            own = [pl.col(name) == value for name, value in zip(Cell._fields[:3], cell[:3], strict=True)]
            rows = shown.filter(*own, pl.col("value").is_finite())
            for axes, interval in zip(row[:2], _INTERVALS, strict=True):
                axes.set_title(
                    f"{title}\nshare of the {interval}" if axes is row[0] else f"share of the {interval}", loc="left"
                )
                _draw_exchanges(axes, rows.filter(pl.col("set") == cell.set, pl.col("interval") == interval))
            row[1].sharey(row[0])
            _limit_shares(row[0])
            row[2].set_title("norm of the update / norm of the weights", loc="left")
            row[2].set_xlabel("layer")
            _draw_norms(row[2], rows.filter(pl.col("measure") == "norm"))
        handles = [
            *(Patch(color="#000000", alpha=alpha, label=label) for label, alpha in _DIRECTIONS.values()),
            *(Line2D([], [], color="#000000", linestyle=look, label=name) for name, look in _INTERVALS.items()),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
    return figure


def _draw_exchanges(axes: Axes, rows: pl.DataFrame) -> None:
    """Draw two bars per group of weights, one per direction, with their intervals."""
    light_grid(axes, "y")
    axes.axhline(0, color=GREY, linewidth=0.7)
    axes.yaxis.set_major_formatter(lambda value, _: percent(value))
    axes.set_xticks(range(len(_GROUPS)), [label for label, _ in _GROUPS.values()])
    if rows.is_empty():
        show_no_data(axes)
        return
    for place, (group, (_, color)) in enumerate(_GROUPS.items()):
        for shift, (direction, (_, alpha)) in zip((-0.2, 0.2), _DIRECTIONS.items(), strict=True):
            shares = rows.filter(pl.col("part") == group, pl.col("measure") == f"{direction}_share")
            if not shares.is_empty():
                mean, low, high = shares.select(*across_seeds("value", "low", "high", ("mean", "low", "high"))).row(0)
                axes.bar(place + shift, mean, 0.36, color=color, alpha=alpha)
                axes.vlines(place + shift, low, high, color="#000000", linewidth=0.8)


def _draw_norms(axes: Axes, rows: pl.DataFrame) -> None:
    """Draw one line per group of weights and interval over the layers, and after them the norm of the whole group."""
    light_grid(axes, "y")
    if rows.is_empty():
        show_no_data(axes)
        return
    layers = 1 + int(rows["layer"].max())  # type: ignore[arg-type]
    ticks = list(range(0, layers, max(1, layers // 8)))
    axes.set_xticks([*ticks, layers], [*map(str, ticks), "all"])
    for group, (_, color) in _GROUPS.items():
        for interval, dashes in _INTERVALS.items():
            mean = (
                rows.filter(pl.col("part") == group, pl.col("interval") == interval)
                .group_by("layer")
                .agg(pl.col("value").mean())
                .sort("layer")
            )
            by_layer, altogether = mean.filter(pl.col("layer").is_not_null()), mean.filter(pl.col("layer").is_null())
            axes.plot(by_layer["layer"], by_layer["value"], color=color, linestyle=dashes, linewidth=1.2)
            marker = "o" if interval == "rise" else "D"
            axes.plot([layers] * altogether.height, altogether["value"], marker, color=color, markersize=3.5)
    axes.set_ylim(bottom=0)


def _draw_shares(axes: Axes, rows: pl.DataFrame) -> None:
    """Draw a group of bars per layer and a bar per group of tokens, each with its interval and the patch from an
    unrelated item."""
    if rows.is_empty():
        show_no_data(axes)
        return
    shown = [name for name in _PLACES if name in set(rows["positions"])]
    width = 0.8 / len(shown)
    for index, name in enumerate(shown):
        at = rows.filter(pl.col("positions") == name)
        for donor in ("rival", "other_item"):
            bars = (
                at.filter(pl.col("donor") == donor)
                .group_by("layer")
                .agg(*across_seeds("value", "low", "high", ("mean", "lowest", "highest")))
                .sort("layer")
            )
            places = bars["layer"].to_numpy() + (index - (len(shown) - 1) / 2) * width
            mean, low, high = (bars[column].to_numpy() for column in ("mean", "lowest", "highest"))
            if donor == "rival":
                axes.bar(places, mean, width * 0.9, color=_PLACES[name], alpha=0.75)
                axes.vlines(places, low, high, color="#000000", linewidth=0.8)
            else:
                axes.plot(places, mean, "x", color=GREY, markersize=3.5)
    axes.axhline(0, color=GREY, linewidth=0.7)
    layers = rows["layer"].unique().sort().to_list()
    axes.set_xticks([*layers[:: -(-len(layers) // 10)]])


def _draw_curve(axes: Axes, line: Line | None, marked: Sequence[Axes]) -> None:
    """Draw context answers on a percent axis, and their peak as a vertical line in the panels ``marked``."""
    axes.set_ylim(-0.02, 1.02)
    axes.set_yticks([0, 0.5, 1])
    axes.yaxis.set_major_formatter(lambda value, _: percent(value))
    light_grid(axes, "y")
    if line is None:
        show_no_data(axes)
        return
    draw_line(axes, line, _CONTEXT)
    for each in marked:
        each.axvline(float(line.steps[int(np.argmax(line.mean))]), color=GREY, linewidth=0.9, zorder=0.5)
