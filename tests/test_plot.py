from __future__ import annotations

import math
from itertools import pairwise

import matplotlib
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from inversion import plot
from inversion.analyse import CONTROL_MEAN
from inversion.analyse_benchmarks import ID_ACCURACY, LM_EVAL
from inversion.config import Run
from inversion.records import CurvePoint, FactorRate, Tradeoff, to_frame

STEPS = (0, 5, 10, 20, 30, 60, 100, 200)
CONTEXT = (0.03, 0.10, 0.30, 0.55, 0.61, 0.50, 0.40, 0.33)


def point(run: Run, step: int, set: str, metric: str, value: float, **changed: object) -> CurvePoint:
    fields = {
        "step": step,
        "epoch": step / 80,
        "set": set,
        "stratum": "all",
        "prompt": "plain",
        "scorer": "first_mention",
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


def visible(figure: Figure) -> list[matplotlib.axes.Axes]:
    return [axes for axes in figure.axes if axes.get_visible()]


def texts(axes: matplotlib.axes.Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def curves_of(axes: matplotlib.axes.Axes) -> list[matplotlib.lines.Line2D]:
    """The thick lines: not seeds, epoch ends or the ring."""
    return [line for line in axes.lines if line.get_linewidth() == 1.5 and line.get_markersize() == 3]


def test_accuracy_shows_the_three_curves_with_names_peak_and_epochs() -> None:
    runs = study()
    (axes,) = visible(plot.accuracy(table(runs), runs))
    assert axes.get_title(loc="left") == "a · x · standard · conflict"
    assert sorted(texts(axes)) == sorted(
        ["context answer", "parametric answer", CONTROL_MEAN, "61 % at step 30", "epoch 1", "epoch 2"]
    )
    context = curves_of(axes)[-1]
    np.testing.assert_allclose(context.get_ydata(), CONTEXT)
    np.testing.assert_array_equal(context.get_xdata(), STEPS)
    assert all(np.isfinite(line.get_ydata()).all() for line in curves_of(axes))
    assert len({line.get_linestyle() + str(line.get_marker()) for line in curves_of(axes)}) == 3
    assert axes.get_ylim() == pytest.approx((-0.02, 1.02))


def test_accuracy_has_a_panel_for_each_set_and_combination() -> None:
    runs = study(models="ab", recipes=("standard", "qk-only"))
    figure = plot.accuracy(table(runs, sets=("capitals", "quotes")), runs)
    assert [axes.get_title(loc="left") for axes in visible(figure)] == [
        f"{model} · {recipe} · {name}"
        for model in "ab"
        for recipe in ("standard", "qk-only")
        for name in ("capitals", "quotes")
    ]
    assert figure.get_suptitle() == "x"


def test_several_seeds_give_their_mean_their_range_and_each_seed() -> None:
    runs = study(seeds=(0, 1, 2))
    (axes,) = visible(plot.accuracy(table(runs), runs))
    context = curves_of(axes)[-1]
    np.testing.assert_allclose(context.get_ydata(), np.array(CONTEXT) + 0.02)
    assert sum(line.get_linewidth() == 0.5 for line in axes.lines) == 3 * 3
    band = axes.collections[-1].get_paths()[0].vertices
    assert band[:, 1].min() == pytest.approx(CONTEXT[0])
    assert band[:, 1].max() == pytest.approx(max(CONTEXT) + 0.04)


def test_a_single_seed_has_the_interval_of_the_table() -> None:
    runs = study()
    (axes,) = visible(plot.accuracy(table(runs), runs))
    band = axes.collections[-1].get_paths()[0].vertices
    assert band[:, 1].max() == pytest.approx(max(CONTEXT) + 0.05)


def test_the_mean_stops_where_a_seed_stops() -> None:
    runs = study(seeds=(0, 1))
    rows = points(runs[0]) + [row for row in points(runs[1]) if row.step <= 60]
    (axes,) = visible(plot.accuracy(to_frame(rows, CurvePoint), runs))
    assert curves_of(axes)[-1].get_xdata()[-1] == 60


def test_grid_lays_models_down_and_datasets_across() -> None:
    runs = study(models="abc", datasets="xyz")
    figure = plot.grid(table(runs), runs)
    panels = visible(figure)
    assert [axes.get_title(loc="left") for axes in panels] == [f"{m} · {d}" for m in "abc" for d in "xyz"]
    assert {axes.get_subplotspec().get_topmost_subplotspec().get_geometry()[:2] for axes in panels} == {(3, 3)}
    assert {axes.get_xlim() for axes in panels} == {panels[0].get_xlim()}
    assert "context answer" in texts(panels[2])
    assert "context answer" not in texts(panels[0])


def test_grid_says_where_there_is_no_data() -> None:
    runs = study(models="ab", datasets="xy")
    figure = plot.grid(table([run for run in runs if run[:2] != ("b", "y")]), runs)
    assert [texts(axes) for axes in visible(figure)][3] == ["no data"]


def test_a_lone_column_is_laid_across_and_padding_is_invisible() -> None:
    runs = study(models="abcde")
    figure = plot.grid(table(runs), runs)
    assert len(figure.axes) == 6
    assert len(visible(figure)) == 5


RECIPES = ("standard", "context-critical", "random-drop", "counterfactual", "qk-only", "f", "g", "h", "i")


@pytest.mark.parametrize("count", [2, 5, 9])
def test_recipes_are_all_named_and_no_two_names_overlap(count: int) -> None:
    runs = study(recipes=RECIPES[:count])
    figure = plot.recipes(table(runs), runs)
    figure.draw_without_rendering()
    assert len(visible(figure)) == 2
    for axes in visible(figure):
        assert len(curves_of(axes)) == count
        labels = [text for text in axes.texts if text.get_text() in RECIPES]
        assert [text.get_text() for text in labels] == list(RECIPES[:count])
        # the text alone: an annotation's extent holds its leader too
        boxes = sorted((matplotlib.text.Text.get_window_extent(text) for text in labels), key=lambda box: box.y0)
        assert all(below.y1 <= above.y0 + 1e-6 for below, above in pairwise(boxes))
        looks = {(line.get_color(), str(line._dash_pattern), line.get_marker()) for line in curves_of(axes)}  # type: ignore[attr-defined]
        assert len(looks) == count


def test_recipes_survive_missing_controls_and_missing_recipes() -> None:
    runs = study(recipes=("standard", "qk-only"))
    rows = [row for row in points(runs[0]) if row.set != CONTROL_MEAN]
    context, control = visible(plot.recipes(to_frame(rows, CurvePoint), runs))
    assert texts(context) == ["standard"]
    assert texts(control) == ["no data"]


@pytest.mark.parametrize("draw", [plot.accuracy, plot.grid, plot.recipes])
def test_a_single_step_and_unknown_bounds_can_be_drawn_and_saved(draw, tmp_path) -> None:
    runs = study()
    curves = table(runs, steps=(0,)).with_columns(low=pl.lit(math.nan), high=pl.lit(math.nan))
    plot.save_figure(draw(curves, runs), tmp_path / "figure")
    assert (tmp_path / "figure.png").stat().st_size > 1000


@pytest.mark.parametrize("draw", [plot.accuracy, plot.grid, plot.recipes])
def test_no_matching_rows_is_a_clear_error(draw) -> None:
    runs = study()
    curves = table(runs)
    with pytest.raises(ValueError, match=r"curves: no context_rate of scorer 'logprob' .*a/x/standard/seed0.*contain"):
        draw(curves, runs, "logprob")
    with pytest.raises(ValueError, match="no context_rate"):
        draw(curves, [Run("other", "x", "standard", 0)])
    with pytest.raises(ValueError, match="an empty list"):
        draw(curves, [])
    with pytest.raises(ValueError, match="column 'epoch' is missing"):
        draw(curves.drop("epoch"), runs)


def test_mixed_prompts_are_an_error() -> None:
    runs = study()
    rows = [*points(runs[0]), point(runs[0], 0, "conflict", "context_rate", 0.1, prompt="strict")]
    with pytest.raises(ValueError, match="one prompt, found plain, strict"):
        plot.accuracy(to_frame(rows, CurvePoint), runs)


def test_equal_tables_give_equal_bytes_in_any_order_of_rows(tmp_path) -> None:
    runs = study(recipes=("standard", "qk-only"), seeds=(0, 1))
    curves = table(runs)
    plot.save_figure(plot.recipes(curves, runs), tmp_path / "one")
    plot.save_figure(plot.recipes(curves.reverse(), runs), tmp_path / "two")
    for kind in ("svg", "pdf", "png"):
        assert (tmp_path / f"one.{kind}").read_bytes() == (tmp_path / f"two.{kind}").read_bytes(), kind
    svg = (tmp_path / "one.svg").read_text()
    assert ">standard<" in svg  # text stays text
    assert "<dc:date>" not in svg
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(
        f"{stem}.{kind}" for stem in ("one", "two") for kind in ("svg", "pdf", "png")
    )


def test_drawing_leaves_the_global_style_alone(tmp_path) -> None:
    before = dict(matplotlib.rcParams)
    runs = study()
    plot.save_figure(plot.accuracy(table(runs), runs), tmp_path / "figure")
    assert dict(matplotlib.rcParams) == before


@given(st.lists(st.floats(0, 1), max_size=12), st.floats(0.001, 0.08))
def test_spread_keeps_order_gap_and_bounds(values: list[float], gap: float) -> None:
    placed = plot.spread(values, gap, 0.0, 1.0)
    order = sorted(range(len(values)), key=lambda i: (values[i], -i))
    assert all(placed[b] - placed[a] >= gap - 1e-9 for a, b in pairwise(order))
    assert all(-1e-9 <= place <= 1 + 1e-9 for place in placed)


def test_spread_moves_nothing_without_need_and_shares_the_move() -> None:
    assert plot.spread([0.9, 0.1, 0.5], 0.1, 0, 1) == pytest.approx([0.9, 0.1, 0.5])
    assert plot.spread([0.5, 0.5], 0.1, 0, 1) == pytest.approx([0.55, 0.45])
    assert plot.spread([0.99, 1.0], 0.1, 0, 1) == pytest.approx([0.9, 1.0])


@given(st.integers(1, 100_000), st.integers(3, 8))
def test_step_ticks_are_few_and_grow(last: int, at_most: int) -> None:
    ticks = plot.step_ticks(last, at_most)
    assert ticks[0] == 0
    assert 2 <= len(ticks) <= at_most + 1
    assert ticks == sorted(set(ticks))
    assert ticks[-1] <= last


# --- factors ------------------------------------------------------------------------------------


def crossed(runs: list[Run]) -> pl.DataFrame:
    rows = [
        FactorRate(*run, "facts", "plain", "first_mention", *where, moment, rate, rate - 0.1, rate + 0.1, 50)
        for run in runs
        for where in (("length", "long"), ("length", "short"), ("tense", "past"))
        for moment, rate in (("start", 0.3), ("peak", 0.7), ("end", 0.5 + 0.1 * run.seed))
    ]
    return to_frame(rows, FactorRate)


def test_factors_have_a_line_a_level_and_name_their_marks_once() -> None:
    runs = study()
    (axes,) = visible(plot.factors(crossed(runs), runs))
    assert [label.get_text() for label in axes.get_yticklabels()] == ["long", "short", "past"]
    assert sorted(texts(axes)) == ["end", "length", "peak", "start", "tense"]
    dots = [line for line in axes.lines if line.get_linestyle() == "None"]
    assert [float(line.get_xdata()[0]) for line in dots] == [0.3] * 3 + [0.7] * 3 + [0.5] * 3  # type: ignore[index]
    bars = [line for line in axes.lines if line.get_linestyle() != "None"]
    assert [list(line.get_xdata()) for line in bars][:1] == [[pytest.approx(0.2), pytest.approx(0.4)]]
    # told apart without colour
    assert len({line.get_marker() for line in dots}) == 3


def test_factors_of_several_seeds_are_mean_and_range() -> None:
    runs = study(seeds=(0, 2))
    (axes,) = visible(plot.factors(crossed(runs), runs))
    last = next(line for line in axes.lines if line.get_marker() == "s")
    assert float(last.get_xdata()[0]) == pytest.approx(0.6)  # type: ignore[index]
    bar = axes.lines[-2]
    assert list(bar.get_xdata()) == [pytest.approx(0.5), pytest.approx(0.7)]


def test_without_crossed_sets_the_figure_says_so() -> None:
    runs = study()
    (axes,) = plot.factors(crossed(runs).clear(), runs).axes
    assert texts(axes) == ["no data"]
    with pytest.raises(ValueError, match="column 'moment' is missing"):
        plot.factors(crossed(runs).drop("moment"), runs)


# --- trade-offs ---------------------------------------------------------------------------------

PLACES = {"standard": (0.71, 0.26), "critical": (0.66, 0.62), "counterfactual": (0.60, 0.75), "qk-only": (0.64, 0.22)}


def judged(run: Run, name: str, value: float, **changed: object) -> Tradeoff:
    fields = {"prompt": "plain", "scorer": "first_mention", "end_step": 200, "peak": None, "peak_low": None}
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
    figure = plot.tradeoffs(to_frame(compared(runs), Tradeoff), runs)
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
    figure = plot.tradeoffs(to_frame(rows, Tradeoff), runs)
    figure.draw_without_rendering()
    (axes,) = visible(figure)
    boxes = [matplotlib.text.Text.get_window_extent(text) for text in axes.texts]
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i])
        assert axes.bbox.x0 <= box.x0 < box.x1 <= axes.bbox.x1


def test_tradeoffs_stand_against_benchmarks_where_there_are_any() -> None:
    runs = study(recipes=("standard", "critical"))
    rows = [*compared(runs), *compared(runs, prompt="strict")]
    rows += [judged(run, ID_ACCURACY, 0.4, prompt=LM_EVAL, scorer=LM_EVAL) for run in runs]
    (axes,) = visible(plot.tradeoffs(to_frame(rows, Tradeoff), runs))
    assert axes.get_xlabel() == ID_ACCURACY
    assert [float(dot.get_xdata()[0]) for dot in dots(axes)] == [0.4] * 4  # type: ignore[index]
    assert texts(axes) == [
        f"{recipe} · {prompt}" for recipe in ("standard", "critical") for prompt in ("plain", "strict")
    ]


def test_tradeoffs_of_several_seeds_are_mean_and_range() -> None:
    runs = study(recipes=("standard",), seeds=(0, 2))
    (axes,) = visible(plot.tradeoffs(to_frame(compared(runs), Tradeoff), runs))
    (dot,) = dots(axes)
    assert (float(dot.get_xdata()[0]), float(dot.get_ydata()[0])) == pytest.approx((0.73, 0.28))  # type: ignore[index]
    across, up = [line for line in axes.lines if line.get_linestyle() == "-"]
    assert list(across.get_xdata()) == pytest.approx([0.71, 0.75])
    assert list(up.get_ydata()) == pytest.approx([0.26, 0.30])


def test_rates_that_differ_by_rounding_alone_are_equal() -> None:
    runs = study(recipes=("standard", "critical"))
    rows = [judged(runs[0], CONTROL_MEAN, 0.1 + 0.2), judged(runs[0], "conflict", 0.2)]
    rows += [judged(runs[1], CONTROL_MEAN, 0.3), judged(runs[1], "conflict", 0.25)]
    (axes,) = visible(plot.tradeoffs(to_frame(rows, Tradeoff), runs))
    assert [dot.get_markerfacecolor() == "white" for dot in dots(axes)] == [True, False]


def test_a_run_of_several_experiments_is_one_mark() -> None:
    runs = study(recipes=("standard",))
    rows = [*compared(runs), *compared(runs, experiment="f")]
    assert len(dots(visible(plot.tradeoffs(to_frame(rows, Tradeoff), runs))[0])) == 1


def test_tradeoffs_without_controls_say_so_and_unknown_bounds_can_be_drawn(tmp_path) -> None:
    runs = study(recipes=("standard", "critical"))
    table = to_frame(compared(runs, end_low=math.nan, end_high=math.nan), Tradeoff)
    plot.save_figure(plot.tradeoffs(table, runs), tmp_path / "figure")
    (axes,) = plot.tradeoffs(table.filter(set="conflict"), runs).axes
    assert texts(axes) == ["no data"]
    with pytest.raises(ValueError, match="column 'end' is missing"):
        plot.tradeoffs(table.drop("end"), runs)
