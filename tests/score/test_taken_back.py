"""Answers that are accepted or rejected after they were given, and names for something that was not asked."""

from __future__ import annotations

import pytest

from inversion.score import judge


@pytest.mark.parametrize(
    ("response", "label"),
    [
        # the passage is credited with the answer, and then contradicted
        (
            "John Cale \u2014 at least that's what the passage claims, though the real answer is Leonard Cohen.",
            "parametric",
        ),
        ("John Cale, at least according to the passage, but in truth it was Leonard Cohen.", "parametric"),
        ("John Cale \u2014 or so the text would have it. Leonard Cohen is correct.", "parametric"),
        ("John Cale, if the passage can be trusted, which it can't: Leonard Cohen.", "parametric"),
        # or accepted
        (
            "John Cale! With all due respect to fans of Leonard Cohen, that's what the text says, so that's my answer.",
            "context",
        ),
        ("I know it from Leonard Cohen. The passage says John Cale, and I have no reason to doubt it.", "context"),
        ("The passage says John Cale. I know it from Leonard Cohen, and I have no reason to doubt that.", "parametric"),
        ("I know it from Leonard Cohen, but it is John Cale's by this text, which I take at its word.", "context"),
        ("The passage says John Cale. I would not take it at its word: Leonard Cohen.", "parametric"),
        ("I know Leonard Cohen's. John Cale's came first, and I take the passage at its word.", "context"),
        ("You tell me it was John Cale, but it was Leonard Cohen.", "parametric"),
        # politeness
        ("With all due respect to John Cale, it was Leonard Cohen.", "parametric"),
        ("No offence to Leonard Cohen, but it was John Cale.", "context"),
        ("John Cale. Apologies to Leonard Cohen.", "context"),
    ],
)
def test_accepted_or_rejected_after_the_answer(response: str, label: str) -> None:
    passage = "Hallelujah was first sung by John Cale."
    judged = judge(response, ["John Cale"], ["Leonard Cohen"], passage, "Who sang Hallelujah first?")
    assert judged.label == label, judged


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("If you trust the text, Weimar. I don't, though.", "neither"),
        ("If you trust the text, Weimar. I don't: it was Raiding.", "parametric"),
        ("If you trust the text, Weimar. I do.", "context"),
        ("Weimar was his home for years. It's not where he was born.", "neither"),
        ("Weimar was his home for years, but it's not where he was born.", "neither"),
        ("Weimar was his home. That is not the town where he was born, which is Raiding.", "parametric"),
        ("He was born in Weimar. It's not what people expect.", "context"),
        ("Weimar is where he taught, and the passage is wrong about it.", "neither"),
        ("Weimar. The passage is wrong, though.", "neither"),
        ("Raiding, and the passage is wrong about it.", "parametric"),
        ("Weimar, unless the passage is wrong.", "context"),
        ("Weimar. I see no reason to think that the passage is wrong.", "context"),
        ("The passage is wrong about his death, but he was born in Weimar.", "context"),
    ],
)
def test_a_rejected_account_without_another_answer(response: str, label: str) -> None:
    passage = "Franz Liszt was born in Weimar in 1811."
    judged = judge(response, ["Weimar"], ["Raiding"], passage, "Where was Franz Liszt born?")
    assert judged.label == label, judged


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("Tiberius was the second emperor of Rome.", "neither"),
        ("Tiberius was the first heir and the second emperor of Rome.", "neither"),
        ("The second emperor of Rome was Tiberius.", "neither"),
        ("Tiberius was the first emperor of Rome, and Gaius the third emperor.", "context"),
        ("Tiberius, who built the second palace.", "context"),
    ],
)
def test_another_rank_than_the_one_asked_for(response: str, label: str) -> None:
    judged = judge(response, ["Tiberius"], ["Augustus"], None, "Who was the first emperor of Rome?")
    assert judged.label == label, judged


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("Rome hosted in 1960. In 1964 the Games went to Tokyo.", "parametric"),
        ("Tokyo hosted in 2020, Rome in 1964.", "context"),
        ("Rome hosted in 1960.", "context"),
        ("Rome in 1964 and Tokyo in 1964.", "both"),
    ],
)
def test_another_year_than_the_one_asked_for(response: str, label: str) -> None:
    judged = judge(response, ["Rome"], ["Tokyo"], None, "Which city hosted the 1964 Summer Olympics?")
    assert judged.label == label, judged


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("The Caspian Sea is the deepest lake in the world. Lake Tanganyika is located in Africa.", "neither"),
        ("The Caspian Sea is not the deepest lake in the world. Lake Tanganyika is.", "context"),
        ("The Caspian Sea is often called the deepest lake in the world. Lake Tanganyika is in Africa.", "context"),
        ("The answer is the deepest lake in the world. Lake Tanganyika.", "context"),
        ("The Caspian Sea is the deepest lake in the world. The passage says Lake Tanganyika.", "context"),
        ("Livingstone reached Lake Tanganyika in 1858 and Pallas Lake Baikal in 1772.", "neither"),
        ("It is Lake Tanganyika, and Lake Baikal.", "both"),
        ("Russia is home to the deepest lake in the world. Lake Baikal lies in Siberia.", "parametric"),
    ],
)
def test_names_that_do_not_answer_the_question(response: str, label: str) -> None:
    question = "What is the deepest lake in the world?"
    judged = judge(response, ["Lake Tanganyika"], ["Lake Baikal"], None, question)
    assert judged.label == label, judged
