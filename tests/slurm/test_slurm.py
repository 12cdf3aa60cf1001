"""The smallest study, with a series and probes, run through a real Slurm whose jobs are cancelled, killed and timed
out."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from checkout import Checkout
from cluster import running_cluster, why_not
from faults import make_series

pytestmark = pytest.mark.slurm

RUN = "llama/mixture/standard/seed0"
PROBES = {"attention": {"items": 3}, "gradients": {"examples": 3}, "lens": {"items": 3}}
TABLES = [f"{name}.{suffix}" for name in ("items", "curves", "inversions", *PROBES) for suffix in ("parquet", "csv")]

SLOW = """
import time
from inversion.train.trainer import _Trainer
step = _Trainer.training_step
_Trainer.training_step = lambda self, *a, **k: (time.sleep({seconds}), step(self, *a, **k))[1]

with logged"""
"""Makes steps slow, so that a job of some minutes does not end in time. The results are the same."""


@pytest.fixture(scope="module")
def cluster():
    """A Slurm of one node. Its folder must be readable for other users, and pytest's folders are not."""
    if reason := why_not():
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="slurm-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        with running_cluster(Path(folder)) as started:
            yield started


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The undisturbed study on this machine, which runs while the cluster works."""
    checkout = small(Checkout.new(tmp_path_factory.mktemp("local")))
    process = subprocess.Popen(
        checkout.command("tables"),
        cwd=checkout.folder,
        env=checkout.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield checkout, process
    process.kill()


def small(checkout):
    def change(study):
        study["training"].update(max_steps=12, checkpoints=[{"every": 5}])
        study["recipes"] = {"standard": {}}
        study["sets"] = {"conflict": study["sets"]["conflict"]}
        template = {"style": "chat", "with_context": "context : {context} {question}"}
        study["series"] = {"elsewhere": {"source": "folder", "path": "out", "template": template}}
        study["probes"] = PROBES
        runs = study["experiments"]["recipes"]
        runs.update(recipes=["standard"], figures=["gradients"])  # a series has none
        study["experiments"]["series"] = runs | {"series": ["elsewhere"], "figures": ["accuracy", "attention", "lens"]}

    make_series(checkout.folder / "out")
    checkout.study(change)
    return checkout


class Study:
    """A checkout that runs under Slurm in the background."""

    def __init__(self, checkout, cluster, limit):
        self.checkout, self.cluster, self.limit = checkout, cluster, limit

    def start(self):
        remove_lock = [sys.executable, "workflow/main_process.py"]  # left by a killed main process
        subprocess.run(remove_lock, cwd=self.checkout.folder, env=self.checkout.environment, check=True)
        self.log = open(self.checkout.folder / "main.log", "ab")  # noqa: SIM115
        self.main = subprocess.Popen(
            [
                *(sys.executable, "-m", "snakemake", "--profile", "slurm", "tables"),
                *("--slurm-init-seconds-before-status-checks", "2", "--retries", "6"),
                *("--set-resources", f"finetune:runtime={self.limit}", "finetune:slurm_extra='--signal=USR1@30'"),
            ],
            cwd=self.checkout.folder,
            env=self.cluster.environment | {"PYTHONPATH": str(self.checkout.folder / "workflow")},
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )

    def kill(self):
        os.killpg(self.main.pid, signal.SIGKILL)
        self.main.wait()

    def job(self, rule):
        """The id of a running job of ``rule``, as soon as there is one."""

        def running():
            lines = self.cluster.call("squeue", "-h", "-t", "R", "-o", "%i %k").splitlines()
            return next((line.split()[0] for line in lines if f"rule_{rule}" in line), None)

        return self.wait(running, f"a job of {rule}")

    def wait(self, condition, what, seconds=600):
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            text = (self.checkout.folder / "main.log").read_text()
            assert self.main.poll() is None, f"snakemake ended before {what}:\n{text[-5000:]}"
            assert time.monotonic() < deadline, f"no {what}:\n{text[-5000:]}"
            time.sleep(0.5)
        return value

    def finish(self, seconds=1500):
        log = self.checkout.folder / "main.log"
        code = self.main.wait(timeout=seconds)
        errors = [part for part in re.split(r"\n(?=\[)", log.read_text()) if "rror" in part]
        assert code == 0, "\n".join(errors)[-5000:]

    def states(self, rule):
        """The states of all jobs of ``rule`` according to accounting, in the order of their ids."""
        jobs = [job for job in self.cluster.jobs("JobID", "State", "Comment") if f"rule_{rule}" in job["Comment"]]
        return [job["State"].split()[0] for job in sorted(jobs, key=lambda job: int(job["JobID"]))]


def test_a_study_through_every_fault_ends_with_the_tables_of_a_local_run(cluster, reference, tmp_path):
    checkout = small(Checkout.new(tmp_path))
    checkout.edit("workflow/scripts/finetune.py", "\nwith logged", SLOW.format(seconds=15))
    study = Study(checkout, cluster, limit=3)
    study.start()

    # a job is cancelled, and the node is drained and resumed
    cancelled = study.job("prepare_base")
    cluster.call("scontrol", "update", f"nodename={cluster.node}", "state=drain", "reason=test")
    cluster.call("scancel", cancelled)
    time.sleep(5)
    cluster.call("scontrol", "update", f"nodename={cluster.node}", "state=resume")

    # the main process dies while finetuning runs, and then its job is cancelled
    finetuning = study.job("finetune")
    study.wait(checkout.result(f"runs/{RUN}/checkpoints/attempts.json").exists, "start of the training")
    study.kill()
    cluster.call("scancel", finetuning)
    deadline = time.monotonic() + 600
    while queue := cluster.call("squeue", "-h"):  # jobs of the dead main process run to completion
        assert time.monotonic() < deadline, queue
        time.sleep(0.5)

    # the rest, where finetuning exceeds its time limit several times
    study.start()
    study.finish()

    assert study.states("prepare_base")[0] == "CANCELLED"
    assert study.states("prepare_base")[-1] == "COMPLETED"
    finetune = study.states("finetune")
    assert len(finetune) >= 3, "the first was cancelled; another at least ran out of time"
    assert finetune[-1] == "COMPLETED"
    saved = [log.read_text() for log in checkout.result("logs/slurm/rule_finetune").rglob("*.log")]
    assert any("to be continued: asked to stop" in text for text in saved)

    local, process = reference
    assert process.wait(timeout=600) == 0
    for name in TABLES:
        assert checkout.result(f"tables/{name}").read_bytes() == local.result(f"tables/{name}").read_bytes(), name
    assert [hashes(checkout), len(hashes(checkout))] == [hashes(local), 3]


def hashes(checkout):
    folder = checkout.result(f"runs/{RUN}/checkpoints")
    return {path.parent.name: path.read_bytes() for path in folder.glob("step-*/complete.json")}
