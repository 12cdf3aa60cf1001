"""The facts of the invented world."""

import pytest

from inversion.config.world import World
from inversion.world.facts import RELATIONS, Subjects, build_world, generator

GOLDEN_FACTS = ["capital_40", "language_55", "language_35"]


def test_world_has_the_requested_sizes():
    world = build_world(World(known_subjects=8, new_subjects=6, relations=3, answers=5, held_out=0.25))
    assert world.relations == ("capital", "language", "currency")
    assert world.known == Subjects(
        training=("known_0", "known_1", "known_2", "known_3", "known_4", "known_5"),
        evaluation=("known_6", "known_7"),
    )
    assert world.new == Subjects(training=("new_0", "new_1", "new_2", "new_3"), evaluation=("new_4", "new_5"))
    assert world.answers["language"] == ("language_0", "language_1", "language_2", "language_3", "language_4")
    assert set(world.facts) == {(subject, relation) for subject in world.known.all for relation in world.relations}
    assert all(answer in world.answers[relation] for (_, relation), answer in world.facts.items())


def test_names_are_distinct_words():
    world = build_world(World(relations=len(RELATIONS)))
    names = [
        *world.relations,
        *world.known.all,
        *world.new.all,
        *(a for r in world.relations for a in world.answers[r]),
    ]
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() for name in names)


def test_facts_depend_on_the_seed():
    assert build_world(World(seed=1)) == build_world(World(seed=1))
    assert build_world(World(seed=1)).facts != build_world(World(seed=2)).facts


def test_facts_use_all_answers():
    world = build_world(World())
    for relation in world.relations:
        used = {answer for (_, asked), answer in world.facts.items() if asked == relation}
        assert len(used) > 50


def test_facts_do_not_change():
    facts = build_world(World()).facts
    assert [facts["known_0", "capital"], facts["known_0", "language"], facts["known_199", "language"]] == GOLDEN_FACTS


def test_generators_of_different_purposes_differ():
    assert generator("a", 0).random() == generator("a", 0).random()
    assert len({generator("a", 0).random(), generator("b", 0).random(), generator("a", 1).random()}) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"relations": 13}, r"world.relations is 13, but there are names for 12; lower it"),
        ({"answers": 3}, r"world.answers is 3; raise it to at least 4"),
        ({"held_out": 0.0}, r"held_out 0 of 200 known subjects leaves none for evaluation; .* world.known_subjects"),
        ({"held_out": 1.0}, r"held_out 1 of 200 known subjects leaves none for training"),
        ({"new_subjects": 1}, r"held_out 0.2 of 1 new subjects leaves none for evaluation; .* world.new_subjects"),
    ],
)
def test_impossible_worlds_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        build_world(World(**changes))
