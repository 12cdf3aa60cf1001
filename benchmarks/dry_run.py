"""Compares the CPU seconds of `snakemake -n` on the default study at two commits, alternating.

    python benchmarks/dry_run.py 47f2406                 # prints both medians and their ratio

Neither folder has results, so that the whole workflow is planned. The first run of each, which compiles Python, is not
counted.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from run_time import ROOT, check_out, environment

RUNS = 5


def seconds(folder: Path) -> float:
    """CPU seconds of planning the study in ``folder``, with all processes that this starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "snakemake", "-n", "--quiet", "all"]
    subprocess.run(command, cwd=folder, env=environment(folder), check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit")
    commit = parser.parse_args().commit
    head = subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, text=True).strip()
    with tempfile.TemporaryDirectory() as root:
        folders = [Path(root, name) for name in (commit, head)]
        for name, folder in zip((commit, head), folders, strict=True):
            check_out(name, None, folder)
            seconds(folder)
        found: list[list[float]] = [[], []]
        for _ in range(RUNS):
            for place, folder in enumerate(folders):
                found[place].append(seconds(folder))
    old, new = map(statistics.median, found)
    ratios = sorted(after / before for before, after in zip(*found, strict=True))
    print(
        f"{commit}: {old:.2f} s, {head}: {new:.2f} s, ratio {new / old:.2f} (pairs {ratios[0]:.2f} to {ratios[-1]:.2f})"
    )


if __name__ == "__main__":
    main()
