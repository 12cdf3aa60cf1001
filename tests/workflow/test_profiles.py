"""The Slurm profile, as far as it can be tested without a cluster (tests/slurm runs one), and the plan of a study."""

import json
import re
import shutil
import subprocess
import sys

import pytest
import yaml
from checkout import ROOT

from inversion.plan import GPU_RULES

pytestmark = pytest.mark.workflow


def asked(done):
    """Rules and the resources that each of their attempts requested, in order."""
    return re.findall(
        r"^(?:local)?rule (\w+):.*?resources: (.*?)\n", done.stdout + done.stderr, flags=re.DOTALL | re.MULTILINE
    )


def test_the_literal_command_plans_every_job(checkout):
    jobs = dict(asked(checkout.run("--profile", "slurm", "--dry-run")))
    assert len(jobs) > 10
    assert "signal=USR1@300" in jobs["finetune"]
    assert not [rule for rule in jobs if rule != "finetune" and "USR1" in jobs[rule]]
    assert not [rule for rule in jobs if "runtime=" not in jobs[rule]]


def test_every_gpu_rule_is_in_plan_and_profile():
    rules = "".join(path.read_text() for path in sorted((ROOT / "workflow/rules").glob("*.smk")))
    using = {
        name for name, body in re.findall(r"^rule (\w+):(.*?)(?=^rule |\Z)", rules, re.M | re.S) if " gpu=" in body
    }
    assert using == set(GPU_RULES)
    profile = (ROOT / "profiles/slurm/config.yaml").read_text()
    assert using == {*re.findall(r"^  (?:# )?(\w+):\n  (?:#   | *# )slurm_partition: gpu", profile, re.M)}


def test_the_page_on_clusters_fetches_with_every_rule_that_does():
    files = sorted((ROOT / "workflow/rules").glob("*.smk"))
    rules = [rule for file in files for rule in re.findall(r"^rule (prefetch_\w+):", file.read_text(), re.M)]
    page = (ROOT / "docs/cluster.md").read_text()
    for command in re.findall(r"--until ((?:prefetch_\w+\s*)+)", page):
        assert set(command.split()) == set(rules)
    assert page.count("--until prefetch") == 2


def test_a_large_model_is_finetuned_on_a_gpu(checkout):
    base = checkout.result("models/llama/base.json")
    checkout.run(base.relative_to(checkout.folder).as_posix())
    manifest = json.loads(base.read_text())
    for parameters, gpus in ((10**6, "0"), (7 * 10**9, "1")):
        base.write_text(json.dumps(manifest | {"parameters": parameters}))
        jobs = asked(checkout.run("--dry-run", "--rerun-triggers", "input"))
        asks = {dict(re.findall(r"(gpu)=(\d+)", text)).get("gpu") for rule, text in jobs if rule == "finetune"}
        assert asks == {gpus}


@pytest.mark.parametrize("study", ["config/absent.yaml", "config/broken.yaml", "config/lacking.yaml"])
def test_a_plan_that_cannot_be_made_says_why(checkout, study):
    config = yaml.safe_load((checkout.folder / "config/config.yaml").read_text())
    (checkout.folder / "config/broken.yaml").write_text("models: [")
    config["sets"]["mine"] = {"source": "file", "path": "none.json"}
    (checkout.folder / "config/lacking.yaml").write_text(yaml.safe_dump(config))
    done = plan(checkout.folder, study, checkout.environment, check=False)
    assert done.returncode
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert {"absent": "absent.yaml", "broken": "broken.yaml", "lacking": "none.json"}[study[7:-5]] in line


def test_a_second_attempt_gets_more_memory_and_time(checkout):
    (checkout.folder / "workflow/scripts/prepare_base.py").write_text("raise SystemExit(1)")
    done = checkout.run("--retries", "1", "results/models/llama/base.json", check=False)
    attempts = [dict(re.findall(r"(mem_mb|runtime)=(\d+)", text)) for _, text in asked(done)]
    assert attempts == [{"runtime": "120", "mem_mb": "5000"}, {"runtime": "240", "mem_mb": "10000"}]


def plan(folder, study, environment, check=True):
    return subprocess.run(
        [sys.executable, "-X", "importtime", "workflow/print_plan.py", study],
        cwd=folder,
        env=environment | {"HF_ENDPOINT": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=check,
    )


def test_the_paper_is_planned_without_network_and_torch(checkout):
    shutil.copy(ROOT / "config/paper.yaml", checkout.folder / "config")
    done = plan(checkout.folder, "config/paper.yaml", checkout.environment)
    jobs = {line.split()[0]: line.split()[1:4] for line in done.stdout.splitlines() if line[:1].isalpha()}
    assert jobs["finetune"] == ["57", "0", "57"]
    assert jobs["prefetch_model"] == ["3", "0", "3"]
    assert not re.search(r"\| +torch$", done.stderr, flags=re.MULTILINE)
    assert not checkout.result(".").exists()


def test_the_plan_of_a_finished_study_has_nothing_to_do(rerun):
    lines = plan(rerun.folder, "config/config.yaml", rerun.environment).stdout.splitlines()
    (total,) = [line for line in lines if line.startswith("total")]
    assert total.split()[1] == total.split()[2]
    assert total.split()[3] == "0"
