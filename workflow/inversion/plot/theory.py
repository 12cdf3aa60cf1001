"""Draws the figures of the one-layer transformer, in the style of :mod:`inversion.plot`. They have no intervals,
because nothing in them is random."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import polars as pl
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Transform
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from inversion.plot.lines import Line
from inversion.plot.panels import draw_line, label_ends, light_grid, step_axis
from inversion.plot.style import GREY, SMALL, STYLE, Look

_C = Look("#0072b2", "-", "o")
_CS = Look("#d55e00", (0, (4, 1.4)), "s")
_CONFLICT = Look("#000000", (0, (1, 1.2)), "^")
_TRAINED = Look("#cc79a7", (0, (5, 1.2, 1, 1.2)), "D")
_WIDTH, _HEIGHT = 2.05, 1.35
_RESOLUTION = 1e-12
"""Falls of M_C below this are rounding errors."""
_SHALLOW = 0.01
"""Falls of M_C below this are too small to see."""
_BOUNDARY = "#9f4600"


class _LineSpec(NamedTuple):
    """One line of a panel: its name, the column that it shows, its look, and whether W_V was trained."""

    label: str
    column: str
    look: Look
    trained: bool = False


_ATTENTION = {
    "attention on the context": (
        _LineSpec("C points", "attention_c", _C),
        _LineSpec("C+S points", "attention_cs", _CS),
        _LineSpec("conflict", "attention_conflict", _CONFLICT),
    ),
    "$\\theta'\\, W_{KQ}\\, \\phi(r)$": (
        _LineSpec("$\\theta_C$", "theta_c", _C),
        _LineSpec("$\\theta_S$", "theta_s", _CS),
    ),
    "$M_C$ of the conflict": (
        _LineSpec("$W_V$ trained too", "m_c", _TRAINED, trained=True),
        _LineSpec("$W_V$ frozen", "m_c", _CONFLICT),
    ),
}


def attention(steps: pl.DataFrame) -> Figure:
    """Attention and M_C by step, with one column per share of C points. A vertical line marks the peak of M_C.

    The rows show the attention to the context for each kind of point, theta' W_KQ phi(r), and M_C with W_V frozen and
    trained. ``steps`` is a table of :class:`~inversion.records.theory.TheoryStep`.
    """
    with matplotlib.rc_context(STYLE):
        shares, figure, panels = _canvas(steps, rows=len(_ATTENTION))
        for axes in panels[[0, 2]].flat:
            axes.set_ylim(-0.03, 1.03)
            axes.set_yticks([0, 0.5, 1])
        for top, (name, lines), row in zip((True, False, False), _ATTENTION.items(), panels, strict=True):
            row[0].set_ylabel(name)
            ends = []
            for share, axes in zip(shares, row, strict=True):
                ends = [(spec.label, _line(steps, share, spec), spec.look) for spec in lines]
                for _, line, look in ends:
                    draw_line(axes, line, look)
                _mark_peak(axes, steps, share, trained=False, named=top)
            label_ends(row[-1], ends, _HEIGHT)
    return figure


def gradients(steps: pl.DataFrame) -> Figure:
    """Norms of the gradients of W_KQ from C and from C+S points by step. A vertical line marks the peak of M_C.

    There is one column per share of C points, and one row each for W_V frozen and trained. ``steps`` is as for
    :func:`attention`.
    """
    with matplotlib.rc_context(STYLE):
        shares, figure, panels = _canvas(steps, rows=2)
        # logarithms on a linear axis, because label_ends needs a linear axis
        low, high = (float(np.log10(norm)) for norm in _extremes(steps, "norm_c", "norm_cs"))
        for axes in panels.flat:
            axes.set_ylim(low - 0.2, high + 0.2)
            axes.set_yticks(range(math.ceil(low), math.floor(high + 0.2) + 1))
            axes.yaxis.set_major_formatter(lambda value, _: f"$10^{{{value:.0f}}}$")
        for trained, row in zip((False, True), panels, strict=True):
            lines = (_LineSpec("C points", "norm_c", _C, trained), _LineSpec("C+S points", "norm_cs", _CS, trained))
            row[0].set_ylabel(f"gradient norm,\n$W_V$ {'trained too' if trained else 'frozen'}")
            ends = []
            for share, axes in zip(shares, row, strict=True):
                ends = [
                    (spec.label, line._replace(mean=y, low=y, high=y), spec.look)
                    for spec in lines
                    for line in [_line(steps, share, spec)]
                    for y in [np.log10(line.mean)]
                ]
                for _, line, look in ends:
                    draw_line(axes, line, look)
                _mark_peak(axes, steps, share, trained, named=True)
            label_ends(row[-1], ends, _HEIGHT)
    return figure


def phases(table: pl.DataFrame, k_a: int) -> Figure:
    """How far M_C falls from its peak to the last step, by shares and learning rate, and by delta_C and delta_M.

    ``table`` is a table of :class:`~inversion.records.theory.TheoryPhase` with ``k_a`` answers. M_C never rises where
    cells are hatched. The solid line surrounds the cells in which the two steps of Theorem 1 show an inversion. Dashed
    lines show where the assumptions end.
    """
    shares, deltas = (table.filter(pl.col("diagram") == name) for name in ("shares", "deltas"))
    with matplotlib.rc_context(STYLE | {"axes.spines.left": True, "ytick.major.size": 3, "hatch.linewidth": 0.5}):
        figure = Figure(figsize=(7.2, 3.3), layout="constrained")
        left, right = figure.subplots(1, 2)

        fixed = shares.row(0, named=True)
        points = fixed["context_critical"] + fixed["context_and_memory"]
        left.set_yscale("log")
        _draw_phases(left, shares, "context_critical", "learning_rate")
        ticks = sorted({1, round(points / 4), round(points / 2), round(3 * points / 4), points - 1})
        left.set_xticks(ticks, [f"{tick}:{points - tick}" for tick in ticks])
        left.set(xlabel="$|D_C| : |D_{C+S}|$", ylabel="learning rate")
        _boundary(left, (points / 2, 1), (points / 2, 0), "$|D_C| = |D_{C+S}|$", left.get_xaxis_transform())
        left.set_title(f"$\\delta_C$ = {fixed['delta_c']:g}, $\\delta_M$ = {fixed['delta_m']:g}", loc="left")

        fixed, least = deltas.row(0, named=True), 3 / (k_a - 1)
        mesh = _draw_phases(right, deltas, "delta_c", "delta_m")
        right.set(xlabel="$\\delta_C$", ylabel="$\\delta_M$", xlim=(0, 1), ylim=(0, 1))
        _boundary(right, (0, 0), (0.5, 1), "$\\delta_M = 2\\, \\delta_C$", right.transData)
        _boundary(right, (least, 0), (least, 1), "$\\delta_C = 3 / (K_A - 1)$", right.transData)
        ratio = f"{fixed['context_critical']}:{fixed['context_and_memory']}"
        right.set_title(f"$|D_C| : |D_{{C+S}}|$ = {ratio}, learning rate {fixed['learning_rate']:g}", loc="left")
        figure.colorbar(mesh, ax=[left, right], label="fall of $M_C$ from its peak to the last step", shrink=0.95)
    return figure


# --- panels -------------------------------------------------------------------------------------


def _canvas(steps: pl.DataFrame, rows: int) -> tuple[list[tuple[int, int]], Figure, NDArray[Any]]:
    """The numbers of C and C+S points of each share, and a figure with a column for each."""
    shares = steps.select("context_critical", "context_and_memory").unique(maintain_order=True).rows()
    figure = Figure(figsize=(len(shares) * (_WIDTH + 0.25) + 1.3, rows * (_HEIGHT + 0.2) + 0.6), layout="constrained")
    panels = figure.subplots(rows, len(shares), sharex=True, sharey="row", squeeze=False)
    step_axis(panels[0, 0], int(steps["step"].max()))  # type: ignore[arg-type]
    for axes in panels.flat:
        light_grid(axes, "y")
    for (n_c, n_cs), top, bottom in zip(shares, panels[0], panels[-1], strict=True):
        top.set_title(f"{n_c} C points, {n_cs} C+S points", loc="left", pad=11)
        bottom.set_xlabel("step")
    return shares, figure, panels


def _line(steps: pl.DataFrame, share: tuple[int, int], spec: _LineSpec) -> Line:
    """The line that ``spec`` describes, at one share."""
    rows = _course(steps, share, spec.trained)
    values = rows[spec.column].to_numpy()
    return Line(rows["step"].to_numpy().astype(float), values, values, values, [], None)


def _extremes(steps: pl.DataFrame, *columns: str) -> tuple[float, float]:
    """The smallest and the largest value in ``columns``."""
    values = steps.select(columns).to_numpy()
    return float(values.min()), float(values.max())


def _course(steps: pl.DataFrame, share: tuple[int, int], trained: bool) -> pl.DataFrame:
    n_c, n_cs = share
    at_share = (pl.col("context_critical") == n_c) & (pl.col("context_and_memory") == n_cs)
    return steps.filter(at_share, (pl.col("value_learning_rate") > 0) == trained).sort("step")


def _mark_peak(axes: Axes, steps: pl.DataFrame, share: tuple[int, int], trained: bool, named: bool) -> None:
    """Draw a thin vertical line at the step of the highest M_C."""
    ratios = _course(steps, share, trained)["m_c"].to_numpy()
    peak = int(np.argmax(ratios))
    last = len(ratios) - 1
    if peak < last:
        axes.axvline(peak, color=GREY, linewidth=0.7, zorder=0.5)
    if named:
        axes.annotate(
            f"$M_C$ peaks at step {peak}" if peak < last else "$M_C$ still rises",
            (peak, 1),
            xycoords=axes.get_xaxis_transform(),
            xytext=(0, 1.5),
            textcoords="offset points",
            ha="center" if peak < 0.6 * last else "right",
            va="bottom",
            fontsize=SMALL,
            color=GREY,
        )


def _draw_phases(axes: Axes, table: pl.DataFrame, x: str, y: str) -> Any:
    """Draw the falls of M_C as a coloured mesh, hatched where M_C never rises, with the cells of Theorem 1 outlined."""
    table = table.sort(y, x)
    xs, ys = (table[name].unique().sort().to_numpy().astype(float) for name in (x, y))
    across, up = _edges(xs, log=False), _edges(ys, log=axes.get_yscale() == "log")

    def cells(values: pl.Expr) -> NDArray[Any]:
        return table.select(values).to_numpy().reshape(len(ys), len(xs))

    def outline(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        # four points per cell, so that contours follow the edges of cells and end at the frame
        return _inside(across), _inside(up), np.kron(values, np.ones((2, 2)))

    fall = cells(pl.col("peak") - pl.col("end"))
    never, theorem = cells(pl.col("peak_step") == 0), cells(pl.col("theorem") > _RESOLUTION)
    colors = sns.color_palette("mako_r", as_cmap=True)
    mesh = axes.pcolormesh(across, up, fall, cmap=colors, vmin=0, vmax=1, rasterized=True)
    if never.any():
        axes.contourf(*outline(never), levels=[0.5, 1.5], colors="none", hatches=["////"])
    if theorem.any():
        axes.contour(*outline(theorem), levels=[0.5], colors="#e69f00", linewidths=1.5)
    for region, name in (
        (never, "falls from\nthe start"),
        (theorem & ~never, "Theorem 1"),
        ((fall < _SHALLOW) & ~never & ~theorem, "rises\nand stays"),
    ):
        _name_region(axes, region, (across, up), name)
    return mesh


def _edges(centres: NDArray[Any], log: bool) -> NDArray[Any]:
    """The edges of cells around evenly spaced ``centres``; there is one more edge than centres."""
    values = np.log(centres) if log else centres
    half = (values[1] - values[0]) / 2 if len(values) > 1 else 0.5
    edges = np.append(values - half, values[-1] + half)
    return np.exp(edges) if log else edges


def _inside(edges: NDArray[Any]) -> NDArray[Any]:
    """Two points in each cell, just inside its edges."""
    places = np.column_stack([edges[:-1], edges[1:]]).astype(float)
    return (places + 1e-6 * np.diff(places) * [1, -1]).ravel()


def _name_region(axes: Axes, region: NDArray[Any], edges: tuple[NDArray[Any], NDArray[Any]], name: str) -> None:
    """Write ``name`` at the cell farthest from the border of ``region``, or nothing if it does not fit."""
    depth = distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]
    if depth.max() < 2:
        return
    row, column = np.unravel_index(np.argmax(depth), depth.shape)
    across, up = edges
    middle_up = np.sqrt(up[row] * up[row + 1]) if axes.get_yscale() == "log" else (up[row] + up[row + 1]) / 2
    axes.annotate(
        name,
        ((across[column] + across[column + 1]) / 2, middle_up),
        ha="center",
        va="center",
        fontsize=SMALL,
        bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1},
    )


def _boundary(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], name: str, transform: Transform
) -> None:
    """Draw a dashed line where an assumption ends, with its name next to ``end``."""
    (x0, y0), (x1, y1) = start, end
    axes.plot([x0, x1], [y0, y1], color=_BOUNDARY, linestyle=(0, (4, 2)), linewidth=1.1, transform=transform)
    axes.annotate(
        name,
        (x1, y1),
        xycoords=transform,
        xytext=(3, -2 if y1 > y0 else 3),
        textcoords="offset points",
        ha="left",
        va="top" if y1 > y0 else "bottom",
        rotation=90 if x0 == x1 else 0,
        fontsize=SMALL,
        color=_BOUNDARY,
    )
