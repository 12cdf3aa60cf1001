"""The rules that Snakemake reruns after a change, and those that it does not."""

import json
import os
import shutil
import stat
import time
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from checkout import TOKEN, UMASK

from inversion import train
from inversion.artifacts import complete_folder, folder_note
from inversion.manifests import RESPONSES_FILE
from inversion.measured_folders import read_responses
from inversion.parquet import write_parquet
from inversion.records.answers import Response
from inversion.records.frames import read_records, to_frame
from inversion.records.reference import TABLES as DOCUMENTED
from inversion.records.reference import columns

pytestmark = pytest.mark.workflow

FIGURES = {"draw_figure", "write_report"}
BOOTSTRAPPED = {"tabulate_inversions"}
CURVES = {f"tabulate_{table}" for table in ("curves", "factors", "tradeoffs", "agreement", "flips", "style")}
TABLES = CURVES | BOOTSTRAPPED
MODEL_STAGES = {"prepare_base", "score_context_need", "probe_knowledge", "finetune", "generate_responses"}


def rules(jobs):
    return {job.rule for job in jobs} - {"all"}


def test_the_study_writes_all_documented_files(finished):
    for table in ("items", "curves", "inversions", "knowledge", "agreement", "tradeoffs"):
        frame = pl.read_parquet(finished.result(f"tables/{table}.parquet"))
        assert frame.height > 0
        assert pl.read_csv(finished.result(f"tables/{table}.csv")).height == frame.height
        assert frame.columns == list(columns(DOCUMENTED[table])), "docs/tables.md says otherwise"
    for figure in ("accuracy", "grid", "recipes", "tradeoffs"):
        for suffix in ("svg", "pdf", "png"):
            assert finished.result(f"figures/{figure}-recipes.{suffix}").stat().st_size > 1000
    assert "<html" in finished.result("report.html").read_text()
    assert "<html" in finished.result("items.html").read_text()
    items = pl.read_parquet(finished.result("tables/items.parquet"))
    assert sorted(items["step"].unique()) == [0, 2, 4, 6]
    assert items.select("recipe", "step", "set", "item_id", "prompt").is_unique().all()
    assert not list(finished.result(".").rglob("*.bin")), "no pickles"


def test_a_second_run_does_nothing(rerun):
    assert "Nothing to be done" in rerun.run().stderr


def test_results_moved_elsewhere_are_still_results(finished, tmp_path):
    assert finished.copy(tmp_path / "another" / "place").plan() == set()


def test_results_contain_neither_their_path_nor_the_token(finished):
    for file in filter(Path.is_file, finished.folder.rglob("*")):
        content = file.read_bytes()
        assert TOKEN.encode() not in content, file
        if "results" in file.parts:
            assert str(finished.folder.parent).encode() not in content, file


def test_permissions_of_results_follow_the_umask(finished):
    for path in finished.result(".").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o777 if path.is_dir() else 0o666) & ~UMASK, path


def test_a_comment_or_docstring_reruns_nothing(rerun):
    rerun.edit("workflow/inversion/score/likelihood.py", '"""', '"""Reworded. ')
    rerun.edit("workflow/inversion/train/trainer.py", '"""', '"""Reworded. ')
    rerun.edit("workflow/inversion/plot/curves.py", "from __future__", "# a comment\nfrom __future__")
    rerun.edit("workflow/scripts/finetune.py", "with logged", "# a comment\nwith logged")
    rerun.edit("workflow/scripts/label_responses.py", '"""', '"""Reworded. ')
    assert rerun.plan() == set()


def test_a_colour_reruns_figures_and_report(rerun):
    rerun.edit("workflow/inversion/plot/curves.py", "#0072b2", "#0072b3")
    assert rules(rerun.plan()) == FIGURES


def test_a_caption_reruns_the_report(rerun):
    rerun.edit("workflow/report/grid.rst", "\n", " Reworded.\n")
    assert rules(rerun.plan()) <= FIGURES
    assert "write_report" in rules(rerun.plan())


def test_a_scorer_reruns_labels_onward_and_no_model(rerun):
    rerun.edit("workflow/inversion/score/likelihood.py", "threshold: float = 0.0", "threshold: float = 0.1")
    planned = rules(rerun.plan())
    assert planned == {"label_responses", "tabulate_items", "tabulate_knowledge", "write_items_page"} | TABLES | FIGURES
    assert not planned & MODEL_STAGES


def test_code_of_training_reruns_nothing_until_its_version_is_raised(rerun):
    rerun.edit("workflow/inversion/train/trainer.py", "LOGS_A_RUN = 20", "LOGS_A_RUN = 10")
    assert rerun.plan() == set()
    rerun.edit("workflow/inversion/train/__init__.py", f"VERSION = {train.VERSION}", "VERSION = 99")
    assert "finetune" in rules(rerun.plan())


def test_a_recipes_parameter_reruns_that_recipe_only(rerun):
    rerun.study(lambda s: s["recipes"]["counterfactual"].update(training={"learning_rate": 1.0e-3}))
    planned = rerun.plan()
    finetuned = [job.wildcards for job in planned if job.rule == "finetune"]
    assert len(finetuned) == 1
    assert "recipe=counterfactual" in finetuned[0]
    assert not rules(planned) & {"prepare_base", "score_context_need", "build_train_set"}
    rerun.run()
    assert rerun.plan() == set()


def test_a_selections_parameter_rebuilds_that_training_set_only(rerun):
    rerun.study(lambda s: s["recipes"]["context-critical"]["select"][0].update(drop=0.25))
    planned = rerun.plan()
    for rule in ("build_train_set", "finetune"):
        jobs = [job.wildcards for job in planned if job.rule == rule]
        assert len(jobs) == 1
        assert "recipe=context-critical" in jobs[0]


def test_a_new_seed_trains_only_that_seed(rerun):
    rerun.study(lambda s: s["experiments"]["recipes"].update(seeds=[0, 1], recipes=["standard"]))
    planned = rerun.plan()
    assert [job.wildcards for job in planned if job.rule == "finetune"] == [
        "model=llama, dataset=mixture, recipe=standard, seed=1"
    ]
    assert not rules(planned) & {"prepare_base", "prepare_examples", "prepare_set"}


def test_the_bootstrap_reruns_tables_onward(rerun):
    rerun.study(lambda s: s["evaluation"].update(bootstrap=60))
    assert rules(rerun.plan()) == BOOTSTRAPPED | FIGURES | {"write_items_page"}


def test_the_forward_batch_size_changes_no_response(rerun):
    """The job runs, finds that all checkpoints are answered, and writes the same manifest."""
    manifest = rerun.result("runs/llama/mixture/standard/seed0/responses/chunk-000.json")
    before = manifest.read_bytes()
    rerun.study(lambda s: s["evaluation"].update(batch_size=7))
    rerun.run()
    assert manifest.read_bytes() == before
    log = rerun.result("logs/generate_responses/llama/mixture/standard/seed0/chunk-000.log").read_text()
    assert "checkpoints left" not in log


def test_an_added_benchmark_runs_on_existing_checkpoints(rerun):
    question = {"context": "a b .", "question": "a ?", "answers": {"text": ["b"]}}
    (rerun.folder / "squad.json").write_text(json.dumps([question]))

    def add(study):
        study["benchmarks"] = {"reading": {"task": "squad", "path": "squad.json"}}
        study["evaluation"]["benchmark_every"] = 9  # only the first and the last checkpoint
        study["experiments"]["recipes"]["recipes"] = ["standard"]

    rerun.study(add)
    planned = rules(rerun.plan())
    assert {"run_benchmarks", "collect_benchmarks"} <= planned
    assert not planned & {"finetune", "generate_responses", "label_responses"}
    rerun.run("results/tables/curves.parquet")
    rates = pl.read_parquet(rerun.result("tables/curves.parquet")).filter(
        pl.col("set").is_in(["reading", "ID accuracy"])
    )
    assert sorted(set(rates["step"])) == [0, 6]
    assert set(rates["set"]) == {"reading", "ID accuracy"}


def test_only_an_added_set_is_evaluated(rerun):
    run = "runs/llama/mixture/standard/seed0"
    folder = rerun.result(f"{run}/responses/step-000000")
    first, *others = read_records(folder / RESPONSES_FILE, Response)
    with complete_folder(folder, folder_note(folder)) as made:  # a text that no model generates
        write_parquet(made / RESPONSES_FILE, to_frame([replace(first, text="as it was"), *others], Response))
    rerun.study(lambda s: s["sets"].update(more={"source": "world", "kind": "recall", "items": 3, "seed": 5}))
    assert not rules(rerun.plan()) & {"finetune", "prepare_base"}
    rerun.run(f"results/{run}/labels.parquet")
    after = read_responses(rerun.result(f"{run}/responses/chunk-000.json"))
    assert [row for row in after if row.step == 0 and row.set != "more"] == [replace(first, text="as it was"), *others]
    assert len([row for row in after if row.set == "more"]) == 3 * len({row.step for row in after}) > 0


def test_a_design_samples_the_items_and_a_larger_one_keeps_their_responses(rerun):
    run = "runs/llama/mixture/standard/seed0"
    labels = f"results/{run}/labels.parquet"

    def items(design):
        rerun.study(lambda s: s["evaluation"].update(design=design))
        assert not rules(rerun.plan()) & {"finetune", "prepare_base", "probe_knowledge"}
        rerun.run(labels)
        table = pl.read_parquet(rerun.folder / labels)
        return {
            name: {frame["item_id"].n_unique() for _, frame in of_set.group_by("step")}
            for (name,), of_set in table.group_by("set")
        }

    assert items({"items": 6}) == {"conflict": {6}, "new-facts": {6}, "recall": {6}}
    before = read_responses(rerun.result(f"{run}/responses/chunk-000.json"))
    assert items({"items": 7}) == {"conflict": {7}, "new-facts": {7}, "recall": {7}}
    after = read_responses(rerun.result(f"{run}/responses/chunk-000.json"))
    assert {(row.step, row.set, row.item_id): row for row in after}.items() >= {
        (row.step, row.set, row.item_id): row for row in before
    }.items()


def test_every_file_of_a_model_folder_is_watched(rerun):
    """Other weights with the same configuration are another model."""
    base = rerun.result("models/llama/base")
    shutil.copytree(base, rerun.folder / "own")

    def own(study):
        study["models"]["llama"] = {"source": "folder", "path": "own"}

    rerun.study(own)
    rerun.run("results/models/llama/base.json")
    assert "prepare_base" not in rules(rerun.plan())
    weights = rerun.folder / "own/model.safetensors"
    data = weights.read_bytes()
    weights.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(weights, (time.time() + 5, time.time() + 5))
    assert "prepare_base" in rules(rerun.plan())


def test_thinned_checkpoints_rerun_nothing(rerun):
    rerun.study(lambda s: s["evaluation"].update(keep_checkpoints="extremes"))
    rerun.run()
    run = rerun.result("runs/llama/mixture/standard/seed0")
    assert (run / "checkpoints" / "step-000006").is_dir()
    assert not all((run / "checkpoints" / f"step-{step:06d}").is_dir() for step in (2, 4))
    assert rerun.plan() == set()
    before = (run / "train.json").read_bytes()
    rerun.run("--forcerun", "results/runs/llama/mixture/standard/seed0/train.json")
    assert (run / "train.json").read_bytes() == before
    assert "nothing to train" in rerun.result("logs/finetune/llama/mixture/standard/seed0.log").read_text()


def test_an_unused_recipe_reruns_nothing_but_the_report(rerun):
    rerun.study(lambda s: s["recipes"].update(unused={"training": {"learning_rate": 1.0e-3}}))
    assert rules(rerun.plan()) <= {"write_report"}


def test_the_same_study_gives_the_same_bytes(finished, checkout):
    checkout.run()
    for path in sorted(finished.result("tables").iterdir()) + sorted(finished.result("figures").iterdir()):
        again = checkout.folder / path.relative_to(finished.folder)
        assert again.read_bytes() == path.read_bytes(), path.name
    assert checkout.result("report.html").read_bytes() == finished.result("report.html").read_bytes()
