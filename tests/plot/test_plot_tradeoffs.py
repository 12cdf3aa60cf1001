from __future__ import annotations

import math

import matplotlib
import pytest
from made_curves import study, texts, visible

from inversion.analyse.benchmarks import ID_ACCURACY, LM_EVAL
from inversion.analyse.curves import CONTROL_MEAN
from inversion.config.run import Run
from inversion.config.scorers import MAIN
from inversion.plot.style import save_figure
from inversion.plot.tradeoffs import tradeoffs
from inversion.records.frames import to_frame
from inversion.records.tables import Tradeoff

PLACES = {"standard": (0.71, 0.26), "critical": (0.66, 0.62), "counterfactual": (0.60, 0.75), "qk-only": (0.64, 0.22)}


def judged(run: Run, name: str, value: float, **changed: object) -> Tradeoff:
    fields = {"prompt": "plain", "scorer": MAIN, "end_step": 200, "peak": None, "peak_low": None}
    fields |= {"peak_high": None, "n": 100, "experiment": "e", "end_low": value - 0.05, "end_high": value + 0.05}
    fields |= {"metric": "context_rate" if name == "conflict" else "accuracy"}
    return Tradeoff(**run._asdict(), set=name, end=value, **(fields | changed))  # type: ignore[arg-type]


def compared(runs: list[Run], **changed: object) -> list[Tradeoff]:
    return [
        judged(run, name, value + 0.02 * run.seed, **changed)
        for run in runs
        for name, value in zip((CONTROL_MEAN, "conflict"), PLACES[run.recipe], strict=True)
    ]


def dots(axes: matplotlib.axes.Axes) -> list[matplotlib.lines.Line2D]:
    return [line for line in axes.lines if line.get_linestyle() == "None"]


def test_tradeoffs_name_every_mark_and_fill_the_front() -> None:
    runs = study(recipes=tuple(PLACES))
    figure = tradeoffs(to_frame(compared(runs), Tradeoff), runs)
    (axes,) = visible(figure)
    assert texts(axes) == list(PLACES)
    assert [(float(dot.get_xdata()[0]), float(dot.get_ydata()[0])) for dot in dots(axes)] == [  # type: ignore[index]
        pytest.approx(place) for place in PLACES.values()
    ]
    hollow = [name for name, dot in zip(PLACES, dots(axes), strict=True) if dot.get_markerfacecolor() == "white"]
    assert hollow == ["qk-only"]
    assert len({dot.get_marker() for dot in dots(axes)}) == 4, "told apart without colour"
    (front,) = [line for line in axes.lines if line.get_drawstyle() == "steps-pre"]
    assert front.get_xydata()[1:-1].tolist() == sorted([list(PLACES[n]) for n in PLACES if n != "qk-only"])
    assert (axes.get_xlabel(), axes.get_ylabel()) == (CONTROL_MEAN, "answered with the context")
    bars = [line for line in axes.lines if line.get_linestyle() == "-"]
    assert len(bars) == 8


@pytest.mark.parametrize("places", [list(PLACES.values()), [(0.5, 0.5)] * 4])
def test_the_names_of_tradeoffs_do_not_overlap(places: list[tuple[float, float]]) -> None:
    runs = study(recipes=tuple(PLACES))
    rows = [
        judged(run, name, value)
        for run, place in zip(runs, places, strict=True)
        for name, value in zip((CONTROL_MEAN, "conflict"), place, strict=True)
    ]
    figure = tradeoffs(to_frame(rows, Tradeoff), runs)
    figure.draw_without_rendering()
    (axes,) = visible(figure)
    boxes = [matplotlib.text.Text.get_window_extent(text) for text in axes.texts]
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i])
        assert axes.bbox.x0 <= box.x0 < box.x1 <= axes.bbox.x1


def test_tradeoffs_use_benchmarks_if_there_are_any() -> None:
    runs = study(recipes=("standard", "critical"))
    rows = [*compared(runs), *compared(runs, prompt="strict")]
    rows += [judged(run, ID_ACCURACY, 0.4, prompt=LM_EVAL, scorer=LM_EVAL) for run in runs]
    (axes,) = visible(tradeoffs(to_frame(rows, Tradeoff), runs))
    assert axes.get_xlabel() == ID_ACCURACY
    assert [float(dot.get_xdata()[0]) for dot in dots(axes)] == [0.4] * 4  # type: ignore[index]
    assert texts(axes) == [
        f"{recipe} · {prompt}" for recipe in ("standard", "critical") for prompt in ("plain", "strict")
    ]


def test_tradeoffs_of_several_seeds_are_mean_and_range() -> None:
    runs = study(recipes=("standard",), seeds=(0, 2))
    (axes,) = visible(tradeoffs(to_frame(compared(runs), Tradeoff), runs))
    (dot,) = dots(axes)
    assert (float(dot.get_xdata()[0]), float(dot.get_ydata()[0])) == pytest.approx((0.73, 0.28))  # type: ignore[index]
    across, up = [line for line in axes.lines if line.get_linestyle() == "-"]
    assert list(across.get_xdata()) == pytest.approx([0.71, 0.75])
    assert list(up.get_ydata()) == pytest.approx([0.26, 0.30])


def test_rates_that_differ_by_rounding_alone_are_equal() -> None:
    runs = study(recipes=("standard", "critical"))
    rows = [judged(runs[0], CONTROL_MEAN, 0.1 + 0.2), judged(runs[0], "conflict", 0.2)]
    rows += [judged(runs[1], CONTROL_MEAN, 0.3), judged(runs[1], "conflict", 0.25)]
    (axes,) = visible(tradeoffs(to_frame(rows, Tradeoff), runs))
    assert [dot.get_markerfacecolor() == "white" for dot in dots(axes)] == [True, False]


def test_a_run_of_several_experiments_is_one_mark() -> None:
    runs = study(recipes=("standard",))
    rows = [*compared(runs), *compared(runs, experiment="f")]
    assert len(dots(visible(tradeoffs(to_frame(rows, Tradeoff), runs))[0])) == 1


def test_tradeoffs_without_controls_say_so_and_unknown_bounds_can_be_drawn(tmp_path) -> None:
    runs = study(recipes=("standard", "critical"))
    table = to_frame(compared(runs, end_low=math.nan, end_high=math.nan), Tradeoff)
    save_figure(tradeoffs(table, runs), tmp_path / "figure")
    (axes,) = tradeoffs(table.filter(set="conflict"), runs).axes
    assert texts(axes) == ["no data"]
    with pytest.raises(ValueError, match="column 'end' is missing"):
        tradeoffs(table.drop("end"), runs)
