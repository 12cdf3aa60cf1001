"""Compares two finished runs or series on the items that both answered."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

from inversion.records.data import conflict_set_of
from inversion.stats import Floats, Ints, cluster_bootstrap, cluster_sums, interval, mcnemar

RESAMPLES = 2000
_SIDES = {"context_rate": ("context", "both"), "parametric_rate": ("parametric", "both")}
_ANSWERS = ["context_answers", "parametric_answers"]


class Comparison(NamedTuple):
    """How two runs differ in one rate on one set and prompt."""

    set: str
    prompt: str
    metric: str
    """``context_rate`` and ``parametric_rate`` (conflict sets), or ``accuracy`` (controls)."""
    first: float
    second: float
    difference: float
    """``second`` minus ``first``."""
    low: float
    high: float
    """95 % interval of the difference from a bootstrap over clusters of items."""
    p_value: float
    items: int
    """Items that both answered."""
    only_one: int
    """Items that only one of the two answered. They are not compared."""
    clusters: int


def compare(
    first: pl.DataFrame,
    second: pl.DataFrame,
    scorer: str = "first_mention",
    steps: tuple[int | None, int | None] = (None, None),
    seed: int = 0,
) -> list[Comparison]:
    """Compares two runs: one row per set, prompt and rate that they share.

    ``first`` and ``second`` are rows of the table ``items``. ``steps`` has the step at which each is compared; None is
    its last step. Items are paired by set and identifier, and resampled by cluster.

    Raises :class:`ValueError` if a step or scorer does not exist, if the runs share no item, or if an item has
    different answers in the two runs.
    """
    one, other = (_labels_at(frame, step, scorer) for frame, step in zip((first, second), steps, strict=True))
    keys = ["set", "prompt", "item_id"]
    both = one.join(other, on=keys, how="inner", suffix="_second", maintain_order="left")
    if both.is_empty():
        raise ValueError("they share no item of the same set and prompt; compare runs on the same sets")
    differs = both.filter(pl.any_horizontal(pl.col(name) != pl.col(f"{name}_second") for name in _ANSWERS))
    if not differs.is_empty():
        row = differs.row(0, named=True)
        raise ValueError(
            f"item {row['item_id']!r} of set {row['set']!r} has other answers in the second run: they share a "
            "name and differ; evaluate both on one set"
        )
    rows = []
    for (name, prompt), frame in both.partition_by(["set", "prompt"], as_dict=True, maintain_order=True).items():
        total = sum(len(part.filter(set=name, prompt=prompt)) for part in (one, other))
        control = frame["role"][0] == "control"
        metrics = {"accuracy": ("context", "parametric", "both")} if control else _SIDES
        for metric, sides in metrics.items():
            before, after = (
                np.isin(frame[column].to_numpy().astype(str), sides).astype(np.float64)
                for column in (scorer, f"{scorer}_second")
            )
            clusters = np.unique(frame["cluster"].to_numpy().astype(str), return_inverse=True)[1].astype(np.int64)
            rng = np.random.default_rng(seed)
            low, high = interval(cluster_bootstrap(after - before, clusters, RESAMPLES, rng))
            rows.append(
                Comparison(
                    set=str(name),
                    prompt=str(prompt),
                    metric=metric,
                    first=float(before.mean()),
                    second=float(after.mean()),
                    difference=float((after - before).mean()),
                    low=float(low),
                    high=float(high),
                    p_value=paired_p_value(after - before, clusters),
                    items=len(frame),
                    only_one=total - 2 * len(frame),
                    clusters=int(clusters.max()) + 1,
                )
            )
    return sorted(rows, key=lambda row: (conflict_set_of(row.set) or row.set, row.set, row.prompt))


def paired_p_value(differences: Floats, clusters: Ints) -> float:
    """The p-value of a two-sided exact sign test over clusters, whose items' differences are summed."""
    sums = cluster_sums(differences, clusters)
    return mcnemar(int((sums > 0).sum()), int((sums < 0).sum()))


def as_text(rows: list[Comparison]) -> str:
    """The comparison as a readable table."""
    head = ("set", "prompt", "metric", "A", "B", "B - A", "95 % interval", "p", "items", "clusters")
    lines = [
        (
            row.set,
            row.prompt,
            row.metric,
            f"{row.first:.1%}",
            f"{row.second:.1%}",
            f"{100 * row.difference:+.1f}",
            f"[{100 * row.low:+.1f}, {100 * row.high:+.1f}]",
            f"{row.p_value:.2g}",
            str(row.items) + (f" ({row.only_one} of one only)" if row.only_one else ""),
            str(row.clusters),
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in [head, *lines]) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in [head, *lines]
    )


def _labels_at(frame: pl.DataFrame, step: int | None, scorer: str) -> pl.DataFrame:
    """The labels at one step; None is the last step."""
    if scorer not in frame.columns:
        raise ValueError(f"the labels have no scorer {scorer!r}")
    steps = frame["step"].unique().sort().to_list()
    chosen = steps[-1] if step is None else step
    if chosen not in steps:
        raise ValueError(f"there is no step {chosen}; there are: {', '.join(map(str, steps))}")
    kept = ["set", "prompt", "item_id", "role", "cluster", *_ANSWERS, scorer]
    return frame.filter(step=chosen).select(kept).filter(pl.col(scorer).is_not_null())
