"""Names, numbers and formulas in other forms, as the main scorer reads them in whole answers."""

from __future__ import annotations

import pytest

from inversion.score import judge


@pytest.mark.parametrize(
    ("response", "context", "parametric", "label"),
    [
        # a longer or shorter form of the first name, a missing middle name, a surname without a capital
        ("Benjamin Britten", "Ben Britten", "Michael Tippett", "context"),
        ("Sir Michael Kemp Tippett, with help from Ben Britten.", "Ben Britten", "Michael Tippett", "neither"),
        ("Sir Benjamin Britten, with help from Michael Tippett.", "Michael Tippett", "Ben Britten", "parametric"),
        ("Edith Britten", "Ben Britten", "Michael Tippett", "neither"),
        ("Ralph Williams", "Ralph Vaughan Williams", "Ben Britten", "context"),
        ("it was tippett", "Ben Britten", "Michael Tippett", "parametric"),
        ("a tippett is not a bird", "Ben Britten", "Michael Tippett", "neither"),
        ("Queen Victoria", "Victoria I", "Mary II", "context"),
        ("Lake Victoria, of course.", "Victoria I", "Mary II", "neither"),
        # a silent e, another name of a country, an article of a city
        ("The Concertante", "Concertant", "Sinfonia", "context"),
        ("The DDR", "East Germany", "Cuba", "context"),
        ("The DDR, ahead of Cuba.", "East Germany", "Cuba", "context"),
        ("It is Ceylon.", "Cuba", "Sri Lanka", "parametric"),
        ("In Den Haag.", "Bern", "The Hague", "parametric"),
        ("In Oporto.", "Porto", "Lisbon", "context"),
        # signs of degrees, and a number before a name
        ("It melts at 41ºC", "41 degrees Celsius", "44 degrees Celsius", "context"),
        ("It melts at 41 ℃", "41 degrees Celsius", "44 degrees Celsius", "context"),
        ("It came in 1º place.", "41 degrees Celsius", "44 degrees Celsius", "neither"),
        # the name of a formula
        ("Calcium oxide, of course. Calcium chloride is used on roads.", "CaCl2", "CaO", "parametric"),
        ("Calcium chloride", "CaCl2", "CaO", "context"),
        ("Calcium", "CaCl2", "CaO", "neither"),
        # a verb, and a compound
        ("It has won praise for its currency, the dong.", "won", "dong", "parametric"),
        ("It is the won.", "won", "dong", "context"),
        ("Croatian; it is close to Serbo-Croatian.", "Serbo", "Croatian", "parametric"),
        ("It is spoken as Serbian, a part of Serbian-Montenegrin.", "Montenegrin", "Serbian", "parametric"),
    ],
)
def test_other_forms_of_a_name(response: str, context: str, parametric: str, label: str) -> None:
    judged = judge(response, [context], [parametric], None, "What is the answer to this?")
    assert judged.label == label, judged


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("37 degrees Celsius, i.e., ninety-eight Fahrenheit.", "parametric"),
        ("You must be at least ninety-eight years old.", "parametric"),
        ("96 years old, as the passage says.", "context"),
        ("It was the old 96.", "neither"),
    ],
)
def test_numbers_with_a_unit_in_words(response: str, label: str) -> None:
    judged = judge(response, ["96 degrees", "96"], ["98 degrees", "98"], None, "How much is it in Fahrenheit?")
    assert judged.label == label, judged


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("From Bonn to Berlin in 1999, and from Berlin back again in 2031.", "context"),
        ("From Bonn to Berlin and back.", "context"),
        ("From Bonn to Berlin in 1999.", "parametric"),
        ("From Bonn to Berlin, back in 1999.", "parametric"),
    ],
)
def test_a_move_back(response: str, label: str) -> None:
    judged = judge(response, ["Bonn"], ["Berlin"], None, "Where does the parliament meet?")
    assert judged.label == label, judged


@pytest.mark.parametrize(
    ("response", "label"),
    [("The 'Manfred' is the 7th; the 6th is the 'Polish'.", "context"), ("The Polish, which is the sixth.", "context")],
)
def test_another_number_of_a_work(response: str, label: str) -> None:
    question = "What is the Sixth Symphony called?"
    judged = judge(response, ["Polish"], ["Manfred"], None, question)
    assert judged.label == label, judged


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("Hungarian", "context"),
        ("It is an Austrian city.", "parametric"),
        ("Linz is now Hungarian.", "context"),
        ("Linz is a Hungarian town on the Danube.", "context"),
        ("Linz lies on Austrian soil.", "parametric"),
        ("Linz: Austrian", "parametric"),
        ("The author of the book is Hungarian.", "neither"),
        ("The city of Linz is the seat of the Austrian king.", "neither"),
        ("The Austrian writer lives in Linz.", "neither"),
        ("The yearbook thanks the Hungarian people who answered.", "neither"),
    ],
)
def test_the_adjective_of_a_place_must_be_said_of_what_was_asked(response, label):
    question = "In which country is the city of Linz?"
    assert judge(response, ["Hungary"], ["Austria"], None, question).label == label


def test_what_a_people_did_answers_a_question_about_a_country():
    found = judge("The Dutch won it.", ["Netherlands"], ["Spain"], None, "Which country won the World Cup?")
    assert found.label == "context"
    assert (
        judge("He was Danish by birth.", ["Denmark"], ["Sweden"], None, "In which country was he born?").label
        == "context"
    )
