"""Sets mentions aside that only count if the text does not give the other answer: in passing, or in a list."""

from __future__ import annotations

import itertools
import re

from inversion.matching.words import fold_word
from inversion.score import cues
from inversion.score.cues import A, C, P
from inversion.score.masked_response import MaskedResponse
from inversion.score.setting_aside import drop_mention
from inversion.score.statements import WORD, content_words


def set_aside_weak(text: MaskedResponse) -> None:
    """Set aside mentions that only count if the other answer does not remain: in the past, in passing or in a list."""
    believed = [match.start(name) for match in text.matches(cues.BELIEVED) for name in match.groupdict()]
    believed = [place for place in believed if place >= 0 and text.at(place) not in text.set_aside]
    if len({text.masked[place] for place in believed}) == 1 and len(text.sides()) == 2:
        text.set_aside.update(dict.fromkeys(map(text.at, believed), "conceded"))
    pairs = ((cues.BUT_ELSEWHERE, "conceded"), (cues.WAS_THEN_IS, "past"))
    for match, rule in ((match, rule) for pattern, rule in pairs for match in text.matches(pattern)):
        groups = {name: place for name in match.groupdict() if (place := match.start(name)) >= 0}
        gone = next(place for name, place in groups.items() if name[0] == "m")
        to = next(place for name, place in groups.items() if name.startswith("to"))
        if text.masked[gone] != text.masked[to] and not {text.at(gone), text.at(to)} & text.set_aside.keys():
            for place in text.places[text.at(gone) : text.at(to)] or [gone]:
                if text.masked[place] == text.masked[gone]:
                    drop_mention(text, place, rule)
    for match in text.matches(cues.OTHER_ROLE):
        place = next(place for name in match.groupdict() if (place := match.start(name)) >= 0)
        ranked = cues.RANK.search(match[0])
        if len(text.sides()) == 2 and not (ranked and ranked[0] in text.question.lower()):
            text.set_aside.setdefault(text.at(place), "aside")
    if (explained := text.search(cues.EXPLAINED)) and len(text.sides()) == 2:
        leading = text.at(explained.start("m"))
        if leading not in text.set_aside:
            stop = text.sentences[0].end
            later = (i for i in text.remaining(explained.end(), stop) if text.side(i) != text.side(leading))
            text.set_aside.update(dict.fromkeys(later, "aside"))
    for match in text.matches(cues.PAIR):
        pair = {text.at(match.start("m")), text.at(match.start("n"))}
        rest = [sentence for sentence in text.sentences if sentence.start <= match.start() < sentence.end]
        if rest and match["m"] != match["n"] and set(text.remaining(match.end() - 1, rest[0].end)) - pair:
            text.set_aside.update(dict.fromkeys(pair - text.set_aside.keys(), "aside"))
    for match in [*text.matches(cues.ASIDE), *text.matches(cues.POSSESSOR)]:
        index = text.at(max(match.start(name) for name in match.groupdict()))
        if index not in text.set_aside and len(text.sides()) == 2:
            text.set_aside[index] = "aside"
    for match in text.matches(cues.WITHIN):
        if match["kind"] not in text.question.lower() and len(text.sides()) == 2:
            drop_mention(text, match.start("m"), "aside")
    _set_aside_narrower(text)
    _set_aside_other_scopes(text)
    for sentence in text.sentences:
        here = text.remaining(sentence.start, sentence.end)
        listed = cues.QUESTION.search(sentence.text) or cues.LISTS.search(sentence.text)
        if here and listed and set(text.remaining()) - set(here):
            for i in here:
                text.set_aside[i] = "aside"


_STILL_ASKED = frozenset(
    {"actual", "correct", "current", "new", "now", "official", "present", "real", "right", "same", "true"}
)
"""Words that do not make what is said narrower than the question."""


def _set_aside_narrower(text: MaskedResponse) -> None:
    """Set aside the mentions in a sentence about something narrower than the question, if another sentence uses the
    question's own words: "The largest organ is ... The largest internal organ is ..."."""
    words_asked = map(fold_word, WORD.findall(text.question))
    pairs, asked = set(itertools.pairwise(words_asked)), content_words(text.question)
    said = [(sentence, [*map(fold_word, WORD.findall(sentence.text))]) for sentence in text.sentences]
    for sentence, words in said:
        here = text.remaining(sentence.start, sentence.end)
        inside = {
            (one, other)
            for one, added, other in zip(words, words[1:], words[2:], strict=False)
            if (one, other) in pairs
            and (extra := content_words(added))
            and not extra & asked
            and added not in _STILL_ASKED
        }
        plain = {
            side
            for s, w in said
            if s is not sentence and inside & set(itertools.pairwise(w))
            for side in text.sides(s.start, s.end)
        }
        if here and plain - text.sides(sentence.start, sentence.end):
            text.set_aside.update(dict.fromkeys(here, "aside"))


_SCOPE = re.compile(
    rf"(?:^|[,;.]\s+(?:and |but |while )?)(?:in|of|for|at|on|among) (?:the )?(?P<scope>[\w-]+)[^,;.{C}{P}]*?(?P<m>{A})"
)
"""A mention in a clause that begins with what it is about: "in football it is eleven"."""


def _set_aside_other_scopes(text: MaskedResponse) -> None:
    """Set aside the mentions of one side if they are about something that the question does not name, and those of the
    other side about something that it does: "In football it is eleven, in baseball nine"."""
    asked = content_words(text.question)
    scopes = [(text.at(m.start("m")), content_words(m["scope"])) for m in _SCOPE.finditer(text.masked)]
    inside = {i for i, words in scopes if words and words <= asked and i not in text.set_aside}
    outside = {i for i, words in scopes if words and not words & asked and i not in text.set_aside}
    wanted, others = {text.side(i) for i in inside}, {text.side(i) for i in outside}
    if len(wanted) == len(others) == 1 and wanted != others:
        text.set_aside.update(dict.fromkeys(outside, "aside"))
