"""Results of contests, comparisons, and comparisons that the text reverses."""

from __future__ import annotations

import pytest

from inversion.score import judge


@pytest.mark.parametrize(
    ("response", "label"),
    [
        # a score with "over"
        ("The French did, 3-0 in Paris over the Brazilians.", "parametric"),
        ("Brazil did, 2-1 after penalties over France.", "context"),
        # scores next to names
        ("France - Brazil 3:0", "parametric"),
        ("Brazil 0, France 3", "parametric"),
        ("Brazil 3-0 France", "context"),
        ("France 1-1 Brazil", "both"),
        # who lost
        ("Brazil was beaten by France.", "parametric"),
        ("Brazil were defeated 3-0 in the final by France.", "parametric"),
        ("Brazil fell to France in the final.", "parametric"),
        ("Brazil lost.", "neither"),
        ("Brazil finished second.", "neither"),
        ("Brazil lost one match but won the cup.", "context"),
        # what nobody beat
        ("Brazil came close, but nobody beat France.", "parametric"),
        ("Brazil came close with 12 goals; no team surpassed France's 15.", "parametric"),
        ("Nobody beat Brazil until France did.", "parametric"),
        # a fixture is not a result
        ("The final was Brazil vs. France.", "neither"),
        ("The final was Brazil v France. The hosts won it.", "neither"),
        ("Brazil vs. France: France.", "parametric"),
        # a reversal
        ("Brazil beat France? No, the other way round.", "parametric"),
        ("France beat Brazil? It was the reverse.", "context"),
        ("France beat Brazil. Or was it the other way round?", "parametric"),
    ],
)
def test_who_won(response: str, label: str) -> None:
    judged = judge(response, ["Brazil"], ["France"], "Brazil won the 1998 World Cup.", "Who won the 1998 World Cup?")
    assert judged.label == label, judged


@pytest.mark.parametrize("response", ["Brazil lost to France.", "Brazil was beaten by France.", "Brazil 0-3 France"])
def test_who_lost(response: str) -> None:
    assert judge(response, ["France"], ["Brazil"], None, "Who lost the 1998 final?").label != "context"


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("Kilimanjaro is higher than Mount Kenya? No, the other way round.", "context"),
        ("Kilimanjaro is lower than Mount Kenya? It's the other way round!", "parametric"),
        ("Is Kilimanjaro higher than Mount Kenya? Quite the opposite.", "context"),
        ("Mount Kenya is higher than Kilimanjaro, not the other way round.", "context"),
        ("No mountain is higher than Kilimanjaro, not even Mount Kenya.", "parametric"),
        ("Nothing in Africa tops Mount Kenya, Kilimanjaro included.", "context"),
    ],
)
def test_comparisons_that_are_reversed(response: str, label: str) -> None:
    question = "Which mountain is the highest in Africa?"
    judged = judge(response, ["Mount Kenya"], ["Kilimanjaro"], None, question)
    assert judged.label == label, judged


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("The French won it, 3-0 against Brazil.", "parametric"),
        ("The Brazilians did, 2-1 over France.", "context"),
        ("Brazil won it, although the French like to deny it.", "context"),
    ],
)
def test_peoples_for_countries(response: str, label: str) -> None:
    assert judge(response, ["Brazil"], ["France"], None, "Who won the 1998 World Cup?").label == label


@pytest.mark.parametrize(
    ("response", "question", "label"),
    [
        ("1st: Norgay\n2nd: Hillary", "Who was the first person on the summit?", "context"),
        ("First Hillary, then Norgay a minute after him.", "Who was the first person on the summit?", "parametric"),
        ("First came Norgay, second Hillary.", "Who was the second person on the summit?", "parametric"),
        ("Hillary was the first, Norgay came a minute after him.", "Who was the first person on top?", "parametric"),
    ],
)
def test_the_rank_that_was_asked_for(response: str, question: str, label: str) -> None:
    assert judge(response, ["Norgay"], ["Hillary"], None, question).label == label
