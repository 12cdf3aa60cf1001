"""Augmentations of a dataset, and the resulting training set (section 6)."""

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
from inversion.instruct.indicator import choose_marked, marked
from inversion.instruct.rows import DataError
from inversion.instruct.selection_page import indicator_chapter, selection_page
from inversion.instruct.selections import (
    Evidence,
    FactFinder,
    barred_names,
    evaluated_names,
    example_text,
    kept_examples,
    select,
)
from inversion.instruct.substitution import counterfactual_example, in_words, substitute, without_names
from inversion.instruct.world_mixture import counterfactual_examples
from inversion.records.data import ConflictItem, ContextNeed, Example, SelectionCount
from inversion.world.facts import InventedWorld

_PARTS = ("subject", "parametric_answer", "context_answer")


@dataclass(frozen=True)
class Materials:
    """The inputs of a training set, in addition to its dataset's examples; a recipe needs only its own part."""

    dataset: Dataset | None = None
    """The dataset of the examples, for counterfactuals of the world."""
    world: InventedWorld | None = None
    context_need: Iterable[ContextNeed] = ()
    sets: Mapping[str, Sequence[ConflictItem]] = field(default_factory=dict)
    """Evaluated items by the name of their set: those that selections name, and all for substitutions."""
    matched: Mapping[str, Recipe] = field(default_factory=dict)
    """The recipes whose size a random selection copies, by name."""
    questions: Sequence[Example] = ()
    """The question-answering data that substitutions are made from."""


class Added(NamedTuple):
    """The examples of an augmentation."""

    examples: list[Example]
    note: str
    """How they came about, in a sentence or two."""


class TrainingSet(NamedTuple):
    """The training set of a run, and how it was made."""

    examples: list[Example]
    counts: list[SelectionCount]
    """One row per kind of example."""
    page: str
    """The kept, dropped and added examples, for the selection page; Markdown."""


def build_training_set(
    run: Run,
    examples: Sequence[Example],
    recipe: Recipe,
    count_tokens: Callable[[Sequence[Example]], list[int]],
    materials: Materials | None = None,
) -> TrainingSet:
    """The training set of ``run``: its dataset's examples after the recipe's selections, additions and marks.

    ``count_tokens`` gives the tokens of each example; it is called for a recipe that selects or adds.
    Raises as :func:`~inversion.instruct.selections.select`, :func:`counterfactuals` and
    :func:`~inversion.instruct.indicator.choose_marked`.
    """
    _require_unique(examples)
    materials = materials or Materials()
    need = {score.example_id: score for score in materials.context_need}
    matched = {name: other.select for name, other in materials.matched.items()}
    steps = select(examples, recipe.select, run.seed, Evidence(need, materials.sets, matched))
    kept = kept_examples(examples, steps)
    added, note = (
        counterfactuals(recipe.augment, len(kept), materials, run.seed, barred_names(recipe.select, materials.sets))
        if recipe.augment
        else Added([], "")
    )
    everything = [*examples, *added]
    _require_unique(everything)
    tokens = None
    if steps or added:
        tokens = dict(zip((example.example_id for example in everything), count_tokens(everything), strict=True))
    page = selection_page(run, examples, steps, added, tokens or {}, need, note)
    if recipe.indicator:
        marking = choose_marked(kept, recipe.indicator, need)
        page += indicator_chapter(recipe.indicator, marking, run.seed)
        chosen = {example.example_id for example in (*marking.marked, *added)}
        kept, added = (
            [marked(e, recipe.indicator.text) if e.example_id in chosen else e for e in part] for part in (kept, added)
        )
    built = spread(kept, added, run.seed)
    return TrainingSet(built, selection_counts(run, examples, built, tokens), page)


def added_count(spec: CounterfactualAugmentation, examples: int) -> int:
    """How many examples to add to so many for them to be ``share`` of the final set (to the nearest, at least 1)."""
    share = fractions.Fraction(str(spec.share))
    return max(1, round(examples * share / (1 - share)))


def counterfactuals(
    spec: CounterfactualAugmentation, examples: int, materials: Materials, seed: int, barred: Collection[str] = ()
) -> Added:
    """The examples to add to a number of examples: from the data that ``spec`` names, or else from the invented world.

    Substitutions whose question or answers name a subject or answer under evaluation are omitted, and those that hold
    one of the ``barred`` names anywhere, be it in the passage. The world's examples are about subjects that evaluation
    never asks for. Raises :class:`~inversion.instruct.rows.DataError`
    if there is no world to draw from, or too few substitutions are left.
    """
    count = added_count(spec, examples)
    if spec.dataset is not None:
        return _substitutions(spec.dataset, count, materials, seed, barred)
    if materials.world is None or not isinstance(materials.dataset, WorldDataset):
        raise DataError(
            "counterfactual examples without `augment.dataset` exist only for datasets with `source: world`"
        )
    return Added(counterfactual_examples(materials.world, materials.dataset, count, seed), "Made from the world.")


def spread(examples: Sequence[Example], added: Sequence[Example], seed: int) -> list[Example]:
    """The added examples at random among the others; these as they are where nothing is added."""
    combined = [*examples, *added]
    return [combined[i] for i in np.random.default_rng(seed).permutation(len(combined))] if added else combined


def _substitutions(source: str, count: int, materials: Materials, seed: int, barred: Collection[str]) -> Added:
    rows, left_out = substitute(materials.questions, seed)
    # memo-trap's items have no context, and their answers are everyday words ("did", "many") and no facts
    items = [
        item
        for of_set in materials.sets.values()
        for item in of_set
        if item.role == "conflict" and item.context is not None
    ]
    free = without_names(rows, evaluated_names(items, _PARTS))
    finder = FactFinder(barred)
    free = [row for row in free if not finder.find(example_text(counterfactual_example(row)))]
    found = (
        f"Of the {len(materials.questions)} rows of {source}, {len(rows)} have an answer that can be substituted "
        f"(omitted: {in_words(left_out)}); {len(rows) - len(free)} of these name an evaluated subject or answer"
    )
    if len(free) < count:
        raise DataError(
            f"the augmentation needs {count} counterfactual examples, but only {len(free)} are available. {found}; "
            "lower share, or set augment.dataset to other data"
        )
    drawn = np.random.default_rng(seed).choice(len(free), size=count, replace=False)
    return Added([counterfactual_example(free[place]) for place in drawn], f"{found} and are omitted.")


def selection_counts(
    run: Run, before: Sequence[Example], after: Sequence[Example], tokens: Mapping[str, int] | None = None
) -> list[SelectionCount]:
    """How many examples of each kind ``run`` kept, dropped and added, and their tokens: one row per kind, by name."""
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
