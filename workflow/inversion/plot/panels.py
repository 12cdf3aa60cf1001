"""Panels that share a look: step axes, lines with their bands, and their names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import offset_copy
from numpy.typing import NDArray

from inversion.plot.series import Series
from inversion.plot.style import GREY, SMALL, Look, ink, percent


class Size(NamedTuple):
    """Width and height of the plotting area of one panel, and the room around it, in inches."""

    width: float
    height: float
    beside: float = 0.45
    above: float = 0.45


def curve_canvas(rows: int, columns: int, size: Size, table: pl.DataFrame) -> tuple[Figure, NDArray[Any]]:
    """A figure with ``rows`` x ``columns`` panels that share percent and step axes."""
    figure = Figure(
        figsize=(columns * (size.width + size.beside) + 1.1, rows * (size.height + size.above) + 0.45),
        layout="constrained",
    )
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    axes = panels[0, 0]
    step_axis(axes, int(table["step"].max()), at_most=6 if size.width > 3 else 5)  # type: ignore[arg-type]
    axes.set_ylim(-0.02, 1.02)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1] if size.height > 1.5 else [0, 0.5, 1])
    axes.yaxis.set_major_formatter(lambda value, _: percent(value))
    for each in panels.flat:
        light_grid(each, "y")
    return figure, panels


def step_axis(axes: Axes, last: int, at_most: int = 5) -> None:
    """A square-root axis of the steps from 0 to ``last``, with at most ``at_most`` + 1 ticks."""
    edge = math.sqrt(max(1, last))
    axes.set_xscale("function", functions=(signed_sqrt, signed_square))
    axes.set_xlim(signed_square(-0.025 * edge), signed_square(1.025 * edge))
    axes.set_xticks(step_ticks(max(1, last), at_most))
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.minorticks_off()


def light_grid(axes: Axes, axis: Literal["both", "x", "y"]) -> None:
    """Light grid lines in the background, at the ticks of ``axis``."""
    axes.grid(axis=axis, color="#e4e4e4", linewidth=0.6)
    axes.set_axisbelow(True)


def panel_sheet(count: int, size: tuple[float, float], edge: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """A figure with ``count`` panels, three a row, and its panels; with none it says so. Inches; ``edge`` is around."""
    columns = max(1, min(3, count))
    rows = math.ceil(max(1, count) / columns)
    figure = Figure(figsize=(columns * size[0] + edge[0], rows * size[1] + edge[1]), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[count:]:
        axes.set_visible(not count)
    if not count:
        grid[0, 0].set_axis_off()
        say_empty(grid[0, 0])
    return figure, list(grid.flat[:count])


def draw_series(axes: Axes, series: Series, look: Look) -> None:
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


def label_ends(axes: Axes, ends: Sequence[tuple[str, Series, Look]], height: float) -> None:
    """Name each line right of the panel (``height`` inches high), spread so that no two names overlap."""
    low, high = axes.get_ylim()
    gap = 1.3 * SMALL / 72 / height * (high - low)
    places = spread([float(series.mean[-1]) for _, series, _ in ends], gap, low, high)
    beside = offset_copy(axes.transAxes, axes.get_figure(root=True), x=14, units="points")
    for (label, series, look), place in zip(ends, places, strict=True):
        axes.annotate(
            label,
            (series.steps[-1], series.mean[-1]),
            xytext=(1, (place - low) / (high - low)),
            textcoords=beside,
            va="center",
            fontsize=SMALL + 0.5,
            color=ink(look.color),
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


def label_axes(panels: NDArray[Any]) -> None:
    """Axis labels on the outer panels only; the lowest panel of each column has the steps."""
    for axes in panels[:, 0]:
        axes.set_ylabel("share of items")
    for column in panels.T:
        lowest = [axes for axes in column if axes.get_visible()][-1]
        lowest.tick_params(labelbottom=True)
        lowest.set_xlabel("step")


def say_empty(axes: Axes) -> None:
    """Say in the panel that the table has no rows for it."""
    axes.text(0.5, 0.5, "no data", transform=axes.transAxes, ha="center", va="center", color=GREY)


def panel_titles(keys: Sequence[tuple[str, ...]], figure: Figure) -> list[str]:
    """A title a panel from the parts of its key that differ; what all share becomes the figure's title.

    A lone key keeps all of its parts.
    """
    shared = [len(keys) > 1 and len(set(parts)) == 1 for parts in zip(*keys, strict=True)]
    if any(shared):
        common = " · ".join(part for part, same in zip(keys[0], shared, strict=True) if same)
        figure.suptitle(common, x=0.01, ha="left", fontsize=8.5, color=GREY)
    return [" · ".join(part for part, same in zip(key, shared, strict=True) if not same) for key in keys]


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


def signed_sqrt(x: Any) -> Any:
    """The root of the size of ``x``, with its sign: an axis' margin is below 0."""
    return np.sign(x) * np.sqrt(np.abs(x))


def signed_square(x: Any) -> Any:
    """The inverse of :func:`signed_sqrt`."""
    return np.sign(x) * np.square(x)
