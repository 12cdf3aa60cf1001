"""Answers given by the label of an option: "Correct: B" after a list in the response, "B" after one in the question."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

from inversion.matching.answers import shared_answers
from inversion.score.choices import picks
from inversion.score.cues import A
from inversion.score.judgement import Judgement
from inversion.score.masked_response import MaskedResponse

_LABEL = r"(?P<label>[a-e1-5])"
_IN_WORDS = {"one": "1", "two": "2", "three": "3", "four": "4", "five": "5"}
_NUMBER = rf"(?P<label>[a-e1-5]|{'|'.join(_IN_WORDS)})"
LISTED = re.compile(
    rf"(?:^|[\s(\[])\(?([a-e1-5])\s*[).:\]]\s*\(?[\"'(\[\u201c\u2018\u300c\u300e\u00ab]*(?:the )?(?P<m>{A})"
)
"""An answer in a list of options, after its label: "(b) Paris"."""
_ANY_LISTED = re.compile(r"(?:^|[\s(\[])\(?([a-e1-5])\s*[).:\]]\s*(?=\S)")
_PICK = rf"[\"'(\[]*{_LABEL}\b(?!')[\"')\].]*\s*(?:$|[.,;\n)]|is\b|because)"
_ALONE = rf"[^\w\n{A[1:-1]}]*"
_CHOSEN = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?:answer|option|choice|choose|select|pick|correct)\b\s*(?:is|:|=|would be)?\s*(?:option|letter)?\s*{_PICK}",
        rf"(?:\b(?:is|pick|choose|say)|:) (?:number |no\. ?|# ?|\(){_NUMBER}\b\W*$",
        rf"\b(?:go|going|opt|settle|say) (?:(?:for|with|on) )?(?:option |letter |number |answer )?{_PICK}",
        rf"\b(?:right|correct|best|true) (?:one|answer|option|choice)(?: here)? (?:is|would be) {_PICK}",
        rf"(?:^|\n|[.!?:]\s)[^\w\n]*(?:(?:number|no\.) ?)?{_NUMBER}[\"')\].]* is (?:the )?"
        r"(?:correct|right|best|true|answer|one|it)\b",
        rf"(?:^|\n|[.!?:]\s){_ALONE}{_LABEL}{_ALONE}$",
    )
)
"""Wordings that pick the label of an option."""
_PLACES = ("first", "second", "third", "fourth", "fifth")
_PLACE = re.compile(
    r"(?:^|\n|[.!?:]\s|\b(?:pick|choose|select|with|for|is|say) )[^\w\n]*(?:the )?"
    rf"(?P<place>{'|'.join(_PLACES)}|last)(?: (?:one|option|choice|answer|of (?:these|those|them|the \w+)))?"
    r"(?P<rest>(?: [^.;!?\n]*)?)\W*$"
)
"""The end of a text that picks an option by its place: "The second."."""


def listed_option(text: MaskedResponse) -> Judgement | None:
    """The answer whose option the text picks from a list of its own; None if there is no list, or if it picks none or
    one that is neither answer."""
    options = {match[1]: text.at(match.start("m")) for match in LISTED.finditer(text.masked)}
    if not options:
        return None
    labels = list(dict.fromkeys(match[1] for match in _ANY_LISTED.finditer(text.masked)))
    if len(labels) < 2:
        return None
    pick = _picked(text.masked)
    chosen = None if pick is None else _IN_WORDS.get(pick["label"], pick["label"])
    if chosen is None and (place := _PLACE.search(text.masked)) and picks(place["rest"], text.question):
        number = -1 if place["place"] == "last" else _PLACES.index(place["place"])
        chosen = labels[number] if number < len(labels) else None
    if chosen not in options:
        return None
    return Judgement(text.side(options[chosen]), text.chars(options[chosen]), "option")


def _picked(text: str) -> re.Match[str] | None:
    """The last wording that picks a label."""
    found = [match for pattern in _CHOSEN for match in pattern.finditer(text)]
    return max(found, key=lambda match: match.start("label"), default=None)


def option_of_question(text: MaskedResponse) -> Judgement | None:
    """The answer whose label in the question's list of options the text gives: "B" for "Who ...? A) Holst B) Elgar"."""
    options = dict(_options_of(text.question))
    pick = _picked(text.masked) if len(options) > 1 else None
    if pick is None or pick["label"] not in options:
        return None
    span = text.original(pick.start("label")), text.original(pick.end("label"))
    sides: tuple[tuple[str, Sequence[str]], ...] = (
        ("context", text.context_answers),
        ("parametric", text.parametric_answers),
    )
    found = [side for side, answers in sides if shared_answers([options[pick["label"]]], answers)]
    return Judgement(found[0], span, "option") if len(found) == 1 else None  # type: ignore[arg-type]


_IN_QUESTION = re.compile(r"(?:^|[\s(])\(?([A-Ea-e1-5])[).:]\s+(\S.*?)[,;.]?(?=\s+\(?[A-Ea-e1-5][).:]\s|\s*\n|\s*$)")


@functools.lru_cache(maxsize=4096)
def _options_of(question: str) -> tuple[tuple[str, str], ...]:
    """The labels, in lower case, and texts of the options that a question lists."""
    return tuple((match[1].lower(), match[2]) for match in _IN_QUESTION.finditer(question))
