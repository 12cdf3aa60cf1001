from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from inversion.analyse import (
    _cross_fit,
    _first_half,
    agreement,
    curves,
    factors,
    flip_overlap,
    flips,
    inversions,
    steps_to_keep,
    verdict,
)
from inversion.records import CurvePoint, Inversion, Item, require_schema, schema_of
from inversion.stats import mcnemar

STEPS = (0, 10, 20, 30, 40, 50, 60, 80, 90, 100)
Labels = npt.NDArray[np.object_]


def table(
    labels: Labels,
    *,
    steps: Sequence[int] = STEPS,
    set_name: str = "capitals",
    role: str = "conflict",
    cluster_size: int = 1,
    strata: int = 1,
    seed: int = 0,
    context_logprob: float = -1.0,
    parametric_logprob: float = -1.0,
    known: Sequence[bool | None] = (None,),
    crossed: Sequence[list[str]] = ([],),
) -> pl.DataFrame:
    """The table ``items`` of one run and set, from labels of shape (items, steps)."""
    n, m = labels.shape
    index = np.repeat(np.arange(n), m)
    step = np.tile(np.asarray(steps), n)
    label = labels.ravel()
    committed = np.where(label == "both", "context", label).astype(object)
    varying = {
        "step": step,
        "epoch": step / 50,
        "item_id": [f"item{i:04d}" for i in index],
        "cluster": [f"cluster{i // cluster_size:04d}" for i in index],
        "stratum": [f"stratum{i % strata}" for i in index],
        "factors": [crossed[i % len(crossed)] for i in index],
        "known": [known[i % len(known)] for i in index],
        "containment": label,
        "first_mention": committed,
        "logprob": committed,
    }
    constant = {
        "model": "llama",
        "dataset": "tulu",
        "recipe": "standard",
        "seed": seed,
        "set": set_name,
        "role": role,
        "prompt": "plain",
        "context_answers": ["c"],
        "parametric_answers": ["p"],
        "text": "",
        "finished": True,
        "context_logprob": context_logprob,
        "context_tokens": 1,
        "parametric_logprob": parametric_logprob,
        "parametric_tokens": 1,
        "context_first_logprob": context_logprob,
        "parametric_first_logprob": parametric_logprob,
        "context_logprob_closed": None,
        "parametric_logprob_closed": None,
    }
    frame = pl.DataFrame(varying).with_columns(pl.lit(value).alias(name) for name, value in constant.items())
    return frame.select(pl.col(name).cast(dtype) for name, dtype in schema_of(Item).items())


def drawn(rates: Sequence[float], n: int, seed: int, else_: str = "parametric") -> Labels:
    """Labels with the context answer at the given rate by step, drawn anew at every step."""
    context = np.random.default_rng(seed).random((n, len(rates))) < np.asarray(rates)
    return np.where(context, "context", else_).astype(object)


def exact(rates: Sequence[float], n: int) -> Labels:
    """Labels with the context answer for the first ``rate * n`` items of a fixed shuffled order."""
    rank = np.random.default_rng(1).permutation(n)
    return np.where(rank[:, None] < np.asarray(rates) * n, "context", "parametric").astype(object)


RISE_AND_FALL = (0.1, 0.4, 0.7, 0.7, 0.6, 0.5, 0.4, 0.3, 0.3, 0.3)
RISE_AND_STAY = (0.1, 0.4, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7)
FLAT = (0.2,) * 10
SHORT_OF_ITEMS = (0.2, 0.2, 0.4, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3)


# --- inversions ---------------------------------------------------------------------------------


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
    labels = np.full((40, 3), "parametric", dtype=object)
    labels[half, 1] = "context"
    labels[~half, 2] = "context"
    row = inversions(table(labels, steps=(0, 5, 10)), bootstrap=50).row(0, named=True)
    assert row["peak"] == 0.0
    assert row["rise"] == 0.0


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
        at_peak = sum(sums[c, int(np.argmax(totals[not half[c]]))] for c in drawn)
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


def test_a_real_drop_is_found() -> None:
    rates = (0.1, 0.5, 0.7, 0.6, 0.5, 0.4, 0.3, 0.3, 0.3, 0.3)
    runs = [table(drawn(rates, 100, simulation), seed=simulation) for simulation in range(20)]
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


# --- curves -------------------------------------------------------------------------------------


def value(found: pl.DataFrame, **where: object) -> float:
    """The value of the one row that fits."""
    rows = found.filter(*(pl.col(key) == wanted for key, wanted in where.items()))
    assert len(rows) == 1, rows
    return float(rows["value"][0])


def test_containment_rates_count_both_twice_and_the_others_once() -> None:
    labels = np.array([["context"], ["both"], ["parametric"], ["other"], ["other"]], dtype=object)
    found = curves(table(labels, steps=(7,)), bootstrap=20)
    require_schema(found, CurvePoint)
    rates = {
        scorer: [value(found, scorer=scorer, metric=f"{side}_rate") for side in ("context", "parametric", "other")]
        for scorer in ("containment", "first_mention")
    }
    assert rates == {"containment": [0.4, 0.4, 0.4], "first_mention": [0.4, 0.2, 0.4]}
    assert set(found["n"]) == {5}
    assert set(found["epoch"]) == {7 / 50}


def test_m_c_is_the_share_of_the_context_answer() -> None:
    frame = table(exact(FLAT, 20), context_logprob=float(np.log(0.3)), parametric_logprob=float(np.log(0.1)))
    found = curves(frame, bootstrap=20).filter(metric="m_c")
    assert set(found["scorer"]) == {"logprob"}
    assert found["value"].to_numpy() == pytest.approx(0.75)
    assert found["low"].to_numpy() == pytest.approx(0.75)


def test_strata_and_whole() -> None:
    labels = np.array([["context"], ["parametric"]] * 10, dtype=object)
    found = curves(table(labels, steps=(0,), strata=2), bootstrap=20)
    rate = {s: value(found, stratum=s, scorer="logprob", metric="context_rate") for s in set(found["stratum"])}
    assert rate == {"all": 0.5, "stratum0": 1.0, "stratum1": 0.0}


def test_controls_have_accuracy_and_a_mean() -> None:
    right = table(exact((1.0,) * 10, 10), role="control", set_name="recall")
    half = table(
        np.where(exact((0.5,) * 10, 30) == "context", "both", "other").astype(object),
        role="control",
        set_name="matching",
    )
    found = curves(pl.concat([right, half]), bootstrap=400)
    assert set(found["metric"]) == {"accuracy"}
    assert set(found["scorer"]) == {"containment", "first_mention"}
    assert set(found["set"]) == {"recall", "matching", "control mean"}
    mean = found.filter(set="control mean", scorer="containment", step=0).row(0, named=True)
    assert (mean["value"], mean["n"]) == (0.75, 40)
    # half the spread of the one set that varies
    spread = found.filter(set="matching", scorer="containment", step=0).row(0, named=True)
    assert mean["high"] - mean["low"] == pytest.approx((spread["high"] - spread["low"]) / 2)


def test_control_sets_are_resampled_independently() -> None:
    labels = exact((0.5,), 50)
    sets = [table(labels, steps=(0,), role="control", set_name=name) for name in ("a", "b", "c", "d")]
    found = curves(pl.concat(sets), bootstrap=2000).filter(scorer="containment")
    width = dict(zip(found["set"], found["high"] - found["low"], strict=True))
    # four independent sets of one spread: half the width, where copies of one stream would keep it
    assert width["control mean"] == pytest.approx(width["a"] / 2, rel=0.15)


def test_intervals_widen_with_clusters() -> None:
    labels = np.repeat(exact((0.5,), 40), 5, axis=0)
    width = {}
    for size in (1, 5):
        row = curves(table(labels, steps=(0,), cluster_size=size), bootstrap=1000).row(0, named=True)
        assert row["low"] < row["value"] < row["high"]
        width[size] = row["high"] - row["low"]
    assert width[5] == pytest.approx(np.sqrt(5) * width[1], rel=0.25)


# --- both ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("analysis", [curves, inversions])
def test_same_bytes_twice_and_in_any_order(analysis: Callable[..., pl.DataFrame]) -> None:
    rng = np.random.default_rng(0)
    frame = pl.concat(
        [
            table(drawn(RISE_AND_FALL, 30, 0), cluster_size=3, strata=2),
            table(drawn(FLAT, 30, 1), seed=1),
            table(drawn(FLAT, 30, 2), role="control", set_name="recall"),
        ]
    ).with_columns(pl.Series("context_logprob", -rng.random(900)))
    first = analysis(frame, bootstrap=50, seed=3)
    for again in (frame, frame.sample(fraction=1.0, shuffle=True, seed=1), frame.reverse()):
        assert analysis(again, bootstrap=50, seed=3).write_ipc(None).getvalue() == first.write_ipc(None).getvalue()
    assert not analysis(frame, bootstrap=50, seed=4).equals(first)


@pytest.mark.parametrize("analysis", [curves, inversions])
def test_faults_are_named(analysis: Callable[..., pl.DataFrame]) -> None:
    frame = table(exact(FLAT, 5))
    with pytest.raises(ValueError, match="'item0003' has 9 rows at 9 of 10 steps; delete"):
        analysis(frame.filter(~((pl.col("item_id") == "item0003") & (pl.col("step") == 50))), bootstrap=10)
    with pytest.raises(ValueError, match=r"llama/tulu/standard/seed0, set 'capitals'.*'item0000' has 11 rows"):
        analysis(pl.concat([frame, frame.head(1)]), bootstrap=10)
    with pytest.raises(ValueError, match="column 'logprob' is missing"):
        analysis(frame.drop("logprob"), bootstrap=10)


def test_a_conflict_item_without_an_answer_is_named() -> None:
    frame = table(exact(FLAT, 5)).with_columns(parametric_logprob=pl.lit(None, pl.Float64))
    with pytest.raises(ValueError, match="conflict item 'item0000' lacks the log-probability"):
        curves(frame, bootstrap=10)


def test_control_sets_with_other_steps_are_named() -> None:
    frames = [
        table(exact((0.5, 0.5), 5), role="control", set_name="a", steps=(0, 1)),
        table(exact((0.5, 0.5), 5), role="control", set_name="b", steps=(0, 2)),
    ]
    with pytest.raises(ValueError, match="control sets 'a' and 'b' have different steps"):
        curves(pl.concat(frames), bootstrap=10)


def test_a_study_takes_seconds() -> None:
    steps = tuple(range(0, 200, 10))
    frames = [
        table(drawn((0.4,) * 20, 200, 0), steps=steps, seed=seed, set_name=name, role=role, strata=2)
        for seed in range(12)
        for name, role in (("a", "conflict"), ("b", "control"), ("c", "control"), ("d", "control"))
    ]
    frame = pl.concat(frames)
    start = time.process_time()
    curves(frame, bootstrap=2000)
    inversions(frame, bootstrap=2000)
    assert time.process_time() - start < 10


# --- known items, pairs and first tokens --------------------------------------------------------


def test_known_items_have_curves_and_a_verdict_of_their_own() -> None:
    # of four items two are known, which change from context to memory
    labels = np.array([["parametric", "context", "parametric"]] * 2 + [["context"] * 3] * 2, dtype=object)
    frame = table(labels, steps=(0, 10, 20), known=(True, True, False, None))
    found = curves(frame, bootstrap=10)
    rates = found.filter(stratum="known", scorer="first_mention", metric="context_rate")
    assert rates["value"].to_list() == [0.0, 1.0, 0.0]
    assert set(rates["n"]) == {2}
    rows = inversions(frame, bootstrap=10)
    assert rows.select("stratum", "scorer").rows() == [
        (stratum, scorer) for stratum in ("all", "known") for scorer in ("containment", "first_mention", "logprob")
    ]
    assert rows.filter(stratum="known")["start"].to_list() == [0.0] * 3
    assert rows.filter(stratum="all")["start"].to_list() == [0.5] * 3


def test_what_is_known_to_nobody_adds_nothing() -> None:
    frame = table(exact(FLAT, 20), known=(False, None))
    assert set(curves(frame, bootstrap=5)["stratum"]) == {"all"}
    assert set(inversions(frame, bootstrap=5)["stratum"]) == {"all"}


def test_pairs_are_right_under_both_passages() -> None:
    conflict = np.array([["context"], ["context"], ["parametric"], ["both"]], dtype=object)
    matching = np.array([["context"], ["other"], ["parametric"], ["both"]], dtype=object)
    control = table(matching, steps=(0,), set_name="capitals+matching", role="control")
    found = curves(pl.concat([table(conflict, steps=(0,)), control]), bootstrap=20)
    pairs = found.filter(metric="pair_accuracy")
    assert set(pairs["set"]) == {"capitals"}
    # items 0 and 3 are right both times; item 1 only under conflict, item 2 only where the passage agrees
    assert dict(zip(pairs["scorer"], pairs["value"], strict=True)) == {"containment": 0.5, "first_mention": 0.5}


def test_items_without_a_partner_are_in_no_pair() -> None:
    conflict = np.array([["context"], ["parametric"], ["context"]], dtype=object)
    control = table(np.array([["context"], ["context"]], dtype=object), steps=(0,), role="control")
    control = control.with_columns(set=pl.lit("capitals+matching"))
    found = curves(pl.concat([table(conflict, steps=(0,)), control]), bootstrap=5)
    row = found.filter(metric="pair_accuracy", scorer="containment").row(0, named=True)
    assert (row["value"], row["n"]) == (0.5, 2)


def test_m_c_leaves_out_items_whose_answers_do_not_part() -> None:
    frame = table(
        exact((0.5,), 4), steps=(0,), context_logprob=float(np.log(0.3)), parametric_logprob=float(np.log(0.1))
    )
    nothing = pl.when(pl.col("item_id") == "item0000").then(None)
    frame = frame.with_columns(nothing.otherwise(pl.col("context_first_logprob")).alias("context_first_logprob"))
    row = curves(frame, bootstrap=5).filter(metric="m_c").row(0, named=True)
    assert (row["value"], row["n"]) == (pytest.approx(0.75), 3)


# --- flips, factors, agreement ------------------------------------------------------------------


def lost(changed: Sequence[int], n: int = 10) -> Labels:
    """Memory, then the context, then for the items of ``changed`` memory again."""
    labels = np.full((n, 3), "context", dtype=object)
    labels[:, 0] = "parametric"
    labels[list(changed), 2] = "parametric"
    return labels


def test_flips_are_the_items_behind_the_counts() -> None:
    frame = table(lost([1, 4]), steps=(0, 10, 20), known=(True, False))
    found = flips(frame).filter(scorer="logprob")
    assert found.select("item_id", "peak", "end", "known").rows() == [
        ("item0001", "context", "parametric", False),
        ("item0004", "context", "parametric", True),
    ]
    assert inversions(frame, bootstrap=5).filter(scorer="logprob", stratum="all")["to_parametric"].to_list() == [2]


def test_overlap_of_two_runs_counted_by_hand() -> None:
    one = table(lost([0, 1, 2, 3]), steps=(0, 10, 20))
    two = table(lost([1, 2, 3, 4]), steps=(0, 10, 20), seed=1)
    found = flip_overlap(pl.concat([one, two])).filter(scorer="first_mention").row(0, named=True)
    assert (found["first"], found["second"]) == ("llama/tulu/standard/seed0", "llama/tulu/standard/seed1")
    assert (found["both"], found["only_first"], found["only_second"], found["neither"]) == (3, 1, 1, 5)
    assert found["odds_ratio"] == 15.0
    # of 210 ways: 4 x 6 with three in common, 1 with four, and at the other end C(6, 4) = 15 with none
    assert found["p_value"] == pytest.approx((24 + 1 + 15) / 210)
    assert flip_overlap(one).is_empty()


def test_context_reliance_by_each_factor() -> None:
    # items take turns: dated ones lose the context, undated ones keep it
    crossed = (["length=long", "tense=past"], ["length=long", "tense=none"])
    frame = table(lost(range(0, 40, 2), n=40), steps=(0, 10, 20), crossed=crossed)
    found = factors(frame, bootstrap=200).filter(scorer="first_mention")
    rates = {(row["factor"], row["level"], row["moment"]): row["context_rate"] for row in found.iter_rows(named=True)}
    assert rates == {
        ("length", "long", "start"): 0.0,
        ("length", "long", "peak"): 1.0,
        ("length", "long", "end"): 0.5,
        ("tense", "none", "start"): 0.0,
        ("tense", "none", "peak"): 1.0,
        ("tense", "none", "end"): 1.0,
        ("tense", "past", "start"): 0.0,
        ("tense", "past", "peak"): 1.0,
        ("tense", "past", "end"): 0.0,
    }
    row = found.filter(factor="length", moment="end").row(0, named=True)
    assert (row["n"], row["low"] < 0.5 < row["high"]) == (40, True)
    assert factors(table(lost([1]), steps=(0, 10, 20)), bootstrap=5).is_empty()


def test_agreement_counted_by_hand() -> None:
    labels = np.array([["context"], ["parametric"], ["both"], ["other"], ["context"]], dtype=object)
    frame = table(labels, steps=(0,)).with_columns(
        first_mention=pl.Series(["context", "parametric", "context", "other", "other"])
    )
    control = table(labels, steps=(0,), set_name="recall", role="control")
    found = agreement(pl.concat([frame, control]))
    assert found.select("set", "first", "second").rows() == [
        ("capitals", "containment", "first_mention"),
        ("capitals", "containment", "logprob"),
        ("capitals", "first_mention", "logprob"),
    ]
    row = found.row(0, named=True)
    # three of five alike; by chance (2 x 2 + 1 x 1 + 1 x 2) / 25
    assert (row["n"], row["agreement"]) == (5, 0.6)
    assert row["kappa"] == pytest.approx((0.6 - 0.28) / (1 - 0.28))
    # of the three texts with one answer, the last was judged otherwise
    assert (row["one_answer"], row["one_answer_disagree"]) == (3, 1)
