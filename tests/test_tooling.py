"""The environment: its pins agree, and an incomplete environment is never used."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]


def pins(lines: list[str]) -> dict[str, Version]:
    """Versions by canonical name. Every line must be an exact pin."""
    found = {}
    for line in lines:
        name, version = line.split("==")
        found[canonicalize_name(name)] = Version(version)
    return found


def lock() -> dict[str, Version]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return pins([line for line in lines if not line.startswith("#")])


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUNTIME = [Requirement(line) for line in PROJECT["project"]["dependencies"]]
DEVELOPMENT = [Requirement(line) for line in PROJECT["dependency-groups"]["dev"]]
BUILD = [Requirement(line) for line in PROJECT["build-system"]["requires"]]


@pytest.mark.parametrize("needed", [*RUNTIME, *DEVELOPMENT, *BUILD], ids=str)
def test_the_lock_pins_the_projects_requirements(needed: Requirement) -> None:
    assert lock()[canonicalize_name(needed.name)] in needed.specifier, "run `make lock`"


def test_the_lock_of_the_site_pins_its_requirements() -> None:
    lines = (ROOT / "envs/docs.lock").read_text().splitlines()
    locked = pins([line for line in lines if not line.startswith("#")])
    for needed in map(Requirement, PROJECT["dependency-groups"]["docs"]):
        assert locked[canonicalize_name(needed.name)] in needed.specifier, "run `make lock`"


def test_the_lock_fits_any_build_of_torch() -> None:
    assert not [name for name, version in lock().items() if version.local]
    assert not [name for name in lock() if name.startswith(("nvidia", "cuda", "triton"))]


def test_conda_uses_the_versions_of_the_lock() -> None:
    dependencies = yaml.safe_load((ROOT / "envs/inversion.yaml").read_text())["dependencies"]
    assert dependencies[:2] == ["python=3.11", "pip"]
    conda = pins(dependencies[2]["pip"])
    assert conda.items() <= lock().items()
    assert {canonicalize_name(needed.name) for needed in RUNTIME} <= conda.keys()
    assert Version("3.11") in Requirement(f"python{PROJECT['project']['requires-python']}").specifier


def test_the_container_installs_exactly_the_lock() -> None:
    text = (ROOT / "envs/inversion.def").read_text()
    (base,) = re.findall(r"^From: (.+)$", text, flags=re.MULTILINE)
    assert base.startswith("python:3.11-"), "the Python of the lock"
    assert re.findall(r"install (.+)$", text, flags=re.MULTILINE) == ["--no-cache-dir -r /requirements.lock"]
    (files,) = re.findall(r"%files\n(.+?)\n\n", text, flags=re.DOTALL)
    assert [line.split() for line in files.splitlines()] == [["requirements.lock", "/requirements.lock"]]


# --- make env -----------------------------------------------------------------------------------

INTERPRETER = """\
#!/bin/sh
# Stands in for Python: makes environments of itself, and counts the packages that it is told to install.
case "$*" in
  "-c import sys"*) exit {too_old} ;;
  "-m venv .venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
  "-m pip install"*) echo "$*" >> installed.txt; test ! -e offline ;;
  "--version") echo "Python 3.9.1" ;;
  "tests/slurm/cluster.py") echo "sbatch not installed"; exit 77 ;;
  "workflow/print_plan.py"*) echo "${{PYTHONDONTWRITEBYTECODE-kept}}" > byte-code ;;
esac
"""


class Checkout:
    """The Makefile and a lock file in a folder of their own, with a stand-in for Python."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copy(ROOT / "Makefile", folder)
        (folder / "requirements.lock").write_text("torch==1.0\n")
        self.set_interpreter(too_old=0)

    def set_interpreter(self, too_old: int) -> None:
        python = self.folder / "python"
        python.write_text(INTERPRETER.format(too_old=too_old))
        python.chmod(0o755)

    def make_env(self) -> subprocess.CompletedProcess[str]:
        return self.make("env")

    def make(self, target: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")} | variables
        command = ["make", target, "PYTHON=./python"]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)

    def installations(self) -> int:
        """How many times the lock file was installed."""
        log = self.folder / "installed.txt"
        return log.read_text().count("requirements.lock") if log.exists() else 0


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    return Checkout(tmp_path)


def test_the_environment_is_created_once(checkout: Checkout) -> None:
    assert checkout.make_env().returncode == 0
    assert checkout.make_env().returncode == 0
    assert checkout.installations() == 1


def test_without_slurm_its_tests_are_not_reported_as_passed(checkout: Checkout) -> None:
    done = checkout.make("test-slurm")
    assert done.returncode != 0
    assert "test-slurm: not run: sbatch not installed" in done.stderr
    assert "pass" not in done.stdout + done.stderr


def test_missing_slurm_packages_are_named() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tests/slurm/cluster.py"],
        env=os.environ | {"PATH": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:  # some machines have all of these programs under /usr/sbin
        assert done.returncode == 77
        assert len(done.stdout.splitlines()) == 1


def test_a_changed_lock_recreates_it(checkout: Checkout) -> None:
    checkout.make_env()
    (checkout.folder / ".venv" / "leftover").touch()
    (checkout.folder / "requirements.lock").write_text("torch==2.0\n")
    checkout.make_env()
    assert checkout.installations() == 2
    assert not (checkout.folder / ".venv" / "leftover").exists()


def test_an_incomplete_environment_is_not_used(checkout: Checkout) -> None:
    (checkout.folder / "offline").touch()
    assert checkout.make_env().returncode != 0
    (checkout.folder / "offline").unlink()
    assert checkout.make_env().returncode == 0
    assert checkout.installations() == 2


def test_an_environment_without_its_interpreter_is_recreated(checkout: Checkout) -> None:
    checkout.make_env()
    (checkout.folder / ".venv" / "bin" / "python").unlink()
    checkout.make_env()
    assert checkout.installations() == 2


def test_a_moved_checkout_recreates_it(checkout: Checkout) -> None:
    checkout.make_env()
    moved = checkout.folder.with_name("moved checkout")
    checkout.folder.rename(moved)
    checkout.folder = moved
    assert checkout.make_env().returncode == 0
    assert checkout.installations() == 2


def test_an_old_python_is_refused_in_one_line(checkout: Checkout) -> None:
    checkout.set_interpreter(too_old=1)
    done = checkout.make_env()
    assert done.returncode != 0
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("error:"))
    assert "Python 3.11 or later is needed" in line
    assert "is Python 3.9.1; name another: make PYTHON=" in line
    assert not (checkout.folder / ".venv").exists()


def test_byte_code_is_cached(checkout: Checkout) -> None:
    assert checkout.make("plan", PYTHONDONTWRITEBYTECODE="1").returncode == 0
    assert (checkout.folder / "byte-code").read_text() == "kept\n"
