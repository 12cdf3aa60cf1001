"""Invented tables of curves with known shapes, and functions that read what a figure shows."""

from __future__ import annotations

import matplotlib
import polars as pl
from matplotlib.figure import Figure

from inversion.analyse.curves import CONTROL_MEAN
from inversion.config.run import Run
from inversion.config.scorers import MAIN
from inversion.records.frames import schema_of, to_frame
from inversion.records.tables import CurvePoint, Inversion

STEPS = (0, 5, 10, 20, 30, 60, 100, 200)
CONTEXT = (0.03, 0.10, 0.30, 0.55, 0.61, 0.50, 0.40, 0.33)


def point(run: Run, step: int, set: str, metric: str, value: float, **changed: object) -> CurvePoint:
    fields = {
        "step": step,
        "epoch": step / 80,
        "set": set,
        "stratum": "all",
        "prompt": "plain",
        "scorer": MAIN,
        "metric": metric,
        "value": value,
        "low": value - 0.05,
        "high": value + 0.05,
        "n": 100,
    }
    return CurvePoint(**run._asdict(), **(fields | changed))  # type: ignore[arg-type]


def points(run: Run, sets: tuple[str, ...] = ("conflict",), steps: tuple[int, ...] = STEPS) -> list[CurvePoint]:
    rows = []
    for step, value in zip(steps, CONTEXT, strict=False):
        shifted = value + 0.02 * run.seed
        rows.append(point(run, step, CONTROL_MEAN, "accuracy", 0.7 + step / 1000))
        for name in sets:
            rows.append(point(run, step, name, "context_rate", shifted))
            rows.append(point(run, step, name, "parametric_rate", 0.95 - shifted))
            rows.append(point(run, step, name, "context_rate", 0.5, scorer="containment"))
            rows.append(point(run, step, name, "context_rate", 0.5, stratum="capital"))
    return rows


def study(
    models: str = "a", datasets: str = "x", recipes: tuple[str, ...] = ("standard",), seeds: tuple[int, ...] = (0,)
) -> list[Run]:
    return [Run(m, d, r, s) for m in models for d in datasets for r in recipes for s in seeds]


def table(runs: list[Run], sets: tuple[str, ...] = ("conflict",), steps: tuple[int, ...] = STEPS) -> pl.DataFrame:
    return to_frame([row for run in runs for row in points(run, sets, steps)], CurvePoint)


def verdicts(runs: list[Run], sets: tuple[str, ...] = ("conflict",), **changed: object) -> pl.DataFrame:
    """The table ``inversions`` for the curves of :func:`table`: each is an inversion, with windows of two
    checkpoints."""
    values: dict[str, object] = dict.fromkeys(schema_of(Inversion), 0.0)
    values |= {"stratum": "all", "prompt": "plain", "scorer": MAIN, "window": 2, "peak_window": 2, "start": CONTEXT[0]}
    values |= {"peak_step": 20, "peak": 0.58, "trough_step": 100, "trough": 0.365, "end_step": 200, "end": 0.365}
    values |= {"to_parametric": 0, "to_context": 0, "p_adjusted": None, "verdict": "inversion"}
    values |= {"verdict_both_context": "inversion", "verdict_both_parametric": "inversion"} | changed
    rows = [Inversion(**values | run._asdict() | {"set": name}) for run in runs for name in sets]  # type: ignore[arg-type]
    return to_frame(rows, Inversion)


def visible(figure: Figure) -> list[matplotlib.axes.Axes]:
    return [axes for axes in figure.axes if axes.get_visible()]


def texts(axes: matplotlib.axes.Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def curves_of(axes: matplotlib.axes.Axes) -> list[matplotlib.lines.Line2D]:
    """The thick lines of a panel: the curves, without those of single seeds, the ends of epochs and the ring."""
    return [line for line in axes.lines if line.get_linewidth() == 1.5 and line.get_markersize() == 3]
