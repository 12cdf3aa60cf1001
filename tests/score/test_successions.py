"""Answers that tell who followed whom, and those that name a part, another deed or another person."""

from __future__ import annotations

import pytest

from inversion.score import judge


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("Bosch sold the brand to Haier in 2030, so the answer is Haier.", "context"),
        ("Bosch made it for decades and then sold it to Haier.", "context"),
        ("Bosch ceded the brand to Haier.", "context"),
        ("Haier bought the brand from Bosch, so the answer is Haier.", "context"),
        ("Bosch had it for ages, then Haier got it.", "context"),
        ("Bosch had it for twenty years. These days it belongs to Haier.", "context"),
        ("My memory says Bosch, the passage says Haier, so the answer is Haier.", "context"),
        ("Haier sold the brand to Bosch, so the answer is Bosch.", "parametric"),
        ("Haier had it for a year and then sold it back to Bosch.", "parametric"),
        ("Bosch did not sell the brand to Haier.", "parametric"),
        ("Bosch refused to sell the brand to Haier.", "parametric"),
        ("Some say Haier, but the records all say Bosch, so the answer is Bosch.", "parametric"),
        ("Bosch makes the brand. Haier makes fridges, not the Dremel.", "parametric"),
        ("Haier makes the Dremel. Bosch made another tool, not it.", "context"),
    ],
)
def test_something_passes_to_another_owner(response: str, label: str) -> None:
    judged = judge(response, ["Haier"], ["Bosch"], None, "Which company makes the Dremel?")
    assert judged.label == label, judged


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("Jane Roe ran the bank for two decades. Her successor, Lars Holm, took over in May 2030.", "context"),
        ("Jane Roe handed the reins to Lars Holm.", "context"),
        ("Jane Roe retired and Lars Holm was appointed.", "context"),
        ("Jane Roe is the head; Lars Holm is expected to take over one day.", "parametric"),
    ],
)
def test_a_successor(response: str, label: str) -> None:
    judged = judge(response, ["Lars Holm", "Holm"], ["Jane Roe", "Roe"], None, "Who is the head of the bank?")
    assert judged.label == label, judged


def test_a_successor_does_not_answer_a_question_about_the_past() -> None:
    response = "Jane Roe ran the bank for two decades. Her successor, Lars Holm, took over in May 2030."
    assert judge(response, ["Lars Holm"], ["Jane Roe"], None, "Who was the first head of the bank?").label != "context"


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("The court was in Trier for a century and then packed up for Mainz.", "context"),
        ("After ninety years in Trier, the court set off for Mainz.", "context"),
        ("The court swapped Trier for Mainz.", "context"),
        ("The seat is in Mainz; only the library is still in Trier.", "context"),
        ("The seat is in Trier, and only the archive is in Mainz.", "parametric"),
        ("There is nothing to support the claim that it is in Mainz. It is in Trier.", "parametric"),
        ("The claim that it is in Mainz is baseless; the seat is in Trier.", "parametric"),
        ("I can't tell whether it is in Mainz or still in Trier.", "abstains"),
        ("I can't tell what the passage means, but it is still in Trier, not in Mainz.", "parametric"),
        ("It was in Worms years before either Mainz or Trier.", "neither"),
    ],
)
def test_something_moves_or_leaves_a_part_behind(response: str, label: str) -> None:
    judged = judge(response, ["Mainz"], ["Trier"], None, "Where is the seat of the court?")
    assert judged.label == label, judged


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("Dvorak was born in Kolin and grew up in Nelahozeves.", "context"),
        ("He grew up in Nelahozeves, though he was born in Kolin.", "context"),
        ("Dvorak was born in Nelahozeves and worked in Kolin.", "parametric"),
        ("Dvorak was born in Kolin and in Nelahozeves.", "both"),
    ],
)
def test_the_verb_of_the_question_decides(response: str, label: str) -> None:
    judged = judge(response, ["Kolin"], ["Nelahozeves"], None, "Where was Antonin Dvorak born?")
    assert judged.label == label, judged


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("A side has nine: a pitcher and eight fielders.", "parametric"),
        ("Nine, of whom eight are fielders.", "parametric"),
        ("8: nine minus the one that was dropped.", "context"),
        ("Eight and nine.", "both"),
    ],
)
def test_parts_of_a_number(response: str, label: str) -> None:
    judged = judge(response, ["8", "eight"], ["9", "nine"], None, "How many players does a baseball team field?")
    assert judged.label == label, judged


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("Ian Fleming discovered it.", "neither"),
        ("Ada Mary Florey", "neither"),
        ("A. Fleming", "parametric"),
        ("Sir Fleming found it.", "parametric"),
        ("In London Fleming found it.", "parametric"),
        ("Howard W. Florey", "context"),
    ],
)
def test_a_first_name_that_contradicts_the_aliases(response: str, label: str) -> None:
    aliases = (["Howard Florey", "Florey"], ["Alexander Fleming", "Fleming"])
    judged = judge(response, *aliases, None, "Who discovered penicillin?")
    assert judged.label == label, judged


def test_a_prefix_of_a_surname_that_is_written_apart() -> None:
    names = (["Sean Penn"], ["Joe DiMaggio", "DiMaggio"])
    assert judge("It was Di Maggio.", *names, None, "Who held the record?").label == "parametric"
    assert judge("It was Di Stefano.", *names, None, "Who held the record?").label == "neither"


@pytest.mark.parametrize(
    "response",
    [
        "Jane Roe was appointed in 2021. Her new minister is Lars Holm.",
        "Jane Roe was born in Bern; later she met Lars Holm.",
    ],
)
def test_a_later_event_is_no_succession(response: str) -> None:
    judged = judge(response, ["Lars Holm", "Holm"], ["Jane Roe", "Roe"], None, "Who is the head of the bank?")
    assert judged.label == "parametric", judged
