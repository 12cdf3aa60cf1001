"""Compares the CPU seconds of a study at two commits, rule by rule.

Both run at the same time with one core each, because CPU seconds depend on what else the machine does. Every Python
process records its CPU seconds at its end, and those until it opened its log, before which a job only imports.

    python benchmarks/run_time.py 47f2406                                  # writes results/run_time.md
    python benchmarks/run_time.py HEAD~1 --study tests/workflow/tiny.yaml --output /tmp/run_time.md

Each commit runs its own default study, unless one for both is given.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from inversion.artifacts import write_text

ROOT = Path(__file__).parents[1]
RECORDER = """
import atexit, json, os, sys, time

started = []

def opened(event, arguments):
    if event == "open" and not started and "results/logs/" in str(arguments[0]):
        started.append(time.process_time())

def record():
    with open(os.environ["RUN_TIME_FILE"], "a") as file:
        file.write(json.dumps([sys.argv[0], started[0] if started else 0.0, time.process_time()]) + "\\n")

sys.addaudithook(opened)
atexit.register(record)
"""
"""A ``sitecustomize`` module, which Python runs at the start of every process that has its folder on the path."""


class Used(NamedTuple):
    """What the processes of one rule used, in CPU seconds."""

    jobs: int
    starting: float
    """Until each opened its log."""
    total: float


def check_out(commit: str, study: Path | None, folder: Path) -> None:
    """Extract the workflow at ``commit``, with ``study`` in place of its default study if one is given."""
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    if study is not None:
        (folder / "config/config.yaml").write_bytes(study.read_bytes())
    (folder / "recorder").mkdir()
    (folder / "recorder/sitecustomize.py").write_text(RECORDER)


def environment(folder: Path) -> dict[str, str]:
    """The environment in which the workflow in ``folder`` runs with its own library and the recorder."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {
        "PYTHONPATH": f"{folder / 'workflow'}{os.pathsep}{folder / 'recorder'}",
        "RUN_TIME_FILE": str(folder / "times.jsonl"),
        "OMP_NUM_THREADS": "1",
    }


def start(folder: Path) -> subprocess.Popen[bytes]:
    """Run the study in ``folder``."""
    command = [sys.executable, "-m", "snakemake", "--cores", "1"]
    with open(folder / "output", "wb") as output:
        return subprocess.Popen(command, cwd=folder, env=environment(folder), stdout=output, stderr=output)


def by_rule(times: str) -> dict[str, Used]:
    """What was recorded, by rule; Snakemake's own process is ``snakemake``."""
    found: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for line in times.splitlines():
        program, starting, total = json.loads(line)
        script = Path(program)
        # a job's script is a temporary copy: tmpabcdefgh.finetune.py
        rule = script.name.split(".")[1] if script.parent.name == "scripts" else "snakemake"
        found[rule].append((starting, total))
    return {rule: Used(len(rows), *map(sum, zip(*rows, strict=True))) for rule, rows in found.items()}


def table(before: Mapping[str, Used], after: Mapping[str, Used], commits: tuple[str, str]) -> str:
    """Both as Markdown, the most expensive rule first, with a line of totals."""
    none = Used(0, 0.0, 0.0)
    rules = sorted({*before, *after}, key=lambda rule: -before.get(rule, none).total)
    rows = [(rule, before.get(rule, none), after.get(rule, none)) for rule in rules]
    sums = [Used(*map(sum, zip(*(row[side] for row in rows), strict=True))) for side in (1, 2)]
    head = [
        f"| rule | jobs | CPU s at {commits[0]} | of it until the log is open | jobs | CPU s at {commits[1]} | of it |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    return "\n".join(
        [
            *head,
            *(
                f"| {rule} | {old.jobs} | {old.total:.1f} | {old.starting:.1f} | {new.jobs} | {new.total:.1f} | "
                f"{new.starting:.1f} |"
                for rule, old, new in [*rows, ("all", *sums)]
            ),
            "",
            f"All CPU seconds: {sums[1].total / sums[0].total:.2f} of those at {commits[0]}.",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit")
    parser.add_argument("--study", type=Path)
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks/results/run_time.md")
    arguments = parser.parse_args()
    head = subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, text=True).strip()
    commits = (arguments.commit, head)
    with tempfile.TemporaryDirectory() as root:
        folders = [Path(root, commit) for commit in commits]
        for commit, folder in zip(commits, folders, strict=True):
            check_out(commit, arguments.study, folder)
        running = [start(folder) for folder in folders]
        for process, folder in zip(running, folders, strict=True):
            if process.wait():
                sys.exit((folder / "output").read_text()[-3000:])
        used = [by_rule((folder / "times.jsonl").read_text()) for folder in folders]
    study = os.path.relpath(arguments.study or ROOT / "config/config.yaml", ROOT)
    title = f"# CPU seconds of `{study}`, rule by rule\n\nBoth commits ran at the same time, with one core each.\n\n"
    write_text(arguments.output, title + table(*used, commits) + "\n")


if __name__ == "__main__":
    main()
