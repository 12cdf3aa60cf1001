"""Selects the examples of a dataset that a recipe keeps (sections 4.1 to 4.3)."""

from __future__ import annotations

import fractions
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from inversion.config.recipes import (
    ContextCriticalSelection,
    ContextOnlySelection,
    KindSelection,
    NeedScore,
    NoFactOverlapSelection,
    RandomSelection,
    Selection,
)
from inversion.instruct.fact_finder import FactFinder, FoundName
from inversion.instruct.rows import DataError
from inversion.names import listed_names
from inversion.records.data import ConflictItem, ContextNeed, Example

_DECIMALS = 5
"""Scores are compared after rounding to this many decimals, because they depend slightly on the batch composition."""


@dataclass(frozen=True)
class SelectionInputs:
    """What selections can need besides the examples. Unneeded fields stay empty."""

    context_need: Mapping[str, ContextNeed] = field(default_factory=dict)
    """Scores by example id."""
    sets: Mapping[str, Sequence[ConflictItem]] = field(default_factory=dict)
    """The items of conflict sets by name."""
    recipes: Mapping[str, Sequence[Selection]] = field(default_factory=dict)
    """The selections of the recipes whose size a random selection copies, by the name of the recipe."""


class SelectionStep(NamedTuple):
    """The result of one selection."""

    selection: Selection
    kept: list[Example]
    dropped: list[Example]
    reasons: dict[str, str]
    """The reason for each dropped example, as text, by its id. Selections by a single field give no reasons."""
    names: Mapping[str, Sequence[FoundName]]
    """The names found in each dropped example, by its id. Only ``no_fact_overlap`` gives them."""


class _Drops(NamedTuple):
    """The indices of the examples to drop, with reasons."""

    dropped: Collection[int]
    reasons: dict[str, str]
    names: Mapping[str, Sequence[FoundName]] = MappingProxyType({})


def select(
    examples: Sequence[Example], selections: Sequence[Selection], seed: int, inputs: SelectionInputs | None = None
) -> list[SelectionStep]:
    """Applies selections one after the other, and returns the examples that each keeps and drops.

    A selection by context need drops the lowest scores (:func:`need_score`), in a tie the lowest ids. Random selections
    use ``seed``. Raises :class:`~inversion.instruct.rows.DataError` if a selection keeps no example, or if ``inputs``
    lacks what it needs.
    """
    steps: list[SelectionStep] = []
    left = list(examples)
    for selection in selections:
        if not left:
            raise DataError(f"the selection by {selection.by} leaves no example; the dataset is empty")
        choice = _choose(left, selection, seed, inputs or SelectionInputs(), examples)
        kept = [example for place, example in enumerate(left) if place not in choice.dropped]
        if not kept:
            raise DataError(
                f"the selection by {selection.by} leaves none of {len(left)} examples{_FIXES.get(selection.by, '')}"
            )
        gone = [example for place, example in enumerate(left) if place in choice.dropped]
        steps.append(SelectionStep(selection, kept, gone, choice.reasons, choice.names))
        left = kept
    return steps


def kept_examples(examples: Sequence[Example], steps: Sequence[SelectionStep]) -> list[Example]:
    """The examples that the last step keeps, or all examples if there are no steps."""
    return list(steps[-1].kept if steps else examples)


def drop_count(drop: float, examples: int) -> int:
    """``floor(drop * examples)``, computed without rounding errors."""
    return math.floor(fractions.Fraction(str(drop)) * examples)


def need_score(need: ContextNeed, score: NeedScore) -> float:
    """The score by which an example is ranked, in nats per token of its answer. A high score means that it needs its
    context.

    ``difference`` subtracts log-perplexities. Differences of perplexities would be dominated by a few very unlikely
    answers.
    """
    without = need.loss_without_context
    return without - need.loss_with_context if score == "difference" else without


def ranked_by_need(
    examples: Sequence[Example], score: NeedScore, scores: Mapping[str, ContextNeed]
) -> tuple[list[int], dict[str, str]]:
    """The indices of the examples sorted by score and then id, and by id each score in words.

    Raises :class:`~inversion.instruct.rows.DataError` if an example has no score.
    """
    found = [_score(example, score, scores) for example in examples]
    ranked = sorted(
        range(len(examples)), key=lambda place: (round(found[place], _DECIMALS), examples[place].example_id)
    )
    return ranked, {
        example.example_id: f"{score:.3f} nats a token" for example, score in zip(examples, found, strict=True)
    }


def example_text(example: Example) -> str:
    """The whole text of an example: its context and every turn, separated by line breaks."""
    return "\n".join([example.context or "", *(message.content for message in example.messages)])


def evaluated_names(items: Iterable[ConflictItem], parts: Collection[str]) -> list[str]:
    """The names in the items' facts, sorted. ``parts`` lists which are included: ``subject``, ``parametric_answer`` and
    ``context_answer``.

    A subject with another name in brackets ("Myanmar (Burma)") counts as two names.
    """
    names: set[str] = set()
    for item in items:
        if "subject" in parts and item.subject:
            names.update(listed_names(item.subject))
        if "parametric_answer" in parts:
            names.update(item.parametric_answers)
        if "context_answer" in parts:
            names.update(item.context_answers)
    return sorted(names)


_FIXES = {
    "context_only": ": none has a context; use data with contexts, or another recipe",
    "no_fact_overlap": ": each names an evaluated fact; list fewer sets, or fewer parts of a fact under `names`",
    "kind": "; keep another kind",
}


def _choose(
    examples: Sequence[Example], selection: Selection, seed: int, inputs: SelectionInputs, whole: Sequence[Example]
) -> _Drops:
    """The examples that ``selection`` drops. ``whole`` is the whole dataset, on which the size of another recipe is
    computed."""
    match selection:
        case ContextOnlySelection():
            return _Drops(_indices(examples, lambda example: not example.context), {})
        case KindSelection():
            return _Drops(_indices(examples, lambda example: example.kind not in selection.keep), {})
        case ContextCriticalSelection():
            return _by_need(examples, selection, inputs.context_need)
        case NoFactOverlapSelection():
            return _by_names(examples, selection, inputs.sets)
        case RandomSelection():
            count = _random_count(examples, selection, seed, inputs, whole)
            drawn = np.random.default_rng(seed).choice(len(examples), size=count, replace=False)
            return _Drops({int(place) for place in drawn}, {})


def _indices(examples: Sequence[Example], drops: Callable[[Example], bool]) -> set[int]:
    return {place for place, example in enumerate(examples) if drops(example)}


def _by_need(
    examples: Sequence[Example], selection: ContextCriticalSelection, scores: Mapping[str, ContextNeed]
) -> _Drops:
    ranked, reasons = ranked_by_need(examples, selection.score, scores)
    return _Drops(set(ranked[: drop_count(selection.drop, len(examples))]), reasons)


def _score(example: Example, score: NeedScore, scores: Mapping[str, ContextNeed]) -> float:
    need = scores.get(example.example_id)
    found = math.nan if need is None else need_score(need, score)
    if math.isnan(found):
        raise DataError(f"example {example.example_id!r} has no score of context need; rerun the rule that scores them")
    return found


def excluded_names(selections: Iterable[Selection], sets: Mapping[str, Sequence[ConflictItem]]) -> list[str]:
    """The names that ``no_fact_overlap`` selections exclude from all examples.

    Raises :class:`~inversion.instruct.rows.DataError` if a set has none of the parts that a selection lists.
    """
    return [name for each in selections if isinstance(each, NoFactOverlapSelection) for name in _names_of(each, sets)]


def _names_of(selection: NoFactOverlapSelection, sets: Mapping[str, Sequence[ConflictItem]]) -> list[str]:
    names: list[str] = []
    for name in selection.sets:
        of_set = evaluated_names(sets[name], selection.names)
        if not of_set:
            raise DataError(
                f"the selection by no_fact_overlap finds no {' or '.join(selection.names)} in set {name!r}; "
                "list other parts of a fact under `names`"
            )
        names += of_set
    return names


def _by_names(
    examples: Sequence[Example], selection: NoFactOverlapSelection, sets: Mapping[str, Sequence[ConflictItem]]
) -> _Drops:
    finder = FactFinder(_names_of(selection, sets))
    found = {place: names for place, example in enumerate(examples) if (names := finder.find(example_text(example)))}
    by_id = {examples[place].example_id: names for place, names in found.items()}
    reasons = {example_id: "names " + ", ".join(map(str, names)) for example_id, names in by_id.items()}
    return _Drops(found, reasons, by_id)


def _random_count(
    examples: Sequence[Example],
    selection: RandomSelection,
    seed: int,
    inputs: SelectionInputs,
    whole: Sequence[Example],
) -> int:
    """The number of examples that a random selection drops."""
    if selection.like is None:
        return drop_count(selection.drop or 0.0, len(examples))
    kept = len(kept_examples(whole, select(whole, inputs.recipes[selection.like], seed, inputs)))
    if kept > len(examples):
        raise DataError(
            f"the random selection should keep as many examples as recipe {selection.like!r}, {kept}, "
            f"but only {len(examples)} are left; remove the selections before it"
        )
    return len(examples) - kept
