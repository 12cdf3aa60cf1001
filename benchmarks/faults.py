"""Sends random signals to a small study, and checks that its results equal those of an undisturbed one.

The study is that of tests/workflow/tiny.yaml with two of its recipes, and a series of three checkpoints. Each signal
(SIGTERM, SIGINT, SIGHUP or SIGKILL) goes to Snakemake's main process, to a job, or to the whole process group, at a
random moment while jobs run. A study that has ended is started again, as ``make run`` does. Finally the study is run
without a signal and compared with an undisturbed one: tables, figures and report byte for byte, and the weights of all
checkpoints. Every checkpoint that was complete before a signal must be complete and unchanged after it, and one minute
after the main process has ended none of its processes may be running.

    python benchmarks/faults.py                              # 60 signals; writes benchmarks/results/faults.md
    python benchmarks/faults.py --signals 10 --seed 3 --output /tmp/faults.md
    python benchmarks/faults.py --minutes 20                 # as many as fit into the time
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
sys.path += [str(ROOT / "workflow"), str(ROOT / "tests/workflow")]

from checkout import Checkout  # noqa: E402

from inversion.artifacts import folder_fault, write_text  # noqa: E402
from inversion.config.models import Architecture  # noqa: E402
from inversion.config.world import World  # noqa: E402
from inversion.models import new_model  # noqa: E402
from inversion.world.facts import build_world  # noqa: E402
from inversion.world.tokenizer import build_tokenizer  # noqa: E402

SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP", "SIGKILL")
TARGETS = ("main process", "job", "process group")
LONGEST_WAIT = 8.0
"""The maximum number of seconds between the first running job and the signal."""
END_S, LEFT_S = 300.0, 60.0
"""Seconds in which the main process must have ended after a signal, and in which all of its jobs must have after it."""
COMPARED = ("tables/*", "figures/*", "report.html", "runs/*/*/*/seed*/checkpoints/step-*/*.safetensors")


class Sent(NamedTuple):
    """One signal and its effects."""

    name: str
    target: str
    ended: bool
    """Whether the main process ended, which it need not if a job was the target."""
    left: int
    """The number of its processes that were still running a minute after its end."""
    lost: int
    """The number of checkpoints that were complete before, and are incomplete or different afterwards."""


def study(values: dict) -> None:
    """Two runs and a series on one set."""
    values["recipes"] = {"standard": {}, "counterfactual": values["recipes"]["counterfactual"]}
    values["sets"] = {"conflict": values["sets"]["conflict"]}
    template = {"style": "chat", "with_context": "context : {context} {question}"}
    values["series"] = {"elsewhere": {"source": "folder", "path": "out", "template": template}}
    values["experiments"]["recipes"].update(
        recipes=["standard", "counterfactual"], series=["elsewhere"], figures=["accuracy"]
    )


def make_series(folder: Path) -> None:
    """Three checkpoints of random weights that know the study's words."""
    world = build_world(World(known_subjects=16, new_subjects=16, answers=8, held_out=0.25))
    tokenizer = build_tokenizer(world, 128)
    sizes = Architecture(family="llama", layers=1, hidden_size=16, heads=2, intermediate_size=32, max_positions=128)
    for step in (1, 2, 3):
        new_model(sizes, tokenizer, step).save_pretrained(folder / f"checkpoint-{step}")
        tokenizer.save_pretrained(folder / f"checkpoint-{step}")
        for file in (folder / f"checkpoint-{step}").iterdir():
            os.utime(file, (1_600_000_000, 1_600_000_000))


def processes_of(main: int) -> dict[int, str]:
    """The running processes of the session that ``main`` leads, except itself, with their command lines."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError):
            state, _, _, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(session) == main != int(folder.name) and state != "Z":
                found[int(folder.name)] = (folder / "cmdline").read_text()
    return found


def jobs_of(main: int) -> list[int]:
    """The processes of running scripts."""
    return sorted(number for number, command in processes_of(main).items() if "/.snakemake/scripts/" in command)


def checkpoints(checkout: Checkout) -> dict[Path, str]:
    """The complete checkpoints of all runs, with the hash of their markers, which list the hashes of their files."""
    folders = checkout.result("runs").glob("*/*/*/seed*/checkpoints/step-*")
    return {
        folder: hashlib.sha256((folder / "complete.json").read_bytes()).hexdigest()
        for folder in folders
        if folder_fault(folder) is None
    }


def start(checkout: Checkout) -> subprocess.Popen[bytes]:
    """The study, once the lock of a killed command is gone."""
    subprocess.run(
        [sys.executable, "workflow/main_process.py"], cwd=checkout.folder, env=checkout.environment, check=True
    )
    return checkout.start()


def wait(condition, seconds: float) -> bool:
    """Whether a condition became true within ``seconds`` seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def send(checkout: Checkout, main: subprocess.Popen[bytes], name: str, target: str, delay: float) -> Sent | None:
    """Send one signal. Returns None if the study ended before it could be sent."""
    wait(lambda: jobs_of(main.pid) or main.poll() is not None, END_S)
    time.sleep(delay)
    jobs = jobs_of(main.pid)
    if main.poll() is not None or (target == "job" and not jobs):
        return None
    before = checkpoints(checkout)
    number = getattr(signal, name)
    with suppress(ProcessLookupError):
        if target == "process group":
            os.killpg(main.pid, number)
        else:
            os.kill(main.pid if target == "main process" else jobs[0], number)
    ended = target == "job" or wait(lambda: main.poll() is not None, END_S)
    left = 0
    if target != "job":
        wait(lambda: not processes_of(main.pid), LEFT_S)
        left = len(processes_of(main.pid))
        checkout.kill(main)
    after = checkpoints(checkout)
    lost = sum(after.get(folder) != digest for folder, digest in before.items())
    return Sent(name, target, ended, left, lost)


def differing(checkout: Checkout, undisturbed: Checkout) -> list[str]:
    """The files of the undisturbed study that are missing or different in the other one."""
    files = [file for pattern in COMPARED for file in undisturbed.result(".").glob(pattern)]
    names = sorted(str(file.relative_to(undisturbed.folder)) for file in files)
    assert names, "the undisturbed study has no results"
    return [
        name
        for name in names
        if not (checkout.folder / name).is_file()
        or (checkout.folder / name).read_bytes() != (undisturbed.folder / name).read_bytes()
    ]


def page(sent: list[Sent], starts: int, faults: list[str], compared: int, requested: int, minutes: float) -> str:
    """The counts as Markdown."""
    rows = []
    for target in TARGETS:
        for name in SIGNALS:
            some = [one for one in sent if (one.name, one.target) == (name, target)]
            unfinished = sum(not one.ended for one in some)
            counts = [len(some), unfinished, sum(one.left > 0 for one in some), sum(one.lost for one in some)]
            rows.append(f"| {name} | {target} | {' | '.join(map(str, counts))} |")
    totals = Counter(target for _, target, *_ in sent)
    verdict = "all equal to the byte" if not faults else f"{len(faults)} differ: {', '.join(faults[:10])}"
    return f"""# Random signals

`python benchmarks/faults.py` sent {len(sent)} signals, of {requested} requested, to a study of two runs and a series \
({", ".join(f"{totals[target]} to a {target}" for target in TARGETS)}). It started the study {starts} times and then \
ran it once more, in {minutes:.0f} minutes in all.

| signal | sent to | signals | main process still there after {END_S:.0f} s | jobs left after {LEFT_S:.0f} s \
| checkpoints lost |
| - | - | - | - | - | - |
{chr(10).join(rows)}

Against a study that was never disturbed, of {compared} tables, figures, pages and weights: {verdict}.
"""


def main() -> None:
    """Send signals until there were enough or the time is over, and then compare the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--signals", type=int, default=60)
    parser.add_argument("--minutes", type=float, default=1e9, help="send no signal after so many minutes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks/results/faults.md")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup ignores it, and child processes would too
    with tempfile.TemporaryDirectory() as folder:
        undisturbed = Checkout.new(Path(folder, "undisturbed"))
        make_series(undisturbed.folder / "out")
        undisturbed.study(study)
        checkout = undisturbed.copy(Path(folder, "disturbed"))
        undisturbed.run()
        began, sent, starts = time.monotonic(), [], 0
        running: subprocess.Popen[bytes] | None = None
        while len(sent) < options.signals and time.monotonic() - began < 60 * options.minutes:
            if running is None or running.poll() is not None:
                if running is not None and running.returncode == 0:  # it came to its end: another pass from the start
                    shutil.rmtree(checkout.result("."))
                running, starts = start(checkout), starts + 1
            one = send(checkout, running, rng.choice(SIGNALS), rng.choice(TARGETS), rng.uniform(0, LONGEST_WAIT))
            if one is not None:
                sent.append(one)
                print(f"{len(sent)}: {one}", flush=True)
        if running is not None:
            checkout.kill(running)
        start(checkout).wait()
        assert not checkout.plan(), "the last run did not come to its end"
        faults = differing(checkout, undisturbed)
        compared = sum(len(list(undisturbed.result(".").glob(pattern))) for pattern in COMPARED)
        minutes = (time.monotonic() - began) / 60
    write_text(options.output, page(sent, starts, faults, compared, options.signals, minutes))
    print(options.output.read_text())


if __name__ == "__main__":
    main()
