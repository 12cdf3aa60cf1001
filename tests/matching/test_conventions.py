"""Answers in another convention of writing: spelling, times of day, eras, decades, ranges, signs and initials."""

from __future__ import annotations

import pytest

from inversion.score import judge

OTHER = "something else"


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("It is gray.", "grey"),
        ("He studied color theory.", "colour theory"),
        ("the National Theater", "National Theatre"),
        ("the organization of labor", "organisation of labour"),
        ("Aluminum, by far.", "aluminium"),
        ("21:30", "9:30 pm"),
        ("It closes at 9.30 p.m.", "9:30 pm"),
        ("It closes at six o'clock in the evening.", "6 pm"),
        ("At half past nine.", "9:30 pm"),
        ("It closes at 9:30 pm.", "21:30"),
        ("He died in 44 B.C.E.", "44 BC"),
        ("In 95 CE.", "AD 95"),
        ("In AD 95.", "95 CE"),
        ("In the '50s.", "1950s"),
        ("In the fifties.", "1950s"),
        ("From €8 to €12.", "8-12 euros"),
        ("Between eight and twelve euros.", "8-12 euros"),
        ("Minus 104.5 degrees Celsius.", "-104.5 °C"),
        ("The OECD did.", "Organisation for Economic Co-operation and Development"),
        ("It was the WHO that did so.", "World Health Organization"),
        ("MLK", "Martin Luther King Jr."),
        ("The answer is: 7,120.", "7,120 km"),
        ("7120", "7,120 km"),
        ("Sen. Holberg", "Ludvig Holberg"),
    ],
)
def test_the_same_answer_in_another_convention(response: str, answer: str) -> None:
    assert judge(response, [answer], [OTHER]).label == "context"


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("It closes at 9:30 am.", "9:30 pm"),
        ("It closes at 21:00.", "9:30 pm"),
        ("In the '60s.", "1950s"),
        ("From 8 to 15 euros.", "8-12 euros"),
        ("104.5 °C", "-104.5 °C"),
        ("7,120 miles.", "7,120 km"),
        ("It has 7,120 visitors.", "7,120 km"),
        ("Those who did it are unknown to me, but it happened.", "World Health Organization"),
    ],
)
def test_another_answer_in_the_same_convention(response: str, answer: str) -> None:
    assert judge(response, [answer], [OTHER]).label in ("neither", "abstains")


def test_a_spelling_that_is_the_other_answer_is_not_taken() -> None:
    assert judge("gray", ["grey"], ["gray"]).label == "parametric"


@pytest.mark.parametrize("response", ["You may want a calendar.", "It may be another month."])
def test_a_verb_is_not_a_month(response: str) -> None:
    assert judge(response, ["May"], ["March"]).label in ("neither", "abstains")


def test_a_month_is_a_month() -> None:
    assert judge("It was in May.", ["May"], ["March"]).label == "context"
