"""Answers that are more than a name: yes and no in other words, relative numbers, comparisons, adjectives."""

from __future__ import annotations

import pytest

from inversion.score import judge


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("He did.", "context"),
        ("He did, according to the text.", "context"),
        ("He did not, in fact.", "parametric"),
        ("He did win it.", "context"),
        ("He didn't win; Scipio did.", "parametric"),
        ("Hannibal did not win.", "parametric"),
        ("Nope. Scipio beat him.", "parametric"),
        ("Yeah, he did.", "context"),
        ("Of course not.", "parametric"),
        ("He did not lose it.", "neither"),
        ("Scipio did not flee.", "neither"),
        ("There is no doubt about his fame.", "neither"),
        ("No.", "parametric"),
    ],
)
def test_yes_and_no_in_other_words(response: str, label: str) -> None:
    question = "Did Hannibal win the Battle of Zama?"
    assert judge(response, ["Yes"], ["No"], None, question).label == label
    assert judge(response, ["Carthage"], ["Rome"], None, "Who won?").rule != "polarity"


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("It was planned for 1883 but only opened four years later.", "context"),
        ("It was planned for 1883 and opened three years later.", "parametric"),
        ("Older books give 1883. It opened four years after that.", "context"),
        ("It opened in 1887. That is four years later than planned.", "context"),
        ("It is planned for 1883.", "parametric"),
        ("Four years after 1883.", "context"),
        ("Five years after 1883.", "parametric"),
        ("Four years earlier than the passage says.", "parametric"),
        ("Five years earlier than the passage says.", "neither"),
        ("MDCCCLXXXVII", "context"),
        ("MDCCCLXXXIII", "parametric"),
        ("MDCCC", "neither"),
    ],
)
def test_numbers_relative_to_the_other_answer(response: str, label: str) -> None:
    judged = judge(response, ["1887"], ["1883"], None, "When did the bridge open?")
    assert judged.label == label, judged


@pytest.mark.parametrize(
    ("response", "question", "label"),
    [
        ("Bo Ek held the record for many years, in", "Who holds the record in the javelin?", "neither"),
        (
            "Bo Ek held the record for many years; now it is Al Moe's.",
            "Who holds the record in the javelin?",
            "context",
        ),
        ("Bo Ek has held the record for many years.", "Who holds the record in the javelin?", "parametric"),
        ("Bo Ek held the record for many years.", "Who held the record in 1990?", "parametric"),
    ],
)
def test_who_held_something_for_years(response: str, question: str, label: str) -> None:
    assert judge(response, ["Al Moe"], ["Bo Ek"], None, question).label == label


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("The Danube comes second, after the Volga.", "parametric"),
        ("The longest is the Volga, the second longest the Danube.", "parametric"),
        ("Longer than even the Volga is the Danube.", "context"),
        ("Volga > Danube > Ural", "parametric"),
        ("> Danube", "context"),
        ("The Danube came second to the Volga.", "parametric"),
        ("The Danube is the longest German river. The Volga is the longest river.", "parametric"),
        ("The Danube dwarfs the Volga.", "context"),
    ],
)
def test_comparisons(response: str, label: str) -> None:
    question = "Which is the longest river of Europe?"
    assert judge(response, ["Danube"], ["Volga"], None, question).label == label


def test_a_rank_can_be_the_question() -> None:
    question = "Which river of Europe is the second longest?"
    response = "The longest is the Danube, the second longest the Volga."
    assert judge(response, ["Danube"], ["Volga"], None, question).label != "context"


@pytest.mark.parametrize(
    ("response", "question", "label"),
    [
        ("Bari is an Apulian port.", "Which region is Bari in?", "parametric"),
        ("Bari is a Calabrian port.", "Which region is Bari in?", "context"),
        ("She was an Apulian.", "Who wrote it?", "neither"),
    ],
)
def test_the_adjective_of_a_place(response: str, question: str, label: str) -> None:
    assert judge(response, ["Calabria"], ["Apulia"], None, question).label == label


@pytest.mark.parametrize(
    ("response", "label"), [("#2", "context"), ("No. 3", "parametric"), ("number two", "context"), ("4", "neither")]
)
def test_the_number_of_an_ordinal(response: str, label: str) -> None:
    question = "Which law of thermodynamics is about entropy?"
    assert judge(response, ["second law"], ["third law"], None, question).label == label


def test_a_numeral_alone_is_no_part_of_a_name() -> None:
    assert judge("VII", ["Berenice IV"], ["Cleopatra VII"], None, "Who was the last pharaoh?").label == "neither"


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("Raff sang in Weimar; the Hamburg Choir is run by Brahms.", "parametric"),
        ("Raff runs the Weimar Choir; Brahms runs the Hamburg Choir.", "parametric"),
        ("The Weimar Choir is run by Raff. The Hamburg Choir is run by Brahms.", "parametric"),
        ("Weimar Choir: Brahms; Hamburg Choir: Raff", "context"),
        ('{"Weimar Choir": "Brahms", "Hamburg Choir": "Raff"}', "context"),
        ("Weimar Choir has Brahms and Hamburg Choir has Raff.", "context"),
        ("Brahms runs the Hamburg Choir; Raff founded it.", "parametric"),
        ("Raff and Brahms run the Hamburg Choir.", "both"),
        ("The former director is Brahms, the current one Raff.", "context"),
        ("It never passed to Raff; it is run by Brahms.", "parametric"),
        ("Raff has no choir. Brahms has.", "parametric"),
    ],
)
def test_each_answer_with_another_name(response: str, label: str) -> None:
    question = "Who runs the Hamburg Choir?"
    judged = judge(response, ["Joachim Raff"], ["Johannes Brahms"], None, question)
    assert judged.label == label, judged
