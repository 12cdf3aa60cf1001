"""The figures that an experiment can list, each with its tables and its drawing function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from inversion.config.probes import PROBES


@dataclass(frozen=True, slots=True)
class FigureKind:
    """A figure of an experiment."""

    draw: str
    """Reference (``module:function``) of the drawing function: called with the tables in order and a list of
    runs, it returns a matplotlib figure."""
    shows: str
    """What it shows, for the configuration reference and, if ``workflow/report/`` has no caption for it, for the
    report."""
    tables: tuple[str, ...] = ("curves",)
    """The names of the tables that it is drawn from."""
    names_steps: bool = False
    """Whether the drawing function takes ``labels``, the names of the steps of series."""
    prompts: Literal["first", "compared"] = "first"
    """Which rows the drawing function gets: those of the study's first prompt, or those of the prompts that the
    experiment compares."""


FIGURES: dict[str, FigureKind] = {
    "accuracy": FigureKind(
        "inversion.plot.curves:accuracy",
        "context and parametric answers with the controls and the verdict, one panel per set (fig. 2)",
        tables=("curves", "inversions"),
        names_steps=True,
    ),
    "grid": FigureKind(
        "inversion.plot.curves:grid",
        "models x datasets (figs. 6 to 11)",
        tables=("curves", "inversions"),
        names_steps=True,
    ),
    "recipes": FigureKind("inversion.plot.curves:recipes", "recipes compared (figs. 4b and 5)"),
    "factors": FigureKind(
        "inversion.plot.factors:factors",
        "context answers by each level of the factors that a set crosses",
        tables=("factors",),
    ),
    "style": FigureKind(
        "inversion.plot.answer_styles:answer_styles",
        "the wording of answers by step, and the context's share of the answers that follow one side",
        tables=("style",),
    ),
    "tradeoffs": FigureKind(
        "inversion.plot.tradeoffs:tradeoffs",
        "context answers at the end against ID accuracy, one mark per recipe and prompt",
        tables=("tradeoffs",),
        prompts="compared",
    ),
} | {
    name: FigureKind(probe.draw, f"{probe.shows}; needs the probe of the same name", tables=(name, *probe.draws_with))
    for name, probe in PROBES.items()
}
"""The figures by the name that experiments list."""


def describe_figures(figures: dict[str, FigureKind]) -> str:
    """What each figure shows, as one text."""
    return "; ".join(f"``{name}``: {figure.shows}" for name, figure in figures.items()) + "."
