from __future__ import annotations

import math
from itertools import pairwise

import matplotlib
import numpy as np
import polars as pl
import pytest
from made_curves import CONTEXT, STEPS, curves_of, point, points, study, table, texts, verdicts, visible

from inversion.analyse.curves import CONTROL_MEAN
from inversion.config.run import Run
from inversion.plot.curves import accuracy, grid, recipes
from inversion.plot.style import save_figure
from inversion.records.frames import to_frame
from inversion.records.tables import CurvePoint


def test_accuracy_shows_the_three_curves_with_names_peak_and_epochs() -> None:
    runs = study()
    (axes,) = visible(accuracy(table(runs), verdicts(runs), runs))
    assert axes.get_title(loc="left") == "a · x · standard · conflict\ninversion"
    assert sorted(texts(axes)) == sorted(
        [
            *("context answer", "parametric answer", CONTROL_MEAN, "epoch 1", "epoch 2"),
            *("peak 58 %", "trough 36 %"),
        ]
    )
    context = curves_of(axes)[-1]
    np.testing.assert_allclose(context.get_ydata(), CONTEXT)
    np.testing.assert_array_equal(context.get_xdata(), STEPS)
    assert all(np.isfinite(line.get_ydata()).all() for line in curves_of(axes))
    assert len({line.get_linestyle() + str(line.get_marker()) for line in curves_of(axes)}) == 3
    assert axes.get_ylim() == pytest.approx((-0.02, 1.02))


def test_accuracy_has_a_panel_for_each_set_and_combination() -> None:
    runs = study(models="ab", recipes=("standard", "qk-only"))
    figure = accuracy(table(runs, sets=("capitals", "quotes")), verdicts(runs, ("capitals", "quotes")), runs)
    assert [axes.get_title(loc="left") for axes in visible(figure)] == [
        f"{model} · {recipe} · {name}\ninversion"
        for model in "ab"
        for recipe in ("standard", "qk-only")
        for name in ("capitals", "quotes")
    ]
    assert figure.get_suptitle() == "x"


def test_several_seeds_give_their_mean_their_range_and_each_seed() -> None:
    runs = study(seeds=(0, 1, 2))
    (axes,) = visible(accuracy(table(runs), verdicts(runs), runs))
    context = curves_of(axes)[-1]
    np.testing.assert_allclose(context.get_ydata(), np.array(CONTEXT) + 0.02)
    assert sum(line.get_linewidth() == 0.5 for line in axes.lines) == 3 * 3
    band = axes.collections[-1].get_paths()[0].vertices
    assert band[:, 1].min() == pytest.approx(CONTEXT[0])
    assert band[:, 1].max() == pytest.approx(max(CONTEXT) + 0.04)


def test_a_single_seed_has_the_interval_of_the_table() -> None:
    runs = study()
    (axes,) = visible(accuracy(table(runs), verdicts(runs), runs))
    band = axes.collections[-1].get_paths()[0].vertices
    assert band[:, 1].max() == pytest.approx(max(CONTEXT) + 0.05)


def test_the_mean_stops_where_a_seed_stops() -> None:
    runs = study(seeds=(0, 1))
    rows = points(runs[0]) + [row for row in points(runs[1]) if row.step <= 60]
    (axes,) = visible(accuracy(to_frame(rows, CurvePoint), verdicts(runs), runs))
    assert curves_of(axes)[-1].get_xdata()[-1] == 60


def test_grid_lays_models_down_and_datasets_across() -> None:
    runs = study(models="abc", datasets="xyz")
    figure = grid(table(runs), verdicts(runs), runs)
    panels = visible(figure)
    assert [axes.get_title(loc="left") for axes in panels] == [f"{m} · {d}\ninversion" for m in "abc" for d in "xyz"]
    assert {axes.get_subplotspec().get_topmost_subplotspec().get_geometry()[:2] for axes in panels} == {(3, 3)}
    assert {axes.get_xlim() for axes in panels} == {panels[0].get_xlim()}
    assert "context answer" in texts(panels[2])
    assert "context answer" not in texts(panels[0])


def test_grid_says_where_there_is_no_data() -> None:
    runs = study(models="ab", datasets="xy")
    figure = grid(table([run for run in runs if run[:2] != ("b", "y")]), verdicts(runs), runs)
    assert [texts(axes) for axes in visible(figure)][3] == ["no data"]


def test_a_single_column_becomes_a_row_and_padding_is_invisible() -> None:
    runs = study(models="abcde")
    figure = grid(table(runs), verdicts(runs), runs)
    assert len(figure.axes) == 6
    assert len(visible(figure)) == 5


RECIPES = ("standard", "context-critical", "random-drop", "counterfactual", "qk-only", "f", "g", "h", "i")


@pytest.mark.parametrize("count", [2, 5, 9])
def test_all_recipes_are_labelled_and_no_labels_overlap(count: int) -> None:
    runs = study(recipes=RECIPES[:count])
    figure = recipes(table(runs), runs)
    figure.draw_without_rendering()
    assert len(visible(figure)) == 2
    for axes in visible(figure):
        assert len(curves_of(axes)) == count
        labels = [text for text in axes.texts if text.get_text() in RECIPES]
        assert [text.get_text() for text in labels] == list(RECIPES[:count])
        # the extent of the text alone, because that of an annotation includes its leader line
        boxes = sorted((matplotlib.text.Text.get_window_extent(text) for text in labels), key=lambda box: box.y0)
        assert all(below.y1 <= above.y0 + 1e-6 for below, above in pairwise(boxes))
        looks = {(line.get_color(), str(line._dash_pattern), line.get_marker()) for line in curves_of(axes)}  # type: ignore[attr-defined]
        assert len(looks) == count


def test_recipes_survive_missing_controls_and_missing_recipes() -> None:
    runs = study(recipes=("standard", "qk-only"))
    rows = [row for row in points(runs[0]) if row.set != CONTROL_MEAN]
    context, control = visible(recipes(to_frame(rows, CurvePoint), runs))
    assert texts(context) == ["standard"]
    assert texts(control) == ["no data"]


def with_verdicts(draw):
    """A drawing function with the arguments of one without verdicts; the verdicts are added here."""
    single = {"window": 1, "peak_window": 1, "peak_step": 0, "trough_step": 0, "end_step": 0}

    def drawn(curves, runs, *scorer):
        return draw(curves, verdicts(runs, **single if curves["step"].max() == 0 else {}), runs, *scorer)

    return drawn


FIGURES = pytest.mark.parametrize("draw", [with_verdicts(accuracy), with_verdicts(grid), recipes])


def marked(axes: matplotlib.axes.Axes) -> dict[str, tuple[list[float], float]]:
    """The steps and the rate of each window that is marked."""
    bars = {str(line.get_label()).strip("_"): line for line in axes.lines if line.get_linewidth() == 3}
    return {name: (list(bar.get_xdata()), float(bar.get_ydata()[0])) for name, bar in bars.items()}


@pytest.mark.parametrize("draw", [accuracy, grid])
def test_the_windows_that_the_verdict_reads_are_marked(draw) -> None:
    runs = study()
    (axes,) = visible(draw(table(runs), verdicts(runs), runs))
    assert marked(axes) == {"peak": ([20, 30], 0.58), "trough": ([100, 200], 0.365), "end": ([100, 200], 0.365)}


def test_a_recovery_names_peak_trough_and_end() -> None:
    runs = study()
    found = verdicts(runs, verdict="recovery", trough_step=60, trough=0.45)
    (axes,) = visible(accuracy(table(runs), found, runs))
    assert sorted(text for text in texts(axes) if " %" in text) == ["end 36 %", "peak 58 %", "trough 45 %"]
    assert marked(axes)["trough"] == ([60, 100], 0.45)


def test_a_peak_at_the_first_checkpoint_is_one_checkpoint() -> None:
    runs = study()
    found = verdicts(runs, verdict="fall", peak_step=0, peak_window=1, peak=0.03)
    assert marked(visible(accuracy(table(runs), found, runs))[0])["peak"] == ([0, 0], 0.03)


def test_several_seeds_count_their_verdicts_and_mark_the_peak_of_their_mean() -> None:
    runs = study(seeds=(0, 1, 2))
    found = pl.concat([verdicts(runs[:2]), verdicts(runs[2:], verdict="no_drop")])
    (axes,) = visible(accuracy(table(runs), found, runs))
    assert axes.get_title(loc="left").endswith("\n2 of 3 inversion, 1 of 3 no_drop")
    assert marked(axes) == {"peak": ([30, 30], pytest.approx(0.63))}


@FIGURES
def test_a_single_step_and_unknown_bounds_can_be_drawn_and_saved(draw, tmp_path) -> None:
    runs = study()
    curves = table(runs, steps=(0,)).with_columns(low=pl.lit(math.nan), high=pl.lit(math.nan))
    save_figure(draw(curves, runs), tmp_path / "figure")
    assert (tmp_path / "figure.png").stat().st_size > 1000


@FIGURES
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
        accuracy(to_frame(rows, CurvePoint), verdicts(runs), runs)


def test_equal_tables_give_equal_bytes_in_any_order_of_rows(tmp_path) -> None:
    runs = study(recipes=("standard", "qk-only"), seeds=(0, 1))
    curves = table(runs)
    save_figure(recipes(curves, runs), tmp_path / "one")
    save_figure(recipes(curves.reverse(), runs), tmp_path / "two")
    for kind in ("svg", "pdf", "png"):
        assert (tmp_path / f"one.{kind}").read_bytes() == (tmp_path / f"two.{kind}").read_bytes(), kind
    svg = (tmp_path / "one.svg").read_text()
    assert ">standard<" in svg  # text is stored as text, not as outlines
    assert "<dc:date>" not in svg
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(
        f"{stem}.{kind}" for stem in ("one", "two") for kind in ("svg", "pdf", "png")
    )


def test_drawing_does_not_change_the_global_style(tmp_path) -> None:
    before = dict(matplotlib.rcParams)
    runs = study()
    save_figure(accuracy(table(runs), verdicts(runs), runs), tmp_path / "figure")
    assert dict(matplotlib.rcParams) == before
