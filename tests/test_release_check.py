"""The faults that `make release-check` finds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / ".ci" / "release_check.py"


def run(folder: Path, *command: str) -> None:
    identity = ["-c", "user.name=tester", "-c", "user.email=tester@example.org"]
    subprocess.run(["git", *identity, *command], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that is ready to be released as 0.2.0, with its own copy of the script."""
    (tmp_path / ".ci").mkdir()
    (tmp_path / ".ci" / "release_check.py").write_text(SCRIPT.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "0.2.0"\n')
    (tmp_path / "CITATION.cff").write_text("version: 0.2.0\n")
    (tmp_path / "CHANGELOG.md").write_text(
        "# Changelog\n\n## 0.2.0 (2026-12-01)\n\n### Added\n\n- A thing.\n\n## 0.1.0\n"
    )
    run(tmp_path, "init", "--initial-branch", "main")
    run(tmp_path, "add", "-A")
    run(tmp_path, "commit", "-m", "all")
    run(tmp_path, "tag", "v0.1.0")
    return tmp_path


def check(project: Path) -> tuple[int, list[str]]:
    done = subprocess.run(
        [sys.executable, project / ".ci" / "release_check.py"], capture_output=True, text=True, check=False
    )
    return done.returncode, (done.stdout + done.stderr).splitlines()


def test_a_ready_project_passes(project: Path) -> None:
    assert check(project) == (0, ["ready to be tagged"])


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("CITATION.cff", "0.2.0", "0.1.0", "CITATION.cff says version 0.1.0 and pyproject.toml 0.2.0"),
        ("CHANGELOG.md", "0.2.0 (2026-12-01)", "Unreleased", "CHANGELOG.md begins with 'Unreleased'"),
        ("CHANGELOG.md", "### Added\n\n- A thing.\n", "", "CHANGELOG.md says nothing of version 0.2.0"),
    ],
)
def test_unready_parts_are_named(project: Path, file: str, old: str, new: str, message: str) -> None:
    text = (project / file).read_text()
    assert old in text
    (project / file).write_text(text.replace(old, new))
    run(project, "commit", "-am", "changed")
    status, (line,) = check(project)
    assert status == 1
    assert line.startswith(f"error: {message}")


def test_a_tagged_version_a_dirty_tree_and_another_branch_are_refused(project: Path) -> None:
    run(project, "tag", "v0.2.0")
    run(project, "switch", "-c", "feature")
    (project / "new.txt").touch()
    status, lines = check(project)
    assert status == 1
    assert [line.partition(";")[0] for line in lines] == [
        "error: version 0.2.0 is not above 0.2.0, the last one tagged",
        "error: 1 files are not committed (new.txt)",
        "error: the branch is feature",
    ]
