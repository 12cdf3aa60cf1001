"""A copy of the checkout in a temporary folder."""

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from warm_python import warm_python

ROOT = Path(__file__).parents[2]
TOKEN = "hf_thesecretthatnobodymayfind"
UMASK = 0o027
TINY = Path(__file__).with_name("tiny.yaml")


class Job(NamedTuple):
    """A planned job: its rule and the wildcards of its output."""

    rule: str
    wildcards: str


class Checkout:
    """The workflow in a folder of its own, with a study that tests may change."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def new(cls, folder: Path) -> "Checkout":
        for name in ("workflow", "envs", "profiles"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        shutil.copy(ROOT / "Snakefile", folder)
        (folder / "slurm").symlink_to((ROOT / "slurm").readlink())
        (folder / "config").mkdir()
        shutil.copy(TINY, folder / "config" / "config.yaml")
        return cls(folder)

    def copy(self, folder: Path) -> "Checkout":
        """A copy with all results, time stamps and Snakemake's metadata about them."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True, symlinks=True)
        return Checkout(folder)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]

    @property
    def environment(self) -> dict[str, str]:
        # the library of the copy, not the installed one; the token is invalid
        return os.environ | {"PYTHONPATH": str(self.folder / "workflow"), "HF_TOKEN": TOKEN}

    def run(self, *arguments: str, check: bool = True, cold: bool = False) -> subprocess.CompletedProcess[str]:
        """Run Snakemake.

        Its processes are copies of one that has imported the libraries (see :mod:`warm_python`), unless they are
        ``cold``.
        """
        command, environment = self.command(*arguments), self.environment
        if not cold:
            warm = warm_python(environment)
            command[:3] = [str(warm.executable), str(warm.snakemake)]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            umask=UMASK,
            timeout=1200,  # long, so that a busy machine does not make a test fail
            check=False,
        )
        if check and done.returncode:
            pytest.fail(f"snakemake {' '.join(arguments)} failed:\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}")
        return done

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start Snakemake in the background, with all its processes in one process group."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def kill(self, main: subprocess.Popen[bytes]) -> None:
        """Kill every process that :meth:`start` started, as in a node failure."""
        with suppress(ProcessLookupError):
            os.killpg(main.pid, signal.SIGKILL)
        main.wait()

    def plan(self) -> set[Job]:
        """The jobs that a run would execute now."""
        text = (done := self.run("--dry-run")).stdout + done.stderr
        assert "Exception" not in text, text  # belongs to a rule that Snakemake tried and then discarded
        if "Nothing to be done" in text:
            return set()
        blocks = re.split(r"\n(?=\[|rule |localrule |checkpoint |localcheckpoint )", text)
        jobs = set()
        for block in blocks:
            rule = re.match(r"(?:local)?(?:rule|checkpoint) (\w+):", block)
            if rule:
                wildcards = re.search(r"wildcards: (.*)", block)
                jobs.add(Job(rule[1], wildcards[1] if wildcards else ""))
        assert jobs, text
        return jobs

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace text in a file of the workflow, which must contain it."""
        file = self.folder / path
        text = file.read_text()
        assert old in text, f"{path} has no {old!r}"
        file.write_text(text.replace(old, new, 1))

    def study(self, change) -> None:
        """Change the configuration by a function of its mapping."""
        path = self.folder / "config" / "config.yaml"
        values = yaml.safe_load(path.read_text())
        change(values)
        path.write_text(yaml.safe_dump(values, sort_keys=False))

    def result(self, path: str) -> Path:
        return self.folder / "results" / path
