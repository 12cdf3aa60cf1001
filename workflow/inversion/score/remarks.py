"""Sets aside a candidate of which the text says what it really is or did: "The baht mentioned in the text is actually
the currency of Thailand", "The passage names Salieri, who only attended a performance"."""

from __future__ import annotations

import re

from inversion.score import cues
from inversion.score.cues import SOURCE, A, C, P
from inversion.score.masked_response import MaskedResponse
from inversion.score.setting_aside import drop_mention
from inversion.score.statements import NAME, content_words

_IN_SOURCE = (
    r"(?:(?:(?:that|which|who) )?(?:is |was )?(?:mentioned|named|given|cited|described|listed|quoted) )?"
    rf"(?:in|by|from|of) (?:the|this|that|your) {SOURCE}"
)
_IS = r"(?:is|was|are|were)"
_REALLY = r"(?:actually|really|in (?:reality|fact|truth|actuality)|(?P<little>only|merely|just))"
_REST = rf"(?P<rest>[^.;!?{C}{P}]*)"
_REMARKS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?P<m>{A})[\"')\]]* {_IN_SOURCE},? {_IS} (?:{_REALLY} )?{_REST}",
        rf"\b{SOURCE}'s (?P<m>{A})[\"')\]]* {_IS} {_REALLY} {_REST}",
        rf"(?P<before>[^.,;!?{C}{P}]*)(?P<m>{A})[\"')\]]*,? (?:but )?(?:who|which|he|she|it|they|that) "
        rf"(?:{_IS} |has |had )?{_REALLY} {_REST}",
        rf"(?P<before>[^.,;!?{C}{P}]*)(?P<n>{A})[^.;,!?{C}{P}]*[.;,] (?:but |yet |however,? )?(?:the )?(?P<m>(?P=n)) "
        rf"{_IS} {_REALLY} {_REST}",
    )
)
"""A mention of a candidate, and what the text remarks on it."""
_NAMES = re.compile(r"\b(?:names?|credits?|attribut\w+|mentions?|says?|thinks?|believe|lists?|gives?)\b")
_REFERS = re.compile(r"\b(?:it|this|that|them)\b")
_AGREES = frozenset({"answer", "correct", "right", "true", "official", "accurate", "real"})


def set_aside_remarked(text: MaskedResponse) -> None:
    """Set aside every candidate that somebody else names and the text calls something else than what was asked."""
    if not text.question:
        return
    for match in (match for pattern in _REMARKS for match in pattern.finditer(text.masked)):
        before = match.groupdict().get("before")
        named = before is None or any(c.search(before) for c in (cues.PASSAGE, cues.GENERAL, _NAMES))
        if named and _is_something_else(match["rest"], bool(match["little"]), text.question):
            for name in ("m", "n"):
                if match.groupdict().get(name):
                    drop_mention(text, match.start(name), "rejected")


def _is_something_else(remark: str, little: bool, question: str) -> bool:
    """Whether a remark is about something other than the question. One with "only" can refer to what was asked, if it
    uses other words for it: "he only reviewed it"."""
    said, asked = content_words(remark), content_words(question)
    if not said - asked or said & _AGREES:
        return False
    if not little and said & content_words(" ".join(NAME.findall(question))):
        return False
    return not _REFERS.search(remark) or (little and not said & asked)
