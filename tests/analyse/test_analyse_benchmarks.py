import pytest

from inversion.analyse.benchmarks import ID_ACCURACY, with_benchmarks
from inversion.config.evaluation import Benchmark
from inversion.config.run import Run
from inversion.config.study import Config
from inversion.manifests import CheckpointEntry, CheckpointList
from inversion.records.answers import BenchmarkScore
from inversion.records.frames import to_frame
from inversion.records.tables import CurvePoint

RUN = Run("m", "d", "r", 0)
METRICS = {"squad": "f1,none", "gsm": "exact_match,strict-match"}


def scores(omit=()):
    rows = [
        BenchmarkScore(step, name, name, i, metric, float((i + step) % 3 == 0 if name == "squad" else i < 2))
        for step in (0, 10)
        for name, metric in METRICS.items()
        for i in range(8 if name == "squad" else 4)
        if (step, name, i) not in omit
    ]
    return to_frame(rows, BenchmarkScore)


def table(chosen=("squad", "gsm"), omit=()):
    return with_benchmarks(to_frame([], CurvePoint), RUN, scores(omit), METRICS, chosen, 5.0)


def value(found, name, step):
    return found.filter(set=name, step=step).row(0, named=True)


def test_accuracy_is_the_mean_over_questions():
    row = value(table(), "squad", 10)
    assert (row["value"], row["n"], row["scorer"], row["epoch"]) == (2 / 8, 8, "f1,none", 2.0)
    assert row["low"] < row["value"] < row["high"]


def test_id_accuracy_is_the_mean_over_benchmarks():
    assert value(table(), ID_ACCURACY, 0)["value"] == pytest.approx((3 / 8 + 1 / 2) / 2)
    assert value(table(chosen=("squad",)), ID_ACCURACY, 0)["value"] == pytest.approx(3 / 8)


def test_the_order_of_rows_does_not_matter():
    shuffled = scores().sample(fraction=1.0, shuffle=True, seed=1)
    assert with_benchmarks(to_frame([], CurvePoint), RUN, shuffled, METRICS, ["gsm"], 5.0).equals(
        with_benchmarks(to_frame([], CurvePoint), RUN, scores(), METRICS, ["gsm"], 5.0)
    )


def test_a_question_that_lacks_a_step_is_an_error():
    with pytest.raises(ValueError, match="'gsm' lacks"):
        table(omit={(10, "gsm", 1)})


def test_gsm8k_does_not_count_for_id_accuracy_of_alpaca():
    class Study:
        benchmarks = {"gsm": Benchmark(task="gsm8k"), "squad": Benchmark(task="squad")}  # noqa: RUF012
        datasets = {  # noqa: RUF012
            "a": type("D", (), {"format": "alpaca"})(),
            "t": type("D", (), {"format": "messages"})(),
        }

    assert Config.id_benchmarks(Study, "a") == ["squad"]
    assert Config.id_benchmarks(Study, "t") == ["gsm", "squad"]


@pytest.mark.parametrize(("every", "steps"), [(1, [0, 1, 2, 3, 4, 5]), (2, [0, 2, 4, 5]), (9, [0, 5])])
def test_the_base_and_the_last_checkpoint_always_run_the_benchmarks(every, steps):
    listed = CheckpointList(
        steps_per_epoch=5.0,
        chunks=[[CheckpointEntry(step=i, epoch=i / 5, folder="", digest="") for i in range(a, a + 3)] for a in (0, 3)],
    )
    chunks = listed.benchmark_chunks(every, 2)
    assert [step.step for chunk in chunks for step in chunk] == steps
    assert all(len(chunk) <= 2 for chunk in chunks)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"task": "gsm8"}, "needs `metric`.*did you mean 'gsm8k'"),
        ({"task": "hellaswag", "path": "a.json", "metric": "acc,none"}, "`path` works for gsm8k"),
        ({"task": "gsm8k", "path": "a.json", "few_shot": 5}, "few_shot"),
    ],
)
def test_bad_benchmarks_are_refused(spec, message):
    with pytest.raises(ValueError, match=message):
        Benchmark(**spec)
