"""Adds short forms of people's names: a passage about Angela Merkel says "Merkel", and so do answers to it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from inversion.names import fold
from inversion.records.data import ConflictItem

_JOINING = {"the", "and", "or", "of"}


def with_short_names(item: ConflictItem) -> ConflictItem:
    """The item with the last words of its answers' names as aliases, if its passage uses such short forms.

    It does if the context answer has several words, and the last of them also occurs alone in the passage. Nothing is
    added if the last word of one answer is a word of the other, because it could mean either, or if it is in the
    question ("the Bohr model").
    """
    both = item.context_answers, item.parametric_answers
    question_words = fold(item.question).split()
    lasts = [
        last if (last := _last(answers[0])) and fold(last).strip() not in question_words else None for answers in both
    ]
    if lasts[0] is None or not _stands_alone(item.context_answers[0], item.context or ""):
        return item
    words = [fold(" ".join(answers)).split() for answers in both]
    if any(last and fold(last).strip() in others for last, others in zip(lasts, reversed(words), strict=True)):
        return item
    context, parametric = (
        list(dict.fromkeys([*answers, *([last] if last else [])])) for answers, last in zip(both, lasts, strict=True)
    )
    return replace(item, context_answers=context, parametric_answers=parametric)


def short_name(answers: Sequence[str]) -> str | None:
    """The last word of the preferred answer if it is already one of the aliases, otherwise None."""
    last = _last(answers[0]) if answers else None
    return last if last in answers[1:] else None


def _last(name: str) -> str | None:
    """The last word of a name of several words, if it is a name by itself, which it is not in "Louis II", "Catherine
    the Great", "The Aztecs" and "China and Pakistan"."""
    *before, last = name.split() or [""]
    fits = len(last) > 2 and last.isalpha() and last[0].isupper() and not last.isupper()
    return last if before and fits and not _JOINING & {word.casefold() for word in before} else None


def _stands_alone(name: str, passage: str) -> bool:
    """Whether the last word of ``name`` occurs in ``passage`` without the word before it."""
    before, last = map(re.escape, name.split()[-2:])
    alone = re.sub(rf"(?<!\w){before}\s+{last}(?!\w)", " ", passage)
    return re.search(rf"(?<!\w){last}(?!\w)", alone) is not None
