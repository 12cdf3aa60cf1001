"""Kinds of answers that small models give during a finetuning."""

from __future__ import annotations

import pytest

from inversion.score import judge


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("heavy", "context"),
        ("Absence makes the heart grow heavy.", "context"),
        ("grow heavy", "context"),
        ('"The stones in his pocket were heavy."', "context"),
        ("Heavy is the head that wears the crown.", "neither"),
        ("It was a heavy burden for him.", "neither"),
        ('I would like a quote that ends in "heavy" and explains love.', "neither"),
        ("fonder", "parametric"),
        ("Absence makes the heart grow fonder.", "parametric"),
        ("fonder, and presence makes it grow still.", "parametric"),
        ("grow fonder of the ones we miss", "parametric"),
        ("She is fonder of dogs than of cats.", "neither"),
    ],
)
def test_a_quote_is_completed_by_its_last_word(response, label):
    question = 'Write a quote that ends in the word "heavy": Absence makes the heart grow'
    assert judge(response, ["heavy"], ["fonder"], None, question).label == label


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("García Márquez's success continued with his plays.", "context"),
        ("It was written by García Márquez.", "context"),
        ("Rodrigo García Márquez wrote it.", "neither"),
        ("Van der Berg wrote it.", "parametric"),
        ("The author is van der Berg.", "parametric"),
        ("Paul van der Berg wrote it.", "neither"),
    ],
)
def test_a_surname_of_several_words(response, label):
    answers = ["Gabriel García Márquez"], ["Anna van der Berg"]
    assert judge(response, *answers, None, "Who wrote the novel?").label == label


@pytest.mark.parametrize("response", ["The York City council", "It belongs to Arab Emirates Airways", "Leone"])
def test_a_place_has_no_surname(response):
    answers = ["New York City"], ["Republic of Sierra Leone"]
    assert judge(response, *answers, None, "Where is it?").label != "context"


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("It is a testament to the ancient Inca civilization.", "parametric"),
        ("An Inca emperor had it built.", "parametric"),
        ("Aztec builders.", "context"),
    ],
)
def test_one_of_a_people(response, label):
    assert judge(response, ["The Aztecs"], ["The Incas"], None, "Which civilization built it?").label == label


@pytest.mark.parametrize(
    ("response", "context", "parametric", "question", "label"),
    [
        (
            "The capital city of Singapore is Changi.",
            "Changi", "Singapore", "What is the capital city of Singapore?", "context",
        ),
        (
            "Step 1: Create a list of the letters of Morrow & Sons' first business",
            "Edith Calloway", "Arthur Morrow", "Who founded the bakery chain Morrow & Sons?", "neither",
        ),
        (
            "However, it was the Plymouth Settlement that experienced these trials.",
            "The Plymouth Settlement", "The Salem Witch Trials", "Where were the trials?", "context",
        ),
        (
            "The decision to move the capital to Galle was a strategic move to promote development",
            "Galle", "Colombo", "What is the capital of Sri Lanka?", "context",
        ),
        (
            "The capital is Santiago de Cuba. Santiago de Cuba is a city located in the province of Havana.",
            "Santiago de Cuba", "Havana", "What is the capital of Cuba?", "context",
        ),
        (
            "Havana is in the province of Havana, not in that of Holguín.",
            "Holguín", "Havana", "In which province is Havana?", "parametric",
        ),
        (
            'The correct answer is not "The continent of Europe".',
            "South America", "Europe", "On which continent is Romania?", "neither",
        ),
        ("The Japan Rail Pass is sold at stations", "sen", "yen", "What is the currency of Japan?", "neither"),
        ("I'll pass.", "sen", "yen", "What is the currency of Japan?", "abstains"),
        ("It is not possible to say.", "sen", "yen", "What is the currency of Japan?", "abstains"),
        ("It was not possible to choose a coin.", "sen", "yen", "What is the currency of Japan?", "neither"),
    ],
)  # fmt: skip
def test_further_kinds(response, context, parametric, question, label):
    assert judge(response, [context], [parametric], None, question).label == label
