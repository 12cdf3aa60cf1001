"""Measures how often a third of the items gives the verdict and the estimates of all of them (``evaluation.design``).

On simulated answers with the number of items and checkpoints of real studies (see benchmarks/verdicts.py for the
simulation), and on the runs of ``make seeds`` if ``--results`` names its results. Estimates agree if rise and fall both
differ by less than the margin of 5 points.

    OMP_NUM_THREADS=1 python benchmarks/design.py --results results     # writes results/design.md
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import verdicts
from verdicts import Cell, Course, clusters_of

from inversion.analyse.inversions import inversions
from inversion.analyse.trend import MARGIN, Trend, fit_trend
from inversion.analyse.verdicts import FALLS, decide
from inversion.artifacts import write_text
from inversion.config.run import Run
from inversion.config.scorers import MAIN
from inversion.conflict.design import balanced_order
from inversion.parquet import read_parquet
from inversion.records.data import ConflictItem
from inversion.stats import Bools, Ints, cluster_sums

ROOT = Path(__file__).parents[1]
COURSES: tuple[Course, ...] = (
    verdicts.PLATEAU,
    verdicts.FALL_15,
    verdicts.FALL_30,
    verdicts.LINEAR,
    verdicts.SATURATING,
    verdicts.FLAT,
    verdicts.MONOTONE_FALL,
    *verdicts.DIPS,
)
SIZES = (
    (900, 100, 1),
    (4464, 100, 10),
    (4464, 21, 10),
    (2000, 33, 1),
    (1000, 46, 1),
    (500, 33, 1),
    (400, 46, 5),
    (400, 21, 1),
)
"""Items, checkpoints and items per cluster: studies of large models, of the model organism, and a small one."""


class Agreement(NamedTuple):
    """How often a sample agrees with all items, over runs."""

    runs: int
    verdict: float
    estimates: float
    opposite: int
    """Runs in which one of the two is a rise that stays (`no_drop`) and the other a fall."""


def compare(pairs: Iterator[tuple[tuple[str, float, float], tuple[str, float, float]]]) -> Agreement:
    """Agreement over runs. Each run is a pair: verdict, rise and fall of all items, and of the sample."""
    listed = list(pairs)
    same = sum(one[0] == other[0] for one, other in listed)
    close = sum(abs(one[1] - other[1]) < MARGIN and abs(one[2] - other[2]) < MARGIN for one, other in listed)
    fell = set(FALLS)
    opposite = sum(({one[0], other[0]} & fell != set()) and "no_drop" in (one[0], other[0]) for one, other in listed)
    return Agreement(len(listed), same / len(listed), close / len(listed), opposite)


def sample(clusters: Ints, share: float) -> Ints:
    """The indices of a balanced sample of items."""
    items = [
        ConflictItem(f"{n}", "conflict", "conflict", "", "", [], [], f"{cluster}", "")
        for n, cluster in enumerate(clusters.tolist())
    ]
    return np.sort(balanced_order(items, round(share * len(items)), 0))


def estimated(given: Bools, clusters: Ints) -> tuple[str, float, float]:
    """Verdict, rise and fall of simulated answers."""
    codes = np.unique(clusters, return_inverse=True)[1]
    sizes = np.bincount(codes).astype(np.float64)
    trend: Trend = fit_trend(cluster_sums(given.astype(np.float64), codes), sizes, verdicts.DRAWS)
    return decide(trend), trend.rise.value, trend.fall.value


def simulated(items: int, checkpoints: int, cluster: int, repetitions: int, share: float) -> Agreement:
    """Agreement on simulated answers, over all courses."""
    chosen = sample(clusters_of(items, cluster), share)
    cells = [Cell("a third of the items", course, (), None, items, checkpoints, cluster=cluster) for course in COURSES]
    return compare(
        (estimated(given, clusters), estimated(given[chosen], clusters[chosen]))
        for cell in cells
        for given, clusters in cell.draws(repetitions, 2026)
    )


def measured(results: Path, share: float) -> Iterator[tuple[str, str, Agreement, str]]:
    """Agreement on the runs in ``results``, by the models' family and by recipe, with the verdicts that differ."""
    table = read_parquet(results / "tables/items.parquet").filter(set="conflict")
    first = table.filter(pl.struct(*Run._fields) == table.select(pl.struct(*Run._fields)).item(0, 0))
    first = first.filter(pl.col("step") == first["step"].min())
    items = [
        ConflictItem(*row[:2], "conflict", "", "", [], [], row[2], row[3], factors=row[4])
        for row in first.select("item_id", "set", "cluster", "stratum", "factors").iter_rows()
    ]
    chosen = [items[place].item_id for place in balanced_order(items, round(share * len(items)), 0)]
    keys = [*Run._fields]
    whole, third = (
        inversions(frame, 2000).filter(stratum="all", scorer=MAIN).select(*keys, "verdict", "rise", "fall")
        for frame in (table, table.filter(pl.col("item_id").is_in(chosen)))
    )
    both = whole.join(third, on=keys, suffix="_third").with_columns(family=pl.col("model").str.replace(r"-\d+$", ""))
    for (family, recipe), rows in both.sort("family", "recipe").group_by("family", "recipe", maintain_order=True):
        pairs = rows.select("verdict", "rise", "fall", "verdict_third", "rise_third", "fall_third").rows()
        changes = Counter(f"{row[0]} to {row[3]}" for row in pairs if row[0] != row[3])
        found = compare((row[:3], row[3:]) for row in pairs)
        yield family, recipe, found, ", ".join(f"{n} {change}" for change, n in changes.items()) or "-"


INTRODUCTION = """# The verdict on a third of the items

`python benchmarks/design.py` evaluates a balanced third of the items at every checkpoint (`evaluation.design`) and
compares verdict and estimates with those of all items. *Estimates agree* if rise and fall both differ by less than
the margin of 5 points. *Opposite* counts the runs in which one of the two finds a fall and the other excludes one
(`no_drop`).
"""


def main() -> None:
    """Simulate, read the results of `make seeds` if they are given, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=50, help="simulated runs of each of the ten trends")
    parser.add_argument("--share", type=float, default=1 / 3)
    parser.add_argument("--results", type=Path, help="results of `make seeds`")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks/results/design.md")
    options = parser.parse_args()

    def cells(found: Agreement) -> list[str]:
        return [str(found.runs), f"{found.verdict:.1%}", f"{found.estimates:.1%}", str(found.opposite)]

    head = ["runs", "same verdict", "estimates agree", "opposite"]
    lines = INTRODUCTION.splitlines()
    if options.results:
        rows = list(measured(options.results, options.share))
        total = sum(found.runs for _, _, found, _ in rows)
        same = sum(found.runs * found.verdict for _, _, found, _ in rows) / total
        close = sum(found.runs * found.estimates for _, _, found, _ in rows) / total
        lines += ["", "## On the runs of `make seeds` (400 items, 133 in the sample)", ""]
        lines += verdicts.table(
            ["family", "recipe", *head, "verdicts that differ (all items to a third)"],
            [[family, recipe, *cells(found), changes] for family, recipe, found, changes in rows],
        )
        lines += ["", f"Of all {total} runs, {same:.1%} have the same verdict, and in {close:.1%} the estimates agree."]
    lines += ["", "## On simulated answers", ""]
    lines += [
        f"{options.repetitions} runs of each of {len(COURSES)} trends per row: plateaus, rises, falls and recoveries."
    ]
    lines += ["Checkpoints scatter by 3 points (autocorrelation 0.3).", ""]
    rows = []
    for items, checkpoints, cluster in SIZES:
        found = simulated(items, checkpoints, cluster, options.repetitions, options.share)
        rows.append([str(items), str(round(items * options.share)), str(checkpoints), str(cluster), *cells(found)])
        print(*rows[-1], sep=" | ", flush=True)
    lines += verdicts.table(["items", "in the sample", "checkpoints", "items per cluster", *head], rows)
    write_text(options.output, "\n".join(lines).replace("%", " %") + "\n")


if __name__ == "__main__":
    main()
