"""Builds conflict sets and their matching controls from question-answering data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inversion.config.sets import SubstitutionSet
from inversion.instruct.rows import DataError
from inversion.instruct.substitution import Substitution, describe_counts, substitute
from inversion.records.data import ConflictItem, Example


def substitution_items(examples: Sequence[Example], spec: SubstitutionSet, name: str) -> list[ConflictItem]:
    """The items of the set ``name`` from the examples of its dataset, with the ids ``{name}-000000`` and so on.

    A conflict item has the passage with the substituted answer, which is its context answer; the original answer is the
    parametric one. A matching item, drawn in the same way, has the original passage. Items with the same question are a
    cluster, and the stratum is the type of the answer.

    Raises :class:`~inversion.instruct.rows.DataError` if the data gives fewer items than requested.
    """
    rows, skipped = substitute(examples, spec.seed)
    if len(rows) < spec.items:
        raise DataError(
            f"sets.{name}: dataset {spec.dataset!r} gives {len(rows)} items, not {spec.items}, out of {len(examples)} "
            f"rows ({describe_counts(skipped)}); set items to at most {len(rows)} or name more data"
        )
    chosen = np.sort(np.random.default_rng(spec.seed).choice(len(rows), size=spec.items, replace=False))
    return [_item(rows[index], spec, name, number) for number, index in enumerate(chosen)]


def _item(row: Substitution, spec: SubstitutionSet, name: str, number: int) -> ConflictItem:
    conflict, old = spec.kind == "conflict", row.original.answer.strip()
    return ConflictItem(
        item_id=f"{name}-{number:06d}",
        set=name,
        role="conflict" if conflict else "control",
        question=row.original.question,
        context=row.context if conflict else row.original.context,
        context_answers=[row.answer if conflict else old],
        parametric_answers=[old],
        cluster=" ".join(row.original.question.casefold().split()),
        stratum=row.type.split()[0],
    )
