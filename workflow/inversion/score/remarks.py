"""Sets aside a candidate of which the text says what it really is or did: "The baht mentioned in the text is actually
the currency of Thailand", "The passage names Salieri, who only attended a performance", or after which it gives a third
answer: "The passage says Lyon, but the capital is in fact Nice"."""

from __future__ import annotations

import re

from inversion.score import cues
from inversion.score.clauses import Clause, clauses_of
from inversion.score.cues import SOURCE, A, C, P
from inversion.score.masked_response import ANY_ANSWER, MaskedResponse
from inversion.score.setting_aside import drop_mention
from inversion.score.statements import NAME, content_words, stems

_IN_SOURCE = (
    r"(?:(?:(?:that|which|who) )?(?:is |was )?(?:mentioned|named|given|cited|described|listed|quoted|stated) )?"
    rf"(?:in|by|from|of) (?:(?:the|this|that|your) {SOURCE}|(?:the |most |many |old )?(?:text ?books?|encyclop\w+))"
)
_IS = r"(?:is|was|are|were)"
_REALLY = r"(?:actually|really|in (?:reality|fact|truth|actuality)|(?P<little>only|merely|just))"
_REST = rf"(?P<rest>[^.;!?{C}{P}]*)"
_REMARKS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?P<m>{A})[\"')\]]*(?: \w+)?,? (?:as |the \w+ )?{_IN_SOURCE},? "
        rf"(?:{_IS}|can|could|must) (?:{_REALLY} )?{_REST}",
        rf"\b{SOURCE}'s (?P<m>{A})[\"')\]]* {_IS} {_REALLY} {_REST}",
        rf"(?P<before>[^.,;!?{C}{P}]*)(?P<m>{A})[\"')\]]*,? (?:but )?(?:who|which|he|she|it|they|that) "
        rf"(?:{_IS} |has |had )?{_REALLY} {_REST}",
        rf"(?P<before>[^.,;!?{C}{P}]*)(?P<n>{A})(?P<after>[^.;,!?{C}{P}]*)[.;,] "
        rf"(?:but |yet |however,? )?(?:the )?(?P<m>(?P=n)) {_IS} {_REALLY} {_REST}",
    )
)
"""A mention of a candidate, and what the text remarks on it."""
_NAMES = re.compile(
    r"\b(?:name[ds]?|credit(?:s|ed)?|attribut\w+|mention(?:s|ed)?|says?|thinks?|believe|list(?:s|ed)?|gives?)\b"
)
_REFERS = re.compile(r"\b(?:it|this|that|them)\b")
_AGREES = content_words("answer correct right true official accurate real")


def set_aside_remarked(text: MaskedResponse) -> None:
    """Set aside every candidate that somebody else names and the text calls something else than what was asked."""
    if not text.question:
        return
    for match in (match for pattern in _REMARKS for match in pattern.finditer(text.masked)):
        groups = match.groupdict()
        before = f"{groups['before']} {groups.get('after', '')}" if "before" in groups else None
        named = before is None or any(c.search(before) for c in (cues.PASSAGE, cues.GENERAL, _NAMES))
        if named and _is_something_else(match["rest"], bool(match["little"]), text.question):
            for name in ("m", "n"):
                if groups.get(name):
                    drop_mention(text, match.start(name), "rejected")


def _is_something_else(remark: str, little: bool, question: str) -> bool:
    """Whether a remark is about something other than the question. One with "only" can refer to what was asked, if it
    uses other words for it: "he only reviewed it"."""
    said, asked = content_words(remark), content_words(question)
    if remark.startswith("not "):
        return bool(said & _AGREES or (said and said <= asked))
    if not said - asked or said & _AGREES:
        return False
    if not little and said & content_words(" ".join(NAME.findall(question))):
        return False
    return not _REFERS.search(remark) or (little and not said & asked)


_THIRD = re.compile(
    r"(?:\W|(?:but|yet|however|though|although|while|whereas|in (?:reality|fact|truth|the real world)|actually)\b)*"
    rf"(?P<subject>[^.,;:!?{C}{P}]+?) {_IS} (?:(?:actually|really|in (?:reality|fact|truth)) )?"
    r"(?:(?P<verb>\w+) (?:by|in|to|at|from) )?"
    rf"(?P<name>(?:the )?(?P<words>[^.,;:!?{C}{P}]+?))\W*"
)
"""A clause that gives one name as an answer."""
_SUBJECT = stems("answer real actual true correct right")
_IT = frozenset({"it", "that"})
_NO_NAME = re.compile(r"\b(?:same|one|case|opposite|reverse|other|former|latter|first|second|last|\w+est)\b")
_LONGEST_NAME = 3


def set_aside_before_third(text: MaskedResponse) -> None:
    """Set aside what others name, if the text names it only so and then says what the answer really is, which is
    another one: "The passage says Lyon, but the capital is in fact Nice"."""
    if not text.may_have(cues.REAL) or len(text.sides()) != 1:
        return
    clauses = [clause for sentence in text.sentences for clause in clauses_of(sentence)]
    naming = [clause for clause in clauses if text.remaining(clause.start, clause.end)]
    thirds = [clause.start for clause in clauses if _gives_third(text, clause)]
    if thirds and thirds[-1] > naming[-1].start and all(clause.passage or clause.general for clause in naming):
        text.set_aside.update(dict.fromkeys(text.remaining(), "rejected"))


def _gives_third(text: MaskedResponse, clause: Clause) -> bool:
    """Whether a clause says what the answer really is, with another name. The subject must be words of the question, or
    a pronoun if the name begins with a capital."""
    said = _THIRD.fullmatch(clause.text) if clause.real and not ANY_ANSWER.search(clause.text) else None
    if said is None or _NO_NAME.search(said["name"]) or not 0 < len(said["words"].split()) <= _LONGEST_NAME:
        return False
    start = text.original(clause.start + said.start("words"))
    proper = not text.response[start : start + 1].islower()
    subject, name, verb = stems(said["subject"]), stems(said["words"]), stems(said["verb"] or "")
    asked = stems(text.question) | _SUBJECT
    if not name or name & asked or not verb <= asked:
        return False
    if said["subject"].strip() in _IT:
        return proper
    named = proper or (said["name"].startswith("the ") and not verb)
    return bool(subject) and named and all(any(_related(word, other) for other in asked) for word in subject)


def _related(one: str, other: str) -> bool:
    """Whether the beginnings of two words are those of related words: "owner" and "own"."""
    return one.startswith(other) or other.startswith(one)
