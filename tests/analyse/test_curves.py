from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from made_items import FLAT, exact, table

from inversion.analyse.curves import curves
from inversion.analyse.inversions import inversions
from inversion.records.frames import require_schema
from inversion.records.tables import CurvePoint


def value(found: pl.DataFrame, **where: object) -> float:
    """The value of the only row that matches."""
    rows = found.filter(*(pl.col(key) == wanted for key, wanted in where.items()))
    assert len(rows) == 1, rows
    return float(rows["value"][0])


def test_containment_rates_count_both_twice_and_the_others_once() -> None:
    labels = np.array([["context"], ["both"], ["parametric"], ["other"], ["other"]], dtype=object)
    found = curves(table(labels, steps=(7,)))
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
    found = curves(frame).filter(metric="m_c")
    assert set(found["scorer"]) == {"logprob"}
    assert found["value"].to_numpy() == pytest.approx(0.75)
    assert (found["low"] < 0.75).all()
    assert (found["high"] > 0.75).all(), "ten clusters that agree say little of others"


def test_curves_by_stratum_and_of_the_whole_set() -> None:
    labels = np.array([["context"], ["parametric"]] * 10, dtype=object)
    found = curves(table(labels, steps=(0,), strata=2))
    rate = {s: value(found, stratum=s, scorer="logprob", metric="context_rate") for s in set(found["stratum"])}
    assert rate == {"all": 0.5, "stratum0": 1.0, "stratum1": 0.0}


def test_controls_have_accuracy_and_a_mean() -> None:
    right = table(exact((1.0,) * 10, 10), role="control", set_name="recall")
    half = table(
        np.where(exact((0.5,) * 10, 30) == "context", "both", "other").astype(object),
        role="control",
        set_name="matching",
    )
    found = curves(pl.concat([right, half]))
    assert set(found["metric"]) == {"accuracy"}
    assert set(found["scorer"]) == {"containment", "first_mention"}
    assert set(found["set"]) == {"recall", "matching", "control mean"}
    mean = found.filter(set="control mean", scorer="containment", step=0).row(0, named=True)
    assert (mean["value"], mean["n"]) == (0.75, 40)
    # only the set `matching` varies, and each of its clusters has half its influence on the mean
    spread = found.filter(set="matching", scorer="containment", step=0).row(0, named=True)
    assert mean["high"] - mean["low"] < 0.8 * (spread["high"] - spread["low"])


def test_control_sets_of_the_same_items_count_their_clusters_once() -> None:
    labels = np.where(exact((0.5,), 50) == "context", "parametric", "other").astype(object)
    shared = [table(labels, steps=(0,), role="control", set_name=name) for name in ("a", "b", "c", "d")]
    own = [
        frame.with_columns(cluster=pl.col("set") + pl.col("cluster"), item_id=pl.col("set") + pl.col("item_id"))
        for frame in shared
    ]
    width = {}
    for kind, frames in (("shared", shared), ("own", own)):
        found = curves(pl.concat(frames)).filter(scorer="containment")
        width |= {(kind, row["set"]): row["high"] - row["low"] for row in found.iter_rows(named=True)}
    # items have the same answers in all four sets, so the mean is as uncertain as a single set
    assert width["shared", "control mean"] == pytest.approx(width["shared", "a"], rel=0.05)
    assert width["own", "control mean"] == pytest.approx(width["own", "a"] / 2, rel=0.05)


def test_intervals_widen_with_clusters() -> None:
    labels = np.repeat(exact((0.5,), 40), 5, axis=0)
    width = {}
    for size in (1, 5):
        row = curves(table(labels, steps=(0,), cluster_size=size)).row(0, named=True)
        assert row["low"] < row["value"] < row["high"]
        width[size] = row["high"] - row["low"]
    assert width[5] == pytest.approx(np.sqrt(5) * width[1], rel=0.25)


def test_control_sets_with_different_steps_are_named() -> None:
    frames = [
        table(exact((0.5, 0.5), 5), role="control", set_name="a", steps=(0, 1)),
        table(exact((0.5, 0.5), 5), role="control", set_name="b", steps=(0, 2)),
    ]
    with pytest.raises(ValueError, match="control sets 'a' and 'b' have different steps"):
        curves(pl.concat(frames))


def test_known_items_have_separate_curves_and_verdicts() -> None:
    # two of the four items are known; these change from context to memory
    labels = np.array([["parametric", "context", "parametric"]] * 2 + [["context"] * 3] * 2, dtype=object)
    frame = table(labels, steps=(0, 10, 20), known=(True, True, False, None))
    found = curves(frame)
    rates = found.filter(stratum="known", scorer="first_mention", metric="context_rate")
    assert rates["value"].to_list() == [0.0, 1.0, 0.0]
    assert set(rates["n"]) == {2}
    rows = inversions(frame, bootstrap=10)
    assert rows.select("stratum", "scorer").rows() == [
        (stratum, scorer) for stratum in ("all", "known") for scorer in ("containment", "first_mention", "logprob")
    ]
    assert rows.filter(stratum="known")["start"].to_list() == [0.0] * 3
    assert rows.filter(stratum="all")["start"].to_list() == [0.5] * 3


def test_no_known_items_add_no_rows() -> None:
    frame = table(exact(FLAT, 20), known=(False, None))
    assert set(curves(frame)["stratum"]) == {"all"}
    assert set(inversions(frame, bootstrap=5)["stratum"]) == {"all"}


def test_pair_accuracy_needs_correct_answers_under_both_passages() -> None:
    conflict = np.array([["context"], ["context"], ["parametric"], ["both"]], dtype=object)
    matching = np.array([["context"], ["other"], ["parametric"], ["both"]], dtype=object)
    control = table(matching, steps=(0,), set_name="capitals+matching", role="control")
    found = curves(pl.concat([table(conflict, steps=(0,)), control]))
    pairs = found.filter(metric="pair_accuracy")
    assert set(pairs["set"]) == {"capitals"}
    # items 0 and 3 are correct both times, item 1 only under conflict, and item 2 only if the passage agrees
    assert dict(zip(pairs["scorer"], pairs["value"], strict=True)) == {"containment": 0.5, "first_mention": 0.5}


def test_items_without_a_matching_control_have_no_pair() -> None:
    conflict = np.array([["context"], ["parametric"], ["context"]], dtype=object)
    control = table(np.array([["context"], ["context"]], dtype=object), steps=(0,), role="control")
    control = control.with_columns(set=pl.lit("capitals+matching"))
    found = curves(pl.concat([table(conflict, steps=(0,)), control]))
    row = found.filter(metric="pair_accuracy", scorer="containment").row(0, named=True)
    assert (row["value"], row["n"]) == (0.5, 2)


def test_m_c_omits_items_whose_answers_do_not_diverge() -> None:
    frame = table(
        exact((0.5,), 4), steps=(0,), context_logprob=float(np.log(0.3)), parametric_logprob=float(np.log(0.1))
    )
    nothing = pl.when(pl.col("item_id") == "item0000").then(None)
    frame = frame.with_columns(nothing.otherwise(pl.col("context_first_logprob")).alias("context_first_logprob"))
    row = curves(frame).filter(metric="m_c").row(0, named=True)
    assert (row["value"], row["n"]) == (pytest.approx(0.75), 3)
