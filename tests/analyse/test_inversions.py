from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from made_items import FLAT, RISE_AND_FALL, RISE_AND_STAY, SHORT_OF_ITEMS, STEPS, Labels, drawn, exact, table

from inversion.analyse.curves import curves
from inversion.analyse.inversions import (
    _cross_fit,
    _first_half,
    inversions,
    reading_places,
    steps_to_keep,
    verdict,
)
from inversion.records.frames import schema_of
from inversion.records.tables import Inversion
from inversion.stats import mcnemar


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (exact(RISE_AND_FALL, 200), "inversion"),
        (exact(RISE_AND_STAY, 200), "no_drop"),
        (exact(FLAT, 200), "no_rise"),
        (exact(tuple(reversed(RISE_AND_STAY)), 200), "no_rise"),
        (drawn(SHORT_OF_ITEMS, 16, seed=2), "inconclusive"),
    ],
    ids=["inversion", "no_drop", "no_rise", "falls from the start", "inconclusive"],
)
def test_a_curve_of_known_shape_gets_its_verdict(labels: Labels, expected: str) -> None:
    found = inversions(table(labels), bootstrap=500)
    assert found["scorer"].to_list() == ["containment", "first_mention", "logprob"]
    assert set(found["verdict"]) == {expected}


def test_verdict_takes_the_first_rule_that_holds() -> None:
    assert verdict(0.01, 0.04, 0.01, 0.04) == "inversion"
    assert verdict(0.01, 0.04, -0.01, 0.04) == "no_drop"
    assert verdict(-0.01, 0.04, -0.01, 0.04) == "no_rise"
    assert verdict(0.01, 0.20, -0.01, 0.05) == "inconclusive"
    assert verdict(0.0, 0.20, 0.1, 0.2) == "inconclusive"
    assert verdict(*[float("nan")] * 4) == "inconclusive"


def test_start_peak_end_and_their_differences() -> None:
    row = inversions(table(exact(RISE_AND_FALL, 200)), bootstrap=200).row(0, named=True)
    assert (row["start"], row["peak"], row["end"]) == pytest.approx((0.1, 0.7, 0.3))
    assert (row["rise"], row["drop"]) == pytest.approx((0.6, 0.4))
    assert (row["peak_step"], row["end_step"]) == (20, 100)
    assert row["rise_low"] < row["rise"] < row["rise_high"]
    assert row["drop_low"] < row["drop"] < row["drop_high"]
    # 80 of 200 items change, all one way
    assert (row["to_parametric"], row["to_context"]) == (80, 0)
    assert row["p_value"] == pytest.approx(2 * 0.5**80)
    assert row["p_adjusted"] == pytest.approx(3 * row["p_value"])


def test_the_peak_is_read_at_the_step_that_the_other_half_picked() -> None:
    # each half is right at one step only, and not at the same: each is read where it is wrong
    half = _first_half([f"cluster{i:04d}" for i in range(40)], seed=0)
    assert half.sum() == 20
    labels = np.full((40, 6), "parametric", dtype=object)
    labels[half, 1] = "context"
    labels[~half, 3] = "context"
    row = inversions(table(labels, steps=(0, 5, 10, 15, 20, 25)), bootstrap=50).row(0, named=True)
    assert row["peak"] == 0.0
    assert row["rise"] == 0.0


@pytest.mark.parametrize(
    ("steps", "closing", "places"),
    [
        (7, 2, [0, 2, 3, 4, 3, 4, 4]),
        (3, 1, [0, 1, 1]),
        (4, 1, [0, 2, 1, 2]),
        (2, 1, [0, 1]),
        (1, 1, [0]),
    ],
)
def test_a_peak_is_read_at_a_checkpoint_beside_it(steps: int, closing: int, places: list[int]) -> None:
    assert reading_places(steps, closing).tolist() == places


def test_cross_fitting_equals_a_loop_over_resamples_and_items() -> None:
    rng = np.random.default_rng(0)
    sums, sizes = rng.integers(0, 4, (7, 5)).astype(float), np.full(7, 3.0)
    half = np.array([True, False, True, False, True, False, True])
    weights = rng.integers(0, 3, (30, 7)).astype(float)
    found = _cross_fit(sums, sizes, half, weights, closing=2)
    for b, weight in enumerate(weights):
        drawn = [c for c in range(7) for _ in range(int(weight[c]))]
        totals = {h: sum((sums[c] for c in drawn if half[c] == h), np.zeros(5)) for h in (True, False)}
        items = sum(sizes[c] for c in drawn)
        # of five checkpoints the last two are the end
        read = {0: 0, 1: 2, 2: 1, 3: 2, 4: 2}
        at_peak = sum(sums[c, read[int(np.argmax(totals[not half[c]]))]] for c in drawn)
        assert found.start[b] == pytest.approx(sum(sums[c, 0] for c in drawn) / items)
        assert found.peak[b] == pytest.approx(at_peak / items)
        assert found.end[b] == pytest.approx(sum(sums[c, 3:].mean() for c in drawn) / items)


def test_the_end_is_the_last_tenth_of_the_steps_and_at_least_the_last() -> None:
    steps = (0, 90, 91, 95, 100)
    labels = exact((0.0, 1.0, 0.6, 0.5, 0.4), 100)
    assert inversions(table(labels, steps=steps), bootstrap=10)["end"][0] == pytest.approx(0.5)
    assert inversions(table(labels, steps=(0, 10, 20, 30, 100)), bootstrap=10)["end"][0] == pytest.approx(0.4)


def test_an_item_ends_with_its_majority_and_a_tie_goes_to_the_last() -> None:
    # all items are right at the peak (step 50); two closing checkpoints tie, so the last decides
    labels = np.full((8, 4), "context", dtype=object)
    labels[:, 0] = "parametric"
    labels[:3, 2] = "parametric"  # wrong, then right: ends with the context
    labels[3:5, 3] = "parametric"  # right, then wrong: ends with memory
    row = inversions(table(labels, steps=(0, 50, 95, 100)), bootstrap=10).row(0, named=True)
    assert (row["to_parametric"], row["to_context"]) == (2, 0)
    assert row["p_value"] == mcnemar(2, 0)


def test_an_item_with_both_answers_does_not_change_sides() -> None:
    labels = np.full((8, 3), "context", dtype=object)
    labels[:, 0] = "other"
    labels[:4, 2] = "both"
    labels[4:, 2] = "parametric"
    found = inversions(table(labels, steps=(0, 10, 20)), bootstrap=10)
    row = found.row(0, named=True)
    assert row["scorer"] == "containment"
    assert row["to_parametric"] == 4
    assert row["end"] == 0.5


def test_a_single_step_is_inconclusive() -> None:
    found = inversions(table(exact((0.5,), 20), steps=(0,)), bootstrap=20)
    assert set(found["verdict"]) == {"inconclusive"}
    assert found["rise_low"].is_nan().all()
    assert found["p_value"].to_list() == [1.0] * 3
    assert len(curves(table(exact((0.5,), 20), steps=(0,)), bootstrap=20)) == 10


@pytest.mark.parametrize("clusters", [1, 2, 3])
def test_few_clusters_are_inconclusive(clusters: int) -> None:
    labels = exact(RISE_AND_FALL, 60)
    found = inversions(table(labels, cluster_size=60 // clusters), bootstrap=20)
    assert set(found["verdict"]) == {"inconclusive"}
    assert found["drop_low"].is_nan().all()


def test_no_conflict_items_give_an_empty_table() -> None:
    controls = table(exact(FLAT, 20), role="control", set_name="recall")
    assert inversions(controls, bootstrap=10).schema == schema_of(Inversion)
    assert inversions(controls, bootstrap=10).is_empty()
    assert curves(controls.clear(), bootstrap=10).is_empty()


@pytest.mark.parametrize(("keep", "steps"), [("all", set(STEPS)), ("none", set()), ("extremes", {0, 20, 30, 100})])
def test_extremes_are_the_start_every_sets_peak_and_the_end(keep, steps) -> None:
    later = (0.1, 0.2, 0.3, 0.9, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5)
    control = table(exact((0.1,) * 9 + (0.9,), 20), role="control", set_name="recall")
    conflicts = [table(exact(RISE_AND_FALL, 20)), table(exact(later, 20), set_name="quotes")]
    assert steps_to_keep(pl.concat([*conflicts, control]), keep) == steps


@pytest.mark.parametrize("rates", [(0.4,) * 20, (0.1, *[0.5] * 19)], ids=["flat", "rise and stay"])
@pytest.mark.parametrize("persistent", [0.0, 0.6], ids=["drawn anew", "items differ"])
def test_picking_a_maximum_makes_no_drop(rates: tuple[float, ...], persistent: float) -> None:
    """There is no drop in truth; the highest of 20 noisy checkpoints lies above the end all the same."""
    frames, naive = [], []
    for simulation in range(100):
        rng = np.random.default_rng(simulation)
        # an item keeps one draw at a share of the steps, so that checkpoints are as correlated as real ones
        kept = rng.random((60, 20)) < persistent
        uniform = np.where(kept, rng.random((60, 1)), rng.random((60, 20)))
        context = uniform < np.asarray(rates)
        labels = np.where(context, "context", "parametric").astype(object)
        frames.append(table(labels, steps=tuple(range(0, 200, 10)), seed=simulation))
        naive.append(context.mean(axis=0).max() - context[:, -1].mean())
    found = inversions(pl.concat(frames), bootstrap=200).filter(scorer="logprob")
    assert np.mean(naive) > 0.05
    assert abs(found["drop"].mean()) < 0.02
    assert (found["verdict"] == "inversion").sum() <= 3
    # without an effect the test's p-values are uniform or larger
    assert (found["p_value"] < 0.05).mean() <= 0.1


def test_checkpoints_that_are_high_by_accident_make_no_drop() -> None:
    """The accidents of a checkpoint are the same for both halves of the items; here they have 4 points."""
    frames, picked = [], []
    for simulation in range(60):
        rng = np.random.default_rng(simulation)
        rates = np.r_[0.02, 0.3, 0.5, 0.6 + rng.normal(0.0, 0.04, 13)]
        labels = drawn(rates.tolist(), 400, simulation)
        frames.append(table(labels, steps=tuple(range(0, 160, 10)), seed=simulation))
        picked.append((labels == "context").mean(axis=0)[3:-1].max() - (labels == "context").mean(axis=0)[-1])
    found = inversions(pl.concat(frames), bootstrap=200).filter(scorer="logprob")
    assert np.mean(picked) > 0.05
    assert (found["verdict"] == "inversion").sum() <= 6
    assert abs(found["drop"].mean()) < 0.02


def test_few_items_that_agree_say_little_of_others() -> None:
    read = exact((0.0, 1.0, 1.0, 0.0, 0.0), 30)
    few, more = (
        inversions(table(read[:n], steps=(0, 10, 20, 30, 40)), bootstrap=50).row(0, named=True) for n in (4, 30)
    )
    assert few["verdict"] == "inconclusive"
    assert more["verdict"] == "inversion"
    assert more["drop_low"] == pytest.approx(1 - 1.96**2 / (30 + 1.96**2), abs=1e-3)
    never = exact((0.0,) * 5, 80)
    verdicts = [inversions(table(never[:n], steps=(0, 10, 20, 30, 40)), bootstrap=50)["verdict"][0] for n in (40, 80)]
    assert verdicts == ["inconclusive", "no_rise"]


def test_a_real_drop_is_found() -> None:
    rates = (0.1, 0.5, 0.7, 0.6, 0.5, 0.4, 0.3, 0.3, 0.3, 0.3)
    runs = [table(drawn(rates, 150, simulation), seed=simulation) for simulation in range(20)]
    found = inversions(pl.concat(runs), bootstrap=200).filter(scorer="logprob")
    assert (found["verdict"] == "inversion").sum() >= 18
    assert (found["p_adjusted"] < 0.05).sum() >= 18


def test_p_values_are_corrected_over_the_whole_table() -> None:
    runs = [table(drawn(RISE_AND_FALL, 40, seed), seed=seed) for seed in range(3)]
    found = inversions(pl.concat(runs), bootstrap=20)
    alone = inversions(runs[0], bootstrap=20)
    assert len(found) == 9
    smallest = found.sort("p_value").row(0, named=True)
    assert smallest["p_adjusted"] == pytest.approx(min(1.0, 9 * smallest["p_value"]))
    unadjusted = [column for column in found.columns if column != "p_adjusted"]
    assert found.filter(pl.col("seed") == 0).select(unadjusted).equals(alone.select(unadjusted))
