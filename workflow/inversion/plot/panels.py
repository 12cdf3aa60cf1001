"""Elements that figures share: grids of panels, step axes, lines with bands, and labels."""

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

from inversion.plot.lines import Line
from inversion.plot.style import GREY, SMALL, Look, darker, percent


class Size(NamedTuple):
    """Width and height of the plotting area of one panel, and the margins next to and above it, in inches."""

    width: float
    height: float
    side: float = 0.45
    top: float = 0.45


def curve_canvas(rows: int, columns: int, size: Size, table: pl.DataFrame) -> tuple[Figure, NDArray[Any]]:
    """A figure with ``rows`` x ``columns`` panels that share percent and step axes."""
    figure = Figure(
        figsize=(columns * (size.width + size.side) + 1.1, rows * (size.height + size.top) + 0.45),
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
    """Give ``axes`` a square-root axis of steps from 0 to ``last``, with at most ``at_most`` + 1 ticks."""
    edge = math.sqrt(max(1, last))
    axes.set_xscale("function", functions=(signed_sqrt, signed_square))
    axes.set_xlim(signed_square(-0.025 * edge), signed_square(1.025 * edge))
    axes.set_xticks(step_ticks(max(1, last), at_most))
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.minorticks_off()


def light_grid(axes: Axes, axis: Literal["both", "x", "y"]) -> None:
    """Draw light grid lines in the background at the ticks of ``axis``."""
    axes.grid(axis=axis, color="#e4e4e4", linewidth=0.6)
    axes.set_axisbelow(True)


def panel_sheet(count: int, size: tuple[float, float], edge: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """A figure with ``count`` panels, at most three per row, and its panels. ``size`` is that of a panel and ``edge``
    is added around all of them, in inches. With no panels the figure says "no data"."""
    columns = max(1, min(3, count))
    rows = math.ceil(max(1, count) / columns)
    figure = Figure(figsize=(columns * size[0] + edge[0], rows * size[1] + edge[1]), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[count:]:
        axes.set_visible(not count)
    if not count:
        grid[0, 0].set_axis_off()
        show_no_data(grid[0, 0])
    return figure, list(grid.flat[:count])


def draw_line(axes: Axes, line: Line, look: Look) -> None:
    """Draw a line with its band and its seeds."""
    color = look.color
    axes.fill_between(line.steps, line.low, line.high, color=color, alpha=0.13, linewidth=0)
    for steps, values in line.seeds:
        axes.plot(steps, values, color=color, linewidth=0.5, alpha=0.45)
    axes.plot(
        line.steps,
        line.mean,
        color=color,
        linestyle=look.dashes,
        linewidth=1.5,
        marker=look.marker,
        markersize=3,
        markeredgewidth=0,
        markevery=max(1, len(line.steps) // 15),
        clip_on=False,
    )


def label_ends(axes: Axes, ends: Sequence[tuple[str, Line, Look]], height: float) -> None:
    """Label each line to the right of the panel (``height`` inches high), so that no two labels overlap."""
    low, high = axes.get_ylim()
    gap = 1.3 * SMALL / 72 / height * (high - low)
    places = spread_apart([float(line.mean[-1]) for _, line, _ in ends], gap, low, high)
    right_of_panel = offset_copy(axes.transAxes, axes.get_figure(root=True), x=14, units="points")
    for (label, line, look), place in zip(ends, places, strict=True):
        axes.annotate(
            label,
            (line.steps[-1], line.mean[-1]),
            xytext=(1, (place - low) / (high - low)),
            textcoords=right_of_panel,
            va="center",
            fontsize=SMALL + 0.5,
            color=darker(look.color),
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
    """Label the axes of the outer panels. The lowest visible panel of each column gets the label of the steps."""
    for axes in panels[:, 0]:
        axes.set_ylabel("share of items")
    for column in panels.T:
        lowest = [axes for axes in column if axes.get_visible()][-1]
        lowest.tick_params(labelbottom=True)
        lowest.set_xlabel("step")


def show_no_data(axes: Axes) -> None:
    """Write "no data" into the panel."""
    axes.text(0.5, 0.5, "no data", transform=axes.transAxes, ha="center", va="center", color=GREY)


def panel_titles(keys: Sequence[tuple[str, ...]], figure: Figure) -> list[str]:
    """The title of each panel, made of the parts of its key that differ between panels. Parts that all keys share
    become the title of the figure. A single key keeps all of its parts.
    """
    shared = [len(keys) > 1 and len(set(parts)) == 1 for parts in zip(*keys, strict=True)]
    if any(shared):
        common = " · ".join(part for part, same in zip(keys[0], shared, strict=True) if same)
        figure.suptitle(common, x=0.01, ha="left", fontsize=8.5, color=GREY)
    return [" · ".join(part for part, same in zip(key, shared, strict=True) if not same) for key in keys]


def spread_apart(values: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """``values`` moved as little as possible (least squares) so that they are at least ``gap`` apart, in the same
    order.

    Among equal values the first is placed highest. All stay between ``low`` and ``high`` if there is enough space;
    otherwise they start at ``low``.
    """
    order = sorted(range(len(values)), key=lambda i: (values[i], -i))
    # After the i-th label is shifted down by i gaps, "a gap apart" becomes "not decreasing": pool adjacent violators.
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
    """At most ``at_most`` + 1 round steps from 0 to ``last``, spaced about evenly on a square-root axis."""
    ticks = [0]
    round_steps = sorted({factor * 10**power for power in range(len(str(last))) for factor in (1, 2, 5)})
    for step in round_steps:
        if step <= last and math.sqrt(step) - math.sqrt(ticks[-1]) >= math.sqrt(last) / at_most:
            ticks.append(step)
    return ticks


def signed_sqrt(x: Any) -> Any:
    """The square root of ``abs(x)`` with the sign of ``x``, because the margin of an axis is below 0."""
    return np.sign(x) * np.sqrt(np.abs(x))


def signed_square(x: Any) -> Any:
    """The inverse of :func:`signed_sqrt`."""
    return np.sign(x) * np.square(x)
