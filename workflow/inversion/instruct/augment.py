"""Builds training sets: applies a recipe's selections, augmentations and indicator to a dataset (section 6)."""

from __future__ import annotations

import fractions
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from inversion.config.datasets import Dataset, WorldDataset
from inversion.config.recipes import CounterfactualAugmentation, Recipe
from inversion.config.run import Run
from inversion.instruct.fact_finder import FactFinder
from inversion.instruct.indicator import add_marker, choose_marked
from inversion.instruct.rows import DataError
from inversion.instruct.selection_page import indicator_section, selection_page
from inversion.instruct.selections import (
    SelectionInputs,
    evaluated_names,
    example_text,
    excluded_names,
    kept_examples,
    select,
)
from inversion.instruct.substitution import as_example, describe_counts, substitute, without_names
from inversion.instruct.world_mixture import counterfactual_examples
from inversion.records.data import ConflictItem, ContextNeed, Example, SelectionCount
from inversion.world.facts import InventedWorld

_PARTS = ("subject", "parametric_answer", "context_answer")


@dataclass(frozen=True)
class TrainingSetInputs:
    """What a recipe can need besides the examples of the dataset. Unneeded fields stay empty."""

    dataset: Dataset | None = None
    """The configuration of the dataset, for counterfactuals from the invented world."""
    world: InventedWorld | None = None
    context_need: Iterable[ContextNeed] = ()
    sets: Mapping[str, Sequence[ConflictItem]] = field(default_factory=dict)
    """The items of conflict sets by name: the sets that selections name, or all sets if the recipe substitutes
    answers."""
    matched: Mapping[str, Recipe] = field(default_factory=dict)
    """The recipes whose size a random selection copies, by name."""
    questions: Sequence[Example] = ()
    """The question-answering data in which answers are substituted."""


class AddedExamples(NamedTuple):
    """The examples of an augmentation."""

    examples: list[Example]
    note: str
    """One or two sentences on how they were made."""


class TrainingSet(NamedTuple):
    """The training set of a run, with a summary of how it was made."""

    examples: list[Example]
    counts: list[SelectionCount]
    """One row per kind of example."""
    page: str
    """The selection page in Markdown, which shows kept, dropped and added examples."""


def build_training_set(
    run: Run,
    examples: Sequence[Example],
    recipe: Recipe,
    count_tokens: Callable[[Sequence[Example]], list[int]],
    inputs: TrainingSetInputs | None = None,
) -> TrainingSet:
    """The training set of ``run``: ``examples`` after the recipe's selections, augmentation and indicator.

    ``count_tokens`` returns the number of tokens of each example. It is called only if the recipe selects or adds.

    Raises :class:`~inversion.instruct.rows.DataError` for the reasons of :func:`~inversion.instruct.selections.select`,
    :func:`counterfactuals` and :func:`~inversion.instruct.indicator.choose_marked`.
    """
    _require_unique(examples)
    inputs = inputs or TrainingSetInputs()
    need = {score.example_id: score for score in inputs.context_need}
    matched = {name: other.select for name, other in inputs.matched.items()}
    steps = select(examples, recipe.select, run.seed, SelectionInputs(need, inputs.sets, matched))
    kept = kept_examples(examples, steps)
    added, note = (
        counterfactuals(recipe.augment, len(kept), inputs, run.seed, excluded_names(recipe.select, inputs.sets))
        if recipe.augment
        else AddedExamples([], "")
    )
    everything = [*examples, *added]
    _require_unique(everything)
    tokens = None
    if steps or added:
        tokens = dict(zip((example.example_id for example in everything), count_tokens(everything), strict=True))
    page = selection_page(run, examples, steps, added, tokens or {}, need, note)
    if recipe.indicator:
        marked_examples = choose_marked(kept, recipe.indicator, need)
        page += indicator_section(recipe.indicator, marked_examples, run.seed)
        chosen = {example.example_id for example in (*marked_examples.marked, *added)}
        kept, added = (
            [add_marker(e, recipe.indicator.text) if e.example_id in chosen else e for e in part]
            for part in (kept, added)
        )
    built = shuffle_in(kept, added, run.seed)
    return TrainingSet(built, selection_counts(run, examples, built, tokens), page)


def added_count(spec: CounterfactualAugmentation, examples: int) -> int:
    """The number of examples to add to ``examples`` examples so that they are ``spec.share`` of the final set.

    It is rounded to the nearest integer, and is at least 1.
    """
    share = fractions.Fraction(str(spec.share))
    return max(1, round(examples * share / (1 - share)))


def counterfactuals(
    spec: CounterfactualAugmentation,
    examples: int,
    inputs: TrainingSetInputs,
    seed: int,
    excluded: Collection[str] = (),
) -> AddedExamples:
    """Counterfactual examples to add to ``examples`` examples. They are made from the data that ``spec`` names, or from
    the invented world if it names none.

    A substitution is omitted if its question or answers name a subject or answer of an evaluated item, or if it
    contains one of the ``excluded`` names anywhere, including its passage. The world's examples are about subjects that
    are never evaluated.

    Raises :class:`~inversion.instruct.rows.DataError` if there is no world, or if too few substitutions remain.
    """
    count = added_count(spec, examples)
    if spec.dataset is not None:
        return _substitutions(spec.dataset, count, inputs, seed, excluded)
    if inputs.world is None or not isinstance(inputs.dataset, WorldDataset):
        raise DataError(
            "counterfactual examples without `augment.dataset` exist only for datasets with `source: world`"
        )
    return AddedExamples(counterfactual_examples(inputs.world, inputs.dataset, count, seed), "Made from the world.")


def shuffle_in(examples: Sequence[Example], added: Sequence[Example], seed: int) -> list[Example]:
    """All examples in random order, or ``examples`` unchanged if nothing is added."""
    combined = [*examples, *added]
    return [combined[i] for i in np.random.default_rng(seed).permutation(len(combined))] if added else combined


def _substitutions(
    source: str, count: int, inputs: TrainingSetInputs, seed: int, excluded: Collection[str]
) -> AddedExamples:
    rows, skipped = substitute(inputs.questions, seed)
    # the items of memo-trap have no context, and their answers are common words ("did", "many") rather than facts
    items = [
        item
        for of_set in inputs.sets.values()
        for item in of_set
        if item.role == "conflict" and item.context is not None
    ]
    free = without_names(rows, evaluated_names(items, _PARTS))
    finder = FactFinder(excluded)
    free = [row for row in free if not finder.find(example_text(as_example(row)))]
    found = (
        f"Of the {len(inputs.questions)} rows of {source}, {len(rows)} have an answer that can be substituted "
        f"(omitted: {describe_counts(skipped)}); {len(rows) - len(free)} of these name an evaluated subject or answer"
    )
    if len(free) < count:
        raise DataError(
            f"the augmentation needs {count} counterfactual examples, but only {len(free)} are available. {found}; "
            "lower share, or set augment.dataset to other data"
        )
    drawn = np.random.default_rng(seed).choice(len(free), size=count, replace=False)
    return AddedExamples([as_example(free[place]) for place in drawn], f"{found} and are omitted.")


def selection_counts(
    run: Run, before: Sequence[Example], after: Sequence[Example], tokens: Mapping[str, int] | None = None
) -> list[SelectionCount]:
    """How many examples of each kind, and how many of their tokens, ``run`` kept, dropped and added. One row per kind,
    sorted by name."""
    old, new = {e.example_id for e in before}, {e.example_id for e in after}
    parts = (
        [e for e in before if e.example_id in new],
        [e for e in before if e.example_id not in new],
        [e for e in after if e.example_id not in old],
    )
    kinds = sorted({_kind(example) for part in parts for example in part})
    rows = []
    for kind in kinds:
        of_kind = [[e.example_id for e in part if _kind(e) == kind] for part in parts]
        totals = [None if tokens is None else sum(tokens[name] for name in names) for names in of_kind]
        rows.append(SelectionCount(*run, kind, *map(len, of_kind), *totals))
    return rows


def _kind(example: Example) -> str:
    return example.kind or "unknown"


def _require_unique(examples: Sequence[Example]) -> None:
    twice = [name for name, n in Counter(e.example_id for e in examples).items() if n > 1]
    if twice:
        raise DataError(f"{len(twice)} example ids occur twice in the training set, for example {twice[0]!r}")
