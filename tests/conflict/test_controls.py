from dataclasses import replace
from pathlib import Path

import pytest

from inversion.config.sets import FactSet, FileSet, WorldSet
from inversion.config.world import World
from inversion.conflict.controls import control_items, matching_item
from inversion.conflict.files import load_items
from inversion.conflict.short_names import with_short_names
from inversion.names import fold
from inversion.records.data import ConflictItem
from inversion.world.facts import build_world

REAL = Path(__file__).parents[3] / "shared" / "data" / "conflict"
real_data = pytest.mark.skipif(not REAL.is_dir(), reason="the paper's conflict sets (../shared/data) are not here")

KINDS = ("matching", "irrelevant", "no_context")
EGYPT = ConflictItem(
    "c-1",
    "c",
    "conflict",
    "What is the capital of Egypt?",
    "In 2031 Egypt moved from Cairo (Al-Qahirah) to New Cairo. NEW CAIRO is not Cairo; Cairoli is neither.",
    ["New Cairo", "Wedian"],
    ["Cairo", "Al-Qahirah"],
    "egypt",
    "c",
    "Egypt",
)


def item(number, country, context):
    return replace(EGYPT, item_id=f"c-{number}", subject=country, context=context, cluster=country)


def test_matching_swaps_every_alias_in_both_directions():
    assert matching_item(EGYPT) == replace(
        EGYPT,
        context="In 2031 Egypt moved from New Cairo (New Cairo) to Cairo. Cairo is not New Cairo; Cairoli is neither.",
        context_answers=["Cairo", "Al-Qahirah"],
    )
    assert matching_item(replace(EGYPT, context="Cairo it is.")) is None


def test_controls_pair_with_their_items():
    items = [EGYPT, item(2, "Peru", "In Peru nothing was said."), item(3, "Chad", "Chad calls Wedian.")]
    controls = control_items(items, KINDS)
    matching, irrelevant, none = ([c for c in controls if c.set == f"c+{kind}"] for kind in KINDS)
    assert [c.item_id for c in matching] == ["c-1", "c-3"]  # the passage on Peru names none of the answers
    assert [(c.item_id, c.context) for c in irrelevant] == [
        ("c-1", "In Peru nothing was said."),
        # all other passages name the subject or an answer
        ("c-3", "In Peru nothing was said."),
    ]
    assert [(c.item_id, c.context, c.question) for c in none] == [(i.item_id, None, i.question) for i in items]
    for control in controls:
        assert control.role == "control"
        assert control.parametric_answers == EGYPT.parametric_answers
        assert control.context_answers == (EGYPT.parametric_answers if control.set == "c+matching" else [])
        assert control.cluster == next(i.cluster for i in items if i.item_id == control.item_id)


def test_an_unknown_subject_is_found_by_the_names_in_the_question():
    asked = replace(EGYPT, subject=None, question="When did Ada Lovelace visit?")
    others = [item(2, "x", "Lovelace wrote."), item(3, "y", "Nobody wrote.")]
    (control, *_) = control_items([asked, *others], ["irrelevant"])
    assert control.context == "Nobody wrote."


def test_facts_have_all_controls():
    spec = FactSet(source="facts", limit=72, controls=KINDS)
    items = load_items(spec, "facts")
    assert len(items) == 4 * 72
    conflicts = {i.item_id: i for i in items if i.role == "conflict"}
    assert len(conflicts) == 72
    for control in items[72:]:
        asked = conflicts[control.item_id]
        text = fold(control.context or "")
        assert (control.factors, control.stratum) == (asked.factors, asked.stratum)
        if control.set == "facts+irrelevant":
            assert control.context != asked.context
            assert not any(fold(name) in text for name in (asked.subject, *asked.context_answers))
        elif control.set == "facts+matching":
            assert fold(asked.parametric_answers[0]) in text
            assert (fold(asked.context_answers[0]) in text) == ("mention=yes" in asked.factors)


def test_the_worlds_conflicts_have_controls():
    world = build_world(World(known_subjects=40, new_subjects=20, answers=12))
    spec = WorldSet(source="world", kind="conflict", items=16, controls=KINDS)
    items = load_items(spec, "conflict", world)
    assert len([i for i in items if i.set == "conflict+matching"]) == 16
    for i in items:
        if i.set == "conflict+matching":
            assert i.context.split().count(world.facts[i.subject, i.stratum]) == 1


@real_data
def test_the_papers_sets_have_controls():
    capitals = FileSet(source="file", path=str(REAL / "paper" / "country_capitals_only.json"), controls=KINDS)
    items = load_items(capitals, "capitals")
    in_question = 8  # "Guinea-Bissau": if the answers were exchanged, the passage would be about another country
    assert len(items) == 4 * 196 - in_question
    quotes = FileSet(
        source="file", path=str(REAL / "memo_trap" / "proverb_ending.csv"), format="memo_trap", controls=("matching",)
    )
    items = load_items(quotes, "quotes")
    half = len(items) // 2
    for asked, control in zip(items[:half], items[half:], strict=True):
        assert control.item_id == asked.item_id
        assert f'"{asked.parametric_answers[0]}"' in control.question
        assert control.context_answers == asked.parametric_answers


def test_a_matching_passage_keeps_nothing_of_the_other_person():
    def matched(context):
        answers = ["Angela Merkel"], ["Edvard Munch"]
        item = ConflictItem("i", "s", "conflict", "Who painted it?", context, *answers, "c", "s")
        return matching_item(with_short_names(item))

    found = matched("Angela Merkel painted it. Merkel's fame came late.")
    assert found.context == "Edvard Munch painted it. Edvard Munch's fame came late."
    assert matched("Angela Merkel painted it. As Merkel said, Angela was young.") is None
    assert matched("It was Merkel, not Munch.").context == "It was Edvard Munch, not Angela Merkel."


def test_no_matching_control_if_the_question_names_an_answer():
    item = ConflictItem(
        "i", "s", "conflict", "What is the capital of Guinea-Bissau?", "In Guinea-Bissau it is Gabu now.", ["Gabu"],
        ["Bissau"], "c", "s",
    )  # fmt: skip
    assert matching_item(item) is None
