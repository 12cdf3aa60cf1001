"""Builds controls for conflict items: the same questions with a passage that agrees with memory, an irrelevant passage,
or no passage. A model that always copies, or never does, cannot answer all of them correctly."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from inversion.config.sets import Control
from inversion.conflict.short_names import short_name
from inversion.names import bare, fold
from inversion.records.data import ConflictItem, control_set

_SEED = 0
"""The seed for drawing the passages of irrelevant controls. It is the same for every set and run."""
_PROVERB = re.compile(r'(?<=ends in the word ")[^"]+(?=")')


def control_items(
    items: Sequence[ConflictItem],
    kinds: Iterable[Control],
    native: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
    passages: str = "native",
) -> list[ConflictItem]:
    """The controls of the conflict ``items``, kind by kind, in the order of the items.

    If the set's source has passages for controls (``native``, by item id and kind), these are used. Otherwise passages
    are generated as described below. The field ``control`` of a control says which (``passages`` is its value for the
    former).

    A control has the item's id and cluster, so that the two can be paired, the role ``control``, and the set
    ``{set}+{kind}``:

    - ``matching`` is :func:`matching_item`.
    - ``irrelevant`` has the passage of another item, drawn with a fixed seed, that names neither an answer nor the
      subject (or, if the subject is not known, no capitalised word of the question).
    - ``no_context`` has no passage.

    The correct answer is the parametric answer, so items without one have no controls. Only matching controls have a
    context answer, which is the same. An item without a suitable passage has no such control; the audit counts them.
    """
    conflicts = [item for item in items if item.role == "conflict" and item.parametric_answers]
    kinds = list(dict.fromkeys(kinds))
    others = list(dict.fromkeys(item.context for item in conflicts if item.context)) if "irrelevant" in kinds else []
    folded = [fold(passage) for passage in others]
    rng = np.random.default_rng(_SEED)
    controls = []
    for kind in kinds:
        for item in conflicts:
            origin: str | None = passages
            own = native.get(item.item_id, {}).get(kind)
            control: ConflictItem | None
            if kind == "no_context":
                control, origin = _alone(item, None), None
            elif own is not None:
                right = item.parametric_answers if kind == "matching" else []
                control = replace(item, context=own, context_answers=list(right))
            else:
                origin = "synthetic"
                place = _foreign(item, folded, rng) if kind == "irrelevant" else None
                other = None if place is None else _alone(item, others[place])
                control = matching_item(item) if kind == "matching" else other
            if control is not None:
                controls.append(replace(control, set=control_set(item.set, kind), role="control", control=origin))
    return controls


def matching_item(item: ConflictItem) -> ConflictItem | None:
    """The item with its two answers, including all aliases, swapped in the passage, so that the passage agrees with
    memory. Both answers are then the correct answer. If the conflict is in the question (proverbs), the question asks
    for the well-known ending instead.

    None if the passage contains no form of the context answer, if the question contains an answer (the passage would
    then be about something else), or if a part of a person's name would remain.
    """
    right = list(item.parametric_answers)
    if not right or item.kind == "yes_no":  # a passage contains no yes or no to swap
        return None
    if item.context is None:
        question = _PROVERB.sub(lambda _: right[0], item.question)
        return None if question == item.question else replace(item, question=question, context_answers=right)
    new = _pattern(item.context_answers)
    if not new.search(item.context) or answer_in_question(item):
        return None
    either = _pattern([*item.context_answers, *item.parametric_answers])
    context = either.sub(lambda m: right[0] if new.fullmatch(m[0]) else item.context_answers[0], item.context)
    if short_name(item.context_answers) and _parts(item.context_answers[0]) & _parts(either.sub(" ", item.context)):
        return None
    return replace(item, context=context, context_answers=right)


def answer_in_question(item: ConflictItem) -> bool:
    """Whether the question names an answer ("the capital of Guinea-Bissau"), as whole words."""
    question = fold(item.question)
    return any(bare(answer) in question for answer in (*item.context_answers, *item.parametric_answers))


def _parts(text: str) -> set[str]:
    """The capitalised words of at least three letters."""
    return {word for word in re.findall(r"[^\W\d_]{3,}", text) if word[0].isupper()}


def _alone(item: ConflictItem, passage: str | None) -> ConflictItem:
    """The item with a passage that is unrelated to its answers, or without a passage."""
    return replace(item, context=passage, context_answers=[])


def _foreign(item: ConflictItem, passages: Sequence[str], rng: np.random.Generator) -> int | None:
    """The index of a random passage that names nothing of ``item``. ``passages`` are normalised."""
    subject = [item.subject] if item.subject else re.findall(r"(?<!^)\b[A-Z]\w+", item.question)
    names = [bare(name) for name in (*item.context_answers, *item.parametric_answers, *subject)]
    order = (int(place) for place in rng.permutation(len(passages)))
    return next((place for place in order if not any(name in passages[place] for name in names)), None)


def _pattern(answers: Iterable[str]) -> re.Pattern[str]:
    """A pattern that matches any of the answers as whole words, the longest first, regardless of case."""
    forms = "|".join(re.escape(answer) for answer in sorted(answers, key=lambda answer: (-len(answer), answer)))
    return re.compile(rf"(?<!\w)(?:{forms})(?!\w)", re.IGNORECASE)
