#!/usr/bin/env python3
"""Stands in for Slurm's commands, under whichever name it is called, and records its calls.

The folder in STAND_IN_FOLDER contains its state. ``calls.jsonl`` has one call per line. ``fates.json`` has a list for
each rule, with the outcomes of its jobs in order (``COMPLETED`` after the end of the list). ``jobs/`` has one file with
the state of each job. Outcomes are states of Slurm. After NODE_FAIL and PREEMPTED the job returns to the queue, and
with ``REFUSED`` the call of sbatch fails.
"""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(os.environ["STAND_IN_FOLDER"])
JOBS = HERE / "jobs"
RETURNING = ("NODE_FAIL", "PREEMPTED")


def sbatch(arguments):
    comment = arguments[arguments.index("--comment") + 1]
    rule = comment.removeprefix("rule_").partition("_wildcards_")[0]
    with open(HERE / "lock", "w") as lock:  # jobs are submitted from several threads
        fcntl.flock(lock, fcntl.LOCK_EX)
        fates = json.loads((HERE / "fates.json").read_text())
        key = next((name for name in fates if comment.startswith(f"rule_{name}")), rule)
        fate = fates[key].pop(0) if fates.get(key) else "COMPLETED"
        (HERE / "fates.json").write_text(json.dumps(fates))
        if fate == "REFUSED":
            sys.exit("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation")
        number = len(list(JOBS.iterdir())) + 1
        file = JOBS / str(number)
        file.write_text(fate)
    (command,) = (word.removeprefix("--wrap=") for word in arguments if word.startswith("--wrap="))
    if fate == "COMPLETED":
        start(file, command)
    elif fate in RETURNING:
        (HERE / f"{number}.sh").write_text(command)
    print(number)


def start(file, command):
    """Run a job in the background, and store its outcome as its state."""
    file.write_text("RUNNING")
    environment = os.environ | {"SLURM_JOB_ID": file.name}
    ending = HERE / f"{file.name}.ending"
    ended = (
        f"({command}) > {HERE}/{file.name}.log 2>&1 && echo COMPLETED > {ending} || echo FAILED > {ending}; "
        f"mv {ending} {file}"  # atomic, so that squeue never reads a part of it
    )
    quiet = subprocess.DEVNULL
    subprocess.Popen(["sh", "-c", ended], env=environment, stdin=quiet, stdout=quiet, stderr=quiet)


def squeue(_):
    for file in JOBS.iterdir():
        state = file.read_text().strip()
        print(f"{file.name}|{state}")
        if state in RETURNING:
            start(file, (HERE / f"{file.name}.sh").read_text())


def scontrol(arguments):
    if arguments == ["show", "config"]:
        print("MinJobAge               = 300 sec")


def srun(arguments):
    first = next(place for place, word in enumerate(arguments) if not word.startswith("-"))
    os.execvp(arguments[first], arguments[first:])


if __name__ == "__main__":
    name, arguments = Path(sys.argv[0]).name, sys.argv[1:]
    with open(HERE / "calls.jsonl", "a") as calls:
        calls.write(json.dumps([name, *arguments]) + "\n")
    {"sbatch": sbatch, "squeue": squeue, "scontrol": scontrol, "srun": srun}.get(name, lambda _: None)(arguments)
