"""Detects swapped context and parametric answers in a set, from the passages that name them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from inversion.conflict.values import are_sentences, which_occur_in
from inversion.instruct.rows import DataError
from inversion.records.data import ConflictItem

_LEAST_SHARE = 0.2
"""The least share of a set's items whose passages must name an answer for the set to be refused."""


def decisive_items(
    items: Iterable[ConflictItem], native: Mapping[str, Mapping[str, str]]
) -> tuple[list[ConflictItem], list[ConflictItem]]:
    """The items whose passages could show which of their answers is which, and those of them that look swapped.

    In the former, the context or the release's own matching context (``native``, by item id and kind) names at least
    one answer. Items without both answers or without a context are never among them, nor are yes/no questions, whose
    answers are in no passage, nor items with a name as one answer and a sentence as the other, because passages repeat
    names but not sentences.

    An item looks swapped if its context names the parametric answer and not the context answer, or the release's own
    matching context names the context answer and not the parametric one.
    """
    decisive, swapped = [], []
    for item in filter(_can_be_swapped, items):
        sides = (item.context_answers, item.parametric_answers)
        context = which_occur_in(sides, item.context or "")
        matching = which_occur_in(sides, native.get(item.item_id, {}).get("matching", ""))
        if any((*context, *matching)):
            decisive.append(item)
        if context == [False, True] or matching == [True, False]:
            swapped.append(item)
    return decisive, swapped


def refuse_swapped(name: str, items: Sequence[ConflictItem], native: Mapping[str, Mapping[str, str]]) -> None:
    """Raises :class:`~inversion.instruct.rows.DataError` if the answers look swapped in most passages.

    Passages that name no answer do not count. If they are more than four fifths, nothing is raised.
    """
    decisive, swapped = decisive_items(items, native)
    if 2 * len(swapped) > len(decisive) >= _LEAST_SHARE * sum(map(_can_be_swapped, items)):
        raise DataError(
            f"sets.{name}: in {len(swapped)} of {len(decisive)} items the passages name the answers the wrong way "
            f"round (first: {swapped[0].item_id}); swap fields.context_answer and fields.parametric_answer, with "
            "their aliases"
        )


def _can_be_swapped(item: ConflictItem) -> bool:
    sides = (item.context_answers, item.parametric_answers)
    return bool(item.context) and item.kind != "yes_no" and all(sides) and len(set(map(are_sentences, sides))) == 1
