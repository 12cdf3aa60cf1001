"""The profile for a cluster, as far as it can be seen without one (tests/slurm runs it), and the plan of a study."""

import re
import shutil
import subprocess
import sys

import pytest
from checkout import ROOT

pytestmark = pytest.mark.workflow


def asked(done):
    """Rules and the resources that each of their attempts asked for, in order."""
    return re.findall(
        r"^(?:local)?rule (\w+):.*?resources: (.*?)\n", done.stdout + done.stderr, flags=re.DOTALL | re.MULTILINE
    )


def test_the_literal_command_plans_every_job(checkout):
    jobs = dict(asked(checkout.run("--profile", "slurm", "--dry-run")))
    assert len(jobs) > 10
    assert "signal=USR1@300" in jobs["finetune"]
    assert not [rule for rule in jobs if rule != "finetune" and "USR1" in jobs[rule]]
    assert not [rule for rule in jobs if "runtime=" not in jobs[rule]]


def test_a_second_attempt_gets_more_memory_and_time(checkout):
    (checkout.folder / "workflow/scripts/prepare_base.py").write_text("raise SystemExit(1)")
    done = checkout.run("--retries", "1", "results/models/llama/base.json", check=False)
    attempts = [dict(re.findall(r"(mem_mb|runtime)=(\d+)", text)) for _, text in asked(done)]
    assert attempts == [{"runtime": "120", "mem_mb": "5000"}, {"runtime": "240", "mem_mb": "10000"}]


def plan(folder, study, environment):
    return subprocess.run(
        [sys.executable, "-X", "importtime", "workflow/plan.py", study],
        cwd=folder,
        env=environment | {"HF_ENDPOINT": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=True,
    )


def test_the_paper_is_planned_without_network_and_torch(checkout):
    shutil.copy(ROOT / "config/paper.yaml", checkout.folder / "config")
    done = plan(checkout.folder, "config/paper.yaml", checkout.environment)
    jobs = {line.split()[0]: line.split()[1:4] for line in done.stdout.splitlines() if line[:1].isalpha()}
    assert jobs["finetune"] == ["21", "0", "21"]
    assert jobs["prefetch_model"] == ["3", "0", "3"]
    assert not re.search(r"\| +torch$", done.stderr, flags=re.MULTILINE)
    assert not checkout.result(".").exists()


def test_the_plan_of_a_finished_study_has_nothing_to_do(rerun):
    lines = plan(rerun.folder, "config/config.yaml", rerun.environment).stdout.splitlines()
    (total,) = [line for line in lines if line.startswith("total")]
    assert total.split()[1] == total.split()[2]
    assert total.split()[3] == "0"
