"""Marks the examples that need their context most with an indicator (Wang et al., arXiv 2411.02688)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from inversion.config.recipes import Indicator
from inversion.instruct.selections import drop_count, ranked_by_need
from inversion.records.data import ContextNeed, Example, Message


class MarkedExamples(NamedTuple):
    """The examples with a context, split into those to mark and the others. The marker is not yet added."""

    marked: list[Example]
    unmarked: list[Example]
    reasons: dict[str, str]
    """The reason for each example, as text, by its id."""


def choose_marked(
    examples: Sequence[Example], indicator: Indicator, scores: Mapping[str, ContextNeed]
) -> MarkedExamples:
    """Chooses the share ``indicator.share`` of the examples with a context: those that need it most.

    In a tie the last examples by id are chosen. Both lists keep the order of ``examples``.

    Raises :class:`~inversion.instruct.rows.DataError` if an example has no score.
    """
    with_context = [example for example in examples if example.context]
    ranked, reasons = ranked_by_need(with_context, indicator.score, scores)
    chosen = set(ranked[len(ranked) - drop_count(indicator.share, len(ranked)) :])
    return MarkedExamples(
        [example for place, example in enumerate(with_context) if place in chosen],
        [example for place, example in enumerate(with_context) if place not in chosen],
        reasons,
    )


def add_marker(example: Example, text: str) -> Example:
    """The example with ``text`` before its question, where a prompt has its instruction."""
    first = next(place for place, message in enumerate(example.messages) if message.role == "user")
    messages = list(example.messages)
    messages[first] = Message("user", f"{text} {messages[first].content}")
    return replace(example, messages=messages)
