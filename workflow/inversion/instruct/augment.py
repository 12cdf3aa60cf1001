"""What a recipe adds to a dataset, and the training set that comes out (section 6)."""

from __future__ import annotations

import fractions
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from inversion.config import CounterfactualAugmentation, Dataset, Run, Selection, WorldDataset
from inversion.instruct.rows import DataError
from inversion.instruct.selections import select
from inversion.instruct.world_mixture import counterfactual_examples
from inversion.records import ContextNeed, Example, SelectionCount
from inversion.world.facts import InventedWorld


class TrainingSet(NamedTuple):
    """What a run trains on, and how it came about."""

    examples: list[Example]
    counts: list[SelectionCount]
    """A row a kind of example."""


def added_count(spec: CounterfactualAugmentation, examples: int) -> int:
    """How many examples to add to so many for them to be ``share`` of the final set (to the nearest, at least 1)."""
    share = fractions.Fraction(str(spec.share))
    return max(1, round(examples * share / (1 - share)))


def augment(
    examples: Sequence[Example],
    spec: CounterfactualAugmentation | None,
    dataset: Dataset | None,
    world: InventedWorld | None,
    seed: int,
) -> list[Example]:
    """The examples with counterfactual ones spread among them; as they are where ``spec`` is None.

    Raises :class:`~inversion.instruct.rows.DataError` where the dataset is not made from the world
    or two examples share an id.
    """
    if spec is None:
        return list(examples)
    if world is None or not isinstance(dataset, WorldDataset):
        raise DataError("counterfactual examples exist for datasets with `source: world` only")
    added = counterfactual_examples(world, dataset, added_count(spec, len(examples)), seed)
    combined = [*examples, *added]
    _require_unique(combined)
    return [combined[index] for index in np.random.default_rng(seed).permutation(len(combined))]


def build_training_set(
    run: Run,
    examples: Sequence[Example],
    selection: Selection | None = None,
    augmentation: CounterfactualAugmentation | None = None,
    *,
    context_need: Iterable[ContextNeed] = (),
    dataset: Dataset | None = None,
    world: InventedWorld | None = None,
) -> TrainingSet:
    """What ``run`` trains on: the selection from its dataset's examples, then what is added to it.

    ``context_need`` is needed for a selection by it, ``dataset`` and ``world`` for an augmentation.
    Raises as :func:`~inversion.instruct.selections.select` and :func:`augment`.
    """
    _require_unique(examples)
    scores = {score.example_id: score for score in context_need}
    built = augment(select(examples, selection, run.seed, scores), augmentation, dataset, world, run.seed)
    return TrainingSet(built, selection_counts(run, examples, built))


def selection_counts(run: Run, before: Sequence[Example], after: Sequence[Example]) -> list[SelectionCount]:
    """How many examples of each kind ``run`` kept, dropped and added: a row a kind, by name."""
    old, new = {e.example_id for e in before}, {e.example_id for e in after}
    kept = Counter(_kind(e) for e in before if e.example_id in new)
    dropped = Counter(_kind(e) for e in before if e.example_id not in new)
    added = Counter(_kind(e) for e in after if e.example_id not in old)
    return [
        SelectionCount(*run, kind, kept[kind], dropped[kind], added[kind]) for kind in sorted({*kept, *dropped, *added})
    ]


def _kind(example: Example) -> str:
    return example.kind or "unknown"


def _require_unique(examples: Sequence[Example]) -> None:
    twice = [name for name, n in Counter(e.example_id for e in examples).items() if n > 1]
    if twice:
        raise DataError(f"{len(twice)} example ids stand twice in the training set, {twice[0]!r} for one")
