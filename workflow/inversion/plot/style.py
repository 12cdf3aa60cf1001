"""The style of figures, and how they are written to files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import seaborn as sns
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from inversion.artifacts import atomic_path

GREY = "#5f5f5f"
SMALL = 7.0
"""Font size of labels inside a panel, in points."""
STYLE: dict[Any, Any] = {
    **sns.axes_style("ticks"),
    **sns.plotting_context("paper"),
    # the font ships with matplotlib, so that every machine draws the same figure
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
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "inversion",
    "pdf.fonttype": 42,
    "savefig.dpi": 200,
}


class Look(NamedTuple):
    """How a line is drawn."""

    color: str
    dashes: Any
    marker: str


_LOOKS = (
    Look("#000000", "-", "o"),
    Look("#0072b2", (0, (5, 1.2)), "s"),
    Look("#d55e00", (0, (1, 1)), "^"),
    Look("#009e73", (0, (5, 1.2, 1, 1.2)), "D"),
    Look("#cc79a7", (0, (2.5, 1)), "v"),
    Look("#e69f00", (0, (7, 1, 1, 1, 1, 1)), "P"),
    Look("#56b4e9", (0, (9, 2)), "X"),
)


def distinct_looks(count: int) -> list[Look]:
    """``count`` different looks. When the colours are used up, they repeat with other dashes and markers."""
    size = len(_LOOKS)
    turned = [(_LOOKS[i % size], _LOOKS[(i + i // size) % size]) for i in range(count)]
    return [Look(first.color, second.dashes, second.marker) for first, second in turned]


def darker(color: str) -> str:
    """A darker shade of a colour, for text."""
    red, green, blue = to_rgb(color)
    return to_hex((0.75 * red, 0.75 * green, 0.75 * blue))


def percent(value: float) -> str:
    """A share as an integer percentage."""
    return f"{100 * value:.0f} %"


def save_figure(figure: Figure, stem: str | Path) -> None:
    """Write ``stem``.svg, .pdf and .png, each atomically. Equal figures give equal bytes."""
    undated: dict[str, dict[str, Any]] = {
        "svg": {"Date": None, "Creator": None},
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
        "png": {"Software": None},
    }
    with matplotlib.rc_context(STYLE):
        for kind, metadata in undated.items():
            with atomic_path(f"{stem}.{kind}") as path:
                figure.savefig(path, format=kind, metadata=metadata)
