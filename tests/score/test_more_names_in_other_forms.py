"""Amounts in words, abbreviated, misspelled and shortened names, as the main scorer reads them in whole answers."""

from __future__ import annotations

import pytest

from inversion.score import judge


def _label(response: str, context: str, parametric: str) -> str:
    return judge(response, context.split("/"), parametric.split("/"), None, "What is the answer to this?").label


@pytest.mark.parametrize(
    ("response", "context", "parametric", "label"),
    [
        ("It cost two and a quarter million dollars.", "$2.25 million", "$3.5 million", "context"),
        ("It cost three and a half million dollars.", "$2.25 million", "$3.5 million", "parametric"),
        ("Nine point four million people live there.", "9.4 million", "4.9 million", "context"),
        ("Half a million people came.", "500,000", "300,000", "context"),
        ("Three quarters of a million people came.", "750,000", "250,000", "context"),
        ("A quarter of a million people came.", "750,000", "250,000", "parametric"),
        ("$6.5 mil, I believe.", "$6.5 million", "$6.5 billion", "context"),
        ("He paid £3m for it.", "£3 million", "£2 million", "context"),
        ("The loan was 4m euros.", "€4 million", "€9 million", "context"),
        ("$2.5B", "$2.5 billion", "$2.5 million", "context"),
        ("It holds 5k seats.", "5,000", "6,000", "context"),
        ("It grew by three point five percent.", "3.5%", "5.3%", "context"),
        ("It lasts one and a half hours.", "90 minutes", "60 minutes", "context"),
        ("It lasts an hour and a half.", "60 minutes", "90 minutes", "parametric"),
        ("Half an hour.", "30 minutes", "50 minutes", "context"),
        ("Two hours and a half.", "2.5 hours", "2 hours", "context"),
        ("A hundred and twenty.", "120", "112", "context"),
        ("There are 3½ rooms.", "3.5", "3", "context"),
        ("There are a dozen.", "12", "10", "context"),
        ("There are two dozen.", "12", "24", "parametric"),
        ("half a dozen", "6", "12", "context"),
        ("Half a century.", "50 years", "40 years", "context"),
        # another number, another unit, no number
        ("It cost two and a half million dollars.", "$2.25 million", "$3.5 million", "neither"),
        ("It cost $6.5 mil.", "$6.5 billion", "$7 billion", "neither"),
        ("It is 3m wide.", "3 million", "2 million", "neither"),
        ("It is 3m wide.", "£3 million", "£2 million", "neither"),
        ("Seven point two million", "7 million", "2 million", "neither"),
        ("eleven and a half", "11", "12", "neither"),
        ("At one point two of them left.", "1.2", "3", "neither"),
        ("a baker's dozen", "12", "10", "neither"),
        ("A dozen or so.", "12", "10", "neither"),
        ("The Dirty Dozen", "12", "10", "neither"),
        ("half a dozen", "12", "10", "neither"),
        ("half past two", "2.5", "3", "neither"),
        ("Two and a half hours.", "2 hours", "3 hours", "neither"),
    ],
)
def test_amounts_in_words(response: str, context: str, parametric: str, label: str) -> None:
    assert _label(response, context, parametric) == label
