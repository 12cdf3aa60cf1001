"""Finds the commits of branches and tags of Hub repositories, and whether branches have moved.

python -m inversion.branches COMMITS.json ... prints a line for every branch that no longer has the commit recorded in
these files. It prints nothing if the Hub cannot be reached.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from huggingface_hub import HfApi, constants

from inversion.artifacts import read_json


def listed_revisions(name: str) -> dict[str, str]:
    """The commits of a repository's branches and tags by name, as listed by the Hub. Raises the errors of its
    library."""
    refs = HfApi().list_repo_refs(name)
    return {ref.name: ref.target_commit for ref in [*refs.tags, *refs.branches]}


def cached_revisions(name: str) -> dict[str, str]:
    """The commits of a repository's branches and tags by name, as far as they are in the Hub's cache."""
    folder = Path(constants.HF_HUB_CACHE) / f"models--{name.replace('/', '--')}" / "refs"
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_text(encoding="utf-8").strip() for file in files}


def moved_branches(
    name: str, recorded: Mapping[str, str], current: Mapping[str, str], commits: str | Path
) -> list[str]:
    """One line for every branch of a repository whose commit differs from the one ``recorded`` in the file
    ``commits``."""
    return [
        f"{name}: {branch} has moved from {commit[:8]} to {current[branch][:8]} since it was downloaded; {commit[:8]} "
        f"is still evaluated. To evaluate the new commit delete {commits} and run again with "
        "`--forcerun prefetch_series`"
        for branch, commit in sorted(recorded.items())
        if current.get(branch, commit) != commit
    ]


def main(files: list[str]) -> None:
    """Print the branches that have moved since their commits were recorded in ``files``."""
    for file in files:
        for name, recorded in read_json(file).items():
            try:
                current = listed_revisions(name)
            except Exception:  # without a network nothing can be said
                continue
            for line in moved_branches(name, recorded, current, file):
                print(line)


if __name__ == "__main__":
    main(sys.argv[1:])
