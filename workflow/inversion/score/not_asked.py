"""Sets mentions aside that are named for something other than the question asks, whether or not the text answers it:
another rank, another year, or next to another name that the text gives as the answer."""

from __future__ import annotations

import functools
import re

from inversion.score import cues
from inversion.score.cues import A, C, P
from inversion.score.masked_response import ANY_ANSWER, MaskedResponse, Sentence
from inversion.score.statements import WORD, content_words

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "last")
_RANKED = re.compile(rf"\b({'|'.join(_ORDINALS)}) (\w+)")
_YEAR = re.compile(r"\b(?:1\d{3}|20\d\d)\b(?!['\w])")
_PIECE = re.compile(r"[,;.:!?]\s|\n|\b(?:and|but|while|whereas)\b")
_IS = re.compile(r"^\W*(?P<subject>[^.,;:!?]+?) (?:is|was|are|were) (?P<rest>[^;!?]+)")
_SUBJECT_WORDS = 4
_NEGATION = re.compile(r"\b(?:not|never|no|nor|neither|once|formerly|former)\b")
_PRONOUN = re.compile(r"\b(?:it|he|she|they|this|that|these|those|its|his|her|their|which|who|what|answer)\b")


def set_aside_unasked(text: MaskedResponse) -> None:
    """Set aside every mention that is named for something that the question does not ask."""
    if not text.question:
        return
    _other_ranks(text)
    _other_years(text)
    _next_to_another_answer(text)


def _other_ranks(text: MaskedResponse) -> None:
    """Set aside what is said to be the second of something, if the question asks for the first of the same."""
    for rank, noun in _RANKED.findall(text.question.lower()):
        for match in _other_rank(rank, noun).finditer(text.masked):
            place = max(match.start("m"), match.start("m2"))
            text.set_aside.setdefault(text.at(place), "aside")


@functools.lru_cache(maxsize=4096)
def _other_rank(rank: str, noun: str) -> re.Pattern[str]:
    """A mention as another one of its kind than the one of a rank: "Paris was the second city" for "first"."""
    other = rf"the (?:{'|'.join(each for each in _ORDINALS if each != rank)}) {noun}\b"
    return re.compile(
        rf"(?P<m>{A})[\"')\]]*,? (?:is|was|became|served as|(?:is|was|became) [^.;,!?]*? and) (?:only )?{other}"
        rf"|\b{other}(?: [^.;,!?{C}{P}]*)? (?:is|was) (?P<m2>{A})"
    )


def _other_years(text: MaskedResponse) -> None:
    """Set aside the answer that is named with another year, if the question names a year and the other answer is named
    with that year: "Rome hosted in 1960. In 1964 it was Tokyo"."""
    asked = set(_YEAR.findall(text.question))
    if len(asked) != 1 or len(text.sides()) < 2:
        return
    start, inside, outside = 0, set[int](), set[int]()
    for end in [*(match.end() for match in _PIECE.finditer(text.masked)), len(text.masked)]:
        here, years = text.remaining(start, end), set(_YEAR.findall(text.masked[start:end]))
        if here and years:
            (inside if years & asked else outside).update(here)
        start = end
    wanted, others = {text.side(i) for i in inside}, {text.side(i) for i in outside}
    if len(wanted) == len(others) == 1 and wanted != others:
        text.set_aside.update(dict.fromkeys(outside, "aside"))


def _next_to_another_answer(text: MaskedResponse) -> None:
    """Set aside every mention if a sentence gives another name in the question's own words, and the sentences with
    mentions are about something else: "Lake Baikal is the deepest lake. Lake Tanganyika is located in Africa"."""
    asked = content_words(text.question)
    naming = [sentence for sentence in text.sentences if text.remaining(sentence.start, sentence.end)]
    if len(asked) < 2 or not naming or not any(_gives_another(s, asked) for s in text.sentences):
        return
    if not any(content_words(s.text) & asked or _PRONOUN.search(s.text) or cues.PASSAGE.search(s.text) for s in naming):
        text.set_aside.update(dict.fromkeys(text.remaining(), "aside"))


def _gives_another(sentence: Sentence, asked: set[str]) -> bool:
    """Whether a sentence without a mention says of a name what the question asks."""
    said = _IS.match(sentence.text)
    if said is None or ANY_ANSWER.search(sentence.text) or _NEGATION.search(sentence.text):
        return False
    subject = content_words(said["subject"])
    if not subject or subject & asked or len(WORD.findall(said["subject"])) > _SUBJECT_WORDS:
        return False
    attributed = any(cue.search(sentence.text) for cue in (_PRONOUN, cues.PASSAGE, cues.GENERAL))
    return not attributed and asked <= content_words(said["rest"])


def about_something_else(text: MaskedResponse) -> bool:
    """Whether a text of one sentence names both answers in a statement that shares no word with the question: "Bach
    visited Lübeck in 1705 and Weimar in 1708"."""
    words = content_words(text.masked)
    if not text.question or len(text.sentences) != 1 or len(words) < _OWN_WORDS or _PRONOUN.search(text.masked):
        return False
    about = _NAMED.match(text.response)
    return about is not None and not words & content_words(text.question) and not cues.PASSAGE.search(text.masked)


_OWN_WORDS = 4
_NAMED = re.compile(r"\W*(?:The )?[A-Z][\w'-]*(?: [A-Z]?[\w'-]+){0,3}? [a-z]+ed\b")
