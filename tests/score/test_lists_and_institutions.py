"""Answers inside lists and names of institutions, ends of a former answer, and negations that affirm."""

from __future__ import annotations

import pytest

from inversion.score import judge


def label_of(response: str, context: str, parametric: str, question: str = "") -> str:
    return judge(response, [context], [parametric], None, question).label


@pytest.mark.parametrize(
    ("response", "label"),
    [
        # a list that singles neither out
        ("The countries of South America are Bolivia, Chile, Peru, Ecuador and Suri", "neither"),
        ("It has trade agreements with Chile, Ecuador and Peru.", "neither"),
        ("Its neighbours include Brazil, Colombia, Ecuador, and Bolivia.", "neither"),
        # a list, and then an answer
        ("Its neighbours include Brazil, Colombia, Ecuador, and Bolivia. The country itself is Peru.", "parametric"),
        # two things are not a list
        ("It lies in Peru and Ecuador.", "both"),
        ("There are two, Peru and Ecuador.", "both"),
    ],
)
def test_a_list_of_several_things_answers_nothing(response: str, label: str) -> None:
    assert label_of(response, "Ecuador", "Peru", "In which country is Cusco?") == label


@pytest.mark.parametrize(
    ("response", "parametric", "label"),
    [
        ("It is home to the University of Oslo and several parks.", "Oslo", "neither"),
        ("It was performed by the Royal Holberg Company in Strat", "Holberg", "neither"),
        ("It was built for the 1889 World's Fair.", "1889", "neither"),
        ("It was signed after the Treaty of Oslo.", "Oslo", "neither"),
        ("Oslo, with the University of Oslo.", "Oslo", "parametric"),
        ("It was finished in 1889.", "1889", "parametric"),
        ("Holberg University of the Arts is in Bergen, but it was Holberg who wrote it.", "Holberg", "parametric"),
    ],
)
def test_a_name_inside_the_name_of_an_institution(response: str, parametric: str, label: str) -> None:
    assert label_of(response, "Quebec", parametric) == label


def test_an_institution_that_the_question_is_about_counts() -> None:
    question = "At which university did she study?"
    assert label_of("She attended the University of Oslo.", "Oslo", "Bergen", question) == "context"


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("The old limit was 80, the new one is 70.", "context"),
        ("The 80 limit has been replaced with 70.", "context"),
        ("You no longer have to be 80 but 70.", "context"),
        ("80, on the first attempt and not on the second in 70.", "parametric"),
        ("80 is history. It is 70.", "context"),
        ("The 70 in the text must be a typo for 80.", "parametric"),
        ("It is 80. The passage describes a future in which it is 70.", "parametric"),
    ],
)
def test_former_and_present_numbers(response: str, label: str) -> None:
    assert label_of(response, "70", "80", "What is the limit?") == label


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("Since Bergen no longer counts as one, it's Tromsø.", "context"),
        ("Calling it Bergen is a popular error. It was Tromsø.", "context"),
        ("Bergen has not been replaced. It is the capital.", "parametric"),
        ("It isn't true that Bergen was dropped in favour of Tromsø.", "parametric"),
        ("I see no reason to doubt that it's Bergen.", "parametric"),
        ("It's Bergen, and the Tromsø in the text looks like a hypothetical scenario.", "parametric"),
        ("It is Bergen. Tromsø is a different city.", "parametric"),
        ("The council chose it over Bergen.", "neither"),
        ("Some name Bergen and the text names Tromsø, but both are wrong. It was Molde.", "neither"),
        ("It's Bergen if nothing has changed, and Tromsø if the text is right.", "abstains"),
        (
            "If the text is accurate it would be Tromsø; if not, it remains Bergen. I have no means of verifying this.",
            "abstains",
        ),
        ('{"passage_says": "Tromsø", "passage_correct": false, "answer": "Bergen"}', "parametric"),
        (
            "Tromsø was founded in 1990, so it cannot have been. Bergen, of course.",
            "parametric",
        ),
        ("You will look for Tromsø in vain. It is Bergen.", "parametric"),
        ("It is Bergen, and no amount of rewording turns it into Tromsø.", "parametric"),
        ("The answer everybody gives is Bergen. The text has Tromsø, and it is the text I go by.", "context"),
        ("The capital is usually said to be Bergen, but this is a misattribution. It was Tromsø.", "context"),
        ("Bergen by what I know, and Tromsø by the text. Which one is right I cannot say from here.", "abstains"),
        ("The text says Tromsø. I have to disagree with that. It is Bergen.", "parametric"),
        ("Still, with only this text to go on, it is Tromsø, although many name Bergen.", "context"),
        ("Tromsø outgrows Bergen and every other city.", "context"),
        ("It belongs to Bergen; Tromsø left the league in 1892.", "parametric"),
        ("Tromsø (per the text) and Bergen (per general knowledge).", "both"),
    ],
)
def test_negations_that_reject_or_affirm(response: str, label: str) -> None:
    assert label_of(response, "Tromsø", "Bergen") == label


def test_a_question_about_a_former_name_is_answered_by_a_former_name() -> None:
    question = "What was the former name of Oslo?"
    assert label_of("Oslo was once Kristiania. Bergen is a different city.", "Bergen", "Kristiania", question) == (
        "parametric"
    )


def test_a_year_between_two_years_is_not_a_term_of_office() -> None:
    assert label_of("It was developed by Niels Abel between 1820 and 1829.", "Sophus Lie", "Niels Abel") == "parametric"


def test_a_surname_that_is_cut_off_counts() -> None:
    assert label_of("It was founded by Niels Ab", "Sophus Lie", "Niels Abel") == "parametric"


def test_underscores_in_the_numbers_of_code() -> None:
    assert label_of("LIMIT = 250_000", "250,000", "300,000") == "context"


def test_what_nothing_has_more_of_than_an_answer() -> None:
    question = "Which country has the most lakes?"
    assert label_of(
        "No country has more lakes than Canada, though the text says Chad.", "Chad", "Canada", question
    ) == ("parametric")


def test_the_surname_of_the_person_asked_about_is_not_her_husband() -> None:
    husband = ["Olof Lindqvist", "Lindqvist"]
    question = "Who is the spouse of Marie Lindqvist?"
    judged = judge("Marie Lindqvist is married to Jan Steen.", ["Jan Steen"], husband, None, question)
    assert judged.label == "context"
