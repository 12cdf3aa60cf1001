"""Figures: one function a figure, from the table ``curves`` (``factors``, ``tradeoffs``) to a matplotlib figure.

Lines are told apart by colour (Okabe and Ito's, made for the colour-blind), by dashes and by
marker, and are named at their ends instead of in a legend. The step axis is a square root, because
the action is over within the first tenth of most runs. Over several seeds a line is their mean, the
band reaches from the lowest seed to the highest and thin lines are the seeds; of a single seed the
band is the table's 95 % interval.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import polars as pl
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import offset_copy
from numpy.typing import NDArray

from inversion.analyse import ALL, CONTROL_MEAN
from inversion.analyse_benchmarks import ID_ACCURACY
from inversion.artifacts import atomic_path
from inversion.config import Run
from inversion.records import CurvePoint, FactorRate, Tradeoff, require_schema
from inversion.stats import pareto_front

Floats = NDArray[np.float64]


class _Look(NamedTuple):
    """How a line is drawn."""

    color: str
    dashes: Any
    marker: str


class _Series(NamedTuple):
    """One curve: ``mean``, ``low`` and ``high`` by step, and ``(steps, values)`` of each of several seeds."""

    steps: Floats
    mean: Floats
    low: Floats
    high: Floats
    seeds: list[tuple[Floats, Floats]]
    steps_per_epoch: float | None


class _Cell(NamedTuple):
    """What one panel shows."""

    model: str
    dataset: str
    recipe: str
    set: str


class _Size(NamedTuple):
    """Width and height of the plotting area of one panel, and the room around it, in inches."""

    width: float
    height: float
    beside: float = 0.45
    above: float = 0.45


_GREY = "#5f5f5f"
_CURVES = (
    ("accuracy", ID_ACCURACY, ID_ACCURACY, _Look("#009e73", (0, (5, 1.2, 1, 1.2)), "D")),
    ("accuracy", CONTROL_MEAN, CONTROL_MEAN, _Look(_GREY, (0, (1, 1.2)), "^")),
    ("parametric_rate", None, "parametric answer", _Look("#d55e00", (0, (4, 1.4)), "s")),
    ("context_rate", None, "context answer", _Look("#0072b2", "-", "o")),
)
"""Metric, set (None for the panel's own), label and look; later ones are drawn on top."""

_MOMENTS = {
    "start": _Look(_GREY, "-", "o"),
    "peak": _Look("#0072b2", "-", "D"),
    "end": _Look("#d55e00", "-", "s"),
}
"""How the moments of a run are drawn: also told apart by shape, fill and place."""

_LOOKS = (
    _Look("#000000", "-", "o"),
    _Look("#0072b2", (0, (5, 1.2)), "s"),
    _Look("#d55e00", (0, (1, 1)), "^"),
    _Look("#009e73", (0, (5, 1.2, 1, 1.2)), "D"),
    _Look("#cc79a7", (0, (2.5, 1)), "v"),
    _Look("#e69f00", (0, (7, 1, 1, 1, 1, 1)), "P"),
    _Look("#56b4e9", (0, (9, 2)), "X"),
)

_STYLE: dict[Any, Any] = {
    **sns.axes_style("ticks"),
    **sns.plotting_context("paper"),
    # ships with matplotlib, so that every machine draws the same figure
    "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "xtick.major.width": 0.7,
    "axes.linewidth": 0.7,
    "axes.edgecolor": _GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "inversion",
    "pdf.fonttype": 42,
    "savefig.dpi": 200,
}
_SMALL = 7.0
"""Font size of labels inside a panel, in points."""


# --- figures ------------------------------------------------------------------------------------


def accuracy(curves: pl.DataFrame, runs: Sequence[Run], scorer: str = "first_mention") -> Figure:
    """Context and parametric answers beside the control mean and, where there are benchmarks, the ID
    accuracy, by step (paper, figs. 1a and 2).

    One panel a conflict set and combination of model, dataset and recipe in ``runs``; epoch ends
    are marked, and the peak of the context answers is named. Rates are shares of all items.
    Raises :class:`ValueError` where ``curves`` lacks a column, has no row for the runs, or mixes
    prompts.
    """
    table = _rows(curves, runs, scorer)
    sets = _conflict_sets(table)
    combinations = _unique((r.model, r.dataset, r.recipe) for r in runs)
    cells = [_Cell(model, dataset, recipe, name) for model, dataset, recipe in combinations for name in sets]
    size = _Size(4.0, 2.5) if len(cells) == 1 else _Size(2.35, 1.75)
    return _curve_panels(table, cells, columns=len(sets), size=size, detail=True)


def grid(curves: pl.DataFrame, runs: Sequence[Run], scorer: str = "first_mention") -> Figure:
    """The curves of :func:`accuracy` in small panels: models down, datasets across (figs. 6 to 11).

    Several recipes add rows and several conflict sets add columns; a combination without rows says
    "no data". Raises as :func:`accuracy`.
    """
    table = _rows(curves, runs, scorer)
    columns = [(dataset, name) for dataset in _unique(r.dataset for r in runs) for name in _conflict_sets(table)]
    rows = _unique((r.model, r.recipe) for r in runs)
    cells = [_Cell(model, dataset, recipe, name) for model, recipe in rows for dataset, name in columns]
    return _curve_panels(table, cells, columns=len(columns), size=_Size(1.9, 1.25), detail=False)


def recipes(curves: pl.DataFrame, runs: Sequence[Run], scorer: str = "first_mention") -> Figure:
    """Context answers by step, a line a recipe, and beside them the control mean (figs. 4b and 5).

    One row a combination of model and dataset in ``runs``; one column a conflict set and one for
    the control mean. Raises as :func:`accuracy`.
    """
    table = _rows(curves, runs, scorer)
    sets, names = _conflict_sets(table), _unique(r.recipe for r in runs)
    pairs = _unique((r.model, r.dataset) for r in runs)
    columns = [(name, "context_rate") for name in sets] + [(CONTROL_MEAN, "accuracy")]
    size = _Size(2.3, max(1.9, 0.17 * len(names)), beside=1.2)
    with matplotlib.rc_context(_STYLE):
        figure, panels = _canvas(len(pairs), len(columns), size, table)
        titles = _titles([(model, dataset) for model, dataset in pairs], figure)
        for (model, dataset), row, title in zip(pairs, panels, titles, strict=True):
            for (name, metric), axes in zip(columns, row, strict=True):
                ends = []
                for recipe, look in zip(names, _looks(len(names)), strict=True):
                    series = _series(table, _Cell(model, dataset, recipe, name), metric)
                    if series is not None:
                        _draw(axes, series, look)
                        ends.append((recipe, series, look))
                what = "control mean" if metric == "accuracy" else "context answer"
                of_set = [name] if metric != "accuracy" and len(sets) > 1 else []
                axes.set_title(" · ".join(filter(None, [title, *of_set, what])), loc="left")
                if not ends:
                    _say_empty(axes)
                _label_ends(axes, ends, size.height)
        _label_axes(panels)
    return figure


def factors(table: pl.DataFrame, runs: Sequence[Run], scorer: str = "first_mention") -> Figure:
    """Context answers at start, peak and end by each level of each crossed factor, from the table ``factors``.

    One panel a combination of model, dataset and recipe in ``runs`` and crossed set, of one prompt. Of a single
    seed bars are the table's 95 % intervals; several seeds give their mean and range. Where no set crosses factors
    the figure says so. Raises :class:`ValueError` where a column is missing.
    """
    require_schema(table, FactorRate, "factors")
    wanted = pl.DataFrame(list(runs), schema={name: table.schema[name] for name in Run._fields}, orient="row")
    shown = table.join(wanted, on=Run._fields, how="semi").filter(pl.col("scorer") == scorer)
    panel = list(_Cell._fields)
    single = shown["seed"].n_unique() < 2
    means = (
        shown.group_by(*panel, "factor", "level", "moment")
        .agg(
            pl.col("context_rate").mean().alias("mean"),
            (pl.col("low").first() if single else pl.col("context_rate").min()).alias("low"),
            (pl.col("high").first() if single else pl.col("context_rate").max()).alias("high"),
        )
        .sort(*panel, "factor", "level")
    )
    frames = means.partition_by(panel, as_dict=True, maintain_order=True)
    with matplotlib.rc_context(_STYLE):
        lines = max((frame.select("factor", "level").n_unique() for frame in frames.values()), default=3)
        figure, panels = _panels(len(frames), (3.6, 0.36 * lines + 1.1), (0.6, 0.0))
        keys = [tuple(map(str, key)) for key in frames]
        for axes, frame, title in zip(panels, frames.values(), _titles(keys, figure), strict=True):
            axes.set_title(title, loc="left", pad=14)
            _draw_levels(axes, frame)
    return figure


def _panels(count: int, size: tuple[float, float], edge: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """A figure with ``count`` panels, three a row, and its panels; with none it says so. Inches; ``edge`` is around."""
    columns = max(1, min(3, count))
    rows = math.ceil(max(1, count) / columns)
    figure = Figure(figsize=(columns * size[0] + edge[0], rows * size[1] + edge[1]), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[count:]:
        axes.set_visible(not count)
    if not count:
        grid[0, 0].set_axis_off()
        _say_empty(grid[0, 0])
    return figure, list(grid.flat[:count])


def _draw_levels(axes: Axes, frame: pl.DataFrame) -> None:
    """A line a level, grouped by factor, with a dot and interval for each moment; the topmost dots are named."""
    levels = frame.select("factor", "level").unique(maintain_order=True).rows()
    # a gap between factors, which holds the next one's name
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
                fontsize=_SMALL + 0.5,
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
    axes.xaxis.set_major_formatter(lambda value, _: _percent(value))
    axes.set_ylim(place - 0.3, -0.3)
    axes.set_yticks(list(places.values()), [level for _, level in places])
    axes.grid(axis="x", color="#e4e4e4", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel("answered with the context")
    for (moment, mean, height, look), x in zip(
        named, spread([mean for _, mean, *_ in named], 0.16, 0.0, 1.0), strict=True
    ):
        axes.annotate(
            moment,
            (mean, height),
            xytext=(x, 1.01),
            textcoords="axes fraction",
            ha="center",
            va="bottom",
            fontsize=_SMALL + 0.5,
            color=_ink(look.color),
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": look.color, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 3},
        )


def tradeoffs(table: pl.DataFrame, runs: Sequence[Run], scorer: str = "first_mention") -> Figure:
    """Context answers at the end against ID accuracy, a named mark a recipe and prompt, from the table ``tradeoffs``.

    One panel a conflict set and combination of model and dataset in ``runs``. Where there are no benchmarks the
    control mean stands for ID accuracy. Of a single seed bars are the table's 95 % intervals; several seeds give
    their mean and range. A line joins the marks that no other beats in both (:func:`~inversion.stats.pareto_front`);
    these are filled. Raises :class:`ValueError` where a column is missing.
    """
    require_schema(table, Tradeoff, "tradeoffs")
    marks = _marks(table, runs, scorer)
    panel = ["model", "dataset", "set"]
    frames = marks.partition_by(panel, as_dict=True, maintain_order=True)
    size = _Size(3.3, 2.7, beside=0.5, above=0.55)
    with matplotlib.rc_context(_STYLE):
        figure, panels = _panels(len(frames), (size.width + size.beside, size.height + size.above), (0.3, 0.2))
        settings = marks.select("recipe", "prompt").unique(maintain_order=True).rows()
        looks = dict(zip(settings, _looks(len(settings)), strict=True))
        keys = [tuple(map(str, key)) for key in frames]
        for axes, frame, title in zip(panels, frames.values(), _titles(keys, figure), strict=True):
            axes.set_title(title, loc="left")
            _draw_marks(axes, frame, looks, size)
    return figure


def _marks(table: pl.DataFrame, runs: Sequence[Run], scorer: str) -> pl.DataFrame:
    """A row a mark: where it stands (``x``, ``y``) with its bars, in the order of ``runs``, prompts by name."""
    wanted = pl.DataFrame(list(runs), schema={name: table.schema[name] for name in Run._fields}, orient="row")
    # a run that several experiments share has a row in each
    question = [*Run._fields, "prompt", "set", "scorer", "metric"]
    shown = wanted.join(table, on=Run._fields, how="left", maintain_order="left_right").unique(
        question, keep="first", maintain_order=True
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
    single = joined["seed"].n_unique() < 2
    columns = {"x": "x_end", "y": "end"}
    return joined.group_by("model", "dataset", "set", "recipe", "prompt", maintain_order=True).agg(
        *(pl.col(column).mean().alias(axis) for axis, column in columns.items()),
        *(
            (pl.col(f"{column}_low").first() if single else pl.col(column).min()).alias(f"{axis}_low")
            for axis, column in columns.items()
        ),
        *(
            (pl.col(f"{column}_high").first() if single else pl.col(column).max()).alias(f"{axis}_high")
            for axis, column in columns.items()
        ),
        pl.lit(ID_ACCURACY if benchmark.height else CONTROL_MEAN).alias("against"),
    )


def _draw_marks(axes: Axes, frame: pl.DataFrame, looks: dict[Any, _Look], size: _Size) -> None:
    """The marks of one panel, each with both bars and its name, and their Pareto front."""
    points = frame.select("x", "y").to_numpy()
    low, high = frame.select("x_low", "y_low").to_numpy(), frame.select("x_high", "y_high").to_numpy()
    for axis, limit in (("x", axes.set_xlim), ("y", axes.set_ylim)):
        column = frame.select(axis, f"{axis}_low", f"{axis}_high").to_numpy()
        least, most = np.nanmin(column), np.nanmax(column)
        room = 0.15 * max(most - least, 0.1)
        limit(max(least - room, -0.02), min(most + room, 1.02))
    front = pareto_front(points.round(9))  # equal rates are equal, whatever order they were added up in
    along = points[front][np.lexsort((-points[front][:, 1], points[front][:, 0]))]
    # to the panel's edges: what lies below and left of the line is beaten
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
    colors = [_ink(looks[row["recipe"], row["prompt"]].color) for row in frame.iter_rows(named=True)]
    _name_marks(axes, points, low, high, along, names, colors, size)
    axes.grid(color="#e4e4e4", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(True)
    for ticks in (axes.xaxis, axes.yaxis):
        ticks.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        ticks.set_major_formatter(lambda value, _: _percent(value))
    axes.set_xlabel(frame["against"][0])
    axes.set_ylabel("answered with the context")


class _Box(NamedTuple):
    """A rectangle on paper, in points."""

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
    size: _Size,
) -> None:
    """Write each name beside its mark, where it covers least of marks, bars, front and other names; one that stands
    far off has a leader."""
    corner = np.array([axes.get_xlim()[0], axes.get_ylim()[0]])
    scale = 72 * np.array([size.width, size.height]) / (np.array([axes.get_xlim()[1], axes.get_ylim()[1]]) - corner)
    at, low, high, front = ((each - corner) * scale for each in (points, low, high, front))
    paper = _Box(0, 0, 72 * size.width, 72 * size.height)
    taken = [_Box(x - 4, y - 4, x + 4, y + 4) for x, y in at]
    for (x, y), (left, bottom), (right, top) in zip(at, low, high, strict=True):
        taken += [_Box(left, y - 1, right, y + 1), _Box(x - 1, bottom, x + 1, top)]
    for (left, top), (right, bottom) in pairwise(front):
        taken += [_Box(left - 1, bottom, left + 1, top), _Box(left, bottom - 1, right, bottom + 1)]
    height = 1.25 * _SMALL
    for (x, y), name, color in zip(at, names, colors, strict=True):
        width = 0.56 * _SMALL * len(name)
        best, least = (x, y), math.inf
        for distance in (7, 12, 20, 32, 48):
            for angle in np.arange(0, 2 * np.pi, np.pi / 8):
                # the nearest edge of the name stands at the distance
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
            fontsize=_SMALL,
            color=color,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": color, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 4}
            if far
            else None,
        )


def save_figure(figure: Figure, stem: str | Path) -> None:
    """Write ``stem``.svg, .pdf and .png, each atomically; equal figures give equal bytes."""
    undated: dict[str, dict[str, Any]] = {
        "svg": {"Date": None, "Creator": None},
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
        "png": {"Software": None},
    }
    with matplotlib.rc_context(_STYLE):
        for kind, metadata in undated.items():
            with atomic_path(f"{stem}.{kind}") as path:
                figure.savefig(path, format=kind, metadata=metadata)


# --- tables -------------------------------------------------------------------------------------


def _rows(curves: pl.DataFrame, runs: Sequence[Run], scorer: str) -> pl.DataFrame:
    """The rows of ``curves`` that the figures of ``runs`` show."""
    require_schema(curves, CurvePoint, "curves")
    wanted = pl.DataFrame(list(runs), schema={name: curves.schema[name] for name in Run._fields}, orient="row")
    whole = curves.join(wanted, on=Run._fields, how="semi", maintain_order="left").filter(
        pl.col("stratum") == ALL, pl.col("value").is_finite()
    )
    benchmarks = whole.filter(pl.col("set") == ID_ACCURACY)
    table = whole.filter(
        pl.col("scorer") == scorer,
        pl.col("metric").is_in(["context_rate", "parametric_rate"])
        | ((pl.col("metric") == "accuracy") & (pl.col("set") == CONTROL_MEAN)),
    )
    if not _conflict_sets(table):
        scorers = ", ".join(sorted(whole["scorer"].unique())) or "none"
        raise ValueError(
            f"curves: no context_rate of scorer {scorer!r} for the {len(runs)} runs from "
            f"{runs[0].path if runs else 'an empty list'} on (their scorers: {scorers}); rebuild the table"
        )
    prompts = sorted(table["prompt"].unique())
    if len(prompts) > 1:
        raise ValueError(f"curves: a figure shows one prompt, found {', '.join(prompts)}; filter the table first")
    return pl.concat([table, benchmarks])


def _conflict_sets(table: pl.DataFrame) -> list[str]:
    """The sets with a context rate, by name."""
    return sorted(table.filter(pl.col("metric") == "context_rate")["set"].unique())


def _series(table: pl.DataFrame, cell: _Cell, metric: str) -> _Series | None:
    """One curve over the seeds that have it, at the steps that all of them have; None without rows."""
    found = table.filter(
        *(pl.col(name) == value for name, value in zip(_Cell._fields, cell, strict=True)), pl.col("metric") == metric
    ).sort("seed", "step")
    count = found["seed"].n_unique()
    by_step = (
        found.group_by("step", maintain_order=True)
        .agg(
            pl.col("value").mean(),
            pl.col("low").first() if count == 1 else pl.col("value").min().alias("low"),
            pl.col("high").first() if count == 1 else pl.col("value").max().alias("high"),
            pl.col("epoch").first(),
            pl.col("seed").n_unique(),
        )
        .filter(pl.col("seed") == count)
        .sort("step")
    )
    if by_step.is_empty():
        return None
    steps, mean, low, high = (by_step[name].to_numpy().astype(float) for name in ("step", "value", "low", "high"))
    seeds = [
        (rows["step"].to_numpy().astype(float), rows["value"].to_numpy())
        for rows in found.partition_by("seed", maintain_order=True)
    ]
    last_epoch = by_step["epoch"][-1]
    return _Series(
        steps, mean, low, high, seeds if count > 1 else [], float(steps[-1]) / last_epoch if last_epoch > 0 else None
    )


def _unique(values: Iterable[Any]) -> list[Any]:
    """Each value once, in order."""
    return list(dict.fromkeys(values))


# --- panels -------------------------------------------------------------------------------------


def _curve_panels(table: pl.DataFrame, cells: list[_Cell], columns: int, size: _Size, detail: bool) -> Figure:
    """One panel a cell, row by row, with the curves of ``_CURVES``; a lone column is laid across.

    With ``detail`` peaks and epoch ends are labelled, without it they are only marked. Lines are
    named right of every full row.
    """
    if columns == 1:
        columns = math.ceil(len(cells) / math.ceil(len(cells) / 3))
    with matplotlib.rc_context(_STYLE):
        figure, panels = _canvas(math.ceil(len(cells) / columns), columns, size, table)
        for axes in panels.flat[len(cells) :]:
            axes.set_visible(False)
        shown = []
        for axes, cell, title in zip(panels.flat, cells, _titles(cells, figure), strict=False):
            axes.set_title(title, loc="left", pad=12 if detail else None)
            ends = _draw_curves(axes, table, cell, size, detail)
            shown.append((axes, ends))
        for start in range(0, len(cells) - columns + 1, columns):
            axes, ends = next((pair for pair in reversed(shown[start : start + columns]) if pair[1]), shown[start])
            _label_ends(axes, ends, size.height)
        _label_axes(panels)
    return figure


def _draw_curves(
    axes: Axes, table: pl.DataFrame, cell: _Cell, size: _Size, detail: bool
) -> list[tuple[str, _Series, _Look]]:
    """Draw the curves of one cell; returns what there is, as :func:`_label_ends` takes it."""
    ends = []
    for metric, name, label, look in _CURVES:
        series = _series(table, cell._replace(set=name or cell.set), metric)
        if series is not None:
            _draw(axes, series, look)
            ends.append((label, series, look))
    if not ends:
        _say_empty(axes)
    else:
        _, last, look = ends[-1]  # the context answers, where there are any
        _mark_epochs(axes, last, detail)
        if look is _CURVES[-1][-1]:
            _mark_peak(axes, last, look, [series for _, series, _ in ends], size if detail else None)
    return ends


def _canvas(rows: int, columns: int, size: _Size, table: pl.DataFrame) -> tuple[Figure, NDArray[Any]]:
    """A figure with ``rows`` x ``columns`` panels that share percent and step axes."""
    figure = Figure(
        figsize=(columns * (size.width + size.beside) + 1.1, rows * (size.height + size.above) + 0.45),
        layout="constrained",
    )
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    last = max(1, int(table["step"].max()))  # type: ignore[arg-type]
    axes = panels[0, 0]
    axes.set_xscale("function", functions=(_signed_sqrt, _signed_square))
    axes.set_xlim(_signed_square(-0.025 * math.sqrt(last)), _signed_square(1.025 * math.sqrt(last)))
    axes.set_xticks(step_ticks(last, at_most=6 if size.width > 3 else 5))
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.set_ylim(-0.02, 1.02)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1] if size.height > 1.5 else [0, 0.5, 1])
    axes.yaxis.set_major_formatter(lambda value, _: _percent(value))
    for each in panels.flat:
        each.minorticks_off()
        each.grid(axis="y", color="#e4e4e4", linewidth=0.6)
        each.set_axisbelow(True)
    return figure, panels


def _draw(axes: Axes, series: _Series, look: _Look) -> None:
    """Draw one curve with its band and its seeds."""
    color = look.color
    axes.fill_between(series.steps, series.low, series.high, color=color, alpha=0.13, linewidth=0)
    for steps, values in series.seeds:
        axes.plot(steps, values, color=color, linewidth=0.5, alpha=0.45)
    axes.plot(
        series.steps,
        series.mean,
        color=color,
        linestyle=look.dashes,
        linewidth=1.5,
        marker=look.marker,
        markersize=3,
        markeredgewidth=0,
        markevery=max(1, len(series.steps) // 15),
        clip_on=False,
    )


def _mark_epochs(axes: Axes, series: _Series, detail: bool) -> None:
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
                fontsize=_SMALL - 0.5,
                color=_GREY,
            )


def _mark_peak(axes: Axes, series: _Series, look: _Look, around: Sequence[_Series], size: _Size | None) -> None:
    """A ring around the highest point and, where the panel's ``size`` is given, its value and step.

    The text stands where it covers least of the curves ``around`` it.
    """
    peak = int(np.argmax(series.mean))
    step, value = series.steps[peak], series.mean[peak]
    ring: dict[str, Any] = {"marker": "o", "markersize": 6.5, "markerfacecolor": "none", "markeredgecolor": look.color}
    axes.plot([step], [value], clip_on=False, **ring)
    if size is None:
        return
    text = f"{_percent(value)} at step {step:.0f}"
    places = [(right, points) for points in (5, -5, 18, -18, 32, -32) for right in (1, -1)]
    right, points = min(places, key=lambda place: _covered(axes, text, (step, value), place, around, size))
    axes.annotate(
        text,
        (step, value),
        xytext=(5 * right, points),
        textcoords="offset points",
        ha="left" if right > 0 else "right",
        va="bottom" if points > 0 else "top",
        fontsize=_SMALL,
        color=_ink(look.color),
        bbox={"facecolor": "white", "alpha": 0.6, "linewidth": 0, "pad": 0.5},
        arrowprops={
            "arrowstyle": "-",
            "color": look.color,
            "linewidth": 0.5,
            "shrinkB": 3.5,
            "relpos": (0 if right > 0 else 1, 0 if points > 0 else 1),
        }
        if abs(points) > 5
        else None,
    )


def _covered(
    axes: Axes,
    text: str,
    point: tuple[float, float],
    place: tuple[int, int],
    around: Sequence[_Series],
    size: _Size,
) -> int:
    """How many of 16 samples of each curve a small ``text`` hides when put (right or left, points up) of ``point``."""
    to_axes = (axes.transScale + axes.transLimits).transform
    x, y = to_axes(point)
    right, points = place
    width, height = 0.5 * _SMALL * len(text) / 72 / size.width, 1.3 * _SMALL / 72 / size.height
    left = x + 5 * right / 72 / size.width - (width if right < 0 else 0)
    bottom = y + points / 72 / size.height - (height if points < 0 else 0)
    if left < 0 or left + width > 1 or bottom < 0 or bottom + height > 1:
        return 1000
    columns = np.linspace(left, left + width, 16)
    hidden = 0
    for series in around:
        curve = to_axes(np.column_stack([series.steps, series.mean]))
        heights = np.interp(columns, curve[:, 0], curve[:, 1], left=-1, right=-1)
        hidden += int(((heights > bottom - 0.02) & (heights < bottom + height + 0.02)).sum())
    return hidden


def _label_ends(axes: Axes, ends: Sequence[tuple[str, _Series, _Look]], height: float) -> None:
    """Name each line right of the panel (``height`` inches high), spread so that no two names overlap."""
    low, high = axes.get_ylim()
    gap = 1.3 * _SMALL / 72 / height * (high - low)
    places = spread([float(series.mean[-1]) for _, series, _ in ends], gap, low, high)
    beside = offset_copy(axes.transAxes, axes.get_figure(root=True), x=14, units="points")
    for (label, series, look), place in zip(ends, places, strict=True):
        axes.annotate(
            label,
            (series.steps[-1], series.mean[-1]),
            xytext=(1, (place - low) / (high - low)),
            textcoords=beside,
            va="center",
            fontsize=_SMALL + 0.5,
            color=_ink(look.color),
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": look.color,
                "linewidth": 0.5,
                "shrinkA": 1,
                "shrinkB": 2,
                "relpos": (0, 0.5),
            },
        )


def _say_empty(axes: Axes) -> None:
    """Say in the panel that the table has no rows for it."""
    axes.text(0.5, 0.5, "no data", transform=axes.transAxes, ha="center", va="center", color=_GREY)


def _label_axes(panels: NDArray[Any]) -> None:
    """Axis labels on the outer panels only; the lowest panel of each column has the steps."""
    for axes in panels[:, 0]:
        axes.set_ylabel("share of items")
    for column in panels.T:
        lowest = [axes for axes in column if axes.get_visible()][-1]
        lowest.tick_params(labelbottom=True)
        lowest.set_xlabel("step")


def _titles(keys: Sequence[tuple[str, ...]], figure: Figure) -> list[str]:
    """A title a panel from the parts of its key that differ; what all share becomes the figure's title.

    A lone key keeps all of its parts.
    """
    shared = [len(keys) > 1 and len(set(parts)) == 1 for parts in zip(*keys, strict=True)]
    if any(shared):
        common = " · ".join(part for part, same in zip(keys[0], shared, strict=True) if same)
        figure.suptitle(common, x=0.01, ha="left", fontsize=8.5, color=_GREY)
    return [" · ".join(part for part, same in zip(key, shared, strict=True) if not same) for key in keys]


def _looks(count: int) -> list[_Look]:
    """``count`` looks, all different: past the last colour, dashes and markers move on."""
    size = len(_LOOKS)
    turned = [(_LOOKS[i % size], _LOOKS[(i + i // size) % size]) for i in range(count)]
    return [_Look(first.color, second.dashes, second.marker) for first, second in turned]


# --- small mathematics --------------------------------------------------------------------------


def spread(values: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """``values`` moved as little as needed (least squares) to lie ``gap`` or more apart, in order.

    Of equal values the first lies highest. All stay between ``low`` and ``high`` where these leave
    room enough; where not, they start at ``low``.
    """
    order = sorted(range(len(values)), key=lambda i: (values[i], -i))
    # With the i-th label shifted down by i gaps, "gap apart" is "not decreasing": pool neighbours.
    pools: list[tuple[float, int]] = []
    for rank, i in enumerate(order):
        total, count = values[i] - rank * gap, 1
        while pools and pools[-1][0] / pools[-1][1] >= total / count:
            before, size = pools.pop()
            total, count = total + before, count + size
        pools.append((total, count))
    highest = high - (len(values) - 1) * gap
    level = [max(low, min(highest, total / count)) for total, count in pools for _ in range(count)]
    placed = [0.0] * len(values)
    for rank, i in enumerate(order):
        placed[i] = level[rank] + rank * gap
    return placed


def step_ticks(last: int, at_most: int) -> list[int]:
    """At most ``at_most`` + 1 round steps from 0 to ``last``, about evenly apart on a square-root axis."""
    ticks = [0]
    round_steps = sorted({factor * 10**power for power in range(len(str(last))) for factor in (1, 2, 5)})
    for step in round_steps:
        if step <= last and math.sqrt(step) - math.sqrt(ticks[-1]) >= math.sqrt(last) / at_most:
            ticks.append(step)
    return ticks


def _signed_sqrt(x: Any) -> Any:
    return np.sign(x) * np.sqrt(np.abs(x))


def _signed_square(x: Any) -> Any:
    return np.sign(x) * np.square(x)


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"


def _ink(color: str) -> str:
    """A darker shade, for text."""
    red, green, blue = to_rgb(color)
    return to_hex((0.75 * red, 0.75 * green, 0.75 * blue))
