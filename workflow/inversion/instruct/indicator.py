"""A marker on the examples that need their context most (Wang et al., arXiv 2411.02688)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from inversion.config.recipes import Indicator
from inversion.instruct.selections import drop_count, ranked_by_need
from inversion.records.data import ContextNeed, Example, Message


class Marking(NamedTuple):
    """Which of the examples with a context are marked; all as they were before."""

    marked: list[Example]
    unmarked: list[Example]
    reasons: dict[str, str]
    """The reason for each example, in words, by example id."""


def choose_marked(examples: Sequence[Example], indicator: Indicator, scores: Mapping[str, ContextNeed]) -> Marking:
    """The share of the examples with a context that needs it most, ties to the last by id; both in order.

    Raises :class:`~inversion.instruct.rows.DataError` if an example has no score.
    """
    with_context = [example for example in examples if example.context]
    ranked, reasons = ranked_by_need(with_context, indicator.score, scores)
    chosen = set(ranked[len(ranked) - drop_count(indicator.share, len(ranked)) :])
    return Marking(
        [example for place, example in enumerate(with_context) if place in chosen],
        [example for place, example in enumerate(with_context) if place not in chosen],
        reasons,
    )


def marked(example: Example, text: str) -> Example:
    """The example with ``text`` before its question, at the position of a prompt's instruction."""
    first = next(place for place, message in enumerate(example.messages) if message.role == "user")
    messages = list(example.messages)
    messages[first] = Message("user", f"{text} {messages[first].content}")
    return replace(example, messages=messages)
