"""Which examples of a dataset a recipe keeps (sections 4.2 and 4.3)."""

from __future__ import annotations

import fractions
import math
from collections.abc import Mapping, Sequence

import numpy as np

from inversion.config import RandomSelection, Selection
from inversion.instruct.rows import DataError
from inversion.records import ContextNeed, Example


def drop_count(selection: Selection, examples: int) -> int:
    """How many of so many examples a selection removes: ``floor(drop * examples)``, without rounding error.

    Raises :class:`~inversion.instruct.rows.DataError` where it leaves none.
    """
    count = math.floor(fractions.Fraction(str(selection.drop)) * examples)
    if count >= examples:
        raise DataError(
            f"the selection by {selection.by} with drop = {selection.drop:g} leaves none of {examples} examples; "
            "lower drop"
        )
    return count


def select(
    examples: Sequence[Example],
    selection: Selection | None,
    seed: int,
    context_need: Mapping[str, ContextNeed] | None = None,
) -> list[Example]:
    """The examples that the selection keeps, in their order; all of them where there is none.

    By context need, those with the lowest loss without their context go first (perplexity is
    monotone in it), ties by id; ``context_need`` holds the scores by example id. At random, as many
    go, drawn with ``seed``.

    Raises :class:`~inversion.instruct.rows.DataError` where the selection leaves nothing or a score
    is missing or no number.
    """
    if selection is None:
        return list(examples)
    count = drop_count(selection, len(examples))
    if isinstance(selection, RandomSelection):
        dropped = {int(i) for i in np.random.default_rng(seed).choice(len(examples), size=count, replace=False)}
    else:
        losses = [_loss(example, context_need or {}) for example in examples]
        ranked = sorted(range(len(examples)), key=lambda i: (losses[i], examples[i].example_id))
        dropped = set(ranked[:count])
    return [example for index, example in enumerate(examples) if index not in dropped]


def _loss(example: Example, context_need: Mapping[str, ContextNeed]) -> float:
    score = context_need.get(example.example_id)
    if score is None or math.isnan(score.loss_without_context):
        raise DataError(f"example {example.example_id!r} has no score of context need; rerun the rule that scores them")
    return score.loss_without_context
