"""Detects swapped context and parametric answers in a set, from the passages that name them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from inversion.conflict.values import stands_in
from inversion.instruct.rows import DataError
from inversion.records.data import ConflictItem


def swapped_items(items: Iterable[ConflictItem], native: Mapping[str, Mapping[str, str]]) -> list[ConflictItem]:
    """The items whose passages name the answers the wrong way round.

    The context of such an item names the parametric answer and not the context answer, or the release's own matching
    context (``native``, by item id and kind) names the context answer and not the parametric one. Items without both
    answers or without a context, and yes/no questions, whose answers are in no passage, are never among them.
    """
    return [item for item in items if can_be_swapped(item) and _swapped(item, native.get(item.item_id, {}))]


def can_be_swapped(item: ConflictItem) -> bool:
    """Whether the passages of an item can show which of its answers is which."""
    return bool(item.context and item.context_answers and item.parametric_answers) and item.kind != "yes_no"


def refuse_swapped(name: str, items: Sequence[ConflictItem], native: Mapping[str, Mapping[str, str]]) -> None:
    """Raises :class:`~inversion.instruct.rows.DataError` if most items name their answers the wrong way round."""
    tested = [item for item in items if can_be_swapped(item)]
    swapped = swapped_items(tested, native)
    if 2 * len(swapped) > len(tested):
        raise DataError(
            f"sets.{name}: in {len(swapped)} of {len(tested)} items the passages name the answers the wrong way round "
            f"(first: {swapped[0].item_id}); swap fields.context_answer and fields.parametric_answer, with their "
            "aliases"
        )


def _swapped(item: ConflictItem, native: Mapping[str, str]) -> bool:
    named, other = _named(item, item.context or "")
    if other and not named:
        return True
    if "matching" not in native:
        return False
    named, other = _named(item, native["matching"])
    return named and not other


def _named(item: ConflictItem, passage: str) -> tuple[bool, bool]:
    return stands_in(item.context_answers, passage), stands_in(item.parametric_answers, passage)
