"""The estimated cost of a study: known counts are exact, and estimates depend on the right quantities."""

import math
import re
import runpy
from pathlib import Path

import pytest

from inversion import cli
from inversion.config.evaluation import ContextAwareDecoding, Design, Evaluation, Prompt
from inversion.config.load import parse_config, read_config
from inversion.config.probes import (
    PROBES,
    AttentionProbe,
    GradientProbe,
    KnockoutProbe,
    LensProbe,
    PatchingProbe,
    Probes,
    TunedLens,
    WeightsProbe,
)
from inversion.plan import (
    FLOPS,
    LOADING_HOURS,
    SERIES_CHECKPOINTS,
    KnownCounts,
    PlannedJob,
    assumptions,
    checkpoints,
    detectable,
    parameters,
    plan,
    table,
)

STUDY = read_config(Path(__file__).parents[1] / "config/paper.yaml")
RUN = {"model": "llama-2-7b", "dataset": "alpaca", "recipe": "standard", "seed": "0"}
RULES = ["prefetch_model", "finetune", "generate_responses", "run_benchmarks", "collect_benchmarks", "label_responses"]


def stages(jobs, known=None):
    return {stage.rule: stage for stage in plan(STUDY, RULES, jobs, known or KnownCounts())}


def job(rule, done=False, **wildcards):
    return PlannedJob(rule, RUN | wildcards, done)


@pytest.mark.parametrize(("model", "expected"), [("llama-2-7b", 7e9), ("pythia-6.9b", 6.9e9), ("mistral-7b", 7e9)])
def test_the_size_of_a_model_comes_from_its_name_until_it_is_known(model, expected):
    assert parameters(STUDY, model, KnownCounts()) == expected
    assert parameters(STUDY, model, KnownCounts(parameters={model: 123})) == 123


def test_checkpoints_follow_the_number_of_examples_once_it_is_known():
    (run,) = [run for run in STUDY.runs() if run.path == "llama-2-7b/alpaca/standard/seed0"]
    steps = math.ceil(2 * 52_002 / 128)
    assert checkpoints(STUDY, run, KnownCounts(examples={"alpaca": 52_002})) == steps // 50 + 1


def test_finished_jobs_cost_nothing():
    done = stages([job("finetune", done=True), job("label_responses", done=True), job("generate_responses", True)])
    assert [(stage.jobs, stage.done) for stage in done.values()] == [(1, 1)] * 3
    assert not any(stage.gpu_hours or stage.disk_gb or stage.download_gb for stage in done.values())


def test_jobs_for_responses_are_counted_before_snakemake_knows_them():
    known = KnownCounts(examples={"alpaca": 52_002})
    asked = stages([job("finetune"), job("label_responses")], known)
    assert asked["generate_responses"].jobs == math.ceil((1 + 17) / 12)
    there = stages([job("label_responses"), *(job("generate_responses", chunk=str(n)) for n in range(5))], known)
    assert there["generate_responses"].jobs == 5


def test_benchmarks_are_counted_at_the_checkpoints_that_run_them():
    known = KnownCounts(examples={"alpaca": 52_002}, parameters={"llama-2-7b": 7_000_000_000})
    asked = stages([job("collect_benchmarks")], known)["run_benchmarks"]
    assert asked.jobs == 1  # every fifth of the base model and 17 checkpoints, and the last: 5
    tokens = 1319 * 900 + 14_042 * 150 + 1172 * 300 + 10_570 * 200
    assert asked.gpu_hours > 5 * tokens * 2 * 7e9 / FLOPS / 3600
    assert "run_benchmarks" not in stages([job("label_responses")], known)


def test_answers_decoded_by_contrast_cost_twice():
    def hours(**prompts):
        study = STUDY.model_copy(update={"evaluation": Evaluation(prompts=prompts)})
        known = KnownCounts(examples={"alpaca": 52_002})
        (stage,) = plan(study, RULES, [job("generate_responses", chunk="0")], known)
        return stage.gpu_hours - 12 * LOADING_HOURS

    plain, contrasted = Prompt(), Prompt(decoding=ContextAwareDecoding(method="context_aware", alpha=1.0))
    one = hours(plain=plain)
    assert hours(contrasted=contrasted) == pytest.approx(hours(plain=plain, also=plain), rel=1e-3)
    assert hours(plain=plain, contrasted=contrasted) == pytest.approx(3 * one, rel=1e-2)


def test_hours_of_finetuning_are_its_operations():
    known = KnownCounts(examples={"alpaca": 128_000}, parameters={"llama-2-7b": 7_000_000_000})
    tokens = 2_000 * 128 * 400
    expected = tokens * 2 * 7e9 * 3 / FLOPS / 3600  # forward, recomputed forward, and gradients of activations
    assert stages([job("finetune")], known)["finetune"].gpu_hours == pytest.approx(expected, rel=0.01)


def test_measured_hours_replace_estimates_and_count_each_gpu():
    known = KnownCounts(hours={("finetune", "llama-2-7b"): 2.0})
    assert stages([job("finetune")], known)["finetune"].gpu_hours == 2.0
    assert stages([job("finetune", recipe="full")], known)["finetune"].gpu_hours == 8.0
    assert stages([job("finetune")], known)["finetune"].measured


def test_small_models_use_no_gpu():
    known = KnownCounts(parameters={"llama-2-7b": 1_000_000})
    assert stages([job("finetune")], known)["finetune"].gpu_hours == 0


def test_stages_come_in_the_order_of_the_rules_and_add_up():
    prefetch = PlannedJob("prefetch_model", {"model": "llama-2-7b"}, False)
    jobs = [job("collect_benchmarks"), job("label_responses"), job("finetune"), prefetch]
    rows = plan(STUDY, RULES, jobs, KnownCounts())
    assert [row.rule for row in rows] == RULES
    text = table(rows).splitlines()
    assert text[-1].split()[:2] == ["total", str(sum(row.jobs for row in rows))]
    assert any("100000 examples each" in line for line in assumptions(STUDY, KnownCounts()))


def test_probes_cost_their_passes_at_every_checkpoint():
    probed = STUDY.model_copy(
        update={
            "probes": Probes(
                attention=AttentionProbe(items=1000),
                gradients=GradientProbe(examples=1000),
                lens=LensProbe(items=1000, positions=("last", "subject"), tuned=TunedLens(steps=100)),
                patching=PatchingProbe(
                    items=1000,
                    components=("residual", "mlp", "head"),
                    positions=("subject", "last"),
                    layers=(4, 20),
                    answers=(20,),
                ),
                knockouts=KnockoutProbe(items=1000, scales=(0, 0.5), together=4),
                weights=WeightsProbe(items=1000),
            )
        }
    )
    known = KnownCounts(examples={"alpaca": 52_002}, parameters={"llama-2-7b": 7_000_000_000})
    jobs = [job("probe_checkpoints", probe=probe) for probe in PROBES]
    rows = {row.rule: row for row in plan(probed, ["probe_checkpoints"], jobs, known)}
    token = 2 * 7e9 / FLOPS / 3600
    gradients = 18 * 1000 * 400 + 3 * 64 * len(STUDY.sets) * 150
    asked = 1000 * len(STUDY.sets) * 150
    for rule, tokens, once in (
        ("probe_attention", asked, 0),
        ("probe_gradients", gradients, 0),
        # two lenses at two tokens; 16 prompts in each step of training, with the output embedding after every layer
        ("probe_lens", 4 * asked + 4 * 16 * 100 * 150, 0),
        # peak and end, five donors, two components and 32 heads; from layers 4 and 20 of 32 on, and the question three
        # times more for the answers at one of them; donor and receiver without a patch; the last token costs 0.05
        ("probe_patching", asked, 2 * 5 * 1.05 * (34 * (28 / 32 + 12 / 32 + 3) + 2) * asked),
        # start, peak and end, two scales; once whole, then the last token with each of 32 heads in 32 layers scaled,
        # several together and 20 random sets
        ("probe_knockouts", asked, 3 * 2 * (1 + 0.05 * (32 * 32 + 1 + 20)) * asked),
        # start, peak and end, a check of the first two, and four groups in both directions of rise and fall
        ("probe_weights", asked, (3 + 2 + 4 * 2 * 2) * asked),
    ):
        assert rows[rule].gpu_hours == pytest.approx(18 * (tokens * token + 0.02) + once * token)


@pytest.mark.slow
def test_the_smallest_detectable_fall_is_given_for_each_experiment():
    lines = detectable(STUDY, KnownCounts())
    *falls, fewer = lines[:-1]
    assert [line.partition(",")[0] for line in falls] == list(STUDY.experiments)
    assert all("in the mean of 3 seeds" in line for line in falls if not line.startswith("squad"))
    assert all("descriptive" in line for line in falls if line.startswith("squad"))
    found = re.match(
        r"`evaluation.design: \{items: (\d+)\}` evaluates (\d+) % .* of ([\d.]+) instead of ([\d.]+)", fewer
    )
    assert found is not None
    count, percent, sample, whole = map(float, found.groups())
    assert percent == 100 * count / 500 <= 70
    assert whole <= sample <= whole + 1.5
    assert "scatter by 2 points" in lines[-1]


def test_a_design_lowers_the_cost_of_answers():
    fewer = STUDY.model_copy(update={"evaluation": STUDY.evaluation.model_copy(update={"design": Design(items=60)})})
    jobs = [job("generate_responses", chunk="0")]
    (whole,), (sample,) = (plan(study, RULES, jobs, KnownCounts()) for study in (STUDY, fewer))
    assert sample.jobs == whole.jobs
    assert sample.gpu_hours < 0.5 * whole.gpu_hours, "the rest is loading weights"
    assert not any("evaluation.design" in line for line in detectable(fewer, KnownCounts()))


def test_the_command_runs_the_script_of_the_workflow(monkeypatch: pytest.MonkeyPatch) -> None:
    planned: list[str] = []

    def run_path(path: str) -> dict[str, object]:
        assert Path(path).is_file()
        return {"main": planned.append}

    monkeypatch.setattr(runpy, "run_path", run_path)
    assert cli.main(["plan", "config/mine.yaml"]) == 0
    assert planned == ["config/mine.yaml"]


SERIES = parse_config(
    {
        "models": {"llama-2-7b": {"source": "hub", "id": "meta-llama/Llama-2-7b-hf", "revision": "0" * 40}},
        "series": {
            "sft": {"model": "llama-2-7b", "source": "folder", "path": "out"},
            "no-base": {"model": "llama-2-7b", "source": "folder", "path": "out", "ask_base": False},
            "olmo-7b": {"source": "hub", "id": "allenai/OLMo", "revisions": "step{step}"},
            "few": {"source": "hub", "id": "me/7b", "revisions": "step{step}", "steps": [1, 2, 3]},
        },
        "sets": {"facts": {"source": "facts"}},
        "evaluation": {"checkpoints_per_job": 4},
        "experiments": {"found": {"series": ["sft", "no-base", "olmo-7b", "few"], "figures": ["accuracy"]}},
    }
)


def test_checkpoints_of_series_are_those_that_exist_or_are_named() -> None:
    runs = {run.dataset: run for run in SERIES.runs()}
    known = KnownCounts(checkpoints={"sft": 10, "no-base": 10})
    # in addition to step 0, which is the base model or the first checkpoint
    assert checkpoints(SERIES, runs["sft"], known) == 10
    assert checkpoints(SERIES, runs["no-base"], known) == 9
    assert checkpoints(SERIES, runs["olmo-7b"], known) == SERIES_CHECKPOINTS - 1
    assert checkpoints(SERIES, runs["few"], known) == 2
    said = assumptions(SERIES, known)
    assert "series sft: 10 checkpoints" in said
    assert f"series olmo-7b: {SERIES_CHECKPOINTS} checkpoints, not counted yet" in said
    assert not any("examples each" in line for line in said)


@pytest.mark.slow
def test_the_smallest_fall_is_given_for_series_whose_checkpoints_are_known() -> None:
    lines = detectable(SERIES, KnownCounts(checkpoints={"sft": 20, "no-base": 20}))
    assert [line.partition(" (")[0] for line in lines if line.startswith("found")] == ["found, sft", "found, no-base"]
    assert not any(line.startswith("found") for line in detectable(SERIES, KnownCounts()))


def test_series_are_planned_like_runs() -> None:
    wildcards = {"model": "olmo-7b", "dataset": "olmo-7b", "recipe": "external", "seed": "0"}
    jobs = [
        PlannedJob("prefetch_series", {"series": "olmo-7b"}, False),
        PlannedJob("label_responses", wildcards, False),
    ]
    fetching, answering, _ = plan(
        SERIES, ["prefetch_series", "generate_responses", "label_responses"], jobs, KnownCounts()
    )
    assert fetching.download_gb == pytest.approx(SERIES_CHECKPOINTS * 14)
    assert answering.jobs == SERIES_CHECKPOINTS / 4
    assert answering.gpu_hours > SERIES_CHECKPOINTS * LOADING_HOURS
