"""Compares statements that give different answers: their content words, and whether both answer the question."""

from __future__ import annotations

import re

from inversion.matching.words import fold_word
from inversion.score import cues
from inversion.score.masked_response import ANY_ANSWER

WORD = re.compile(r"\w+")
_FUNCTION_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
        a an the this that these those it its he she they we you i his her their him them my your our who whom whose
        which what where when why how is are was were be been being am do does did has have had will would can could
        may might must shall should of in on at to from by for with and or but so yet as than then not no nor only
        just also there here actually really still now today currently however although though while whereas one
        more most many much if s
        """,
    )
)
_ENDING = re.compile(r"(?<=\w\w)(?:ed|d|ing|es|s|e)$")
_IRREGULAR = {"wrote": "write", "written": "write", "made": "make", "won": "win", "built": "build", "sang": "sing"}
_VERBS = {"has": "have", "is": "be", "are": "be", "was": "be", "were": "be"}
_KIND_ASKED = re.compile(
    r"\b(?:which|what)\s+(?:\w+\s+(?:\w+\s+)?(?=(?:is|are|was|were|do|does|did|has|have|had)\b)|\w+\s)", re.IGNORECASE
)
"""The kind of answer that a question asks for: "which city"."""


NAME = re.compile(r"(?<=\w )(?!(?:The|An?)\b)[A-Z][\w'-]*(?: [A-Z][\w'-]*)*")
"""A name in a question."""


def without_names(question: str) -> str:
    """A question without its names."""
    return re.sub(r"(?<=\w )[A-Z]\w+", "", question)


def content_words(text: str) -> set[str]:
    """The content words of a text, without regular endings."""
    words = (fold_word(word) for word in WORD.findall(ANY_ANSWER.sub(" ", text)))
    return {_ENDING.sub("", _IRREGULAR.get(word, word)) for word in words if word not in _FUNCTION_WORDS}


def repeats_verb(one: str, other: str) -> bool:
    """Whether a sentence begins with a pronoun and has the verb of the one before it: "It has nine. It has seven."."""
    said = cues.OF_PRONOUN.match(other)
    return said is not None and re.search(rf"\b{re.escape(said[1])}\b", one) is not None


def are_rivals(one: str, other: str, question: str) -> bool:
    """Whether two sentences with different answers both answer the question: they differ only in their answers,
    ignoring singular and plural, or the second one has all content words of the question, or adds something about the
    same subject ("It is also ..."). A sentence that begins with a pronoun must have the same verb."""
    if repeats_verb(one, other) or answers_again(one, other, question):
        return True
    first, second = (
        {_VERBS.get(word, word.rstrip("s")) for word in map(fold_word, WORD.findall(ANY_ANSWER.sub(" ", sentence)))}
        for sentence in (one, other)
    )
    smaller = min(len(first), len(second))
    return smaller <= 2 or len(first & second) >= 0.6 * smaller


def answers_again(one: str, other: str, question: str) -> bool:
    """Whether the second of two sentences answers the question once more, in other words."""
    if cues.PASSAGE.search(other) or cues.GENERAL.search(other):
        return False
    first, second, wanted = stems(one), stems(other), stems(_KIND_ASKED.sub(" ", question))
    if cues.ALSO.search(other) and second and second <= first | wanted:
        return True
    return len(wanted) > 1 and wanted <= second and len(wanted & first) > 1


def stems(text: str) -> set[str]:
    """The beginnings of the content words of a text, equal for "invented" and "inventor"."""
    return {word[:5] for word in content_words(text)}
