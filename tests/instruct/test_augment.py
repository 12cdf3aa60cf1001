from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inversion.config.datasets import FileDataset, WorldDataset
from inversion.config.recipes import (
    ContextCriticalSelection,
    CounterfactualAugmentation,
    NoFactOverlapSelection,
    RandomSelection,
    Recipe,
)
from inversion.config.run import Run
from inversion.config.world import World
from inversion.instruct.augment import TrainingSetInputs, added_count, build_training_set, selection_counts
from inversion.instruct.rows import DataError
from inversion.instruct.sources import load_examples
from inversion.records.data import ConflictItem, ContextNeed, Example, Message, SelectionCount
from inversion.world.facts import build_world

RUN = Run("m", "d", "r", 0)
DATASET = WorldDataset(source="world", examples=90, context_critical=0.5, context_and_memory=0.5)


@pytest.fixture(scope="module")
def world():
    return build_world(World(known_subjects=40, new_subjects=40, answers=12))


@pytest.fixture(scope="module")
def examples(world):
    return load_examples(DATASET, "mix", world)


HALF = RandomSelection(by="random", drop=0.5)


def recipe(*select, share=None, source=None):
    return Recipe(select=select, augment=CounterfactualAugmentation(share=share, dataset=source) if share else None)


def build(examples, of, seed=0, **inputs):
    """The training set. Words are counted as tokens."""
    return build_training_set(
        RUN._replace(seed=seed),
        examples,
        of,
        lambda counted: [len(example.question.split()) for example in counted],
        TrainingSetInputs(**{"dataset": DATASET, **inputs}),
    )


def ids(examples):
    return [example.example_id for example in examples]


def people(count):
    """Rows about this many people, each with a passage that names the answer."""
    return [
        Example(
            f"qa-{n}",
            [Message("user", f"Who made thing {n}?"), Message("assistant", f"Ada B{'o' * n}m")],
            f"Thing {n} was made by Ada B{'o' * n}m.",
            None,
            None,
            None,
        )
        for n in range(count)
    ]


@given(count=st.integers(1, 10_000), share=st.floats(0.001, 0.9))
def test_the_share_is_of_the_final_set(count, share):
    added = added_count(CounterfactualAugmentation(share=share), count)
    nearest = share * count / (1 - share)
    assert added == max(1, added)
    assert abs(added - nearest) <= 0.5 + 1e-6 or added == 1


def test_added_examples_are_shuffled_into_the_set(world, examples):
    grown = build(examples, recipe(share=0.1), world=world).examples
    places = [index for index, example in enumerate(grown) if example.kind == "counterfactual"]
    assert len(grown) == 100
    assert len(places) == 10
    assert min(places) < 50 < max(places)
    assert set(ids(examples)) < set(ids(grown))
    assert grown == build(examples, recipe(share=0.1), world=world).examples
    assert ids(grown) != ids(build(examples, recipe(share=0.1), seed=1, world=world).examples)


def test_counterfactuals_of_the_world_need_a_world_dataset(world, examples):
    spec = FileDataset(source="file", path="x", format="alpaca")
    with pytest.raises(DataError, match=r"without `augment\.dataset` exist only for datasets with `source: world`"):
        build(examples, recipe(share=0.1), dataset=spec, world=world)


def test_substitutions_are_a_share_of_the_final_set(examples):
    built = build(examples, recipe(share=0.1, source="qa"), questions=people(15))
    added = [example for example in built.examples if example.kind == "counterfactual"]
    assert (len(built.examples), len(added)) == (100, 10)
    by_id = {example.example_id: example for example in people(15)}
    for example in added:
        original = by_id[example.example_id.removeprefix("counterfactual/")]
        assert example.answer != original.answer
        assert example.context == original.context.replace(original.answer, example.answer)
    assert "Of the 15 rows of qa, 15 have an answer that can be substituted" in built.page
    assert "### Added: 10 of 10" in built.page


def evaluated(role="conflict"):
    return {"s": [ConflictItem("i", "s", role, "q", "c", ["Ada Bm"], ["Ada Bom"], "x", "s", "thing 2")]}


def test_no_evaluated_fact_is_added(examples):
    built = build(examples, recipe(share=0.1, source="qa"), questions=people(18), sets=evaluated())
    texts = [f"{e.question} {e.context}" for e in built.examples if e.kind == "counterfactual"]
    assert len(texts) == 10
    assert not any(name in text for text in texts for name in ("Ada Bm", "Ada Bom", "hing 2?"))


def test_answers_that_are_not_facts_exclude_nothing(examples):
    """The items of memo-trap have no context, and end in words such as "did" and "many"."""
    proverb = replace(evaluated()["s"][0], context=None, context_answers=["made"], parametric_answers=["thing"])
    assert build(examples, recipe(share=0.1, source="qa"), questions=people(10), sets={"s": [proverb]})


def test_facts_that_a_selection_removes_do_not_come_back_in_passages(examples):
    questions = [
        replace(row, context=f"{row.context} It stands in Burma.") if n < 4 else row for n, row in enumerate(people(18))
    ]
    item = replace(evaluated()["s"][0], subject="Myanmar (Burma)")
    selects = NoFactOverlapSelection(by="no_fact_overlap", sets=("s",))
    for select, named in (((), True), ((selects,), False)):
        built = build(examples, recipe(*select, share=0.1, source="qa"), questions=questions, sets={"s": [item]})
        added = [example for example in built.examples if example.kind == "counterfactual"]
        assert len(added) == 10
        assert any("Burma" in example.context for example in added) is named


def test_too_few_remaining_substitutions_are_an_error(examples):
    questions = people(12)
    assert build(examples, recipe(share=0.1, source="qa"), questions=questions, sets=evaluated("control"))
    with pytest.raises(
        DataError, match=r"needs 10 counterfactual examples, but only \d are available\. Of the 12 rows of qa, 12"
    ):
        build(examples, recipe(share=0.1, source="qa"), questions=questions, sets=evaluated())


def test_duplicate_ids_are_an_error(examples):
    with pytest.raises(DataError, match="1 example ids occur twice in the training set, for example 'mix-000000'"):
        build([*examples, examples[0]], recipe())


def test_without_a_recipe_the_training_set_is_the_dataset(examples):
    built = build_training_set(RUN, examples, Recipe(), count_tokens=None)
    assert built.examples == examples
    assert {count.kept_tokens for count in built.counts} == {None}


def test_the_share_is_of_what_the_selection_kept(world, examples):
    built = build(examples, recipe(HALF, share=0.25), world=world).examples
    assert sum(example.kind == "counterfactual" for example in built) == 15
    assert len(built) == 60


def test_the_size_of_another_recipe_is_the_size_after_its_selections(world, examples):
    matched = {"other": recipe(RandomSelection(by="random", drop=0.3), share=0.5)}
    built = build(examples, recipe(RandomSelection(by="random", like="other")), matched=matched)
    assert len(built.examples) == 63


def test_draws_depend_on_the_runs_seed(examples):
    other = build(examples, recipe(HALF), seed=1)
    assert build(examples, recipe(HALF)).examples != other.examples
    assert {row.seed for row in other.counts} == {1}


def test_counts_by_kind(world, examples):
    need = [ContextNeed(e.example_id, 5.0 if e.kind == "C" else 0.1, 0.1, 1) for e in examples]
    chosen = recipe(ContextCriticalSelection(by="context_need", drop=0.5), share=0.1)
    counts = build(examples, chosen, context_need=need, world=world).counts
    assert [replace(count, kept_tokens=None, dropped_tokens=None, added_tokens=None) for count in counts] == [
        SelectionCount("m", "d", "r", 0, "C", kept=45, dropped=0, added=0),
        SelectionCount("m", "d", "r", 0, "C+S", kept=0, dropped=45, added=0),
        SelectionCount("m", "d", "r", 0, "counterfactual", kept=0, dropped=0, added=5),
    ]
    words = {kind: sum(len(e.question.split()) for e in examples if e.kind == kind) for kind in ("C", "C+S")}
    assert [(count.kept_tokens, count.dropped_tokens) for count in counts[:2]] == [(words["C"], 0), (0, words["C+S"])]


def test_unknown_kinds_count_together(examples):
    unknown = [replace(example, kind=None) for example in examples[:3]]
    assert selection_counts(RUN, unknown, unknown[1:]) == [
        SelectionCount("m", "d", "r", 0, "unknown", kept=2, dropped=1, added=0)
    ]
