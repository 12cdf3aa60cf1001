"""Answers that are given relative to the other one: "planned for 1889, but finished five years later" for 1894."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from decimal import Decimal

from inversion.matching.words import Words, read_words
from inversion.score.cues import SOURCE
from inversion.score.mentions import Mention, Side

_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_MORE = frozenset({"more", "later", "higher", "greater", "older", "longer", "taller", "after", "above"})
_LESS = frozenset({"fewer", "less", "lower", "earlier", "younger", "shorter", "before", "below"})
_BETWEEN = 2
"""The number of words that can be between a number and "more" ("five light years later")."""


def relative_mentions(
    words: Words, mentions: Sequence[Mention], context_answers: Sequence[str], parametric_answers: Sequence[str]
) -> list[Mention]:
    """Where the text gives one answer as a number more or less than the other, and nowhere else. It must name the other
    one, or compare with the passage ("ten years earlier than the passage says").

    The sum must be exactly the answer, so that other numbers in a text are never read as one.
    """
    named = {mention.side for mention in mentions}
    answers: dict[Side, set[Decimal]] = {"context": _values(context_answers), "parametric": _values(parametric_answers)}
    if len(named) > 1 or not all(answers.values()):
        return []
    (side,) = named or {"context"}
    other: Side = "parametric" if side == "context" else "context"
    taken = {place for mention in mentions for place in range(mention.start, mention.end)}
    return [
        Mention(start, end, other)
        for start, end, difference in _differences(words, taken)
        if (named or _OF_SOURCE.match(words.text, words.ends[end - 1]))
        and any(value + difference in answers[other] for value in answers[side])
    ]


_OF_SOURCE = re.compile(rf"\s+(?:than\s+)?(?:what\s+)?(?:the|this|that)\s+{SOURCE}\b")


def _values(answers: Sequence[str]) -> set[Decimal]:
    """The numbers of answers that begin with one."""
    first = (read_words(answer).words[:1] for answer in answers)
    return {Decimal(word[0]) for word in first if word and _NUMBER.fullmatch(word[0])}


def number_of(answers: Sequence[str]) -> Decimal | None:
    """The number that all aliases of an answer begin with; None if there is none or more than one."""
    values = _values(answers)
    return values.pop() if len(values) == 1 else None


def _differences(words: Words, taken: Collection[int]) -> list[tuple[int, int, Decimal]]:
    """The spans of "five years later" and the like, with the number that they add."""
    found = []
    for start, word in enumerate(words.words):
        if start in taken or not _NUMBER.fullmatch(word):
            continue
        for end in range(start + 1, min(start + 2 + _BETWEEN, len(words))):
            if words.words[end] in _MORE | _LESS:
                found.append((start, end + 1, Decimal(word) if words.words[end] in _MORE else -Decimal(word)))
                break
            if end in taken or words.gap(end + 1).strip():
                break
    return found
