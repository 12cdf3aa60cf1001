from __future__ import annotations

import math

import matplotlib
import numpy as np
import polars as pl
import pytest
from made_probes import CONTEXT, STEPS, curves, study

from inversion.config.run import Run
from inversion.plot import probe_figures
from inversion.plot.style import save_figure
from inversion.records.frames import to_frame
from inversion.records.measurements import AttentionPoint, GradientPoint


def attention(runs: list[Run], layers: int = 3, sets: tuple[str, ...] = ("conflict",)) -> pl.DataFrame:
    rows = [
        AttentionPoint(
            **run._asdict(),
            step=step,
            epoch=step / 80,
            set=name,
            query=query,
            layer=layer,
            part=part,
            value=value,
            low=value - 0.02,
            high=value + 0.02,
            n=50,
        )
        for run in runs
        for name in sets
        for query in ("answer", "after_context")
        for layer in [*range(layers), None]
        for step, height in zip(STEPS, CONTEXT, strict=True)
        for part, value in (
            ("context", height * (0.5 if layer is None else (layer + 1) / layers) + 0.01 * run.seed),
            ("subject", 0.1),
            ("rest", 0.5),
        )
    ]
    return to_frame(rows, AttentionPoint)


def gradients(runs: list[Run], kinds: tuple[str, ...] = ("C", "C+S", "S")) -> pl.DataFrame:
    """C falls from 4, and C+S stays at 1, so that they cross where C is 1. C pulls towards the context, the others
    towards memory."""
    rows = [
        GradientPoint(
            **run._asdict(),
            step=step,
            epoch=step / 80,
            kind=kind,
            weights=weights,
            measure=measure,
            value=value,
            low=0.9 * value if measure != "batch" else -0.1,
            high=1.1 * value,
            n=50,
        )
        for run in runs
        for weights in ("all", "query_key")
        for measure in ("example", "mean", "batch", "pull", "loss")
        for kind in kinds
        for step in STEPS
        for size in [{"C": 4 * math.exp(-step / 10), "C+S": 1.0, "S": 0.2}[kind]]
        for value in [-size if measure == "pull" and kind != "C" else size]
    ]
    return to_frame(rows, GradientPoint)


def texts(axes: matplotlib.axes.Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_attention_names_its_parts_and_shows_every_layer() -> None:
    figure = probe_figures.attention(attention(study()), study())
    left, right, subject, bar = figure.axes
    assert texts(left) == ["rest", "subject", "context"]
    drawn = [line for line in left.lines if len(line.get_xdata()) == len(STEPS)]
    np.testing.assert_allclose(drawn[-1].get_ydata(), np.array(CONTEXT) * 0.5)
    assert len({(line.get_linestyle(), line.get_marker()) for line in drawn}) == 3, "told apart without colour"
    mesh = next(c for c in right.collections if isinstance(c, matplotlib.collections.QuadMesh))
    np.testing.assert_allclose(mesh.get_array()[0], np.array(CONTEXT) / 3)
    np.testing.assert_allclose(mesh.get_array()[2], CONTEXT)
    across = mesh.get_coordinates()[0, :, 0]
    assert all(low < step < high for step, low, high in zip(STEPS, across, across[1:], strict=False))
    mesh = next(c for c in subject.collections if isinstance(c, matplotlib.collections.QuadMesh))
    np.testing.assert_allclose(mesh.get_array(), 0.1)
    assert left.get_xlim() == right.get_xlim()
    assert bar.get_ylim() == (0, max(CONTEXT))


def test_each_set_and_model_has_a_row_and_seeds_are_averaged() -> None:
    runs = study("ab", (0, 1))
    figure = probe_figures.attention(attention(runs, sets=("one", "two")), runs)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[:12:3] == ["a · one", "a · two", "b · one", "b · two"]
    mesh = next(c for c in figure.axes[1].collections if isinstance(c, matplotlib.collections.QuadMesh))
    np.testing.assert_allclose(mesh.get_array()[2], np.array(CONTEXT) + 0.005)


def test_runs_without_rows_are_refused_or_say_no_data() -> None:
    table = attention(study("a"))
    with pytest.raises(ValueError, match="attention: no row from 'answer' for the 1 runs"):
        probe_figures.attention(table, study("b"))
    figure = probe_figures.attention(table, study("ab"))
    assert [texts(axes) for axes in figure.axes[3:6]] == [["no data"]] * 3
    with pytest.raises(ValueError, match="gradients: no row for the 1 runs"):
        probe_figures.gradients(gradients(study("a")), curves(study("b")), study("b"))


def test_gradients_mark_the_peak_in_every_row_and_where_the_kinds_cross() -> None:
    figure = probe_figures.gradients(gradients(study()), curves(study()), study())
    top, *rest, last = figure.axes
    assert texts(top) == ["peak at step 20"]
    assert texts(last) == ["S", "C+S", "C", "all"]
    for axes in figure.axes:
        assert any(list(line.get_xdata()) == [20, 20] for line in axes.lines)
    for axes in rest:
        drawn = {line.get_marker(): line for line in axes.lines if len(line.get_xdata()) == len(STEPS)}
        np.testing.assert_allclose(10 ** np.asarray(drawn["o"].get_ydata()), 4 * np.exp(-np.array(STEPS) / 10))
        # on the logarithmic scale the line of C is straight, because its values are exponential
        crossing = 10 * math.log(4)
        assert any(np.allclose(line.get_xdata(), crossing) for line in axes.lines)
        assert texts(axes) == [f"C+S overtakes C at {crossing:.0f}", "S", "C+S", "C"]
        low, high = axes.get_ylim()
        assert all(low < value < high for line in drawn.values() for value in line.get_ydata())


def test_pulls_are_drawn_with_their_sign_and_their_sum() -> None:
    axes = probe_figures.gradients(gradients(study()), curves(study()), study()).axes[-1]
    drawn = [np.asarray(line.get_ydata()) for line in axes.lines if len(line.get_xdata()) == len(STEPS)]
    falling = 4 * np.exp(-np.array(STEPS) / 10)
    ones = np.ones(len(STEPS))
    expected = [-0.2 * ones, -ones, falling, falling - 1.2]
    unit = 1.0  # the power of ten below the median size
    for line, values in zip(drawn, expected, strict=True):
        np.testing.assert_allclose(np.sign(line) * unit * (10 ** np.abs(line) - 1), values)
    assert any(list(line.get_ydata()) == [0, 0] for line in axes.lines)


def test_a_panel_without_crossings_says_so() -> None:
    table = gradients(study()).with_columns(pl.col("value") * pl.when(pl.col("kind") == "C").then(1e6).otherwise(1))
    figure = probe_figures.gradients(table, curves(study()), study())
    assert all("C above C+S throughout" in texts(axes) for axes in figure.axes[1:-1])


def test_no_crossing_is_marked_if_a_kind_is_missing() -> None:
    figure = probe_figures.gradients(gradients(study(), ("C",)), curves(study()), study())
    assert texts(figure.axes[1]) == ["C"]


@pytest.mark.slow
def test_figures_can_be_saved_and_equal_ones_are_equal_files(tmp_path) -> None:
    runs = study("ab", (0, 1))
    for name in ("one", "two"):
        save_figure(probe_figures.attention(attention(runs, layers=1), runs), tmp_path / f"attention-{name}")
        save_figure(probe_figures.gradients(gradients(runs), curves(runs), runs), tmp_path / f"gradients-{name}")
    for figure in ("attention", "gradients"):
        for kind in ("svg", "pdf", "png"):
            assert (tmp_path / f"{figure}-one.{kind}").read_bytes() == (tmp_path / f"{figure}-two.{kind}").read_bytes()
