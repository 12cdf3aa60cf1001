"""The table ``agreement``: how often two scorers give the same label."""

from __future__ import annotations

import itertools

import numpy as np
import polars as pl

from inversion.analyse.panels import SIDES, scorers_in
from inversion.records.answers import Item
from inversion.records.frames import require_schema, to_frame
from inversion.records.tables import Agreement
from inversion.stats import kappa


def agreement(items: pl.DataFrame) -> pl.DataFrame:
    """The table ``agreement`` (:class:`~inversion.records.tables.Agreement`): one row per set, prompt and pair of
    scorers.

    All runs and steps are pooled. The labels ``other``, ``neither`` and ``abstains`` count as the same label.
    """
    require_schema(items, Item, "items", defaults=True)
    items = items.with_columns(
        pl.when(pl.col(scorer).is_in(SIDES)).then(pl.col(scorer)).otherwise(pl.lit("other")).alias(scorer)
        for scorer in scorers_in(items)
    )
    rows = [
        _agreement(name, prompt, first, second, counts)
        for first, second in itertools.combinations(scorers_in(items), 2)
        for (name, prompt), counts in items.lazy()
        .filter(pl.col("role") == "conflict")
        .group_by("set", "prompt", *dict.fromkeys((first, second, "containment")))
        .len()
        .collect()
        .sort("set", "prompt", first, second)
        .partition_by("set", "prompt", as_dict=True, maintain_order=True)
        .items()
    ]
    return to_frame(rows, Agreement).sort("set", "prompt", maintain_order=True)


def _agreement(name: str, prompt: str, first: str, second: str, counts: pl.DataFrame) -> Agreement:
    """The row of two scorers. ``counts`` says in column ``len`` how often each combination of labels occurs."""
    same = pl.col(first) == pl.col(second)
    one_answer = pl.col("containment").is_in(["context", "parametric"])
    n, agreeing, clear, clear_disagreeing = (
        int(counts.filter(condition)["len"].sum())
        for condition in (pl.lit(value=True), same, one_answer, one_answer & ~same)
    )
    labels = sorted({*counts[first], *counts[second]})
    table = np.zeros((len(labels), len(labels)))
    for a, b, count in counts.select(first, second, "len").iter_rows():
        table[labels.index(a), labels.index(b)] += count
    return Agreement(
        set=name,
        prompt=prompt,
        first=first,
        second=second,
        n=n,
        agreement=agreeing / n,
        kappa=kappa(table),
        one_answer=clear,
        one_answer_disagree=clear_disagreeing,
    )
