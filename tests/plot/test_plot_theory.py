from __future__ import annotations

import matplotlib
import numpy as np
import polars as pl
import pytest

from inversion.config.theory import Theory
from inversion.plot.style import save_figure
from inversion.plot.theory import attention, gradients
from inversion.plot.theory import phases as draw_phases
from inversion.records.frames import to_frame
from inversion.records.theory import TheoryPhase, TheoryStep
from inversion.theory.descent import phases, trajectories

THEORY = Theory(steps=40, shares=(6, 12), grid=8)
K_A = THEORY.k_a


@pytest.fixture(scope="module")
def steps() -> pl.DataFrame:
    return to_frame(trajectories(THEORY), TheoryStep)


@pytest.fixture(scope="module")
def cells() -> pl.DataFrame:
    return to_frame(phases(THEORY), TheoryPhase)


def texts(axes: matplotlib.axes.Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_attention_shows_every_share_names_its_lines_and_marks_the_peak(steps: pl.DataFrame) -> None:
    figure = attention(steps)
    panels = np.array(figure.axes).reshape(3, 2)
    assert [axes.get_title(loc="left") for axes in panels[0]] == [
        "6 C points, 10 C+S points",
        "12 C points, 4 C+S points",
    ]
    assert texts(panels[0, 0]) == ["$M_C$ peaks at step 12"]
    assert texts(panels[0, 1]) == ["$M_C$ still rises", "C points", "C+S points", "conflict"]
    assert texts(panels[2, 1]) == ["$W_V$ trained too", "$W_V$ frozen"]
    frozen = steps.filter(pl.col("context_critical") == 6, pl.col("value_learning_rate") == 0)
    drawn = [line for line in panels[2, 0].lines if len(line.get_xdata()) == 41]
    np.testing.assert_array_equal(drawn[1].get_ydata(), frozen["m_c"])
    assert len({(line.get_linestyle(), line.get_marker()) for line in drawn}) == 2


def test_gradients_are_drawn_as_logarithms(steps: pl.DataFrame) -> None:
    figure = gradients(steps)
    panels = np.array(figure.axes).reshape(2, 2)
    frozen = steps.filter(pl.col("context_critical") == 6, pl.col("value_learning_rate") == 0)
    drawn = [line for line in panels[0, 0].lines if len(line.get_xdata()) == 41]
    np.testing.assert_allclose(10 ** np.asarray(drawn[1].get_ydata()), frozen["norm_cs"])
    assert texts(panels[1, 0]) == ["$M_C$ peaks at step 14"]
    low, high = panels[0, 0].get_ylim()
    assert all(low < value < high for line in drawn for value in line.get_ydata())


@pytest.mark.slow
def test_phases_show_each_cell_once_and_name_what_happens(cells: pl.DataFrame) -> None:
    figure = draw_phases(cells, K_A)
    left, right = figure.axes[:2]
    for axes, diagram in ((left, "shares"), (right, "deltas")):
        rows = cells.filter(pl.col("diagram") == diagram)
        mesh = next(c for c in axes.collections if isinstance(c, matplotlib.collections.QuadMesh))
        np.testing.assert_allclose(np.sort(mesh.get_array().ravel()), (rows["peak"] - rows["end"]).sort())
    cell = cells.filter(pl.col("diagram") == "deltas", pl.col("delta_c") == 0.1875, pl.col("delta_m") == 0.5625)
    mesh = next(c for c in right.collections if isinstance(c, matplotlib.collections.QuadMesh))
    corners = mesh.get_coordinates()[4:6, 1:3]
    np.testing.assert_allclose(corners.mean(axis=(0, 1)), (0.1875, 0.5625))
    assert mesh.get_array().reshape(8, 8)[4, 1] == pytest.approx(cell["peak"][0] - cell["end"][0])
    assert {"$|D_C| = |D_{C+S}|$", "falls from\nthe start", "rises\nand stays"} <= set(texts(left))
    assert {"$\\delta_M = 2\\, \\delta_C$", "$\\delta_C = 3 / (K_A - 1)$"} <= set(texts(right))


@pytest.mark.slow
def test_the_smallest_study_can_be_drawn_and_saved(tmp_path) -> None:
    theory = Theory(k_s=10, k_a=20, context_critical=1, context_and_memory=1, shares=(1,), grid=2, steps=2)
    steps = to_frame(trajectories(theory), TheoryStep)
    attention(steps).draw_without_rendering()
    gradients(steps).draw_without_rendering()
    save_figure(draw_phases(to_frame(phases(theory), TheoryPhase), theory.k_a), tmp_path / "phases")
    assert all((tmp_path / f"phases.{kind}").stat().st_size > 1000 for kind in ("svg", "pdf", "png"))
