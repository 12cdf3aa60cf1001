"""The requests that the profile sends to Slurm, and the effect of jobs that Slurm ends, with a stand-in that records
calls."""

import json
import os
import sys
from pathlib import Path

import polars as pl
import pytest

from inversion.manifests import BaseManifest
from inversion.parquet import write_parquet

pytestmark = pytest.mark.workflow

COMMANDS = ("sbatch", "squeue", "srun", "sacct", "scancel", "sinfo", "scontrol", "sacctmgr")
FAULTS = {
    "prepare_examples": ["TIMEOUT"],
    "prepare_set_wildcards_conflict": ["OUT_OF_MEMORY"],
    "prepare_set_wildcards_new-facts": ["NODE_FAIL"],
    "prepare_set_wildcards_recall": ["PREEMPTED"],
    "audit_sets": ["REFUSED"],
}


class StandIn:
    """Slurm's commands on the PATH of a checkout."""

    def __init__(self, checkout, folder, fates):
        self.checkout, self.folder = checkout, folder
        (folder / "jobs").mkdir(parents=True)
        (folder / "bin").mkdir()
        (folder / "fates.json").write_text(json.dumps(fates))
        program = folder / "bin/stand_in"
        source = Path(__file__).with_name("slurm_stand_in.py").read_text()
        program.write_text(f"#!{sys.executable}\n{source}")
        program.chmod(0o755)
        for command in COMMANDS:
            (folder / "bin" / command).symlink_to(program)

    def run(self, monkeypatch, *arguments, check=True):
        path = os.pathsep.join([str(self.folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
        monkeypatch.setenv("PATH", path)
        monkeypatch.setenv("STAND_IN_FOLDER", str(self.folder))
        options = ["--profile", "slurm", "--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "5"]
        return self.checkout.run(*options, *arguments, check=check)

    def submitted(self):
        """The arguments of sbatch by rule, one entry per call."""
        found = {}
        for line in (self.folder / "calls.jsonl").read_text().splitlines():
            name, *arguments = json.loads(line)
            if name == "sbatch":
                comment = arguments[arguments.index("--comment") + 1]
                found.setdefault(comment.removeprefix("rule_"), []).append(arguments)
        return found


def option(arguments, name):
    """The value of an option, written as one word or as two; None if it is not given."""
    for place, word in enumerate(arguments):
        if word == name:
            return arguments[place + 1]
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return None


def test_jobs_that_slurm_ends_run_again_and_those_that_it_queues_again_are_waited_for(checkout, tmp_path, monkeypatch):
    slurm = StandIn(checkout, tmp_path / "stand-in", FAULTS)
    targets = [
        "results/data/examples/mixture.parquet",
        *(f"results/data/sets/{name}.parquet" for name in ("conflict", "new-facts", "recall")),
        "results/data/audit.parquet",
    ]
    done = slurm.run(monkeypatch, *targets)
    assert all((checkout.folder / target).is_file() for target in targets)
    calls = slurm.submitted()
    assert {name: len(several) for name, several in calls.items()} == {
        "prepare_examples_wildcards_mixture": 2,
        "prepare_set_wildcards_conflict": 2,
        "prepare_set_wildcards_new-facts": 1,
        "prepare_set_wildcards_recall": 1,
        "audit_sets": 2,
    }
    assert "SLURM status is: 'TIMEOUT'" in done.stderr
    assert "SLURM status is: 'OUT_OF_MEMORY'" in done.stderr
    assert "Socket timed out" in done.stderr
    first, second = calls["prepare_set_wildcards_conflict"]
    assert int(option(second, "--mem")) == 2 * int(option(first, "--mem"))
    first, second = calls["prepare_examples_wildcards_mixture"]
    assert int(option(second, "-t")) == 2 * int(option(first, "-t"))
    for several in calls.values():
        for arguments in several:
            assert "--requeue" in arguments
            assert option(arguments, "--gpus") is option(arguments, "--gres") is None


@pytest.mark.parametrize(
    ("settings", "gpus", "gres"),
    [
        ((), "2", None),
        (("gpu_gres=gpu",), None, "gpu:2"),
        (("gpu_gres=gpu:a100",), None, "gpu:a100:2"),
    ],
    ids=["gpus", "gres", "gres of a model"],
)
def test_a_site_gets_the_gpu_flag_that_it_uses_and_never_both(checkout, tmp_path, monkeypatch, settings, gpus, gres):
    """Only finetuning is submitted; its inputs are made by hand."""
    checkout.study(lambda s: s["training"].update(gpus=2))
    base = BaseManifest(
        source="world", folder="base", digest="0", architecture="x", parameters=10, pretraining_loss=None
    )
    base.write(checkout.result("models/llama/base.json"))
    run = "runs/llama/mixture/standard/seed0"
    write_parquet(checkout.result(f"{run}/train_set.parquet"), pl.DataFrame({"a": [1]}))
    slurm = StandIn(checkout, tmp_path / "stand-in", {"finetune": ["CANCELLED"]})
    default = ["--default-resources", *settings] if settings else []
    slurm.run(monkeypatch, f"results/{run}/train.json", "--retries", "0", *default, check=False)
    ((rule, (arguments,)),) = slurm.submitted().items()
    assert rule.startswith("finetune")
    assert (option(arguments, "--gpus"), option(arguments, "--gres")) == (gpus, gres)
    assert option(arguments, "--signal") == "USR1@300"


@pytest.mark.parametrize(
    ("arguments", "start"),
    [
        (
            ("--default-resources", "gpu_gres=gpu", "--set-resources", "finetune:gpu=2"),
            "error: the profile sets gpu_gres, so that GPUs are requested with --gres, and gpu of finetune",
        ),
        (
            ("--set-resources", "finetune:gres=gpu:2"),
            "error: the profile sets gres of finetune, which also requests its GPUs",
        ),
    ],
    ids=["gpu where gres is wanted", "gres next to gpu"],
)
def test_both_ways_to_request_gpus_together_are_refused(checkout, arguments, start):
    done = checkout.run("--dry-run", *arguments, check=False)
    assert done.returncode
    (line,) = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("error: ")]
    assert line.startswith(start)
