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
from inversion.records.mechanism import (
    COMPONENTS,
    DIRECTIONS,
    POSITIONS,
    WEIGHT_GROUPS,
    KnockoutPoint,
    LensPoint,
    PatchPoint,
    WeightPoint,
)


def lens(runs: list[Run], depths: int = 3, lenses: tuple[str, ...] = ("logit",)) -> pl.DataFrame:
    """Log-odds that follow the context answers, more so the deeper; all items turn at depth 1."""
    rows = [
        LensPoint(**run._asdict(), step=step, epoch=step / 80, set="conflict", measure=measure, depth=depth,
                  lens=kind, position="last", value=value, low=value - 0.1, high=value + 0.1, n=50)
        for run in runs
        for kind in lenses
        for step, height in zip(STEPS, CONTEXT, strict=True)
        for measure, depth, value in (
            *(("margin", depth, depth * (height - 0.3) + 0.1 * run.seed) for depth in range(depths)),
            *(("context", depth, height) for depth in range(depths)),
            ("turn", None, 1.0),
        )
    ]  # fmt: skip
    return to_frame(rows, LensPoint)


def patching(runs: list[Run], layers: int = 2) -> pl.DataFrame:
    """Shares that grow with the layer, less by the seed; patches from unrelated items have no effect."""
    rows = [
        PatchPoint(**run._asdict(), receiver=receiver, step=60, donor=donor, donor_step=20, set="conflict",
                   component=component, layer=layer, head=None, positions=positions, measure=measure, value=value,
                   low=value - 0.1, high=value + 0.1, n=50)
        for run in runs
        for receiver in ("end", "peak")
        for donor in ("rival", "other_item", "self")
        for component in COMPONENTS
        for layer in range(layers)
        for positions in POSITIONS
        for measure in ("effect", "share")
        for value in [0.3 * (layer + 1) - 0.1 * run.seed if donor == "rival" else 0.0]
    ]  # fmt: skip
    return to_frame(rows, PatchPoint)


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


def test_lenses_of_seeds_are_averaged_and_models_are_side_by_side() -> None:
    runs = study("ab", (0, 1))
    figure = mechanism_figures.lens(lens(runs), curves(runs), runs)
    assert [axes.get_title(loc="left") for axes in figure.axes[:2]] == ["a", "b"]
    np.testing.assert_allclose(mesh_of(figure.axes[2]).get_array()[1], np.array(CONTEXT) - 0.3 + 0.05)


def test_arbitrary_values_of_low_depths_do_not_pale_the_colours_of_the_others() -> None:
    table = lens(study())
    low = (pl.col("measure") == "margin") & (pl.col("depth") == 0)
    wild = table.with_columns(value=pl.when(low).then(40.0).otherwise("value"))
    _, plain, plain_bar = mechanism_figures.lens(table, curves(study()), study()).axes
    _, below, bar = mechanism_figures.lens(wild, curves(study()), study()).axes
    assert mesh_of(below).get_clim() == mesh_of(plain).get_clim()
    assert (plain_bar._colorbar.extend, bar._colorbar.extend) == ("neither", "both")


def test_every_lens_has_a_panel() -> None:
    *panels, _ = mechanism_figures.lens(lens(study(), lenses=("logit", "tuned")), curves(study()), study()).axes
    assert [axes.get_title(loc="left") for axes in panels[1:]] == ["logit lens, last token", "tuned lens, last token"]
    np.testing.assert_allclose(mesh_of(panels[2]).get_array()[2], 2 * (np.array(CONTEXT) - 0.3))


def test_runs_without_readings_are_refused() -> None:
    with pytest.raises(ValueError, match="lens: no row for the 1 runs; rebuild the table"):
        mechanism_figures.lens(lens(study("a")), curves(study("b")), study("b"))


def test_equal_lenses_are_equal_files(tmp_path) -> None:
    for name in ("one", "two"):
        save_figure(mechanism_figures.lens(lens(study()), curves(study()), study()), tmp_path / name)
    for kind in ("svg", "pdf", "png"):
        assert (tmp_path / f"one.{kind}").read_bytes() == (tmp_path / f"two.{kind}").read_bytes()


def test_patches_are_bars_with_intervals_by_layer_component_and_place() -> None:
    figure = mechanism_figures.patching(patching(study()), study())
    assert len(figure.axes) == 2 * len(COMPONENTS), "both directions"
    for axes in figure.axes:
        assert sorted(bar.get_height() for bar in axes.patches) == pytest.approx([0.3] * 4 + [0.6] * 4)
        ends = np.array([line for each in axes.collections for line in each.get_segments()])[..., 1]
        np.testing.assert_allclose(np.sort(ends[:, 1] - ends[:, 0]), 0.2)
        crosses = [line for line in axes.lines if line.get_marker() == "x"]
        assert [list(line.get_ydata()) for line in crosses] == [[0.0, 0.0]] * 4
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[0].endswith("the end with parts of the peak\nresidual stream")
    assert titles[1:3] == ["attention", "MLP"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(POSITIONS)


def test_only_patched_components_have_a_column_and_wide_intervals_hide_no_bar() -> None:
    table = patching(study()).filter(pl.col("component") != "residual")
    figure = mechanism_figures.patching(table.with_columns(low=-9.0, high=9.0), study())
    assert [axes.get_title(loc="left").splitlines()[-1] for axes in figure.axes] == ["attention", "MLP"] * 2
    assert {axes.get_ylim() for axes in figure.axes} == {(-1.0, 2.0)}


def test_patches_of_seeds_are_averaged_and_a_run_without_a_fall_says_no_data() -> None:
    runs = study("ab", (0, 1))
    figure = mechanism_figures.patching(patching(runs[:2]), runs)
    assert sorted(bar.get_height() for bar in figure.axes[0].patches) == pytest.approx([0.25] * 4 + [0.55] * 4)
    assert [text.get_text() for text in figure.axes[-1].texts] == ["no data"]
    with pytest.raises(ValueError, match="patching: no row for the 2 runs; rebuild the table"):
        mechanism_figures.patching(patching(runs[:2]), runs[2:])


def knockouts(runs: list[Run]) -> pl.DataFrame:
    """Two layers of three heads, whose effects grow from milestone to milestone and with the seed."""
    rows = [
        KnockoutPoint(**run._asdict(), milestone=milestone, step=10 * place, set="conflict", scale=scale,
                      measure=measure, layer=layer, head=head, rank=None, value=value + scale, low=value - 0.1,
                      high=value + 0.1, null_low=None, null_high=None, n=50)
        for run in runs
        for scale in (0.0, 0.5)
        for place, milestone in enumerate(("start", "peak", "end"))
        for measure, layer, head, value in (
            *(("effect", i, head, place * (i - 0.5) + head + run.seed) for i in (0, 1) for head in range(3)),
            *((other, None, None, 0.25) for other in ("start", "peak", "end") if other != milestone),
        )
    ]  # fmt: skip
    return to_frame(rows, KnockoutPoint)


def test_heads_are_cells_by_layer_and_milestones_are_side_by_side() -> None:
    runs = study("a", (0, 1))
    *panels, bar = mechanism_figures.knockouts(knockouts(runs), runs).axes
    titles = [axes.get_title(loc="left").split("\n") for axes in panels]
    assert [title[0].split(" · ")[-1] for title in titles] == ["start", "peak", "end"]
    assert [title[1:] for title in titles] == [["rank correlation with the peak 0.25"], [], titles[0][1:]]
    for place, axes in enumerate(panels):
        expected = [[place * (layer - 0.5) + head + 0.5 for head in range(3)] for layer in range(2)]
        np.testing.assert_allclose(mesh_of(axes).get_array(), expected)
    low, high = bar.get_ylim()
    assert low == -high
    with pytest.raises(ValueError, match="knockouts: no row for the 1 runs; rebuild the table"):
        mechanism_figures.knockouts(knockouts(runs), study("b"))


def weights(runs: list[Run]) -> pl.DataFrame:
    """Shares that grow with the group and the seed; norms that grow with the layer, twice as large in the fall."""
    rows = [
        WeightPoint(**run._asdict(), interval=interval, since=10 * place, step=10 * place + 10, part=part, layer=layer,
                    set=name, measure=measure, value=value, low=None if name is None else value - 0.1,
                    high=None if name is None else value + 0.1, n=None if name is None else 50)
        for run in runs
        for place, interval in enumerate(("rise", "fall"))
        for index, part in enumerate(WEIGHT_GROUPS)
        for layer, name, measure, value in (
            *((None, "conflict", f"{direction}_share", 0.2 * index + 0.1 * run.seed) for direction in DIRECTIONS),
            *((layer, None, "norm", 0.1 * (place + 1) * (4 if layer is None else 1 + layer)) for layer in (None, 0, 1)),
        )
    ]  # fmt: skip
    return to_frame(rows, WeightPoint)


def test_shares_of_groups_are_next_to_the_norms_of_their_updates() -> None:
    runs = study("ab", (0, 1))
    figure = mechanism_figures.weights(weights(runs[:2]), runs)
    rise, fall, norms = figure.axes[:3]
    assert [axes.get_title(loc="left").split("\n")[-1] for axes in (rise, fall)] == [
        "share of the rise",
        "share of the fall",
    ]
    for axes in (rise, fall):
        expected = [0.2 * group + 0.05 for group in range(4) for _ in DIRECTIONS]
        assert [bar.get_height() for bar in axes.patches] == pytest.approx(expected)
        ends = np.array([line for each in axes.collections for line in each.get_segments()])[..., 1]
        np.testing.assert_allclose(ends[:, 1] - ends[:, 0], 0.1)  # of two seeds
    lines = [list(line.get_ydata()) for line in norms.lines]
    assert lines[:4] == [pytest.approx(x) for x in ([0.1, 0.2], [0.4], [0.2, 0.4], [0.8])]
    assert [text.get_text() for axes in figure.axes[3:] for text in axes.texts] == ["no data"] * 3
    with pytest.raises(ValueError, match="weights: no row for the 2 runs; rebuild the table"):
        mechanism_figures.weights(weights(runs[:2]), runs[2:])


def test_runs_in_which_nothing_changes_are_drawn_without_shares() -> None:
    still = weights(study()).with_columns(value=pl.when(pl.col("set").is_null()).then(0.0).otherwise(float("nan")))
    rise, fall, norms = mechanism_figures.weights(still, study()).axes
    assert [axes.texts[0].get_text() for axes in (rise, fall)] == ["no data"] * 2
    assert not norms.texts
