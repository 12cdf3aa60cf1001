from __future__ import annotations

import dataclasses

import numpy as np
import polars as pl
import pytest
from made_items import FLAT, RISE_AND_FALL, RISE_AND_STAY, SHORT_OF_ITEMS, STEPS, Labels, drawn, exact, table

from inversion.analyse.contributions import contributions
from inversion.analyse.curves import curves
from inversion.analyse.experiments import experiments
from inversion.analyse.inversions import Primary, inversions, steps_to_keep
from inversion.analyse.trend import Effect, fit_curve
from inversion.analyse.verdicts import VERDICTS, decide
from inversion.config.run import Run
from inversion.records.frames import schema_of
from inversion.records.tables import Inversion

STEPS_21 = tuple(range(0, 210, 10))
DIP = tuple(np.interp(STEPS_21, [0, 40, 100, 160, 200], [0.4, 0.93, 0.7, 0.92, 0.92]))


@pytest.mark.parametrize(
    ("labels", "steps", "expected"),
    [
        (exact(RISE_AND_FALL, 200), STEPS, "inversion"),
        (exact(RISE_AND_STAY, 200), STEPS, "no_drop"),
        (exact(FLAT, 200), STEPS, "no_rise"),
        (exact(tuple(reversed(RISE_AND_STAY)), 200), STEPS, "fall"),
        (exact(DIP, 400), STEPS_21, "recovery"),
        (drawn(SHORT_OF_ITEMS, 16, seed=2), STEPS, "inconclusive"),
    ],
    ids=["inversion", "no_drop", "no_rise", "falls from the start", "dip", "too few items"],
)
def test_a_curve_of_known_shape_gets_its_verdict(labels: Labels, steps: tuple[int, ...], expected: str) -> None:
    found = inversions(table(labels, steps=steps), bootstrap=200)
    assert found["scorer"].to_list() == ["containment", "first_mention", "logprob"]
    assert set(found["verdict"]) == {expected}


SHOWN, ABSENT, UNKNOWN = Effect(0.2, 0.1, 0.3, 0.001), Effect(0.01, -0.02, 0.04, 0.6), Effect(0.04, -0.05, 0.1, 0.4)
NEGLIGIBLE = Effect(0.03, 0.01, 0.04, 0.001)


@pytest.mark.parametrize(
    ("rise", "fall", "recovery", "expected"),
    [
        (SHOWN, SHOWN, ABSENT, "inversion"),
        (SHOWN, SHOWN, Effect(0.09, 0.05, 0.2, 0.01), "inversion"),
        (SHOWN, SHOWN, Effect(0.11, 0.06, 0.2, 0.01), "recovery"),
        (ABSENT, SHOWN, ABSENT, "fall"),
        (UNKNOWN, SHOWN, SHOWN, "fall"),
        (SHOWN, ABSENT, ABSENT, "no_drop"),
        (SHOWN, NEGLIGIBLE, ABSENT, "no_drop"),
        (SHOWN, UNKNOWN, ABSENT, "inconclusive"),
        (ABSENT, ABSENT, ABSENT, "no_rise"),
        (NEGLIGIBLE, ABSENT, ABSENT, "no_rise"),
        (UNKNOWN, ABSENT, ABSENT, "inconclusive"),
        (*[Effect(*[float("nan")] * 4)] * 3, "inconclusive"),
    ],
)
def test_the_decision_table(rise: Effect, fall: Effect, recovery: Effect, expected: str) -> None:
    trend = fit_curve(np.array([0.1, 0.5, 0.3]), np.zeros((3, 3)), 1, 9)
    assert decide(dataclasses.replace(trend, rise=rise, fall=fall, recovery=recovery)) == expected
    assert expected in VERDICTS


def test_a_corrected_p_value_decides_about_the_fall() -> None:
    trend = fit_curve(np.array([0.1, 0.5, 0.3]), np.zeros((3, 3)), 1, 9)
    trend = dataclasses.replace(trend, rise=SHOWN, fall=SHOWN, recovery=ABSENT)
    assert decide(trend, p_fall=0.06) == "inconclusive"


def test_start_peak_end_and_their_differences() -> None:
    row = inversions(table(exact(RISE_AND_FALL, 200)), bootstrap=200).filter(scorer="containment").row(0, named=True)
    # windows have two checkpoints: the peak is the third and fourth, the end the last two
    assert (row["window"], row["start"], row["peak"], row["trough"], row["end"]) == pytest.approx(
        (2, 0.1, 0.7, 0.3, 0.3)
    )
    assert (row["peak_step"], row["end_step"]) == (20, 100)
    assert (row["rise"], row["fall"], row["recovery"], row["net"]) == pytest.approx((0.6, 0.4, 0.0, 0.2))
    for name in ("rise", "fall", "net"):
        assert row[f"{name}_low"] < row[name] < row[f"{name}_high"]
    # 80 of 200 items change in the same direction, at both checkpoints of a window
    assert (row["to_parametric"], row["to_context"]) == (80, 0)
    assert row["p_items"] == pytest.approx(2 * 0.5**80, abs=1e-12)
    assert row["p_value"] < 0.05
    assert row["p_adjusted"] == row["p_value"], "one run, one set"


def test_only_primary_analyses_are_corrected_and_then_decide() -> None:
    frame = pl.concat([table(drawn(RISE_AND_FALL, 60, seed), seed=seed) for seed in range(3)])
    runs = [Run("llama", "tulu", "standard", seed) for seed in range(3)]
    found = inversions(frame, 200, experiments={"all": Primary(runs, "logprob", "plain")})
    assert set(found.filter(pl.col("p_adjusted").is_not_null())["scorer"]) == {"logprob"}
    primary = found.filter(scorer="logprob").sort("p_value")
    assert primary["p_adjusted"][0] == pytest.approx(min(1.0, 3 * primary["p_value"][0]))
    # simulated bounds differ slightly from the p-value, so the corrected p-value decides
    for row in primary.iter_rows(named=True):
        assert (row["verdict"] in ("inversion", "recovery", "fall")) == (row["p_adjusted"] <= 0.05)
    alone = inversions(frame.filter(seed=0), 200)
    assert alone.filter(scorer="containment")["p_adjusted"].null_count() == 0, (
        "the main one of those that the table has"
    )
    assert alone.filter(scorer="logprob")["p_adjusted"].null_count() == 1


def test_answers_that_give_both_count_for_either_side() -> None:
    labels = exact(RISE_AND_FALL, 200)
    labels[:, -4:][labels[:, -4:] == "parametric"] = "both"
    row = inversions(table(labels), bootstrap=200).filter(scorer="containment").row(0, named=True)
    assert row["verdict"] == row["verdict_both_context"] != "inversion"
    assert row["verdict_both_parametric"] == "inversion"


@pytest.mark.parametrize("clusters", [1, 2, 4])
def test_few_clusters_are_inconclusive(clusters: int) -> None:
    found = inversions(table(exact(RISE_AND_FALL, 60), cluster_size=60 // clusters), bootstrap=20)
    assert set(found["verdict"]) == {"inconclusive"}
    assert found["fall_low"].is_nan().all()


def test_a_single_step_is_inconclusive() -> None:
    found = inversions(table(exact((0.5,), 20), steps=(0,)), bootstrap=20)
    assert set(found["verdict"]) == {"inconclusive"}
    assert found["rise_low"].is_nan().all()
    assert found["p_items"].to_list() == [1.0] * 3
    assert len(curves(table(exact((0.5,), 20), steps=(0,)))) == 10


def test_intervals_are_wide_if_few_items_agree() -> None:
    never = exact((0.0,) * 5, 200)
    found = [
        inversions(table(never[:n], steps=(0, 10, 20, 30, 40)), bootstrap=50)["rise_high"][0] for n in (5, 20, 200)
    ]
    assert found == sorted(found, reverse=True)
    assert found[0] > 0.05


def test_no_conflict_items_give_an_empty_table() -> None:
    controls = table(exact(FLAT, 20), role="control", set_name="recall")
    assert inversions(controls, bootstrap=10).schema == schema_of(Inversion)
    assert inversions(controls, bootstrap=10).is_empty()
    assert curves(controls.clear()).is_empty()


@pytest.mark.parametrize(("keep", "steps"), [("all", set(STEPS)), ("none", set()), ("extremes", {0, 20, 80, 100})])
def test_extremes_are_the_start_the_peak_of_every_set_and_the_end(keep, steps) -> None:
    later = (0.1, 0.2, 0.3, 0.5, 0.5, 0.5, 0.5, 0.9, 0.9, 0.5)
    control = table(exact((0.1,) * 9 + (0.9,), 20), role="control", set_name="recall")
    conflicts = [table(exact(RISE_AND_FALL, 20)), table(exact(later, 20), set_name="quotes")]
    assert steps_to_keep(pl.concat([*conflicts, control]), keep) == steps


def test_contributions_sum_to_the_fall() -> None:
    labels = np.concatenate([exact(RISE_AND_FALL, 60), exact(RISE_AND_STAY, 40)])
    order = np.argsort(np.r_[np.arange(60) * 2, np.arange(40) * 2 + 1], kind="stable")
    frame = table(labels[order], strata=2, crossed=(["tense=past"], ["tense=none"]))
    found = inversions(frame, bootstrap=50)
    parts = contributions(frame, found).filter(scorer="logprob")
    fall = found.filter(scorer="logprob")["fall"][0]
    for part in ("stratum", "tense"):
        assert parts.filter(part=part)["contribution"].sum() == pytest.approx(fall)
        assert parts.filter(part=part)["share_of_fall"].sum() == pytest.approx(1.0)
    assert (parts["fall_low"] < parts["fall"]).all()


def test_experiments_summarise_over_seeds() -> None:
    frames = [table(drawn(RISE_AND_FALL, 100, seed), seed=seed) for seed in range(3)]
    usual = [table(drawn(RISE_AND_STAY, 100, seed), seed=seed) for seed in range(3)]
    frames += [frame.with_columns(recipe=pl.lit("usual")) for frame in usual]
    runs = [Run("llama", "tulu", recipe, seed) for recipe in ("usual", "standard") for seed in range(3)]
    primaries = {"headline": Primary(runs, None, "plain")}
    found = inversions(pl.concat(frames), 100, experiments=primaries)
    table_ = experiments(found, primaries, "usual")
    assert len(table_) == 2
    row = table_.filter(recipe="standard").row(0, named=True)
    falls = found.filter(recipe="standard", scorer="first_mention")["fall"].to_numpy()
    assert row["fall"] == pytest.approx(falls.mean())
    assert row["fall_high"] - row["fall"] == pytest.approx(4.302653 * falls.std(ddof=1) / 3**0.5, rel=1e-6)
    others = found.filter(recipe="usual", scorer="first_mention")["fall"].to_numpy()
    assert row["fall_difference"] == pytest.approx((falls - others).mean())
    assert table_.filter(recipe="usual")["fall_difference"].to_list() == [None]
    assert sum(row[f"runs_{verdict}"] for verdict in VERDICTS) == row["seeds"] == 3
    one = {"headline": Primary(runs[3:4], None, "plain")}
    alone = experiments(found, one, "usual").row(0, named=True)
    assert alone["inference"] == "descriptive: one run"
    assert np.isnan(alone["fall_low"])
