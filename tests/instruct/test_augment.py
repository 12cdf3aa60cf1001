from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inversion.config import (
    ContextCriticalSelection,
    CounterfactualAugmentation,
    FileDataset,
    RandomSelection,
    Run,
    World,
    WorldDataset,
)
from inversion.instruct.augment import added_count, augment, build_training_set, selection_counts
from inversion.instruct.rows import DataError
from inversion.instruct.sources import load_examples
from inversion.records import ContextNeed, SelectionCount
from inversion.world.facts import build_world

RUN = Run("m", "d", "r", 0)
DATASET = WorldDataset(source="world", examples=90, context_critical=0.5, context_and_memory=0.5)


@pytest.fixture(scope="module")
def world():
    return build_world(World(known_subjects=40, new_subjects=40, answers=12))


@pytest.fixture(scope="module")
def examples(world):
    return load_examples(DATASET, "mix", world)


def ids(examples):
    return [example.example_id for example in examples]


@given(count=st.integers(1, 10_000), share=st.floats(0.001, 0.9))
def test_the_share_is_of_the_final_set(count, share):
    added = added_count(CounterfactualAugmentation(share=share), count)
    nearest = share * count / (1 - share)
    assert added == max(1, added)
    assert abs(added - nearest) <= 0.5 + 1e-6 or added == 1


def test_augmentation_is_spread_through_the_set(world, examples):
    spec = CounterfactualAugmentation(share=0.1)
    grown = augment(examples, spec, DATASET, world, seed=0)
    places = [index for index, example in enumerate(grown) if example.kind == "counterfactual"]
    assert len(grown) == 100
    assert len(places) == 10
    assert min(places) < 50 < max(places)
    assert set(ids(examples)) < set(ids(grown))
    assert grown == augment(examples, spec, DATASET, world, seed=0)
    assert ids(grown) != ids(augment(examples, spec, DATASET, world, seed=1))


def test_without_augmentation_nothing_changes(examples):
    assert augment(examples, None, DATASET, None, seed=0) == examples


def test_files_have_no_counterfactuals(world, examples):
    spec = FileDataset(source="file", path="x", format="alpaca")
    with pytest.raises(DataError, match="source: world"):
        augment(examples, CounterfactualAugmentation(share=0.1), spec, world, seed=0)


def test_ids_that_stand_twice_stop(examples):
    with pytest.raises(DataError, match="1 example ids stand twice in the training set, 'mix-000000' for one"):
        build_training_set(RUN, [*examples, examples[0]])


def test_without_a_recipe_the_training_set_is_the_dataset(examples):
    assert build_training_set(RUN, examples).examples == examples


def test_the_share_counts_what_the_selection_left(world, examples):
    half, quarter = RandomSelection(by="random", drop=0.5), CounterfactualAugmentation(share=0.25)
    built = build_training_set(RUN, examples, half, quarter, dataset=DATASET, world=world).examples
    assert sum(example.kind == "counterfactual" for example in built) == 15
    assert len(built) == 60


def test_the_runs_seed_draws(examples):
    half = RandomSelection(by="random", drop=0.5)
    other = build_training_set(RUN._replace(seed=1), examples, half)
    assert build_training_set(RUN, examples, half).examples != other.examples
    assert {row.seed for row in other.counts} == {1}


def test_counts_by_kind(world, examples):
    need = [ContextNeed(e.example_id, 5.0 if e.kind == "C" else 0.1, 1) for e in examples]
    select, add = ContextCriticalSelection(by="context_need", drop=0.5), CounterfactualAugmentation(share=0.1)
    assert build_training_set(RUN, examples, select, add, context_need=need, dataset=DATASET, world=world).counts == [
        SelectionCount("m", "d", "r", 0, "C", kept=45, dropped=0, added=0),
        SelectionCount("m", "d", "r", 0, "C+S", kept=0, dropped=45, added=0),
        SelectionCount("m", "d", "r", 0, "counterfactual", kept=0, dropped=0, added=5),
    ]


def test_kinds_that_nobody_knows_count_together(examples):
    unknown = [replace(example, kind=None) for example in examples[:3]]
    assert selection_counts(RUN, unknown, unknown[1:]) == [
        SelectionCount("m", "d", "r", 0, "unknown", kept=2, dropped=1, added=0)
    ]
