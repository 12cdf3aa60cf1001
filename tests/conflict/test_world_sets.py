"""Conflict sets and controls from the invented world."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inversion.config.datasets import Passages, WorldDataset
from inversion.config.sets import WorldSet
from inversion.config.world import World
from inversion.conflict.world_sets import world_items
from inversion.instruct.world_mixture import counterfactual_examples, world_examples
from inversion.world.facts import build_world
from inversion.world.tokenizer import build_tokenizer

WORLD = build_world(World(held_out=0.25))
KINDS = ("conflict", "new_facts", "matching", "recall")
GOLDEN_ITEM = (
    "c-000000",
    "we know the capital of known_156 as capital_1 .",
    "question : what is the capital of known_156 ?",
    ["capital_1"],
    ["capital_52"],
)


def conflict_set(kind, **changes):
    return WorldSet(source="world", kind=kind, **{"items": 100, **changes})


def words(item):
    return f"{item.context or ''} {item.question}".split()


def target(item):
    """The subject and relation of an item, read from its question."""
    question = item.question.split()
    assert item.question == f"question : what is the {question[5]} of {question[7]} ?"
    return question[7], question[5]


def test_the_set_does_not_change():
    item = world_items(WORLD, conflict_set("conflict"), "c")[0]
    assert (item.item_id, item.context, item.question, item.context_answers, item.parametric_answers) == GOLDEN_ITEM


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([0.0, 0.4, 1.0]), st.sampled_from([(0, 0), (0, 2), (2, 3)]))
def test_conflict_items(seed, same, others):
    shape = Passages(other_statements=others, same_relation=same)
    for item in world_items(WORLD, conflict_set("conflict", items=60, seed=seed, passages=shape), "c"):
        subject, relation = target(item)
        (answer,), (fact,) = item.context_answers, item.parametric_answers
        assert item.role == "conflict"
        assert fact == WORLD.facts[subject, relation] != answer
        assert answer in WORLD.answers[relation]
        context = item.context.split()
        assert context[context.index(subject) + 2] == answer
        assert context.count(answer) == 1
        assert context.count(subject) == 1
        assert fact not in context


def test_new_facts_are_in_the_passage_only():
    for item in world_items(WORLD, conflict_set("new_facts"), "n"):
        subject, relation = target(item)
        assert item.role == "control"
        assert subject in WORLD.new.evaluation
        assert item.parametric_answers == []
        (answer,) = item.context_answers
        assert answer in WORLD.answers[relation]
        context = item.context.split()
        assert context[context.index(subject) + 2] == answer
        assert context.count(answer) == 1


def test_matching_passages_state_facts_only():
    for item in world_items(WORLD, conflict_set("matching", items=200), "m"):
        subject, relation = target(item)
        assert item.role == "control"
        assert item.context_answers == item.parametric_answers == [WORLD.facts[subject, relation]]
        context = item.context.split()
        assert context.count(item.context_answers[0]) == 1
        for i, word in enumerate(context):
            if word in WORLD.known.all:
                assert WORLD.facts[word, context[i - 2]] == context[i + 2]


def test_recall_has_no_passage():
    for item in world_items(WORLD, conflict_set("recall"), "r"):
        assert item.role == "control"
        assert item.context is None
        assert item.context_answers == []
        assert item.parametric_answers == [WORLD.facts[target(item)]]


@pytest.mark.parametrize("kind", KINDS)
def test_all_kinds_use_held_out_subjects_in_turn(kind):
    items = world_items(WORLD, conflict_set(kind, items=100 if kind == "recall" else 250), "s")
    assert [item.item_id for item in items][:2] == ["s-000000", "s-000001"]
    assert len({item.item_id for item in items}) == len(items)
    assert {item.set for item in items} == {"s"}
    for item in items:
        assert item.cluster == "/".join(target(item))
        assert item.stratum == target(item)[1]
        mentioned = {word for word in words(item) if word.startswith(("known_", "new_"))}
        assert mentioned <= {*WORLD.known.evaluation, *WORLD.new.evaluation}
    clusters = Counter(item.cluster for item in items)
    assert len(clusters) == 100
    assert max(clusters.values()) - min(clusters.values()) <= 1
    assert len({(item.question, item.context) for item in items}) == len(items)


def test_no_subject_is_both_trained_and_evaluated():
    spec = WorldDataset(source="world", examples=2000)
    examples = world_examples(WORLD, spec, "mix") + counterfactual_examples(WORLD, spec, 500, 0)
    trained = {word for e in examples for word in f"{e.context or ''} {e.question}".split() if "_" in word}
    items = [item for kind in KINDS for item in world_items(WORLD, conflict_set(kind), kind)]
    evaluated = {word for item in items for word in words(item) if word.startswith(("known_", "new_"))}
    assert trained.isdisjoint(evaluated)


@pytest.mark.parametrize("kind", KINDS)
def test_seeds(kind):
    first, again, other = (world_items(WORLD, conflict_set(kind, seed=seed), "s") for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_fewer_items_are_a_random_part_of_the_facts():
    items = world_items(WORLD, conflict_set("recall", items=40), "r")
    assert len({item.cluster for item in items}) == 40
    assert {item.stratum for item in items} == {"capital", "language"}


def test_more_items_than_exist_are_refused():
    with pytest.raises(ValueError, match=r"sets.r: the world gives 100 different items of kind 'recall', not 101; set"):
        world_items(WORLD, conflict_set("recall", items=101), "r")


def test_smallest_answer_sets_still_give_ambiguous_conflicts():
    world = build_world(World(known_subjects=12, new_subjects=12, answers=4, held_out=0.25))
    shape = Passages(other_statements=(0, 1), same_relation=1.0)
    for item in world_items(world, conflict_set("conflict", items=50, passages=shape), "c"):
        assert item.parametric_answers[0] not in item.context.split()


def test_every_word_is_known():
    tokenizer = build_tokenizer(WORLD, 256)
    for kind in KINDS:
        for item in world_items(WORLD, conflict_set(kind), kind):
            text = " ".join([*words(item), *item.context_answers, *item.parametric_answers])
            ids = tokenizer(text)["input_ids"]
            assert tokenizer.unk_token_id not in ids
            assert tokenizer.decode(ids) == text
