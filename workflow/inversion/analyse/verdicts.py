"""The verdicts on a curve. Each is declared once, with its criterion, its name on pages, its symbol and its colours."""

from __future__ import annotations

from typing import NamedTuple

from inversion.analyse.trend import ERROR, MARGIN, Trend


class Verdict(NamedTuple):
    """How a verdict is displayed. The symbol does not rely on colour."""

    symbol: str
    words: str
    meaning: str
    rule: str
    """The criterion, in the terms of docs/evaluation.md."""
    counted: str
    """The text after a number of runs, as in "3 runs with an inversion"."""
    color: str
    """The colour on a light page."""
    dark_color: str
    """The colour on a dark page."""


VERDICTS = {
    "inversion": Verdict(
        "↑↓",
        "inversion",
        "context answers rise, then fall, and are not shown to come back by half of the fall",
        "rise and fall shown; recovery not shown, or less than half of the fall",
        "with an inversion (context answers rise, then fall)",
        "#0072b2",
        "#6cbdf0",
    ),
    "recovery": Verdict(
        "↑↓↑",
        "recovery",
        "context answers rise, then fall, and come back by at least half of the fall",
        "rise, fall and recovery shown; recovery at least half of the fall",
        "with a recovery (context answers rise, fall and come back)",
        "#8a3f86",
        "#d99ad5",
    ),
    "fall": Verdict(
        "↓",
        "fall",
        "context answers fall, with no rise shown before; they may come back",
        "fall shown, no rise shown",
        "with a fall and no rise before it",
        "#b0432b",
        "#f29680",
    ),
    "no_drop": Verdict(
        "↑→",
        "no drop",
        "context answers rise, and a fall as large as the margin is excluded",
        "rise shown, fall excluded",
        "with a rise that stays",
        "#00785a",
        "#4fc9a4",
    ),
    "no_rise": Verdict(
        "\N{EN DASH}",
        "no rise",
        "a rise as large as the margin is excluded, and no fall is shown (a fall is not excluded)",
        "rise excluded, no fall shown",
        "without a rise",
        "#6b6f75",
        "#a2aab3",
    ),
    "inconclusive": Verdict(
        "?",
        "inconclusive",
        "the data allow more than one of these verdicts",
        "all others, and all curves whose bounds are unknown",
        "inconclusive",
        "#a34700",
        "#f0a066",
    ),
}
"""The verdicts by the name that :func:`decide` returns, in the order in which pages list them."""
FALLS = ("inversion", "recovery", "fall")
"""The verdicts that show a fall."""


def decide(trend: Trend, margin: float = MARGIN, p_fall: float | None = None) -> str:
    """The name of the verdict on a trend.

    A change is *shown* if its lower bound is above 0 and it is at least ``margin``. It is *excluded* if its upper bound
    is below ``margin``. The lower bound of the fall is above 0 exactly if its p-value is at most 0.05. ``p_fall`` is
    that p-value after correction for multiple tests; if it is given, it takes the place of the bound.
    """
    p_value = trend.fall.p_value if p_fall is None else p_fall
    falls = p_value <= ERROR and trend.fall.value >= margin
    rises = trend.rise.shown(margin)
    if falls and not rises:
        return "fall"
    if falls:
        recovers = trend.recovery.shown(margin) and trend.recovery.value >= trend.fall.value / 2
        return "recovery" if recovers else "inversion"
    if rises and trend.fall.excluded(margin):
        return "no_drop"
    if not rises and trend.rise.excluded(margin):
        return "no_rise"
    return "inconclusive"
