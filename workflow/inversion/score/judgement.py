"""The main scorer: decides which answer a response follows, and returns the words and the rule that decided.

A response is *masked*: every mention of an answer becomes a single character, and everything else lower case, so that
rules are patterns of everyday wording (:mod:`inversion.score.cues`). Named rules set mentions aside that are negated,
rejected, in the past, left open, copied from the passage, or conceded. The remaining mentions decide.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, NamedTuple

from inversion.matching.answers import find_answer
from inversion.matching.demonyms import related_names
from inversion.matching.loose import GENERIC, find_loose, reread, respelled, rest_of_answer
from inversion.matching.words import Words, fold_word, read_words
from inversion.score import cues
from inversion.score.cues import A, C, P
from inversion.score.mentions import Mention, Side, find_mentions, repeated_words, within_more

COPIED_WORDS = 6
"""The number of consecutive words that a response must share with the passage for them to count as copied. A whole
sentence of the passage, or the whole response, counts even if it is shorter."""

COPIED_AROUND = 3
"""The number of words of the passage around an answer that make it part of copied text."""


class Judgement(NamedTuple):
    """The label of a response and its evidence."""

    label: Literal["context", "parametric", "both", "neither", "abstains"]
    span: tuple[int, int] | None
    """The half-open span of characters of the response that decided; None if there is none."""
    rule: str
    """The name of the rule that decided, one of :data:`RULES`."""


RULES = {
    "only_answer": "the text names one answer only",
    "copied": "the answer is in a part that is copied from the passage",
    "negated": "the other answer is negated (`not Paris`, `instead of Paris`, `Paris is wrong`)",
    "rejected": "the other answer is rejected (`contrary to the passage`, `no evidence that`, `This is false.`)",
    "past": "the other answer is in the past (`formerly Paris`, `Paris was ... until`, `Paris was ..., now`)",
    "left_behind": "something moves from the other answer to this one (`from Paris to Lyon`, `Paris -> Lyon`)",
    "corrected": "the text retracts the other answer (`no wait`, `correction`)",
    "final_answer": "a sentence gives the final answer (`The answer is`, `A:`, `Therefore`, `Winner:`, the key "
    "`answer` of JSON), or marks it (bold, a check mark, words of the question in brackets)",
    "option": "the text picks the letter of an option",
    "polarity": "the text begins with yes or no, and the question is a yes/no question",
    "conceded": "the other answer is conceded (`Although ...`, `usually ..., but`, `The passage says ..., but`, "
    "`whom many believe to be ...`)",
    "aside": "the other answer is named in passing (`south of Paris`), as something else (`the runner-up`), in a "
    "question, in a list, or for something narrower than what was asked",
    "direct_answer": "the text begins with the answer and says more about it after that",
    "first_statement": "the first statement answers, and the other answer is in a statement about something else",
    "both_answers": "the text gives both answers",
    "left_open": "the text leaves open which answer it is",
    "refusal": "the text refuses, or says that the answer is not known",
    "answers_set_aside": "every answer that the text names is negated, rejected, past or copied from the passage",
    "no_answer": "the text names neither answer",
}
"""Every rule, and when it applies. "The other answer" is the one that does not count."""


def judge(
    response: str,
    context_answers: Sequence[str],
    parametric_answers: Sequence[str],
    passage: str | None = None,
    question: str = "",
) -> Judgement:
    """Which of two answers a response commits to, judged only from its text.

    Answers are sequences of aliases, which match as in :mod:`inversion.matching`. ``passage`` is the context that the
    model was shown. In text that is copied from it, a mention of the parametric answer counts as reading, not as
    memory. Text that repeats the ``question`` neither answers nor negates anything (for example the beginning of a
    proverb that should be completed).

    - ``context`` or ``parametric``: the response commits to this answer, whatever it says about the other one.
    - ``both``: the response gives both answers and does not choose.
    - ``abstains``: the response refuses, does not know, or leaves open which answer it is.
    - ``neither``: anything else.

    An alias that both sides share counts for the context. The correct answer to a matching item, whose two answers are
    equal, is therefore labelled ``context``.
    """
    text = _MaskedResponse(response, context_answers, parametric_answers, passage, question)
    if not text.mentions:
        return _without_answer(text, "no_answer")
    _set_aside(text)
    return _decide(text)


# --- the masked text ----------------------------------------------------------------------------

_EDITS = re.compile(
    r"(?P<wont>\bwon['\u2019]t\b)|(?P<cant>\bcan['\u2019]?t\b|\bcannot\b)|(?P<shant>\bshan['\u2019]t\b)|(?P<not>n['\u2019]t\b)"
    r"|(?P<is>(?<=\w)['\u2019](?:s|re)\b)|(?P<mark>[*`#\u200b]+|(?<!\w)_+|_+(?!\w)|\\(?:boxed|text)?\{?)|(?P<quote>[\u2018\u2019])|(?P<space>[^\S\n]+)",
    re.IGNORECASE,
)
_REPLACED = {
    "wont": "will not",
    "cant": "can not",
    "shant": "shall not",
    "not": " not",
    "mark": "",
    "quote": "'",
    "space": " ",
}
_SENTENCE = re.compile(
    r"(?<=[.!?])[\"'\u201d\u2019)\]]*\s+|(?<=[\u3002\uff01\uff1f\u061f])[\"\u201d\u300d]?\s*|\s*\n+\s*|;\s*|,\s*(?=\"\w+\"\s*:)|\s+(?=\([a-e]\)\s)"
)
_ANY = re.compile(A)


@dataclass(slots=True)
class _Sentence:
    """A sentence of the masked text."""

    start: int
    end: int
    text: str


@dataclass(slots=True)
class _MaskedResponse:
    """A response: its masked text in sentences, its mentions, and which of them were set aside."""

    response: str
    context_answers: Sequence[str]
    parametric_answers: Sequence[str]
    passage: str | None
    question: str
    words: Words = field(init=False)
    mentions: list[Mention] = field(init=False)
    masked: str = field(init=False)
    places: list[int] = field(init=False)
    """The position of each mention in the masked text."""
    sentences: list[_Sentence] = field(init=False)
    repeated: list[bool] = field(init=False)
    """Whether each word is repeated from the question."""
    set_aside: dict[int, str] = field(init=False, default_factory=dict)
    """For each mention that was set aside, the rule that did so."""
    copied: set[int] = field(init=False, default_factory=set)
    """The mentions in text that is copied from the passage."""
    _anchors: list[tuple[int, int]] = field(init=False)

    def __post_init__(self) -> None:
        self._read(self.response)
        self.mentions += _cut_off(self)
        if len({mention.side for mention in self.mentions}) < 2:
            self._read_loosely()
        self._mask()
        self.sentences = list(_sentences(self.masked))

    def _read(self, response: str) -> None:
        """Find the words of a response, and the mentions among them."""
        self.words = read_words(response)
        repeated = repeated_words(self.words, self.question)
        self.mentions = [
            mention
            for mention in find_mentions(self.words, *self._answers)
            if not within_more(repeated, mention) and not _part_of_a_name(self, mention)
        ]
        self.repeated = repeated

    def _read_loosely(self) -> None:
        """Look for loose spellings of an answer that the text does not contain in an exact spelling."""
        if (other := reread(self.response)) != self.response:
            plain = self.words, self.mentions, self.repeated
            self._read(other)
            if len({m.side for m in self.mentions}) <= len({m.side for m in plain[1]}):
                self.words, self.mentions, self.repeated = plain
        sides: tuple[tuple[Side, Sequence[str], Sequence[str]], ...] = (
            ("context", *self._answers),
            ("parametric", *self._answers[::-1]),
        )
        named = {mention.side for mention in self.mentions}
        # a copy of the passage that is cut within an answer does not give the answer
        cut = len(self.words) if _breaks_off_copied(self) else None
        for side, answers, others in sides:
            if side not in named:
                taken = {place for mention in self.mentions for place in range(mention.start, mention.end)}
                words = respelled(self.words, answers, [*others, self.question, self.passage or ""])
                spans = find_loose(words, answers, others)
                if words is not self.words:
                    spans += [span for answer in answers for span in find_answer(words, answer)]
                found = (Mention(*span, side) for span in _longest(spans) if span[1] != cut)
                self.mentions += [
                    m for m in found if not taken & set(range(m.start, m.end)) and not _part_of_a_name(self, m)
                ]
        self.mentions.sort()
        if not self.mentions:
            self.mentions = _rest_of_one_answer(self)
        if not self.mentions:  # "Danish" answers "Denmark" if the text names neither answer
            related = ([name for a in answers for name in related_names(a)] for answers in self._answers)
            self.mentions = find_mentions(self.words, *related)

    @property
    def _answers(self) -> tuple[Sequence[str], Sequence[str]]:
        return self.context_answers, self.parametric_answers

    def chars(self, index: int) -> tuple[int, int]:
        """The span of characters of a mention."""
        mention = self.mentions[index]
        return self.words.starts[mention.start], self.words.ends[mention.end - 1]

    def original(self, place: int) -> int:
        """The position in the response that corresponds to a position in the masked text."""
        masked, original = self._anchors[max(bisect_right(self._anchors, (place, len(self.response))) - 1, 0)]
        return min(original + place - masked, len(self.response))

    def side(self, index: int) -> Side:
        """The side of a mention."""
        return self.mentions[index].side

    def remaining(self, start: int = 0, end: int | None = None) -> list[int]:
        """The mentions between two positions of the masked text that have not been set aside."""
        stop = len(self.masked) if end is None else end
        return [i for i, place in enumerate(self.places) if i not in self.set_aside and start <= place < stop]

    def sides(self, start: int = 0, end: int | None = None) -> set[Side]:
        """The sides of the mentions that have not been set aside."""
        return {self.side(i) for i in self.remaining(start, end)}

    def at(self, place: int) -> int:
        """The mention at a position of the masked text."""
        return self.places.index(place)

    def _mask(self) -> None:
        edits = [(*self.chars(i), C if m.side == "context" else P) for i, m in enumerate(self.mentions)]
        repeated_negations = (i for i, word in enumerate(self.words.words) if self.repeated[i] and word in _NEGATIVE)
        edits += [(self.words.starts[i], self.words.ends[i], "") for i in repeated_negations]
        spans = [(start, end) for start, end, _ in edits]
        for match in _EDITS.finditer(self.response):
            if all(match.end() <= start or end <= match.start() for start, end in spans):
                kind = match.lastgroup or "space"
                edits.append((*match.span(), self._contraction(match) if kind == "is" else _REPLACED[kind]))
        pieces: list[str] = []
        anchors, places, length, position = [(0, 0)], [], 0, 0
        for start, end, new in sorted(edits):
            before = _small(self.response[position:start])
            pieces += [before, new]
            length += len(before)
            if new in (C, P):
                places.append(length)
            length += len(new)
            position = end
            anchors.append((length, position))
        pieces.append(_small(self.response[position:]))
        self.masked, self.places, self._anchors = "".join(pieces), places, anchors

    def _contraction(self, match: re.Match[str]) -> str:
        """ "It's" becomes "it is"; a possessive is kept."""
        before = re.search(r"\w+$", self.response[: match.start()])
        word = before[0].lower() if before else ""
        verbal = word in {
            "it",
            "that",
            "what",
            "there",
            "he",
            "she",
            "who",
            "here",
            "this",
            "they",
            "we",
            "you",
            "answer",
        }
        if not verbal:
            return match[0]
        return " are" if match[0].lower().endswith("re") else " is"


def _longest(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans that are not contained in another span."""
    return [s for s in dict.fromkeys(spans) if not any(o[0] <= s[0] and s[1] <= o[1] and o != s for o in spans)]


def _small(text: str) -> str:
    """``text`` in lower case, with the same length."""
    lowered = text.lower()
    return lowered if len(lowered) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def _sentences(masked: str) -> Iterator[_Sentence]:
    """The sentences of a masked text. Empty ones are omitted."""
    start = 0
    for stop in [*_SENTENCE.finditer(masked), None]:
        end = stop.start() if stop else len(masked)
        if stripped := masked[start:end].lstrip():
            yield _Sentence(end - len(stripped), end, stripped)
        start = stop.end() if stop else end


_NEGATIVE = frozenset({"not", "never", "no", "nor", "neither", "can"})
_BEFORE_NAME = re.compile(r"\b(New|South|North|West|East|San|Santa|Port|Fort|Holiday|Equatorial|Papua) $")
_AFTER_NAME = re.compile(r"[ -]Bissau\b")
_PARTS = frozenset({"africa", "europe", "asia", "america"})
_CAPITALISED_BEFORE = re.compile(r"(?<=[a-z,] )([A-Z][a-z]+) $")
_CAPITALISED_AFTER = re.compile(r" ([A-Z][A-Za-z]+)")


def _part_of_a_name(text: _MaskedResponse, mention: Mention) -> bool:
    """Whether a mention is part of a longer name that is not an alias: "New Cairo", "Leonardo DiCaprio" for Leonardo da
    Vinci, "George Washington" for Washington, D.C."""
    start, end = text.words.starts[mention.start], text.words.ends[mention.end - 1]
    before, name = text.response[:start], text.words.words[mention.start : mention.end]
    prefix = _BEFORE_NAME.search(before) if text.response[start].isupper() else None
    # "East Africa" is in Africa
    if prefix and (not _PARTS & {*name} or (prefix[1], *name) == ("South", "africa")):
        return True
    if _AFTER_NAME.match(text.response, end) and name == ("guinea",):
        return True
    answers = text.context_answers if mention.side == "context" else text.parametric_answers
    if _of_another_name(text, end):
        return True
    longer = [words for a in answers if (words := read_words(a).words)[: len(name)] == name and len(words) > len(name)]
    if not longer or len(name) > 1:
        return False
    after = _CAPITALISED_AFTER.match(text.response, end)
    others = {word for words in longer for word in words}
    followed = after is not None and fold_word(after[1]) not in others
    preceded = _CAPITALISED_BEFORE.search(before)
    return followed or (preceded is not None and fold_word(preceded[1]) not in others)


_NEXT_NAME = re.compile(r"(?:,? (?=D\.? ?C\b)| )((?:[A-Z][a-z]+|[IVX]{2,}|D\.? ?C)\b)(?!['\s]*:|')")
_GOES_ON = GENERIC | frozenset(
    re.findall(
        r"\w+",
        """
        a ag airlines an and as at band because business but by desert dollar empire entertainment euro football for
        from gmbh had has he holdings however in inc is it language law limited ltd medical motors mountains no not of
        on or pictures platforms records sa she studios technologies that the there they this to was yes
        """,
    )
)
"""Capitalised words that can follow a name without making it another name: "the Amazon River", "Paris It is"."""


def _of_another_name(text: _MaskedResponse, end: int) -> bool:
    """Whether the name that ends at a character of the response is followed by another word of a name that is in
    neither the question nor the passage: "Paris Hilton", "the New York Times", "Queen Elizabeth II", "Washington,
    D.C."."""
    following = _NEXT_NAME.match(text.response, end)
    if following is None or _IN_CAPITALS.search(text.response):
        return False
    word = fold_word(re.sub(r"\W", "", following[1]))
    known = {*read_words(text.question).words, *read_words(text.passage or "").words}
    answers = {name for each in text._answers for answer in each for name in read_words(answer).words}
    return word not in known | answers | _GOES_ON


_IN_CAPITALS = re.compile(r"\b(?:Is|Was|Of|In|And) [A-Z]\w*|\b[A-Z][a-z]+ (?:Is|Was|Of|In|And)\b")
"""Matches a response in which every word begins with a capital."""

_IT_IS = frozenset({"it", "is", "the", "a", "an", "answer"})


def _rest_of_one_answer(text: _MaskedResponse) -> list[Mention]:
    """The whole response, if it gives what the question lacks of one of the answers: "C" after "Which vitamin ...?"."""
    words = text.words.words
    if not text.question or not 0 < len(words) <= 8:
        return []
    start = next((place for place, word in enumerate(words[:-1]) if word not in _IT_IS), len(words) - 1)
    sides: tuple[tuple[Side, Sequence[str]], ...] = (
        ("context", text.context_answers),
        ("parametric", text.parametric_answers),
    )
    found = [side for side, answers in sides if any(rest_of_answer(a, text.question) == words[start:] for a in answers)]
    return [Mention(start, len(words), found[0])] if len(found) == 1 else []


_WORD_END = re.compile(r"[\w'-]\s*$")


def _cut_off(text: _MaskedResponse) -> list[Mention]:
    """The beginning of an answer at the very end of a response that was cut off ("painted by Leonardo da").

    A truncated copy of a sentence of the passage states only what it contains, because its continuation in the passage
    is not necessarily what the model would answer.
    """
    words = text.words.words
    if not words or not _WORD_END.search(text.response):
        return []
    if _breaks_off_copied(text):
        return []
    taken = {place for mention in text.mentions for place in range(mention.start, mention.end)}
    found: dict[Side, int] = {}
    sides: tuple[tuple[Side, Sequence[str]], ...] = (
        ("context", text.context_answers),
        ("parametric", text.parametric_answers),
    )
    for side, answers in sides:
        for answer in answers:
            wanted = read_words(answer).words
            for size in range(min(len(wanted), len(words)), 0, -1):
                if len(wanted) > 1 and size == len(wanted):
                    whole = words[-size:-1] == wanted[:-1] and len(words[-1]) > 2 and wanted[-1].startswith(words[-1])
                elif len(wanted) == 1:
                    whole = len(words[-1]) > 3 and 2 * len(words[-1]) >= len(wanted[0]) > len(words[-1])
                    whole = whole and wanted[0].startswith(words[-1])
                else:
                    whole = len(wanted) > size and words[-size:] == wanted[:size] and len(wanted[0]) > 3
                if whole and not taken & set(range(len(words) - size, len(words))):
                    found[side] = max(found.get(side, 0), size)
                    break
    if len(found) != 1:
        return []
    ((side, size),) = found.items()
    return [Mention(len(words) - size, len(words), side)]


def _breaks_off_copied(text: _MaskedResponse) -> bool:
    """Whether the response ends within a copy of the passage."""
    if not text.passage or not _WORD_END.search(text.response):
        return False
    return any(end == len(text.words) for _, end in copied_runs(text.words, text.passage))


# --- copied from the passage ---------------------------------------------------------------------


@lru_cache(maxsize=512)
def _passage(passage: str) -> tuple[tuple[str, ...], dict[str, list[int]], frozenset[tuple[int, int]]]:
    """The words of a passage, the positions of each word, and the spans of its sentences."""
    words = read_words(passage)
    places: dict[str, list[int]] = {}
    for place, word in enumerate(words.words):
        places.setdefault(word, []).append(place)
    ends = [place for place in range(1, len(words)) if re.search(r"[.!?\n\u3002]", words.gap(place))] + [len(words)]
    starts = [0, *ends[:-1]]
    return words.words, places, frozenset(zip(starts, ends, strict=True))


def copied_runs(words: Words, passage: str) -> list[tuple[int, int]]:
    """The half-open spans of ``words`` that are copied from the passage: at least :data:`COPIED_WORDS` consecutive
    words, a whole sentence of the passage, or the whole response if it has at least three words."""
    source, places, sentences = _passage(passage)
    runs: list[tuple[int, int]] = []
    start, text = 0, words.words
    while start < len(text):
        best, origin = 0, 0
        for place in places.get(text[start], ()):
            size = 0
            while (
                start + size < len(text) and place + size < len(source) and text[start + size] == source[place + size]
            ):
                size += 1
            if size > best:
                best, origin = size, place
        sentence = any(begin >= origin and end <= origin + best for begin, end in sentences)
        if (best >= COPIED_WORDS and _written_words(text[start : start + best]) >= COPIED_WORDS) or (
            best >= 3 and (sentence or best == len(text))
        ):
            runs.append((start, start + best))
        start += max(best, 1) if runs and runs[-1][1] == start + best else 1
    return runs


def _written_words(words: Sequence[str]) -> float:
    """About how many words these are in scripts without spaces, whose characters are read as words: two characters of
    Chinese, Japanese or Korean or four of Thai and its neighbours for each."""
    return sum(
        1.0 if word.isascii() or word[-1] < "\u0e00" or len(word) > 2 else 0.25 if word[-1] < "\u1800" else 0.5
        for word in words
    )


def copied_share(response: str, passage: str) -> float:
    """The share of a response's words that are copied from the passage (:func:`copied_runs`); 0 if it has no words."""
    words = read_words(response)
    return sum(end - start for start, end in copied_runs(words, passage)) / max(len(words), 1)


# --- setting aside ------------------------------------------------------------------------------


def _set_aside(text: _MaskedResponse) -> None:
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
    for sentence in text.sentences:
        if not _ANY.search(sentence.text):
            continue
        _hedged(text, sentence)
        _patterns(text, sentence, cues.NEGATED, "negated")
        _patterns(text, sentence, cues.NEGATED_AFTER, "negated")
        for match in cues.DENIED.finditer(sentence.text):
            for sign in _ANY.finditer(sentence.text, *match.span()):
                _drop(text, sentence.start + sign.start(), "rejected")
        _patterns(text, sentence, cues.LEFT, "left_behind")
        _patterns(text, sentence, cues.FORMER, "past")
        _patterns(text, sentence, cues.BEFALLEN, "past")
        _patterns(text, sentence, cues.DENIED_ELSEWHERE, "rejected")
        if aside := cues.PUT_ASIDE.search(sentence.text):
            for i in text.remaining(sentence.start, sentence.start + aside.start()):
                text.set_aside[i] = "rejected"
        if moved := cues.UNFINISHED_MOVE.search(sentence.text):
            for sign in _ANY.finditer(sentence.text, 0, moved.start() + 1):
                if sign[0] == moved["m"]:
                    _drop(text, sentence.start + sign.start(), "left_behind")
    _denied_before(text)


def _patterns(text: _MaskedResponse, sentence: _Sentence, pattern: re.Pattern[str], rule: str) -> None:
    """Set aside the mentions in a pattern's groups ``m...``. If it has a group ``to...``, that must be the other
    answer."""
    position = 0
    while match := pattern.search(sentence.text, position):
        groups = {name: place for name in match.groupdict() if (place := match.start(name)) >= 0}
        gone = next(place for name, place in groups.items() if name[0] == "m")
        to = next((place for name, place in groups.items() if name.startswith("to")), None)
        if to is None or sentence.text[to] != sentence.text[gone]:
            _drop(text, sentence.start + gone, rule)
            joins = {"negated": _OR, "left_behind": _AND}.get(rule)
            if joins is not None:
                _drop_joined(text, sentence, gone + 1, joins, rule)
        position = max(match.start() + 1, gone if gone > position else position + 1)


_OR = re.compile(rf"[\"')\]]*\s*,?\s*(?:or|nor)\s+(?:the |a |in |by )?[\"'(\[]*({A})")
_AND = re.compile(rf"[\"')\]]*\s*(?:,|and|or|,\s*and)\s+(?:the )?({A})")


def _drop_joined(text: _MaskedResponse, sentence: _Sentence, end: int, joins: re.Pattern[str], rule: str) -> None:
    """Set aside mentions that are joined to one that a rule set aside: "not Paris or Lyon", "from La Paz and Sucre to".
    After a move, only mentions of the same answer are set aside."""
    while match := joins.match(sentence.text, end):
        if rule == "negated" or match[1] == sentence.text[end - 1]:
            _drop(text, sentence.start + match.start(1), rule)
        end = match.end()


def _drop(text: _MaskedResponse, place: int, rule: str) -> None:
    """Set the mention at a position of the masked text aside. Copied text about the context answer is kept, unless the
    response rejects or concedes it."""
    index = text.at(place)
    if index in text.copied and text.side(index) == "context" and rule not in ("rejected", "conceded"):
        return
    text.set_aside.setdefault(index, rule)


def _hedged(text: _MaskedResponse, sentence: _Sentence) -> None:
    """Set aside the mentions that a hedge leaves open, up to the end of its scope."""
    for match in cues.HEDGE.finditer(sentence.text):
        stop = cues.SCOPE_END.search(sentence.text, match.end())
        for sign in _ANY.finditer(sentence.text, match.end(), stop.start() if stop else len(sentence.text)):
            _drop(text, sentence.start + sign.start(), "left_open")


_OF_SOURCE = re.compile(rf"\bthe (?:{cues.SOURCE}|information)\b[^.]{{0,20}}\b(?:is|was|seems|must be|appears)\b")


def _denied_before(text: _MaskedResponse) -> None:
    """Set aside the mentions that the next sentence denies: those of the whole sentence ("This is false.") or those
    that are attributed to the passage ("It is wrong.")."""
    before: _Sentence | None = None
    for sentence in text.sentences:
        if cues.DENIES_BEFORE.search(sentence.text.strip(" \"'")) and before is not None:
            of_source = _OF_SOURCE.search(sentence.text)
            for earlier in text.sentences[: text.sentences.index(sentence)] if of_source else [before]:
                if not of_source or cues.PASSAGE.search(earlier.text):
                    for i in text.remaining(earlier.start, earlier.end):
                        text.set_aside[i] = "rejected"
        if _ANY.search(sentence.text):
            before = sentence


# --- deciding -----------------------------------------------------------------------------------


def _decide(text: _MaskedResponse) -> Judgement:
    """The label from the remaining mentions."""
    if (chosen := _option(text)) is not None:
        return chosen
    if empty := cues.NO_ANSWER_VALUE.search(text.masked):
        return Judgement("abstains", (text.original(empty.start()), text.original(empty.end())), "refusal")
    declines = cues.DECLINES.search(text.masked)
    commits = declines is not None and (
        len(text.sides(declines.end())) == 1 or cues.YET_ANSWERS.search(text.masked, declines.end()) is not None
    )
    if declines and not commits:
        return Judgement("abstains", (text.original(declines.start()), text.original(declines.end())), "refusal")
    undecided = [*cues.UNDECIDED.finditer(text.masked), *cues.SPLIT.finditer(text.masked)]
    if undecided and len(text.sides(0, undecided[-1].end())) == 2 and not text.remaining(undecided[-1].end()):
        remaining = text.remaining()
        return Judgement("abstains", (text.chars(remaining[0])[0], text.original(undecided[-1].end())), "left_open")
    if (asked := cues.OPEN_QUESTION.search(text.masked)) and _only_accounts(text, asked.end()):
        remaining = text.remaining()
        return Judgement("abstains", (text.original(asked.start()), text.chars(remaining[-1])[1]), "left_open")
    for cue, side in ((cues.TRUSTS_PASSAGE, "context"), (cues.TRUSTS_MEMORY, "parametric")):
        trusts = list(cue.finditer(text.masked))
        if trusts and len(text.sides(0, trusts[-1].start())) == 2 and not text.remaining(trusts[-1].end()):
            return _judged(text, next(i for i in text.remaining() if text.side(i) == side), "final_answer")
    naming = [s for s in text.sentences if text.remaining(s.start, s.end)]
    if (
        naming
        and all(cues.QUESTION.search(s.text) for s in naming)
        and cues.ABSTAIN.search(text.masked, naming[-1].end)
    ):
        remaining = text.remaining()
        return Judgement("abstains", (text.chars(remaining[0])[0], text.chars(remaining[-1])[1]), "left_open")
    _corrections(text)
    _outside(text)
    if len(text.sides()) == 2 and cues.BOTH_CLAIM.search(text.masked) and not cues.MODAL.search(text.masked):
        remaining = text.remaining()
        return Judgement("both", (text.chars(remaining[0])[0], text.chars(remaining[-1])[1]), "both_answers")
    if (turn := cues.NEXT_TURN.search(text.masked)) and text.remaining(0, turn.start()):
        text.set_aside.update(dict.fromkeys(text.remaining(turn.start()), "aside"))
    if (thought := cues.THOUGHT_ENDS.search(text.masked)) and text.remaining(thought.end()):
        for i in text.remaining(0, thought.end()):
            text.set_aside[i] = "aside"
    for sentence in text.sentences:
        _contrasts(text, _units(sentence))
    if len(text.sides()) == 2 and (final := _final(text) or _marked(text)) is not None:
        return final
    if len(text.sides()) == 2:
        _weak(text)
    if len(text.sides()) == 2:
        _contrasts(text, [unit for sentence in text.sentences for unit in _units(sentence)])
    remaining = text.remaining()
    sides = text.sides()
    naming = [s for s in text.sentences if text.remaining(s.start, s.end)]
    if remaining and all(cues.QUESTION.search(s.text) for s in naming) and cues.STRONG_REFUSAL.search(text.masked):
        return Judgement("abstains", (text.chars(remaining[0])[0], text.chars(remaining[-1])[1]), "left_open")
    if len(sides) == 1:
        return _one_side(text, remaining)
    if not sides:
        return _without_answer(text, "answers_set_aside")
    return _two_sides(text, remaining)


def _only_accounts(text: _MaskedResponse, start: int) -> bool:
    """Whether the text names both answers, all after a position, and each as what a source says."""
    if len(text.sides(start)) < 2 or text.remaining(0, start):
        return False
    units = [unit for sentence in text.sentences for unit in _units(sentence)]
    naming = [unit for unit in units if text.remaining(unit.start, unit.end)]
    return all(
        len(text.sides(unit.start, unit.end)) == 1 and (unit.passage or cues.OWN_KNOWLEDGE.search(unit.text))
        for unit in naming
    )


def _outside(text: _MaskedResponse) -> None:
    """Set aside what is not part of the answer: offers at the end of a chat response, and the links of an article."""
    for sentence in text.sentences:
        if cues.OFFER.search(sentence.text) and text.remaining(0, sentence.start):
            text.set_aside.update(dict.fromkeys(text.remaining(sentence.start, sentence.end), "aside"))
    if (links := cues.APPENDIX.search(text.masked)) and text.remaining(0, links.start()):
        text.set_aside.update(dict.fromkeys(text.remaining(links.start()), "aside"))


def _marked(text: _MaskedResponse) -> Judgement | None:
    """The only answer that the text marks in bold, with a check mark, with words of the question in brackets ("Skin
    (largest)"), or as its answer in a later sentence."""
    checked = [
        text.at(place) for m in cues.CHECKED.finditer(text.masked) if (place := max(m.start("m"), m.start("m2"))) >= 0
    ]
    bold = [i for i in text.remaining() if _BOLD.search(text.response[: text.chars(i)[0]])]
    wanted = _content(text.question)
    noted = [text.at(m.start("m")) for m in cues.NOTED.finditer(text.masked) if _content(m["note"]) & wanted]
    for marked in (checked, bold, noted):
        remaining = [i for i in marked if i not in text.set_aside]
        if remaining and len({text.side(i) for i in remaining}) == 1:
            return _judged(text, remaining[0], "final_answer")
    for sentence in text.sentences:
        if cues.REFERS_BACK.search(sentence.text) and (before := text.remaining(0, sentence.start)):
            return _judged(text, before[-1], "final_answer")
    return None


_BOLD = re.compile(r"(?:\*\*|__)[\"']?(?:the |The )?$")


def _judged(text: _MaskedResponse, index: int, rule: str) -> Judgement:
    """The label of one mention."""
    return Judgement(text.side(index), text.chars(index), rule)


def _one_side(text: _MaskedResponse, remaining: list[int]) -> Judgement:
    """The only remaining answer, with the rule that set the other one aside."""
    last = remaining[-1] if "corrected" in text.set_aside.values() else remaining[0]
    others = [rule for i, rule in text.set_aside.items() if text.side(i) != text.side(last)]
    if set(remaining) <= text.copied:
        return _judged(text, last, "copied")
    rule = others[0] if others else "only_answer"
    return _judged(text, last, "conceded" if rule == "left_open" else rule)


def _without_answer(text: _MaskedResponse, rule: str) -> Judgement:
    """``abstains`` or ``neither``, if no answer remains."""
    hedged = [i for i, reason in text.set_aside.items() if reason == "left_open"]
    if hedged:
        spans = [text.chars(i) for i in hedged]
        return Judgement("abstains", (min(s for s, _ in spans), max(e for _, e in spans)), "left_open")
    refusal = cues.ABSTAIN.search(text.masked) or cues.NO_ANSWER_VALUE.search(text.masked)
    if refusal is not None and "copied" not in text.set_aside.values():
        return Judgement("abstains", (text.original(refusal.start()), text.original(refusal.end())), "refusal")
    span = text.chars(min(text.set_aside)) if text.set_aside else None
    return Judgement("neither", span, rule)


def _option(text: _MaskedResponse) -> Judgement | None:
    """The answer whose option letter the text picks."""
    options = {match[1]: text.at(match.start("m")) for match in cues.OPTION.finditer(text.masked)}
    if len(options) < 2:
        return None
    chosen = [match[1] or match[2] for match in cues.CHOSEN.finditer(text.masked)]
    return _judged(text, options[chosen[-1]], "option") if chosen and chosen[-1] in options else None


def _corrections(text: _MaskedResponse) -> None:
    """Set aside what a correction retracts: everything before it, if an answer follows."""
    for cue in cues.CORRECTION.finditer(text.masked):
        before, after = text.remaining(0, cue.start()), text.remaining(cue.end())
        if before and after and text.side(before[-1]) != text.side(after[0]):
            for i in before:
                text.set_aside[i] = "corrected"


@dataclass(slots=True)
class _Unit:
    """A clause, and whether it is conceded, contrasts with the previous clause, or is attributed to a source."""

    start: int
    end: int
    text: str
    concedes: bool
    contrasts: bool

    @property
    def passage(self) -> bool:
        """Whether it reports the passage."""
        return cues.PASSAGE.search(self.text) is not None

    @property
    def general(self) -> bool:
        """Whether it says what is generally believed, or was."""
        return cues.GENERAL.search(self.text) is not None

    @property
    def real(self) -> bool:
        """Whether it says what is true."""
        return cues.REAL.search(self.text) is not None and cues.CONDITION.match(self.text) is None

    @property
    def now(self) -> bool:
        """Whether it says what is true now."""
        return cues.NOW.search(self.text) is not None


_BREAK = re.compile(
    r"[,\u2014\u2013(-]?\s*\b(?=(?:but|however|yet|although|even though|though(?!,)|while|whilst|whereas|despite|"
    r"in spite of|contrary to|regardless of|albeit|nevertheless|nonetheless)\b)|\s[\u2014\u2013-]{1,2}\s|\u2014"
)
_LEADS = re.compile(r"^[\"'(\s,]*(?:and |but |so |yet )?")


def _units(sentence: _Sentence) -> list[_Unit]:
    """The clauses of a sentence, split at contrasting conjunctions and at the end of a leading concession."""
    cuts = [match.end() for match in _BREAK.finditer(sentence.text) if match.end() > 0]
    bounds = [0, *cuts, len(sentence.text)]
    units: list[_Unit] = []
    for start, end in itertools.pairwise(bounds):
        clause = sentence.text[start:end]
        lead = _LEADS.match(clause)
        body = clause[lead.end() :] if lead else clause
        concedes = cues.CONCESSION.match(body) is not None
        contrasts = cues.CONTRAST.match(clause.lstrip(" ,\"'(")) is not None
        if concedes and (comma := _end_of_concession(clause)) is not None:
            units.append(_Unit(sentence.start + start, sentence.start + start + comma, clause[:comma], True, contrasts))
            start, clause, concedes = start + comma, clause[comma:], False
            contrasts = cues.CONTRAST.match(clause.lstrip(" ,\"'(")) is not None
        units.append(_Unit(sentence.start + start, sentence.start + end, clause, concedes, contrasts))
    return units


def _end_of_concession(clause: str) -> int | None:
    """Where a leading concession ends: at the last comma before the last answer of the other side."""
    signs = [(match.start(), match[0]) for match in _ANY.finditer(clause)]
    commas = [match.start() for match in re.finditer(r",(?!\d)|:", clause)]
    if not commas:
        return None
    alone = cues.PREPOSITIONAL.match(clause.lstrip(" ,\"'(")) and not cues.RELATIVE.match(clause, commas[0])
    if alone and signs and commas[0] < signs[0][0]:
        return commas[0]
    if len({sign for _, sign in signs}) < 2:
        return commas[0] if signs and commas[0] < signs[0][0] else commas[-1]
    last = signs[-1][1]
    first_of_last_run = next(place for n, (place, _) in enumerate(signs) if all(s == last for _, s in signs[n:]))
    before = [comma for comma in commas if comma < first_of_last_run]
    return before[-1] if before else None


def _contrasts(text: _MaskedResponse, units: list[_Unit]) -> None:
    """Set aside the mentions in clauses that a contrast overrides."""
    for n, unit in enumerate(units):
        here = text.sides(unit.start, unit.end)
        if len(here) != 1:
            continue
        (side,) = here
        rivals = [
            other for other in units[:n] if (found := text.sides(other.start, other.end)) and found == {_other(side)}
        ]
        if not rivals:
            continue
        left = rivals[-1]
        loser = _loser(left, unit, text.question)
        if loser is not None:
            for i in text.remaining(loser.start, loser.end):
                text.set_aside[i] = "conceded"


def _loser(left: _Unit, right: _Unit, question: str) -> _Unit | None:
    """Which of two clauses with different answers is overridden by the other; None if neither is."""
    if _ALONGSIDE.match(right.text) and (beside := _beside(left, right, question)) is not None:
        return beside
    if right.concedes or left.concedes:
        conceded, main = (right, left) if right.concedes else (left, right)
        # "the passage says Lyon, while in reality it is Paris"
        return main if right.concedes and conceded.real and main.passage and not conceded.passage else conceded
    if cues.SUPERSEDED.search(left.text) and not cues.SUPERSEDED.search(right.text):
        return left
    if cues.ASKED.search(right.text) and right.contrasts:
        return left
    weighed = right.contrasts or left.passage or right.passage or left.general or right.general
    if right.real != left.real and weighed:
        return left if right.real else right
    if not right.contrasts and cues.OWN_KNOWLEDGE.search(right.text if left.passage else left.text):
        return None  # two accounts next to each other
    if left.passage and not right.passage:
        return right if right.general and not right.contrasts else left
    if right.passage and not left.passage:
        if cues.COMMITS.search(left.text) and cues.REPORTS.search(right.text) and not left.general:
            return right
        return left if right.contrasts or left.general else None
    if not right.contrasts:
        # two names next to each other do not say which one was asked for
        return None if left.passage or _repeats(left.text, right.text) else _beside(left, right, _lower(question))
    if left.general != right.general:
        return left if left.general else right
    if cues.CONCLUDES.search(right.text):
        return left
    if cues.WAS.search(left.text) and not cues.WAS.search(right.text):
        return left
    if right.now and not left.now:
        return left
    return _beside(left, right, question) or _beside(left, right, _lower(question)) or right


_ALONGSIDE = re.compile(r"\W*(?:while|whilst|whereas)\b")


def _lower(question: str) -> str:
    """A question without its names."""
    return re.sub(r"(?<=\w )[A-Z]\w+", "", question)


def _beside(left: _Unit, right: _Unit, question: str) -> _Unit | None:
    """Which of two clauses is about something else than the question, if the other clause answers it: "he lived in
    Toledo, but was born in Crete" for "Where was he born?"."""
    one, other, wanted = _stems(left.text), _stems(right.text), _stems(question)
    if one & wanted < other & wanted and one - wanted:
        return left
    return right if other & wanted < one & wanted and other - wanted else None


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


def _content(text: str) -> set[str]:
    """The content words of a text, without regular endings."""
    words = (fold_word(word) for word in _STATES.findall(_ANY.sub(" ", text)))
    return {_ENDING.sub("", _IRREGULAR.get(word, word)) for word in words if word not in _FUNCTION_WORDS}


_IRREGULAR = {"wrote": "write", "written": "write", "made": "make", "won": "win", "built": "build", "sang": "sing"}


def _other(side: Side) -> Side:
    return "parametric" if side == "context" else "context"


def _weak(text: _MaskedResponse) -> None:
    """Set aside mentions that only count if the other answer does not remain: in the past, in passing or in a list."""
    believed = [match.start(name) for match in cues.BELIEVED.finditer(text.masked) for name in ("m", "m2")]
    believed = [place for place in believed if place >= 0 and text.at(place) not in text.set_aside]
    if len({text.masked[place] for place in believed}) == 1 and len(text.sides()) == 2:
        text.set_aside.update(dict.fromkeys(map(text.at, believed), "conceded"))
    pairs = ((cues.BUT_ELSEWHERE, "conceded"), (cues.WAS_THEN_IS, "past"))
    for match, rule in ((match, rule) for pattern, rule in pairs for match in pattern.finditer(text.masked)):
        groups = {name: place for name in match.groupdict() if (place := match.start(name)) >= 0}
        gone = next(place for name, place in groups.items() if name[0] == "m")
        to = next(place for name, place in groups.items() if name.startswith("to"))
        if text.masked[gone] != text.masked[to] and not {text.at(gone), text.at(to)} & text.set_aside.keys():
            for place in text.places[text.at(gone) : text.at(to)] or [gone]:
                if text.masked[place] == text.masked[gone]:
                    _drop(text, place, rule)
    for match in cues.OTHER_ROLE.finditer(text.masked):
        place = next(place for name in match.groupdict() if (place := match.start(name)) >= 0)
        if len(text.sides()) == 2:
            text.set_aside.setdefault(text.at(place), "aside")
    if (explained := cues.EXPLAINED.search(text.masked)) and len(text.sides()) == 2:
        leading = text.at(explained.start("m"))
        if leading not in text.set_aside:
            stop = text.sentences[0].end
            later = (i for i in text.remaining(explained.end(), stop) if text.side(i) != text.side(leading))
            text.set_aside.update(dict.fromkeys(later, "aside"))
    for match in cues.PAIR.finditer(text.masked):
        pair = {text.at(match.start("m")), text.at(match.start("n"))}
        rest = [sentence for sentence in text.sentences if sentence.start <= match.start() < sentence.end]
        if rest and match["m"] != match["n"] and set(text.remaining(match.end() - 1, rest[0].end)) - pair:
            text.set_aside.update(dict.fromkeys(pair - text.set_aside.keys(), "aside"))
    for match in [*cues.ASIDE.finditer(text.masked), *cues.POSSESSOR.finditer(text.masked)]:
        index = text.at(match.start("m"))
        if index not in text.set_aside and len(text.sides()) == 2:
            text.set_aside[index] = "aside"
    _narrower(text)
    for sentence in text.sentences:
        here = text.remaining(sentence.start, sentence.end)
        listed = cues.QUESTION.search(sentence.text) or cues.LISTS.search(sentence.text)
        if here and listed and set(text.remaining()) - set(here):
            for i in here:
                text.set_aside[i] = "aside"


def _final(text: _MaskedResponse) -> Judgement | None:
    """The answer of the last sentence that gives a final answer, if it gives one side only; ``both`` if two lines give
    different answers under the same heading ("Answer: ...")."""
    lines = [
        (match[0], text.sides(match.end(), s.end)) for s in text.sentences if (match := cues.LABELLED.match(s.text))
    ]
    if len(lines) > 1 and len({heading for heading, _ in lines}) == 1 and len(set().union(*(s for _, s in lines))) == 2:
        remaining = text.remaining()
        return Judgement("both", (text.chars(remaining[0])[0], text.chars(remaining[-1])[1]), "both_answers")
    for sentence in reversed(text.sentences):
        stripped = sentence.text.strip()
        if cues.HEADING.search(text.masked[: sentence.start]):
            stripped = f"answer: {stripped}"
        if cues.EXPLAINS.search(stripped) or cues.QUESTION.search(stripped) or not cues.FINAL.search(stripped):
            continue
        remaining = text.remaining(sentence.start, sentence.end)
        if remaining and len({text.side(i) for i in remaining}) == 1:
            return _judged(text, remaining[0], "final_answer")
    return None


_STILL_ASKED = frozenset(
    {"actual", "correct", "current", "new", "now", "official", "present", "real", "right", "same", "true"}
)
"""Words that do not make what is said narrower than the question."""


def _narrower(text: _MaskedResponse) -> None:
    """Set aside the mentions in a sentence about something narrower than the question, if another sentence uses the
    question's own words: "The largest organ is ... The largest internal organ is ..."."""
    pairs, asked = set(itertools.pairwise(read_words(text.question).words)), _content(text.question)
    said = [(sentence, [*map(fold_word, _STATES.findall(sentence.text))]) for sentence in text.sentences]
    for sentence, words in said:
        here = text.remaining(sentence.start, sentence.end)
        inside = {
            (one, other)
            for one, added, other in zip(words, words[1:], words[2:], strict=False)
            if (one, other) in pairs and (extra := _content(added)) and not extra & asked and added not in _STILL_ASKED
        }
        plain = {
            side
            for s, w in said
            if s is not sentence and inside & set(itertools.pairwise(w))
            for side in text.sides(s.start, s.end)
        }
        if here and plain - text.sides(sentence.start, sentence.end):
            text.set_aside.update(dict.fromkeys(here, "aside"))


_BESIDE = re.compile(
    rf"({A})[\"')\]]*\s*\(?(?:,|/|&|and|or|as well as|und|et|y|e|,\s*(?:and|or))\s*"
    rf"(?:the |in |of |by |also )*[\"'(\[]*({A})"
)


def _two_sides(text: _MaskedResponse, remaining: list[int]) -> Judgement:
    """The label if both answers remain."""
    span = (text.chars(remaining[0])[0], text.chars(remaining[-1])[1])
    listing = [s for s in text.sentences if len(text.sides(s.start, s.end)) == 2]
    if (
        listing
        and cues.UNCHOSEN.search(listing[0].text)
        and len(listing) == 1
        and set(text.remaining(listing[0].start, listing[0].end)) == set(remaining)
    ):
        return Judgement("neither", span, "answers_set_aside")
    if (
        cues.OPTION.search(text.masked)
        and cues.LISTS.search(text.masked)
        and len(list(cues.OPTION.finditer(text.masked))) >= len(remaining)
    ):
        return Judgement("neither", span, "answers_set_aside")
    if any(c.search(text.masked) for c in (cues.LEAVES_OPEN, cues.STRONG_REFUSAL, cues.OPEN_EACH)):
        return Judgement("abstains", span, "left_open")
    first = next(s for s in text.sentences if text.remaining(s.start, s.end))
    if len(text.sides(first.start, first.end)) == 1:
        others = [s for s in text.sentences if text.sides(s.start, s.end) - text.sides(first.start, first.end)]
        rest = _ANY.sub(" ", first.text)
        if cues.PASSAGE.search(first.text) and any(cues.OWN_KNOWLEDGE.search(other.text) for other in others):
            return Judgement("both", span, "both_answers")
        if len(re.findall(r"\w+", rest)) <= 2 and text.sentences[0] is first and len(text.sentences) > 1:
            if not any(
                len(re.findall(r"\w+", _ANY.sub(" ", other.text))) <= 2
                or _answers_again(first.text, other.text, text.question)
                for other in others
            ):
                return _judged(text, remaining[0], "direct_answer")
        elif not any(_rivals(first.text, other.text, text.question) for other in others):
            return _judged(text, remaining[0], "first_statement")
        return Judgement("both", span, "both_answers")
    later = text.sides(first.end)
    if len(later) == 1 and cues.NAMES_TWO.search(first.text):
        return _judged(text, text.remaining(first.end)[0], "aside")
    for match in _BESIDE.finditer(text.masked):
        either = " or " in match[0] and (cues.MODAL.search(first.text) or cues.HEDGE.search(first.text))
        if match[1] != match[2]:
            return Judgement("abstains", span, "left_open") if either else Judgement("both", span, "both_answers")
    before = text.masked[: first.end]
    for pattern in (cues.SUBORDINATE, cues.OBJECT):
        for match in pattern.finditer(before):
            index = text.at(match.start("m"))
            if index in remaining and index != remaining[0] and text.side(index) != text.side(remaining[0]):
                return _judged(text, remaining[0], "aside")
    return Judgement("both", span, "both_answers")


_STATES = re.compile(r"\w+")
_VERBS = {"has": "have", "is": "be", "are": "be", "was": "be", "were": "be"}


def _repeats(one: str, other: str) -> bool:
    """Whether a sentence begins with a pronoun and has the verb of the one before it: "It has nine. It has seven."."""
    said = cues.OF_PRONOUN.match(other)
    return said is not None and re.search(rf"\b{re.escape(said[1])}\b", one) is not None


def _rivals(one: str, other: str, question: str) -> bool:
    """Whether two sentences with different answers both answer the question: they differ only in their answers,
    ignoring singular and plural, or the second one has all content words of the question, or adds something about the
    same subject ("It is also ..."). A sentence that begins with a pronoun must have the same verb."""
    if _repeats(one, other) or _answers_again(one, other, question):
        return True
    first, second = (
        {_VERBS.get(word, word.rstrip("s")) for word in map(fold_word, _STATES.findall(_ANY.sub(" ", sentence)))}
        for sentence in (one, other)
    )
    smaller = min(len(first), len(second))
    return smaller <= 2 or len(first & second) >= 0.6 * smaller


def _answers_again(one: str, other: str, question: str) -> bool:
    """Whether the second of two sentences answers the question once more, in other words."""
    if cues.PASSAGE.search(other) or cues.GENERAL.search(other):
        return False
    first, second, wanted = _stems(one), _stems(other), _stems(_KIND_ASKED.sub(" ", question))
    if cues.ALSO.search(other) and second and second <= first | wanted:
        return True
    return len(wanted) > 1 and wanted <= second and len(wanted & first) > 1


_KIND_ASKED = re.compile(
    r"\b(?:which|what)\s+(?:\w+\s+(?:\w+\s+)?(?=(?:is|are|was|were|do|does|did|has|have|had)\b)|\w+\s)", re.IGNORECASE
)
"""The kind of answer that a question asks for: "which city"."""


def _stems(text: str) -> set[str]:
    """The beginnings of the content words of a text, equal for "invented" and "inventor"."""
    return {word[:5] for word in _content(text)}
