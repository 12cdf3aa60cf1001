from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from made_items import RISE_AND_FALL, RISE_AND_STAY, STEPS, exact, table

from inversion.analyse.benchmarks import ID_ACCURACY, LM_EVAL
from inversion.analyse.curves import CONTROL_MEAN, curves
from inversion.analyse.inversions import inversions
from inversion.analyse.tradeoffs import ComparedRuns, MetricKey, Reference, benchmark_scores, item_scores, tradeoffs
from inversion.config.run import Run
from inversion.records.answers import BenchmarkScore
from inversion.records.frames import require_schema, to_frame
from inversion.records.tables import Tradeoff
from inversion.stats import holm, mcnemar

STANDARD = Run("llama", "tulu", "standard", 0)
OTHER = STANDARD._replace(recipe="other")
REFERENCE = Reference("standard", "plain")
BOTH = ComparedRuns([STANDARD, OTHER], ["plain", "strict"])
CONFLICT = MetricKey("plain", "capitals", "containment", "context_rate")


def of(run: Run, frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.lit(value, frame.schema[name]).alias(name) for name, value in run._asdict().items())


def two_runs(n: int = 60) -> pl.DataFrame:
    """``standard`` falls to 30 % and ``other`` stays at 70 %. Their matching controls are correct for 90 % and 50 % of
    the items."""
    rows = []
    for run, rates, right in ((STANDARD, RISE_AND_FALL, 0.9), (OTHER, RISE_AND_STAY, 0.5)):
        rows.append(of(run, table(exact(rates, n))))
        labels = np.where(exact((right,) * len(STEPS), n) == "context", "parametric", "other").astype(object)
        rows.append(of(run, table(labels, set_name="capitals+matching", role="control")))
        rows.append(of(run, table(labels[: n // 2], set_name="recall", role="control")))
    return pl.concat(rows)


def judged(frame: pl.DataFrame, **changed: object) -> pl.DataFrame:
    arguments = {
        "run_scores": item_scores(frame),
        "experiments": {"recipes": BOTH},
        "reference": REFERENCE,
    }
    return tradeoffs(**(arguments | changed))  # type: ignore[arg-type]


def row(found: pl.DataFrame, **where: object) -> dict[str, object]:
    (only,) = found.filter(**({"scorer": "containment"} | where)).iter_rows(named=True)
    return only


def test_the_end_equals_that_of_the_tables_curves_and_inversions() -> None:
    frame = two_runs()
    found = judged(frame)
    require_schema(found, Tradeoff)
    measured = inversions(frame, 200).filter(pl.col("stratum") == "all")
    for run in (STANDARD, OTHER):
        for scorer in ("containment", "first_mention", "logprob"):
            here = row(found, **run._asdict(), set="capitals", scorer=scorer)
            there = measured.filter(**run._asdict(), scorer=scorer).row(0, named=True)
            assert (here["end"], here["peak"]) == pytest.approx((there["end"], there["peak"]))
            assert here["end_low"] < here["end"] < here["end_high"]
    last = curves(frame).filter(set=CONTROL_MEAN, recipe="other", step=STEPS[-1], scorer="containment")
    assert row(found, set=CONTROL_MEAN, recipe="other")["end"] == pytest.approx(last["value"][0])


def test_controls_of_a_set_are_read_at_its_peak_and_others_have_none() -> None:
    labels = exact(RISE_AND_FALL, 60)
    early = np.where(np.isin(np.arange(len(STEPS)), (2, 3)), "parametric", "other")
    right = np.tile(early, (60, 1)).astype(object)
    frame = pl.concat(
        [table(labels), *(table(right, set_name=name, role="control") for name in ("capitals+matching", "recall"))]
    )
    found = judged(frame)
    matching = row(found, set="capitals+matching")
    assert (matching["end"], matching["peak"]) == (0.0, 1.0)
    for name in ("recall", CONTROL_MEAN):
        assert row(found, set=name)["peak"] is None


def test_the_difference_is_paired_and_tested_over_clusters() -> None:
    found = judged(two_runs())
    there = row(found, set="capitals", recipe="other")
    assert there["difference"] == pytest.approx(0.4)
    assert there["difference_low"] < 0.4 < there["difference_high"]
    # 24 items are answered with the context in one of the two runs only
    assert there["p_value"] == pytest.approx(mcnemar(0, 24))
    here = row(found, set="capitals", recipe="standard")
    assert here["difference"] is here["p_value"] is here["p_adjusted"] is None
    tested = found.filter(pl.col("p_value").is_not_null())
    np.testing.assert_allclose(tested["p_adjusted"], holm(tested["p_value"].to_numpy()))


def test_paired_intervals_are_narrower_than_those_of_unpaired_items() -> None:
    """The difference of two runs with the same answers is 0, however wide the interval of each run is."""
    frame = pl.concat([of(run, table(exact(RISE_AND_FALL, 60))) for run in (STANDARD, OTHER)])
    there = row(judged(frame), set="capitals", recipe="other")
    assert there["difference"] == 0.0
    # the difference that cannot be excluded if all 60 clusters agree
    assert -there["difference_low"] == there["difference_high"] == pytest.approx(1.96**2 / (60 + 1.96**2), abs=1e-4)
    assert there["difference_high"] < (there["end_high"] - there["end_low"]) / 2
    assert there["p_value"] == 1.0


def test_a_cluster_counts_once_in_the_test() -> None:
    always, never = (np.full((40, len(STEPS)), label, dtype=object) for label in ("context", "parametric"))
    frame = pl.concat([of(STANDARD, table(never, cluster_size=8)), of(OTHER, table(always, cluster_size=8))])
    assert row(judged(frame), set="capitals", recipe="other")["p_value"] == pytest.approx(mcnemar(0, 5))


def test_other_prompts_are_compared_with_the_first() -> None:
    plain = table(exact(RISE_AND_FALL, 60))
    strict = table(exact(RISE_AND_STAY, 60)).with_columns(prompt=pl.lit("strict"))
    found = judged(pl.concat([plain, strict]))
    assert row(found, prompt="strict", set="capitals")["difference"] == pytest.approx(0.4)
    assert row(found, prompt="plain", set="capitals")["difference"] is None


def test_an_experiment_has_only_its_own_prompts() -> None:
    frame = pl.concat([two_runs(), two_runs().with_columns(prompt=pl.lit("strict"))])
    found = judged(frame, experiments={"a": BOTH._replace(prompts=["strict"])})
    assert set(found["prompt"]) == {"strict"}
    assert found["difference"].null_count() == 0, "the reference is compared with, shown or not"


def test_without_a_reference_in_the_experiment_there_is_no_difference() -> None:
    for changed in ({"reference": Reference(None, "plain")}, {"experiments": {"recipes": BOTH._replace(runs=[OTHER])}}):
        found = judged(two_runs(), **changed)
        assert found.height > 0
        assert found["difference"].null_count() == found["p_adjusted"].null_count() == found.height


def test_each_experiment_has_its_rows_and_its_correction() -> None:
    both = judged(two_runs(), experiments={"a": BOTH, "b": BOTH, "c": BOTH._replace(runs=[OTHER])})
    alone = judged(two_runs(), experiments={"a": BOTH})
    assert both.filter(experiment="a").equals(alone)
    assert both.filter(experiment="b").drop("experiment").equals(alone.drop("experiment"))
    assert both.filter(experiment="c").height == alone.height / 2


def test_the_order_of_rows_does_not_matter() -> None:
    frame = two_runs()
    assert judged(frame.sample(fraction=1.0, shuffle=True, seed=3)).equals(judged(frame))


def test_runs_with_different_items_are_an_error() -> None:
    frame = two_runs().filter((pl.col("recipe") == "standard") | (pl.col("item_id") != "item0003"))
    with pytest.raises(ValueError, match=r"llama/tulu/other/seed0: the set .* has different items"):
        judged(frame)


def scores(right: int) -> pl.DataFrame:
    return to_frame(
        [
            BenchmarkScore(step, name, name, i, "acc", float(i < (right if step else 0)))
            for name in ("arc", "mmlu")
            for step in (0, 95, 100)
            for i in range(20)
        ],
        BenchmarkScore,
    )


def test_benchmarks_and_their_mean_have_their_own_prompt() -> None:
    metrics = {"arc": "acc", "mmlu": "acc"}
    everything = item_scores(two_runs())
    for run, right in ((STANDARD, 16), (OTHER, 8)):
        everything[run] |= benchmark_scores(scores(right), run, metrics, ["arc"])
    found = tradeoffs(everything, {"recipes": BOTH}, REFERENCE)
    mean = row(found, set=ID_ACCURACY, recipe="other", scorer=LM_EVAL)
    assert (mean["end"], mean["difference"], mean["n"], mean["peak"]) == (0.4, pytest.approx(-0.4), 20, None)
    assert mean["p_value"] == pytest.approx(mcnemar(8, 0))
    assert row(found, set="mmlu", recipe="standard", scorer="acc")["end"] == 0.8


def test_a_single_cluster_has_no_interval() -> None:
    frame = table(exact(RISE_AND_FALL, 10), cluster_size=10)
    here = row(judged(frame), set="capitals")
    assert np.isnan([here["end_low"], here["end_high"]]).all()  # type: ignore[arg-type]


def test_item_scores_are_grouped_by_metric() -> None:
    (part,) = item_scores(two_runs())[STANDARD][CONFLICT]
    assert part.scores.shape == (60, 2)
    assert part.scores[:, 0].mean() == pytest.approx(0.3)
