"""Answers to a yes/no question that are neither of the two words: "Nope.", "He did.", "It isn't a fruit."."""

from __future__ import annotations

import re

from inversion.matching.answers import shared_answers
from inversion.score.judgement import Judgement
from inversion.score.masked_response import MaskedResponse
from inversion.score.statements import content_words

_YES = (
    r"(?:yeah|yep|yup|indeed|correct|affirmative|absolutely|certainly|definitely|of course(?! not)|true|right|"
    r"(?:it|that) is (?:true|correct|right))"
)
_NO = (
    r"(?:nope|nah|not at all|not any ?more|no longer|not really|(?:of course|certainly|definitely|absolutely) not|"
    r"incorrect|wrong|false|untrue|negative)"
)
_WORD = re.compile(rf"\W*(?:(?P<yes>{_YES})|(?P<no>{_NO}))\b(?=\s*(?:$|[.,;:!)\u2014-]))")
_SHORT = re.compile(
    r"\W*(?P<subject>(?:[\w'-]+\s+){1,5}?)(?:is|was|are|were|has|had|have|does|do|did|will|would|can|could)\b"
    r"(?P<not>\s+(?:not|never)\b)?(?P<rest>[^.;:!?\n]*)"
)
_PRONOUN = frozenset({"he", "i", "it", "one", "she", "that", "there", "they", "this", "we", "you"})
_ENDS = re.compile(r"\s*(?:$|[,(\u2014]|-\s|(?:indeed|in fact|actually|according to|by|per)\b)")
_NEGATIVE = re.compile(r"\b(?:not|never|no|neither|nor|but|rather|instead)\b")
_AT_FIRST = re.compile(r"\s+(?:(?:a|an|the|indeed|in fact|actually|really|\w+ly)\s+)*(?P<word>\w+)")


def polarity(text: MaskedResponse) -> Judgement | None:
    """The answer to a yes/no question in a text that says neither "yes" nor "no"; None if it is not one, or if the text
    does not begin with such an answer.

    A pronoun or the subject of the question counts if only a verb follows ("He did."), or also a word of the question
    ("It is not a fruit"), because "He did not lose" does not deny that he won.
    """
    sides = {
        word: [
            side
            for side, answers in (("context", text.context_answers), ("parametric", text.parametric_answers))
            if shared_answers([word], answers)
        ]
        for word in ("yes", "no")
    }
    if sorted(map(len, sides.values())) != [1, 1] or sides["yes"] == sides["no"]:
        return None
    found = _said(text.masked, text.question)
    if found is None:
        return None
    word, end = found
    return Judgement(sides[word][0], (0, text.original(end)), "polarity")  # type: ignore[arg-type]


def _said(said: str, question: str) -> tuple[str, int] | None:
    """Whether a text in lower case begins with a yes or a no, and where that ends."""
    if word := _WORD.match(said):
        return ("yes" if word["yes"] else "no"), word.end()
    short = _SHORT.match(said)
    asked = content_words(question)
    if short is None:
        return None
    subject = short["subject"].strip()
    if subject not in _PRONOUN and (not content_words(subject) or content_words(subject) - asked):
        return None
    answer = "no" if short["not"] else "yes"
    if _ENDS.match(short["rest"]):
        return answer, short.start("rest")
    first = _AT_FIRST.match(short["rest"])
    repeats = first is not None and bool(content_words(first["word"]) & asked)
    if not repeats or (answer == "yes" and _NEGATIVE.search(short["rest"])):
        return None
    return answer, short.end()
