from __future__ import annotations

import matplotlib
import numpy as np
import polars as pl
import pytest
from made_probes import CONTEXT, STEPS, curves, study

from inversion.config.run import Run
from inversion.plot import mechanism_figures
from inversion.plot.style import save_figure
from inversion.records.frames import to_frame
from inversion.records.mechanism import LensPoint


def lens(runs: list[Run], depths: int = 3) -> pl.DataFrame:
    """Log-odds that follow the context answers, more so the deeper; all items turn at depth 1."""
    rows = [
        LensPoint(**run._asdict(), step=step, epoch=step / 80, set="conflict", measure=measure, depth=depth,
                  value=value, low=value - 0.1, high=value + 0.1, n=50)
        for run in runs
        for step, height in zip(STEPS, CONTEXT, strict=True)
        for measure, depth, value in (
            *(("margin", depth, depth * (height - 0.3) + 0.1 * run.seed) for depth in range(depths)),
            *(("context", depth, height) for depth in range(depths)),
            ("turn", None, 1.0),
        )
    ]  # fmt: skip
    return to_frame(rows, LensPoint)


def mesh_of(axes: matplotlib.axes.Axes) -> matplotlib.collections.QuadMesh:
    return next(c for c in axes.collections if isinstance(c, matplotlib.collections.QuadMesh))


def test_the_lens_shows_log_odds_by_depth_under_the_curve() -> None:
    above, below, bar = mechanism_figures.lens(lens(study()), curves(study()), study()).axes
    drawn = next(line for line in above.lines if len(line.get_xdata()) == len(STEPS))
    np.testing.assert_allclose(drawn.get_ydata(), CONTEXT)
    mesh = mesh_of(below)
    np.testing.assert_allclose(mesh.get_array()[0], 0)
    np.testing.assert_allclose(mesh.get_array()[2], 2 * (np.array(CONTEXT) - 0.3))
    low, high = mesh.get_clim()
    assert low == -high, "no side looks nearer"
    assert bar.get_ylim() == (low, high)
    turn = next(line for line in below.lines if len(line.get_xdata()) == len(STEPS))
    np.testing.assert_allclose(turn.get_ydata(), 1)
    for axes in (above, below):
        assert any(list(line.get_xdata()) == [20, 20] for line in axes.lines), "the peak"


def test_lenses_of_seeds_are_averaged_and_models_stand_side_by_side() -> None:
    runs = study("ab", (0, 1))
    figure = mechanism_figures.lens(lens(runs), curves(runs), runs)
    assert [axes.get_title(loc="left") for axes in figure.axes[:2]] == ["a", "b"]
    np.testing.assert_allclose(mesh_of(figure.axes[2]).get_array()[1], np.array(CONTEXT) - 0.3 + 0.05)


def test_runs_without_readings_are_refused() -> None:
    with pytest.raises(ValueError, match="lens: no row for the 1 runs; rebuild the table"):
        mechanism_figures.lens(lens(study("a")), curves(study("b")), study("b"))


def test_equal_lenses_are_equal_files(tmp_path) -> None:
    for name in ("one", "two"):
        save_figure(mechanism_figures.lens(lens(study()), curves(study()), study()), tmp_path / name)
    for kind in ("svg", "pdf", "png"):
        assert (tmp_path / f"one.{kind}").read_bytes() == (tmp_path / f"two.{kind}").read_bytes()
