"""What must hold before a release: `make release-check`. Prints what does not; CONTRIBUTING.md has the steps."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import yaml
from packaging.version import Version

ROOT = Path(__file__).parents[1]


def faults(root: Path) -> Iterator[str]:
    """Everything that stands in the way of a release, a line each."""
    version = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    cited = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))["version"]
    if str(cited) != version:
        yield f"CITATION.cff says version {cited} and pyproject.toml {version}; change CITATION.cff"
    yield from changelog_faults((root / "CHANGELOG.md").read_text(encoding="utf-8"), version)
    tags = [Version(tag[1:]) for tag in git(root, "tag", "--list", "v[0-9]*").split()]
    if tags and Version(version) <= max(tags):
        yield f"version {version} is not above {max(tags)}, the last one tagged; raise it in pyproject.toml"
    if changed := git(root, "status", "--porcelain").splitlines():
        yield f"{len(changed)} files are not committed ({changed[0].split()[-1]}); commit or remove them"
    if (branch := git(root, "rev-parse", "--abbrev-ref", "HEAD").strip()) != "main":
        yield f"the branch is {branch}; release from main"


def changelog_faults(changelog: str, version: str) -> Iterator[str]:
    """What is wrong with the changelog: its newest section must be this version's, with a date and content."""
    headings = re.findall(r"^## (.+)$", changelog, re.MULTILINE)
    if not headings or not re.fullmatch(rf"{re.escape(version)} \(\d{{4}}-\d\d-\d\d\)", headings[0]):
        first = headings[0] if headings else "no section"
        yield f"CHANGELOG.md begins with {first!r}; it must be '## {version} (YYYY-MM-DD)'"
    elif not re.search(rf"^## {re.escape(headings[0])}\n+### ", changelog, re.MULTILINE):
        yield f"CHANGELOG.md says nothing of version {version}"


def git(root: Path, *arguments: str) -> str:
    """What git prints."""
    return subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    found = list(faults(ROOT))
    print(
        "\n".join(f"error: {fault}" for fault in found) or "ready to be tagged",
        file=sys.stderr if found else sys.stdout,
    )
    sys.exit(bool(found))
