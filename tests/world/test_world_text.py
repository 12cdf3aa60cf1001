"""Statements, questions and passages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inversion.config.datasets import Passages
from inversion.config.world import World
from inversion.world.facts import build_world, generator
from inversion.world.text import (
    STATEMENTS,
    Statement,
    answered_question,
    build_passage,
    invented_statement,
    known_statement,
    phrase,
    question,
)

WORLD = build_world(World(known_subjects=16, new_subjects=16, relations=3, answers=4))


def test_templates_word_by_word():
    statement = Statement("known_1", "capital", "capital_2")
    rng = generator("test", 0)
    assert {phrase(statement, rng) for _ in range(200)} == {
        "the capital of known_1 is capital_2 .",
        "report : capital of known_1 now capital_2 .",
        "we know the capital of known_1 as capital_2 .",
        "capital of known_1 : capital_2 .",
    }
    assert question("known_1", "capital") == "question : what is the capital of known_1 ?"
    assert answered_question(statement) == "question : what is the capital of known_1 ? answer capital_2 ."


@pytest.mark.parametrize("template", STATEMENTS)
def test_answer_follows_its_subject_after_exactly_one_word(template):
    words = template.split()
    assert words.index("{answer}") - words.index("{subject}") == 2


def test_known_statement_is_the_fact():
    assert known_statement(WORLD, "known_3", "language").answer == WORLD.facts["known_3", "language"]


@given(st.integers(0, 10_000), st.sampled_from(WORLD.known.all), st.sampled_from(WORLD.relations))
def test_invented_statement_contradicts_the_fact(seed, subject, relation):
    avoided = WORLD.answers[relation][0]
    statement = invented_statement(WORLD, subject, relation, generator("test", seed), [avoided])
    assert statement.answer in WORLD.answers[relation]
    assert statement.answer not in (WORLD.facts[subject, relation], avoided)


@st.composite
def passages(draw):
    """A passage, with the arguments from which it was built."""
    new, truthful = draw(st.sampled_from([(False, False), (False, True), (True, False)]))
    subjects = (WORLD.new if new else WORLD.known).all
    subject, relation = draw(st.sampled_from(subjects)), draw(st.sampled_from(WORLD.relations))
    rng = generator("test", draw(st.integers(0, 10_000)))
    make = known_statement if truthful else lambda *of: invented_statement(*of, rng)
    target = make(WORLD, subject, relation)
    fewest = draw(st.integers(0, 3))
    spec = Passages(
        other_statements=(fewest, fewest + draw(st.integers(0, 2))),
        same_relation=draw(st.sampled_from([0.0, 0.5, 1.0])),
    )
    return target, subjects, truthful, spec, build_passage(WORLD, target, subjects, spec, rng, truthful=truthful)


@given(passages())
def test_passage_invariants(drawn):
    target, subjects, truthful, spec, passage = drawn
    others = [s for s in passage.statements if s != target]
    assert len(others) == len(passage.statements) - 1
    assert len({s.subject for s in passage.statements}) == len(passage.statements)
    assert {s.subject for s in others} <= set(subjects)

    same = sum(s.relation == target.relation for s in others)
    fewest, most = spec.other_statements
    assert fewest <= len(others) - same <= most
    assert same in {0.0: {0}, 0.5: {0, 1}, 1.0: {1}}[spec.same_relation]

    for other in others:
        known = WORLD.facts.get((other.subject, other.relation))
        assert (other.answer == known) is truthful
    words = passage.text.split()
    assert words.count(target.answer) == 1
    fact = WORLD.facts.get((target.subject, target.relation), target.answer)
    assert fact == target.answer or fact not in words


@given(passages())
def test_text_contains_the_statements_in_order(drawn):
    *_, passage = drawn
    sentences = [sentence.split() for sentence in passage.text.removesuffix(" .").split(" . ")]
    assert len(sentences) == len(passage.statements)
    for words, statement in zip(sentences, passage.statements, strict=True):
        assert {statement.subject, statement.relation} <= set(words)
        assert words.index(statement.answer) - words.index(statement.subject) == 2


def test_the_target_can_be_at_every_position():
    target = Statement("new_0", "capital", "capital_0")
    spec, rng = Passages(other_statements=(2, 2), same_relation=0.0), generator("test", 0)
    built = [build_passage(WORLD, target, WORLD.new.all, spec, rng, truthful=False) for _ in range(300)]
    places = [passage.statements.index(target) for passage in built]
    assert all(70 < places.count(place) < 130 for place in range(3))


def test_ambiguous_share():
    target = Statement("new_0", "capital", "capital_0")
    spec, rng = Passages(other_statements=(0, 0), same_relation=0.3), generator("test", 0)
    built = [build_passage(WORLD, target, WORLD.new.all, spec, rng, truthful=False) for _ in range(1000)]
    assert 250 < sum(len(passage.statements) == 2 for passage in built) < 350


def test_other_statements_need_another_relation():
    world = build_world(World(relations=1))
    target = known_statement(world, "known_0", "capital")
    with pytest.raises(
        ValueError, match=r"other_statements asks for other relations, but the world has one; set it to"
    ):
        build_passage(world, target, world.known.all, Passages(), generator("test", 0), truthful=True)


def test_passage_needs_enough_subjects():
    target = known_statement(WORLD, "known_0", "capital")
    spec = Passages(other_statements=(2, 2), same_relation=0.0)
    with pytest.raises(ValueError, match=r"no subject is left for another statement in a passage on known_0; raise"):
        build_passage(WORLD, target, ("known_0", "known_1"), spec, generator("test", 0), truthful=True)
