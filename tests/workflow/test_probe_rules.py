"""Probes of the checkpoints of a study run once, where the study lists them."""

import polars as pl
import pytest

pytestmark = pytest.mark.workflow

RUN = "runs/llama/mixture/standard/seed0"


def ask_for_probes(study):
    study["probes"] = {"attention": {"items": 3}, "gradients": {"examples": 3}}
    study["experiments"]["recipes"].update(recipes=["standard"], figures=["attention", "gradients"])


def test_probes_of_a_finished_study_rerun_no_training_and_no_responses(rerun):
    rerun.study(ask_for_probes)
    planned = {job.rule for job in rerun.plan()}
    assert {"probe_checkpoints", "tabulate_probe", "draw_figure"} < planned
    assert not planned & {"prepare_base", "finetune", "generate_responses", "label_responses"}
    rerun.run()
    for probe in ("attention", "gradients"):
        table = pl.read_parquet(rerun.result(f"tables/{probe}.parquet"))
        assert pl.read_csv(rerun.result(f"tables/{probe}.csv")).height == table.height
        assert sorted(table["step"].unique()) == [0, 2, 4, 6]
        assert rerun.result(f"figures/{probe}-recipes.png").stat().st_size > 1000
    assert rerun.result("report.html").read_text().count("data:image/svg+xml") == 2
    assert rerun.plan() == set()
    # removed weights are not missed, because all rules that read them have finished
    rerun.study(lambda study: study["evaluation"].update(keep_checkpoints="none"))
    assert "tabulate_probe" not in {job.rule for job in rerun.plan()}
    rerun.run("responses")
    assert not (rerun.result(RUN) / "checkpoints" / "step-000002").exists()
    assert not {job.rule for job in rerun.plan()} & {"finetune", "probe_checkpoints"}


def test_a_figure_without_its_probe_stops_with_one_line(checkout):
    checkout.study(lambda study: study["experiments"]["recipes"].update(figures=["attention"]))
    done = checkout.run("-n", check=False)
    assert done.returncode
    said = done.stdout + done.stderr  # a dry run of Snakemake writes its errors to stdout
    assert "experiments.recipes.figures lists 'attention'" in said
    assert "add `probes: {attention: {}}`" in said
