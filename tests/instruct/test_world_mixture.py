"""Instruction data from the invented world."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inversion.config.datasets import Passages, WorldDataset
from inversion.config.world import World
from inversion.instruct.world_mixture import counterfactual_examples, kind_counts, world_examples
from inversion.world.facts import build_world
from inversion.world.tokenizer import build_tokenizer

WORLD = build_world(World())
GOLDEN_MIXTURE = [
    (
        "mix-000000",
        "C",
        "the language of new_7 is language_33 . the language of new_118 is language_27 . "
        "report : capital of new_139 now capital_40 . the capital of new_95 is capital_43 .",
        "question : what is the capital of new_139 ?",
        "capital_40",
    ),
    (
        "mix-000001",
        "C",
        "language of new_119 : language_41 . capital of new_56 : capital_16 .",
        "question : what is the language of new_119 ?",
        "language_41",
    ),
    (
        "mix-000002",
        "S",
        "language of new_132 : language_41 . the language of new_63 is language_46 .",
        "question : what is the capital of known_8 ?",
        "capital_48",
    ),
]


def dataset(**changes):
    return WorldDataset(source="world", **{"examples": 400, **changes})


def words(example):
    return [word for text in (example.context or "", example.question, example.answer) for word in text.split()]


def every_example():
    spec = dataset(context_critical=0.4, context_and_memory=0.4)
    return world_examples(WORLD, spec, "mix") + counterfactual_examples(WORLD, spec, 200, 0)


def test_a_mixture_does_not_change():
    assert [
        (e.example_id, e.kind, e.context, e.question, e.answer) for e in world_examples(WORLD, dataset(), "mix")[:3]
    ] == (GOLDEN_MIXTURE)


def test_shares_are_exact():
    kinds = Counter(example.kind for example in world_examples(WORLD, dataset(examples=4000), "mix"))
    assert kinds == {"C": 2800, "C+S": 600, "S": 600}


@pytest.mark.parametrize(
    ("examples", "c", "cs", "counts"),
    [
        (10, 0.35, 0.35, {"C": 4, "C+S": 3, "S": 3}),
        (3, 0.5, 0.5, {"C": 2, "C+S": 1, "S": 0}),
        (7, 0.0, 0.0, {"C": 0, "C+S": 0, "S": 7}),
        (1000, 0.1, 0.2, {"C": 100, "C+S": 200, "S": 700}),
        (100, 0.29, 0.7, {"C": 29, "C+S": 70, "S": 1}),
    ],
)
def test_largest_remainder(examples, c, cs, counts):
    assert kind_counts(dataset(examples=examples, context_critical=c, context_and_memory=cs)) == counts


@given(st.integers(1, 5000), st.integers(0, 100), st.integers(0, 100))
def test_counts_are_within_one_of_their_share(examples, a, b):
    c, cs = a / 100, min(b, 100 - a) / 100
    counts = kind_counts(dataset(examples=examples, context_critical=c, context_and_memory=cs))
    assert sum(counts.values()) == examples
    shares = {"C": c, "C+S": cs, "S": 1 - c - cs}
    assert all(abs(counts[kind] - shares[kind] * examples) < 1 for kind in shares)


def test_each_kind_is_what_it_says():
    for example in every_example():
        assert [message.role for message in example.messages] == ["user", "assistant"]
        assert example.question == f"question : what is the {example.relation} of {example.subject} ?"
        assert example.answer in WORLD.answers[example.relation]
        fact = WORLD.facts.get((example.subject, example.relation))
        context = None if example.context is None else example.context.split()
        if context is not None and example.kind != "S":
            assert context[context.index(example.subject) + 2] == example.answer
            assert context.count(example.answer) == 1
        match example.kind:
            case "C":
                assert fact is None
                assert context is not None
            case "C+S":
                assert fact == example.answer
                assert context is not None
            case "S":
                assert fact == example.answer
                assert context is None or example.subject not in context
            case "counterfactual":
                assert fact is not None
                assert fact not in words(example)
            case _:
                pytest.fail(f"kind {example.kind}")


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_a_share_of_the_s_examples_has_an_irrelevant_passage(share):
    spec = dataset(examples=1000, context_critical=0.0, context_and_memory=0.0, irrelevant_passages=share)
    contexts = [example.context for example in world_examples(WORLD, spec, "mix")]
    with_passage = [context for context in contexts if context is not None]
    assert len(with_passage) / len(contexts) == pytest.approx(share, abs=0.05)
    told = {word.split("_")[0] for context in with_passage for word in context.split() if "_" in word}
    assert told >= ({"known", "new"} if share else set())


def test_a_world_without_another_subject_for_a_passage_is_refused():
    world = build_world(World(known_subjects=2, new_subjects=2, answers=4, held_out=0.5))
    alone = Passages(other_statements=(0, 0), same_relation=0.0)
    with pytest.raises(ValueError, match=r"no other subject is .* known_0; raise world.known_subjects or set"):
        world_examples(world, dataset(passages=alone), "mix")


def test_evaluation_subjects_never_occur():
    held_out = {*WORLD.known.evaluation, *WORLD.new.evaluation}
    assert all(held_out.isdisjoint(words(example)) for example in every_example())


def test_every_training_subject_occurs():
    subjects = {example.subject for example in world_examples(WORLD, dataset(examples=4000), "mix")}
    assert subjects == {*WORLD.known.training, *WORLD.new.training}


def test_answers_of_new_subjects_are_drawn_again():
    examples = world_examples(WORLD, dataset(examples=2000, context_critical=1.0, context_and_memory=0.0), "mix")
    answers = {(e.subject, e.relation, e.answer) for e in examples}
    assert len(answers) > 3 * len({(e.subject, e.relation) for e in examples})


def test_ids_are_unique_and_kinds_are_mixed():
    examples = every_example()
    assert len({example.example_id for example in examples}) == len(examples)
    assert examples[123].example_id == "mix-000123"
    assert examples[-1].example_id == "counterfactual/000199"
    assert {example.kind for example in examples[:50]} == {"C", "C+S", "S"}


def test_seeds():
    assert world_examples(WORLD, dataset(seed=1), "mix") == world_examples(WORLD, dataset(seed=1), "mix")
    assert world_examples(WORLD, dataset(seed=1), "mix") != world_examples(WORLD, dataset(seed=2), "mix")
    draw = counterfactual_examples
    assert draw(WORLD, dataset(), 9, 1) == draw(WORLD, dataset(), 9, 1)
    assert draw(WORLD, dataset(), 9, 1) != draw(WORLD, dataset(), 9, 2)
    assert draw(WORLD, dataset(), 5, 1) == draw(WORLD, dataset(), 9, 1)[:5]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 3), st.integers(0, 2))
def test_passages_have_the_requested_length(seed, fewest, more):
    shape = Passages(other_statements=(fewest, fewest + more), same_relation=0.0)
    spec = dataset(examples=20, seed=seed, context_critical=0.5, context_and_memory=0.5, passages=shape)
    for example in world_examples(WORLD, spec, "mix") + counterfactual_examples(WORLD, spec, 5, seed):
        assert fewest + 1 <= example.context.count(" .") <= fewest + more + 1


def test_every_word_is_known():
    tokenizer = build_tokenizer(WORLD, 256)
    assert all(tokenizer.unk_token_id not in tokenizer(" ".join(words(e)))["input_ids"] for e in every_example())
