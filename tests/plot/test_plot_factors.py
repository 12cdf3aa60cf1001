from __future__ import annotations

import polars as pl
import pytest
from made_curves import study, texts, visible

from inversion.config.run import Run
from inversion.config.scorers import MAIN
from inversion.plot.factors import factors
from inversion.records.frames import to_frame
from inversion.records.tables import FactorRate


def crossed(runs: list[Run]) -> pl.DataFrame:
    rows = [
        FactorRate(*run, "facts", "plain", MAIN, *where, moment, rate, rate - 0.1, rate + 0.1, 50)
        for run in runs
        for where in (("length", "long"), ("length", "short"), ("tense", "past"))
        for moment, rate in (("start", 0.3), ("peak", 0.7), ("end", 0.5 + 0.1 * run.seed))
    ]
    return to_frame(rows, FactorRate)


def test_factors_have_a_line_per_level_and_label_their_marks_once() -> None:
    runs = study()
    (axes,) = visible(factors(crossed(runs), runs))
    assert [label.get_text() for label in axes.get_yticklabels()] == ["long", "short", "past"]
    assert sorted(texts(axes)) == ["end", "length", "peak", "start", "tense"]
    dots = [line for line in axes.lines if line.get_linestyle() == "None"]
    assert [float(line.get_xdata()[0]) for line in dots] == [0.3] * 3 + [0.7] * 3 + [0.5] * 3  # type: ignore[index]
    bars = [line for line in axes.lines if line.get_linestyle() != "None"]
    assert [list(line.get_xdata()) for line in bars][:1] == [[pytest.approx(0.2), pytest.approx(0.4)]]
    # distinguishable without colour
    assert len({line.get_marker() for line in dots}) == 3


def test_factors_of_several_seeds_are_mean_and_range() -> None:
    runs = study(seeds=(0, 2))
    (axes,) = visible(factors(crossed(runs), runs))
    last = next(line for line in axes.lines if line.get_marker() == "s")
    assert float(last.get_xdata()[0]) == pytest.approx(0.6)  # type: ignore[index]
    bar = axes.lines[-2]
    assert list(bar.get_xdata()) == [pytest.approx(0.5), pytest.approx(0.7)]


def test_without_crossed_sets_the_figure_says_no_data() -> None:
    runs = study()
    (axes,) = factors(crossed(runs).clear(), runs).axes
    assert texts(axes) == ["no data"]
    with pytest.raises(ValueError, match="column 'moment' is missing"):
        factors(crossed(runs).drop("moment"), runs)
