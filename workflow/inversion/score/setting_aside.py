"""Sets mentions aside that are not answers, whatever else the response says."""

from __future__ import annotations

import re

from inversion.score import cues
from inversion.score.copying import COPIED_AROUND, copied_runs
from inversion.score.cues import A
from inversion.score.masked_response import ANY_ANSWER, MaskedResponse, Sentence
from inversion.score.statements import content_words


def set_aside_mentions(text: MaskedResponse) -> None:
    """Set aside every mention that is not an answer, whatever else the text says."""
    if text.passage:
        runs = copied_runs(text.words, text.passage)
        for i, mention in enumerate(text.mentions):
            # a bare name that is also in the passage is not a copy
            size = mention.end - mention.start
            if any(a <= mention.start and mention.end <= b and b - a - size >= COPIED_AROUND for a, b in runs):
                text.copied.add(i)
                if mention.side == "parametric":
                    text.set_aside[i] = "copied"
    asked = text.question.lower()
    present = cues.PRESENT.search(asked) is not None and cues.PAST.search(asked) is None
    asks_former = cues.ASKS_FORMER.search(asked) is not None
    for sentence in text.sentences:
        if not ANY_ANSWER.search(sentence.text):
            continue
        _hedged(text, sentence)
        suggests = cues.NEGATIVE_QUESTION.match(sentence.text) if text.may_have(cues.NEGATIVE_QUESTION) else None
        _set_aside_matches(text, sentence, cues.NEGATED, "negated", suggests.end() if suggests else 0)
        _set_aside_matches(text, sentence, cues.NEGATED_AFTER, "negated")
        for match in cues.DENIED.finditer(sentence.text) if text.may_have(cues.DENIED) else ():
            for sign in ANY_ANSWER.finditer(sentence.text, *match.span()):
                drop_mention(text, sentence.start + sign.start(), "rejected")
        if (
            text.names_both
            and text.may_have(cues.MIXED_UP)
            and cues.MIXED_UP.search(sentence.text)
            and len(text.sides(sentence.start, sentence.end)) == 2
        ):
            for i in text.remaining(sentence.start, sentence.end):
                if text.side(i) == "context":
                    text.set_aside[i] = "rejected"
        _set_aside_matches(text, sentence, cues.RETRACTED, "corrected")
        _set_aside_matches(text, sentence, cues.RESPECTS, "conceded")
        _set_aside_matches(text, sentence, cues.LEFT, "left_behind")
        if not asks_former:
            _set_aside_matches(text, sentence, cues.FORMER, "past")
        if present:
            _set_aside_matches(text, sentence, cues.HELD, "past")
        _set_aside_matches(text, sentence, cues.BEFALLEN, "past")
        _set_aside_matches(text, sentence, cues.DENIED_ELSEWHERE, "rejected")
        if text.may_have(cues.PUT_ASIDE) and (aside := cues.PUT_ASIDE.search(sentence.text)):
            for i in text.remaining(sentence.start, sentence.start + aside.start()):
                text.set_aside[i] = "rejected"
        if text.may_have(cues.UNFINISHED_MOVE) and (moved := cues.UNFINISHED_MOVE.search(sentence.text)):
            for sign in ANY_ANSWER.finditer(sentence.text, 0, moved.start() + 1):
                if sign[0] == moved["m"] and not _TO.search(sentence.text, 0, sign.start()):
                    drop_mention(text, sentence.start + sign.start(), "left_behind")
    for match in text.matches(cues.RETURNED) if text.names_both else ():
        if match["to"] != match["m"] and (match["m2"] is None or match["m2"] == match["m"]):
            text.set_aside.pop(text.at(match.start("to")), None)
            for place in map(match.start, ("m", "m2")):
                if place >= 0:
                    drop_mention(text, place, "left_behind")
    _listed(text)
    _denied_before(text)


_TWO = re.compile(r"\b(?:two|both)\b[^.!?]*$")
_LONG_LIST = 4
"""A list of so many things contains an answer only as one of them."""


def _listed(text: MaskedResponse) -> None:
    """Set aside the mentions in a list of several things, of which neither answer is singled out: "The five oceans are
    the Atlantic, the Pacific, the Indian, ..."."""
    for match in text.matches(cues.ENUMERATION):
        inside = [i for i, place in enumerate(text.places) if match.start() <= place < match.end()]
        things = len(re.split(r",(?: and | or )?| and ", match[0].rstrip(" ,")))
        two = _TWO.search(text.masked, max(0, match.start() - 40), match.start())
        names_both = len({text.side(i) for i in inside}) == 2 and things > len(inside) and not two
        if names_both or (inside and things >= _LONG_LIST):
            for i in inside:
                drop_mention(text, text.places[i], "aside")


def _set_aside_matches(
    text: MaskedResponse, sentence: Sentence, pattern: re.Pattern[str], rule: str, position: int = 0
) -> None:
    """Set aside the mentions in a pattern's groups ``m...``, from a position on. If it has a group ``to...``, that must
    be the other answer."""
    if not text.may_have(pattern):
        return
    while match := pattern.search(sentence.text, position):
        groups = {name: place for name in match.groupdict() if (place := match.start(name)) >= 0}
        gone = next(place for name, place in groups.items() if name[0] == "m")
        to = next((place for name, place in groups.items() if name.startswith("to")), None)
        if to is None or sentence.text[to] != sentence.text[gone]:
            drop_mention(text, sentence.start + gone, rule)
            joins = {"negated": _OR, "left_behind": _AND}.get(rule)
            if joins is not None:
                _drop_joined(text, sentence, gone + 1, joins, rule)
        position = max(match.start() + 1, gone if gone > position else position + 1)


_TO = re.compile(r"\b(?:to|into) (?:the )?$")
"""What precedes the place to which something moves."""
_OR = re.compile(rf"[\"')\]]*\s*,?\s*(?:or|nor)\s+(?:the |a |in |by )?[\"'(\[]*({A})")
_AND = re.compile(rf"[\"')\]]*\s*(?:,|and|or|,\s*and)\s+(?:the )?({A})")


def _drop_joined(text: MaskedResponse, sentence: Sentence, end: int, joins: re.Pattern[str], rule: str) -> None:
    """Set aside mentions that are joined to one that a rule set aside: "not Paris or Lyon", "from La Paz and Sucre to".
    After a move, only mentions of the same answer are set aside."""
    while match := joins.match(sentence.text, end):
        if rule == "negated" or match[1] == sentence.text[end - 1]:
            drop_mention(text, sentence.start + match.start(1), rule)
        end = match.end()


def drop_mention(text: MaskedResponse, place: int, rule: str) -> None:
    """Set the mention at a position of the masked text aside. Copied text about the context answer is kept, unless the
    response rejects or concedes it."""
    index = text.at(place)
    if index in text.copied and text.side(index) == "context" and rule not in ("rejected", "conceded"):
        return
    text.set_aside.setdefault(index, rule)


def _hedged(text: MaskedResponse, sentence: Sentence) -> None:
    """Set aside the mentions that a hedge leaves open, up to the end of its scope."""
    for match in cues.HEDGE.finditer(sentence.text) if text.may_have(cues.HEDGE) else ():
        stop = cues.SCOPE_END.search(sentence.text, match.end())
        for sign in ANY_ANSWER.finditer(sentence.text, match.end(), stop.start() if stop else len(sentence.text)):
            drop_mention(text, sentence.start + sign.start(), "left_open")


_OF_SOURCE = re.compile(rf"\bthe (?:{cues.SOURCE}|information)\b[^.]{{0,20}}\b(?:is|was|seems|must be|appears)\b")


def _denied_before(text: MaskedResponse) -> None:
    """Set aside the mentions that a later sentence denies: those of the sentence before it ("This is false."), those
    that are attributed to the passage ("It is wrong."), or all of them ("It is neither.")."""
    before: Sentence | None = None
    for sentence in text.sentences if text.may_have(cues.NEITHER_BEFORE, cues.DENIES_BEFORE) else ():
        if neither := cues.NEITHER_BEFORE.search(sentence.text):
            text.set_aside.update(dict.fromkeys(text.remaining(0, sentence.start + neither.start()), "rejected"))
        if cues.DENIES_BEFORE.search(sentence.text.strip(" \"'")) and before is not None:
            of_source = _OF_SOURCE.search(sentence.text)
            for earlier in text.sentences[: text.sentences.index(sentence)] if of_source else [before]:
                if not of_source or cues.PASSAGE.search(earlier.text) or cues.IF_SOURCE.search(earlier.text):
                    for i in text.remaining(earlier.start, earlier.end):
                        text.set_aside[i] = "rejected"
        if ANY_ANSWER.search(sentence.text):
            before = sentence
    _source_denied(text)


def _source_denied(text: MaskedResponse) -> None:
    """Set aside the passage's answer before a statement that the passage is wrong about it, or that the reader should
    trust the passage, not the writer ("If you trust the passage, Lyon. I don't, though."), and an answer that is said
    not to be what was asked ("It's not where he was born.")."""
    if not text.may_have(cues.SOURCE_IS_WRONG, cues.NOT_WHAT_WAS_ASKED, cues.NOT_I):
        return
    asked = content_words(text.question)
    before: Sentence | None = None
    for sentence in text.sentences:
        wrong = cues.SOURCE_IS_WRONG.search(sentence.text)
        earlier = sentence if before is None else before
        if wrong:
            for i in text.remaining(earlier.start, sentence.start + wrong.start()):
                if text.side(i) == "context":
                    text.set_aside[i] = "rejected"
        unlike = cues.NOT_WHAT_WAS_ASKED.search(sentence.text)
        declined = cues.NOT_I.match(sentence.text) and cues.IF_TRUSTED.search(earlier.text)
        if declined or (unlike and content_words(unlike["rest"]) & asked):
            inside = unlike.start() if unlike else 0
            span = (sentence.start, sentence.start + inside) if inside else (earlier.start, sentence.start)
            text.set_aside.update(dict.fromkeys(text.remaining(*span), "rejected"))
        before = sentence
