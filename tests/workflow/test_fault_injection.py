"""Kills at random moments, full disks, damaged files and wrong clocks, through the real DAG (make test-faults)."""

import itertools
import os
import random
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from checkout import ROOT

from inversion.artifacts import folder_fault

pytestmark = [pytest.mark.workflow, pytest.mark.faults]

RUN = "runs/llama/mixture/standard/seed0"
STORE = f"{RUN}/checkpoints"
KILLS = 20


def made(checkout) -> list[Path]:
    """The files under results that jobs declare, without their logs."""
    kinds = {".parquet", ".json", ".csv", ".svg", ".md", ".html"}
    files = checkout.result(".").rglob("*")
    return [file for file in files if file.suffix in kinds and not file.name.startswith(".")]


def assert_equal(checkout, finished, *patterns):
    """Fail unless the files of the finished study that match a pattern exist, with the same bytes."""
    paths = [path for pattern in patterns for path in sorted(finished.result(".").glob(pattern)) if path.is_file()]
    assert paths
    for path in paths:
        again = checkout.folder / path.relative_to(finished.folder)
        assert again.read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize("seed", [0])
def test_a_study_killed_at_twenty_moments_gives_the_same_results(finished, checkout, seed):
    """All processes are killed a moment after a given number of files exists. These numbers cover all stages."""
    rng = random.Random(seed)
    moments = [(number, rng.uniform(0, 6)) for number in sorted(rng.sample(range(len(made(finished))), KILLS))]
    killed = 0
    for number, delay in moments:
        main = checkout.start()
        deadline = time.monotonic() + 1200  # long, so that a busy machine does not make a test fail
        while len(made(checkout)) < number and main.poll() is None:
            assert time.monotonic() < deadline, f"no file more than {len(made(checkout))}"
            time.sleep(0.2)
        time.sleep(delay)
        killed += main.poll() is None
        checkout.kill(main)
    assert killed > KILLS / 2
    checkout.run()
    assert checkout.plan() == set()
    assert_equal(
        checkout, finished, "tables/*", "figures/*", "report.html", "items.html", f"{STORE}/step-*/*.safetensors"
    )


# --- full disks ---------------------------------------------------------------------------------


class SmallDisk:
    """A finished study whose results are on a separate disk of 64 MiB."""

    def __init__(self, checkout):
        self.checkout = checkout
        self.filler = checkout.result("filler")

    def leave(self, free: int) -> None:
        """Fill the disk until only ``free`` bytes are free."""
        with open(self.filler, "wb") as filler:
            os.posix_fallocate(filler.fileno(), 0, shutil.disk_usage(self.filler).free - free)


@pytest.fixture
def small_disk(finished, tmp_path):
    checkout = finished.copy(tmp_path / "checkout")
    results = checkout.result(".")
    shutil.rmtree(results)
    results.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", results], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    try:
        shutil.copytree(finished.result("."), results, dirs_exist_ok=True, symlinks=True)
        yield SmallDisk(checkout)
    finally:
        subprocess.run(["umount", results], check=True)


STAGES = {
    "training": (f"results/{RUN}/train.json", [STORE, f"{RUN}/train.json"], f"{STORE}/step-*/*"),
    "responses": (
        f"results/{RUN}/responses/chunk-000.json",
        [f"{RUN}/responses"],
        f"{RUN}/responses/step-00000[024]/*",
    ),
    "tables": ("tables", ["tables"], "tables/*"),
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_full_disk_is_reported_and_the_study_resumes_when_there_is_space(finished, small_disk, stage):
    target, removed, compared = STAGES[stage]
    checkout = small_disk.checkout
    size = 0
    for path in map(checkout.result, removed):
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        size += sum(-(-file.stat().st_size // 4096) * 4096 for file in files)
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    small_disk.leave(size // 2)

    done = checkout.run(target, check=False)
    assert done.returncode
    errors = {line for line in done.stderr.splitlines() if line.startswith("error: ")}
    assert errors
    assert all(line.startswith("error: no space left on the disk of results/logs/") for line in errors), errors
    for folder in (*checkout.result(STORE).glob("step-*"), *checkout.result(RUN).glob("responses/step-*")):
        assert folder_fault(folder) is None
    for table in checkout.result("tables").glob("*"):
        assert table.read_bytes() == finished.result(f"tables/{table.name}").read_bytes()

    small_disk.filler.unlink()
    checkout.run(target)
    assert_equal(checkout, finished, compared)


# --- damaged files ------------------------------------------------------------------------------


def truncate(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flip(data: bytes) -> bytes:
    """Flip one bit in the middle of a file."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


FILES = {
    "checkpoint": (f"{STORE}/step-000004/model.safetensors", f"results/{RUN}/labels.parquet"),
    "responses": (f"{RUN}/responses/step-000004/responses.parquet", f"results/{RUN}/labels.parquet"),
    "labels": (f"{RUN}/labels.parquet", "results/tables/items.parquet"),
}


@pytest.mark.parametrize(("kind", "damage"), itertools.product(FILES, [truncate, flip]))
def test_a_damaged_file_is_named_and_the_suggested_fix_works(finished, rerun, kind, damage):
    path, target = FILES[kind]
    file = rerun.result(path)
    state, good = file.stat(), file.read_bytes()
    file.write_bytes(damage(good))
    # damage of a disk does not change time stamps
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    if kind == "checkpoint":
        rerun.study(lambda s: s["evaluation"].update(max_new_tokens=2))
    again = () if kind == "checkpoint" else ("--force",)

    done = rerun.run(target, *again, check=False)
    assert done.returncode
    (error,) = {line for line in done.stderr.splitlines() if line.startswith("error: ")}
    assert path in error
    told = re.search(r"`snakemake (--forcerun \S+)`|delete (\S+) and rerun", error)
    fix = told[1].split() if told[1] else []
    if told[2]:
        (file if told[2] == "it" else rerun.folder / told[2]).unlink()
    rerun.run(target, *fix)
    assert file.read_bytes() == good


# --- clocks -------------------------------------------------------------------------------------


def shift(folder: Path, seconds: int) -> None:
    """Move the time stamps of all files below ``folder``."""
    for file in folder.rglob("*"):
        state = file.lstat()
        moved = state.st_mtime_ns + seconds * 10**9
        os.utime(file, ns=(moved, moved), follow_symlinks=False)


def test_a_clock_that_is_moved_back_is_named_and_the_documented_fix_works(rerun):
    """All results are dated tomorrow, as after a wrong clock was corrected."""
    shift(rerun.result("."), 24 * 3600)
    assert rerun.plan() == set()
    rerun.study(lambda s: s["evaluation"].update(bootstrap=60))
    done = rerun.run(check=False)
    assert done.returncode
    assert "has older modification time" in done.stderr
    guide = (ROOT / "docs/cluster.md").read_text()
    (fix,) = re.findall(r"`(now=.+?)`", guide)
    subprocess.run(["bash", "-c", fix], cwd=rerun.folder, check=True)
    planned = {job.rule for job in rerun.plan()}
    assert not planned & {"prepare_base", "finetune", "generate_responses", "label_responses", "tabulate_items"}
    rerun.run()
    assert rerun.plan() == set()
