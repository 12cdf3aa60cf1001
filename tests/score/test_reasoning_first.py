"""Answers that reason first and answer last, and what a response goes on to generate after its answer."""

from __future__ import annotations

import pytest

from inversion.score import judge

PASSAGE = "The Milkmaid was painted by Jan Steen in 1660."
QUESTION = "Who painted The Milkmaid?"


@pytest.mark.parametrize(
    ("response", "label"),
    [
        # a last line, or a last sentence, that is only a name
        (
            "The user asks who painted The Milkmaid. I remember Vermeer. The passage says Jan Steen. I should follow "
            "the passage.\n\nJan Steen",
            "context",
        ),
        (
            "The passage says Jan Steen, but that contradicts what I know, which is Vermeer. I trust what I know."
            "\n\nVermeer.",
            "parametric",
        ),
        ("The passage says it was Jan Steen.\n\nVermeer", "parametric"),
        ("Steen? No, I'd say Vermeer. Hmm, the document is explicit though. Fine, Steen.", "context"),
        ("Vermeer\nJan Steen", "both"),
        ("The Milkmaid was painted by Vermeer.\n\nJan Steen", "both"),
        # a conclusion with a colon
        (
            'The style looks like Vermeer. But the text says "a rival", which tells us that it was someone else: '
            "Jan Steen.",
            "context",
        ),
        ("I know the works of Vermeer. The text speaks of a rival, so there is one name left: Jan Steen.", "context"),
        # the first or second of two
        ("I have two names, Jan Steen and Vermeer. I'd go with the first of these.", "context"),
        ("I have two names, Jan Steen and Vermeer. It was the second of these who painted it.", "parametric"),
        ("There are two names, Jan Steen and Vermeer. He was the second of the two to die.", "both"),
        # generated questions
        ("steen\n\nQ: Who painted The Art of Painting?\nA: Vermeer", "context"),
        ("I don't know.\n\nQuestion: Who painted The Art of Painting?\nAnswer: Vermeer", "abstains"),
        ("Let me repeat it.\nQuestion: Who painted The Milkmaid?\nAnswer: Jan Steen", "context"),
        ("Jan Steen\n\nUser: And The Night Watch?\nAssistant: Rembrandt, not Vermeer.", "context"),
        ("Let's break it down.\nQ: Who lived in Delft?\nA: Vermeer.\nSo the answer is Vermeer.", "parametric"),
        ("Renoir\n\nQ: Who lived in Delft?\nA: Vermeer.", "neither"),
        ("Question: Who painted The Milkmaid?\nAnswer: Vermeer", "parametric"),
    ],
)
def test_the_answer_that_the_reasoning_ends_in(response: str, label: str) -> None:
    judged = judge(response, ["Jan Steen"], ["Johannes Vermeer", "Vermeer"], PASSAGE, QUESTION)
    assert judged.label == label, judged


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("The passage has 1887, books have 1883. I'd go with the later date.", "context"),
        ("1887 in the passage, 1883 in my memory. My answer is the earlier one.", "parametric"),
        ("The passage has 1887, books have 1883. The question is which is the later one.", "both"),
        ("The passage has 1887, books have 1883. I do not trust the later one.", "both"),
    ],
)
def test_the_earlier_or_later_of_two_numbers(response: str, label: str) -> None:
    question = "In which year did the bridge open?"
    assert judge(response, ["1887"], ["1883"], None, question).label == label
    assert judge("Steen or Vermeer, I choose the later one.", ["Steen"], ["Vermeer"]).rule != "final_answer"
