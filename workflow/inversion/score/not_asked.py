"""Sets mentions aside that are named for something other than the question asks, whether or not the text answers it:
another rank, another year, or next to another name that the text gives as the answer."""

from __future__ import annotations

import functools
import re

from inversion.matching.quantities import ordinal
from inversion.score import cues
from inversion.score.cues import A, C, P
from inversion.score.judgement import Judgement
from inversion.score.masked_response import ANY_ANSWER, MaskedResponse, Sentence
from inversion.score.statements import WORD, content_words

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_RANKED = re.compile(rf"\b({'|'.join(_ORDINALS)}|\d+(?:st|nd|rd|th)) (\w+)")
_YEAR = re.compile(r"\b(?:1\d{3}|20\d\d)\b(?!['\w])")
_PIECE = re.compile(r"[,;.:!?]\s|\n|\b(?:and|but|while|whereas)\b")
_IS = re.compile(r"^\W*(?P<subject>[^.,;:!?]+?) (?:is|was|are|were) (?P<rest>(?:the|an?) [^;!?]+)")
_SUBJECT_WORDS = 4
_HELPERS = re.compile(rf"\bwith (?:the |some |much )?(?:help|support|assistance|aid) (?:from|of|by) (?P<m>{A})")
"""A mention of who helped."""
_ASKS_HELPER = re.compile(r"\b(?:help|support|assist|aid)", re.IGNORECASE)
_NEGATION = re.compile(r"\b(?:not|never|no|nor|neither|once|formerly|former)\b")
_PRONOUN = re.compile(r"\b(?:it|he|she|they|this|that|these|those|its|his|her|their|which|who|what|answer)\b")


def set_aside_unasked(text: MaskedResponse) -> None:
    """Set aside every mention that is named for something that the question does not ask."""
    if not text.question:
        return
    for match in _HELPERS.finditer(text.masked) if not _ASKS_HELPER.search(text.question) else ():
        text.set_aside.setdefault(text.at(match.start("m")), "aside")
    _other_ranks(text)
    _other_years(text)
    _next_to_another_answer(text)


def _other_ranks(text: MaskedResponse) -> None:
    """Set aside what is said to be the second of something, if the question asks for the first of the same."""
    asked = _RANKED.findall(text.question.lower())
    for _, noun in asked:
        for match in _other_rank(tuple(rank for rank, _ in asked), noun).finditer(text.masked):
            place = max(match.start("m"), match.start("m2"))
            text.set_aside.setdefault(text.at(place), "aside")


@functools.lru_cache(maxsize=4096)
def _other_rank(ranks: tuple[str, ...], noun: str) -> re.Pattern[str]:
    """A mention as another one of its kind than those of some ranks: "Paris was the second city" for "first"."""
    own = _spellings(ranks)
    another = rf"the (?!(?:{'|'.join(own)})\b)(?:{'|'.join(_ORDINALS)}|\d+(?:st|nd|rd|th))"
    other = rf"{another}(?: {noun}\b|(?=\W*$|[.;,]))"
    return re.compile(
        rf"(?P<m>{A})[\"')\]]*,? (?:is|was|became|served as|(?:is|was|became) [^.;,!?]*? and) (?:only )?{other}"
        rf"|\b{another} {noun}\b(?: [^.;,!?{C}{P}]*)? (?:is|was) (?P<m2>{A})"
    )


def _spellings(ranks: tuple[str, ...]) -> set[str]:
    """Ranks in words and in digits."""
    pairs = [(each, ordinal(str(n))) for n, each in enumerate(_ORDINALS, 1)]
    return {*ranks, *(spelling for pair in pairs if {*pair} & {*ranks} for spelling in pair)}


def of_asked_rank(text: MaskedResponse) -> Judgement | None:
    """The answer that a text which names both lists under the rank that the question asks for: "1st: Lyon, 2nd:
    Paris", "First came Lyon, then Paris"."""
    ranks = tuple(rank for rank, _ in _RANKED.findall(text.question.lower()))
    if len(ranks) != 1 or len(text.sides()) < 2:
        return None
    places = (max(match.start("m"), match.start("m2")) for match in _listed_under(ranks).finditer(text.masked))
    found = set(map(text.at, places)) - text.set_aside.keys()
    if len({text.side(i) for i in found}) != 1:
        return None
    return Judgement(text.side(min(found)), text.chars(min(found)), "final_answer")


@functools.lru_cache(maxsize=4096)
def _listed_under(ranks: tuple[str, ...]) -> re.Pattern[str]:
    """A mention directly before or after one of some ranks."""
    own = "|".join(sorted(_spellings(ranks)))
    return re.compile(
        rf"(?:^|[\n.,;]\s*)(?:{own})(?:\s?:|,? (?:was|is|came))? (?:the )?(?P<m>{A})"
        rf"|(?P<m2>{A}) (?:is|was|came) (?:the )?(?:{own})(?=[.,;]|$)"
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
    """Whether a sentence without a mention gives, for another name, what the question asks."""
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
