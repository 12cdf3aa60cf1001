"""Measures the time and memory that the workflow itself needs for studies of many runs, without computing anything.

The real Snakefile runs on generated configurations with 100 checkpoints per run. Instead of computing, jobs write
stubs: manifests that list the checkpoints, and one byte for all other files. The seconds and the peak memory of the
main process are measured for

- a dry run with nothing there,
- a dry run with every run trained and none of its checkpoints questioned, when most jobs are known,
- a run with nothing to do.

    python benchmarks/scale.py                       # 50, 100 and 200 runs; writes results/scale.md and scale.png
    python benchmarks/scale.py --runs 10 --output /tmp/scale
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from inversion.artifacts import write_bytes, write_text
from inversion.config.load import read_config
from inversion.manifests import BaseManifest, CheckpointEntry, CheckpointList, TrainManifest

ROOT = Path(__file__).parents[1]
CHECKPOINTS = 100
STATES = ("dry run, nothing there", "dry run, all trained", "nothing to do")
TARGETS_S, TARGET_MIB = 60, 2048


class Measured(NamedTuple):
    """The time and memory of one command."""

    jobs: int
    wall_s: float
    cpu_s: float
    peak_mib: float


def study(runs: int, checkpoints: int = CHECKPOINTS) -> dict[str, Any]:
    """A study of ``runs`` runs, a multiple of ten: five models, two recipes and as many seeds as that takes."""
    tiny = {"family": "llama", "layers": 1, "hidden_size": 16, "heads": 2, "intermediate_size": 32}
    models = {
        f"model-{i}": {"source": "world", "architecture": {**tiny, "max_positions": 128}, "pretraining": {"seed": i}}
        for i in range(5)
    }
    recipes = {"standard": {}, "context-critical": {"select": [{"by": "context_need", "drop": 0.5}]}}
    seeds, rest = divmod(runs, len(models) * len(recipes))
    if rest or not seeds:
        raise ValueError(f"{runs} runs are no multiple of {len(models) * len(recipes)}")
    return {
        "world": {},
        "models": models,
        "datasets": {"mixture": {"source": "world", "examples": 48}},
        "training": {"max_steps": checkpoints, "checkpoints": [{"every": 1}]},
        "recipes": recipes,
        "sets": {kind: {"source": "world", "kind": kind, "items": 8} for kind in ("conflict", "new_facts", "recall")},
        "evaluation": {"keep_checkpoints": "extremes"},
        "experiments": {
            "scale": {
                "models": list(models),
                "datasets": ["mixture"],
                "recipes": list(recipes),
                "seeds": list(range(seeds)),
                "figures": ["accuracy", "grid", "recipes"],
            }
        },
    }


def make_checkout(folder: Path, values: dict[str, Any]) -> None:
    """The workflow in ``folder``, with the study ``values``."""
    for name in ("workflow", "envs", "profiles"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy(ROOT / "Snakefile", folder)
    write_text(folder / "config/config.yaml", yaml.safe_dump(values, sort_keys=False))


# --- stubs --------------------------------------------------------------------------------------


def write_stub(path: Path, rule: str, checkpoints: int, per_job: int) -> None:
    """Write a stub of the output of ``rule`` at ``path``, with the content from which other jobs are planned."""
    base = BaseManifest(
        source="world", folder="base", digest="0" * 64, architecture="llama", parameters=10_000, pretraining_loss=1.0
    )
    steps = [
        CheckpointEntry(step=n, epoch=n / checkpoints, folder=f"checkpoints/step-{n:06d}", digest=f"{n:064x}")
        for n in range(1, checkpoints + 1)
    ]
    training = TrainManifest(
        spec="0" * 64,
        steps=steps,
        steps_per_epoch=float(checkpoints),
        examples=48,
        left_out=0,
        loss=[],
        trained_parameters=10_000,
        wall_s=1.0,
        tokens_per_s=1.0,
        peak_memory_mib=1.0,
        resumed_from=0,
        versions={},
    )
    match rule:
        case "prepare_base":
            base.write(path)
        case "finetune":
            training.write(path)
        case "enumerate_checkpoints":
            CheckpointList.of(training, base, per_job).write(path)
        case _:
            write_bytes(path, b"PAR1" if path.suffix == ".parquet" else b"\n")  # a table that is not cut short


def fill(folder: Path, *arguments: str) -> None:
    """Write stubs for all that Snakemake would make with ``arguments`` in the checkout ``folder``."""
    program = "import sys, scale; scale.run_with_stubs(sys.argv[1:])"
    subprocess.run([sys.executable, "-c", program, *arguments], cwd=folder, env=environment(folder), check=True)


def environment(folder: Path) -> dict[str, str]:
    """Variables with which Python imports the library of the checkout ``folder``, and this module."""
    places = [folder / "workflow", Path(__file__).resolve().parent]
    return os.environ | {"PYTHONPATH": os.pathsep.join(map(str, places))}


def run_with_stubs(arguments: Sequence[str]) -> None:
    """Run Snakemake in this process and folder, with jobs that write stubs; does not return."""
    from snakemake import cli
    from snakemake.executors.touch import Executor
    from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

    values = read_config("config/config.yaml")
    checkpoints, per_job = values.training.max_steps or 0, values.evaluation.checkpoints_per_job

    def run_job(self: Any, job: Any) -> None:
        for path in job.output:
            write_stub(Path(path), job.rule.name, checkpoints, per_job)
        done = SubmittedJobInfo(job=job)
        self.report_job_submission(done)
        self.report_job_success(done)

    Executor.run_job = run_job
    cli.main(["--touch", "--cores", "all", "--quiet", "all", *arguments])


# --- measuring ----------------------------------------------------------------------------------


def measure(folder: Path, *arguments: str) -> Measured:
    """One call of Snakemake in the checkout ``folder``, which must end well."""
    begin = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "snakemake", "--cores", "2", "--quiet", "rules", *arguments],
            cwd=folder,
            env=environment(folder),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - begin
        output.seek(0)
        text = output.read()
    if process.returncode:
        raise RuntimeError(text[-3000:])
    total = next((int(line.split()[1]) for line in text.splitlines() if line.startswith("total ")), 0)
    return Measured(total, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def measure_study(runs: int) -> dict[str, Measured]:
    """Every state of a study of ``runs`` runs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_checkout(folder, study(runs))
        measure(folder, "--dry-run")  # the first call compiles the copy's library
        measured = {}
        for state, stubs, arguments in zip(
            STATES, (None, ["--until", "enumerate_checkpoints"], []), (["--dry-run"], ["--dry-run"], []), strict=True
        ):
            begin = time.perf_counter()
            if stubs is not None:
                fill(folder, *stubs)
            print(f"{runs} runs: stubs written in {time.perf_counter() - begin:.0f} s", flush=True)
            measured[state] = measure(folder, *arguments)
            print(f"{runs} runs, {state}: {measured[state]}", flush=True)
        return measured


# --- writing ------------------------------------------------------------------------------------


def as_table(measured: dict[int, dict[str, Measured]]) -> str:
    """The page of all measurements."""
    lines = [
        f"# Runs of {CHECKPOINTS} checkpoints each, planned and not computed",
        "",
        f"`python benchmarks/scale.py`, {len(os.sched_getaffinity(0))} cores; Snakemake's main process alone. Targets: "
        f"{TARGETS_S} s and {TARGET_MIB} MiB at 200 runs.",
        "",
        "| runs | state | jobs to do | seconds | CPU seconds | peak MiB |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for runs, states in measured.items():
        lines += [
            f"| {runs} | {state} | {m.jobs} | {m.wall_s:.1f} | {m.cpu_s:.1f} | {m.peak_mib:.0f} |"
            for state, m in states.items()
        ]
    return "\n".join(lines) + "\n"


def draw(measured: dict[int, dict[str, Measured]], path: Path) -> None:
    """Seconds and memory by the number of runs."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    for axis, field, label in zip(axes, ("cpu_s", "peak_mib"), ("CPU seconds", "peak memory, MiB"), strict=True):
        for state in STATES:
            axis.plot(
                list(measured), [getattr(states[state], field) for states in measured.values()], "o-", label=state
            )
        axis.set(xlabel=f"runs of {CHECKPOINTS} checkpoints", ylabel=label, xlim=(0, None), ylim=(0, None))
    axes[0].legend(frameon=False)
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, nargs="+", default=[50, 100, 200])
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks/results/scale", help="without a suffix")
    options = parser.parse_args()

    measured = {runs: measure_study(runs) for runs in options.runs}
    write_text(options.output.with_suffix(".md"), as_table(measured))
    draw(measured, options.output.with_suffix(".png"))
    print(as_table(measured))


if __name__ == "__main__":
    main()
