"""A response whose answers are masked, as the rules of the main scorer read it.

Every mention of an answer becomes a single character, and everything else lower case, so that rules are patterns of
everyday wording (:mod:`inversion.score.cues`).
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from inversion.matching.answers import find_answer
from inversion.matching.conversions import find_quantities
from inversion.matching.dates import find_dates
from inversion.matching.demonyms import country_names, derived_adjectives, related_names
from inversion.matching.generic import GENERIC
from inversion.matching.katakana import find_in_katakana
from inversion.matching.loose import find_loose, reread, respelled, rest_of_answer
from inversion.matching.places import in_other_script, is_another_place
from inversion.matching.quantities import ordinal
from inversion.matching.symbols import find_symbols
from inversion.matching.transliteration import find_transliterated
from inversion.matching.words import Words, fold_word, read_words
from inversion.score import cues
from inversion.score.copying import copied_runs
from inversion.score.cues import A, C, P
from inversion.score.literals import LiteralFinder
from inversion.score.mentions import Mention, Side, find_mentions, repeated_words, within_more
from inversion.score.relative_numbers import relative_mentions

_EDITS = re.compile(
    r"(?P<wont>\bwon['\u2019]t\b)|(?P<cant>\bcan['\u2019]?t\b|\bcannot\b)|(?P<shant>\bshan['\u2019]t\b)|(?P<not>n['\u2019]t\b)"
    r"|(?P<is>(?<=\w)['\u2019](?:s|re)\b)|(?P<mark>[*`#\u200b]+|(?<!\w)_+|_+(?!\w)|\\(?:boxed|text)?\{?)"
    r"|(?P<quote>[\u2018\u2019])|(?P<space>[^\S\n]{2,}|[^\S\n ])",
    re.IGNORECASE,
)


_EDITED = re.compile(
    r"['\u2018\u2019*`#\u200b_\\\t\v\f\r\x1c-\x1f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
)
"""The characters of which every edit has one, except for double spaces, "cant" and "cannot"."""


def _is_edited(response: str) -> bool:
    """Whether a response can have an edit."""
    return "  " in response or _EDITED.search(response) is not None or "can" in response.lower()


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
    r"(?<=[.!?])(?<!\bvs\.)[\"'\u201d\u2019)\]]*\s+|(?<=[\u3002\uff01\uff1f\u061f])[\"\u201d\u300d]?\s*|\s*\n+\s*|;\s*"
    r"|,\s*(?=\"[\w -]{1,40}\"\s*:)|\s+(?=\([a-e]\)\s)"
)


ANY_ANSWER = re.compile(A)
_CUES = LiteralFinder(value for value in vars(cues).values() if isinstance(value, re.Pattern))


@dataclass(slots=True)
class Sentence:
    """A sentence of the masked text."""

    start: int
    end: int
    text: str


@dataclass(slots=True)
class MaskedResponse:
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
    sentences: list[Sentence] = field(init=False)
    candidates: int = field(init=False)
    """The patterns of :mod:`inversion.score.cues` that the masked text can match."""
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
        self.candidates = _CUES.candidates(self.masked)

    def _read(self, response: str) -> None:
        """Find the words of a response, and the mentions among them."""
        self.words = read_words(response)
        repeated = repeated_words(self.words, self.question)
        self.mentions = [
            mention
            for mention in find_mentions(self.words, *self._answers)
            if not within_more(repeated, mention)
            and not _part_of_a_name(self, mention)
            and not _of_another_person(self, mention)
            and not _is_a_verb(self.response, self.words.starts[mention.start], self.words.ends[mention.end - 1])
            and not _NO_SUCH.match(self.words.text, self.words.starts[mention.start])
            and not _has_won(self.words.text, self.words.ends[mention.end - 1])
        ]
        if _COMPLETES.search(self.question):
            self.mentions = [mention for mention in self.mentions if _completes(self, mention)]
        joined = [mention for mention in self.mentions if _joined_to_a_name(self, mention)]
        if len(joined) < len(self.mentions):
            self.mentions = [mention for mention in self.mentions if mention not in joined]
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
                for find in (find_quantities, find_dates, find_symbols):
                    spans += find(self.words, answers, others)
                if in_other_script(self.words.text):
                    spans += find_transliterated(self.words, answers, others)
                    spans += find_in_katakana(self.words, answers, others)
                found = (Mention(*span, side) for span in _longest(spans) if span[1] != cut)
                self.mentions += [
                    m
                    for m in found
                    if not taken & set(range(m.start, m.end))
                    and not within_more(self.repeated, m)
                    and not _part_of_a_name(self, m)
                    and not _of_another_person(self, m)
                ]
        self._add_relative()
        self.mentions.sort()
        if not self.mentions:
            self.mentions = _rest_of_one_answer(self)
        if not self.mentions:
            self.mentions = self._related()
        if len(named := {mention.side for mention in self.mentions}) == 1:
            self._add_peoples("parametric" if "context" in named else "context")

    def _related(self) -> list[Mention]:
        """The mentions of another name of an answer, if the text names neither answer: "the GDR" for East Germany,
        "Danish" for Denmark, and, if the question asks for a place, "Sicilian" for Sicily."""
        names = ([name for a in answers for name in country_names(a)] for answers in self._answers)
        if found := find_mentions(self.words, *names):
            return found
        of_countries = ([name for a in answers for name in related_names(a)] for answers in self._answers)
        found = find_mentions(self.words, *of_countries)
        asks_place = _ASKS_PLACE.search(self.question) is not None
        if not found and asks_place:
            regular = ([name for a in answers for name in derived_adjectives(a)] for answers in self._answers)
            found = find_mentions(self.words, *regular)
        return [mention for mention in found if not asks_place or self._describes_subject(mention)]

    def _describes_subject(self, mention: Mention) -> bool:
        """Whether the adjective of a place can be said of what the question asks about: not in "The author is
        Hungarian" or "the seat of the Spanish king", if it is about a city."""
        if len(self.words) <= _FEW_WORDS:
            return True
        text, last = self.words.text, self.words.ends[mention.end - 1]
        asked = {fold_word(word) for word in _LONG_WORD.findall(self.question)}
        noun = _NEXT_WORD.match(text, last)
        if noun and fold_word(noun[1]) not in _AFTER_ADJECTIVE | asked:
            return False
        begin = max(text.rfind(stop, 0, last) for stop in ".!?;\n") + 1
        before = {fold_word(word) for word in _LONG_WORD.findall(text[begin:last])}
        return bool(before & asked) or _PRONOUN.search(text, begin, last) is not None

    def _add_peoples(self, side: Side) -> None:
        """Add what a people did, if the text names the other country only: "the Dutch won it, 1-0 against Spain"."""
        answers = self.context_answers if side == "context" else self.parametric_answers
        names = [name for answer in answers for name in related_names(answer)]
        for name in (*names, *(f"{name}s" for name in names)):
            for start, end in find_answer(self.words, name):
                first, last = self.words.starts[start], self.words.ends[end - 1]
                if _THE.search(self.words.text, 0, first) and _PEOPLE_DID.match(self.words.text, last):
                    self.mentions.append(Mention(start, end, side))
        self.mentions = sorted(set(self.mentions))

    def _add_relative(self) -> None:
        """Add the mentions that are relative to the other answer; "ten years after 1666" is one mention."""
        for mention in relative_mentions(self.words, self.mentions, *self._answers):
            base = next((m for m in self.mentions if m.start == mention.end and m.side != mention.side), None)
            self.mentions.append(mention if base is None else Mention(mention.start, base.end, mention.side))
            if base is not None:
                self.mentions.remove(base)

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

    def may_have(self, *patterns: re.Pattern[str]) -> bool:
        """Whether the masked text can match any of some patterns of :mod:`inversion.score.cues`. False saves a
        search."""
        for pattern in patterns:  # noqa: SIM110 (a loop is faster than any())
            if _CUES.can_match(pattern, self.candidates):
                return True
        return False

    @property
    def names_both(self) -> bool:
        """Whether the text names both answers, set aside or not."""
        return C in self.masked and P in self.masked

    def search(self, pattern: re.Pattern[str], start: int = 0) -> re.Match[str] | None:
        """The first match of a pattern of :mod:`inversion.score.cues` in the masked text."""
        return pattern.search(self.masked, start) if _CUES.can_match(pattern, self.candidates) else None

    def matches(self, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
        """All matches of a pattern of :mod:`inversion.score.cues` in the masked text."""
        return pattern.finditer(self.masked) if _CUES.can_match(pattern, self.candidates) else iter(())

    def remaining(self, start: int = 0, end: int | None = None) -> list[int]:
        """The mentions between two positions of the masked text that have not been set aside."""
        first = bisect_left(self.places, start) if start else 0
        stop = len(self.places) if end is None else bisect_left(self.places, end)
        return [i for i in range(first, stop) if i not in self.set_aside]

    def sides(self, start: int = 0, end: int | None = None) -> set[Side]:
        """The sides of the mentions that have not been set aside."""
        return {self.mentions[i].side for i in self.remaining(start, end)}

    def at(self, place: int) -> int:
        """The mention at a position of the masked text."""
        return self.places.index(place)

    def _mask(self) -> None:
        edits = [(*self.chars(i), C if m.side == "context" else P) for i, m in enumerate(self.mentions)]
        repeated_negations = (i for i, word in enumerate(self.words.words) if self.repeated[i] and word in _NEGATIVE)
        edits += [(self.words.starts[i], self.words.ends[i], "") for i in repeated_negations]
        spans = [(start, end) for start, end, _ in edits]
        for match in _EDITS.finditer(self.response) if _is_edited(self.response) else ():
            if all(match.end() <= start or end <= match.start() for start, end in spans):
                kind = match.lastgroup or "space"
                edits.append((*match.span(), self._contraction(match) if kind == "is" else _REPLACED[kind]))
        pieces: list[str] = []
        anchors, places, length, position = [(0, 0)], [], 0, 0
        for start, end, new in sorted(edits):
            before = _lowercase(self.response[position:start])
            pieces += [before, new]
            length += len(before)
            if new in (C, P):
                places.append(length)
            length += len(new)
            position = end
            anchors.append((length, position))
        pieces.append(_lowercase(self.response[position:]))
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


_NEXT_TURN = re.compile(
    r"\n[^\w\n]*(?:(?:(?:follow[- ]?up|next|another|related|further|additional|new|second|bonus) )?"
    r"(?:question|q|user|human|student|exercise)|follow[- ]?up)\s*\d*\s*[:\uff1a](?P<asked>[^\n]*)",
    re.IGNORECASE,
)
_PREAMBLE = re.compile(
    r"\W*(?:step|let(?:'s|\u2019s| us| me)|sure|here|to answer|first|okay|ok|thought|thinking|reasoning|analysis)\b",
    re.IGNORECASE,
)
"""The beginning of a text that asks itself questions before it answers."""
_ANY_WORD = re.compile(r"\w")


def first_turn(response: str, question: str) -> str:
    """A response up to another question that it goes on to generate ("Q: ..." after the answer). What repeats the
    question asked is kept."""
    asked = {*read_words(question).words}
    if _PREAMBLE.match(response):
        return response
    for match in _NEXT_TURN.finditer(response):
        repeats = asked and asked <= {*read_words(match["asked"]).words}
        if match["asked"].strip() and not repeats and _ANY_WORD.search(response, 0, match.start()):
            return response[: match.start()]
    return response


def _longest(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans that are not contained in another span."""
    return [s for s in dict.fromkeys(spans) if not any(o[0] <= s[0] and s[1] <= o[1] and o != s for o in spans)]


def _lowercase(text: str) -> str:
    """``text`` in lower case, with the same length."""
    lowered = text.lower()
    return lowered if len(lowered) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def _sentences(masked: str) -> Iterator[Sentence]:
    """The sentences of a masked text. Empty ones are omitted."""
    start = 0
    for stop in [*_SENTENCE.finditer(masked), None]:
        end = stop.start() if stop else len(masked)
        if stripped := masked[start:end].lstrip():
            yield Sentence(end - len(stripped), end, stripped)
        start = stop.end() if stop else end


_NEGATIVE = frozenset({"not", "never", "no", "nor", "neither", "can"})
_NO_SUCH = re.compile(
    r"no\s+(?:doubt|question|evidence|reason|proof|way|longer|one|such|record|mention|need|sign|indication|matter|other)\b",
    re.IGNORECASE,
)
"""A "no" that is not an answer to a yes/no question."""
_THE = re.compile(r"\b[Tt]he $")
_PEOPLE_DID = re.compile(r" (?:won|did|beat|defeated|lost|team|side)\b")
_HAS_WON = re.compile(r"\b(?:has|have|had|having|was|were|been) won$")
"""A "won" that is not a currency."""


def _has_won(text: str, end: int) -> bool:
    """Whether a word that ends at ``end`` is such a "won"."""
    return text.endswith("won", 0, end) and _HAS_WON.search(text, 0, end) is not None


_MODAL_AFTER_SUBJECT = re.compile(r"\b(?:I|you|he|she|it|we|they|this|that|who|which|there)\s+$", re.IGNORECASE)


def _is_a_verb(text: str, start: int, end: int) -> bool:
    """Whether a word is "may" or "will" after a pronoun, not the month or the name."""
    return text[start:end] in ("may", "will") and _MODAL_AFTER_SUBJECT.search(text, 0, start) is not None


_BEFORE_NAME = re.compile(r"\b(New|South|North|West|East|San|Santa|Port|Fort|Holiday|Equatorial|Papua) $")


_AFTER_NAME = re.compile(r"[ -]Bissau\b")
_PARTS = frozenset({"africa", "europe", "asia", "america"})


_CAPITALISED_BEFORE = re.compile(r"(?<=[a-z,] )([A-Z][a-z]+) $")
_CAPITALISED_AFTER = re.compile(r" ([A-Z][A-Za-z]+)")


def _part_of_a_name(text: MaskedResponse, mention: Mention) -> bool:
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
    if _in_an_institution(text, start, end):
        return True
    answers = text.context_answers if mention.side == "context" else text.parametric_answers
    if _of_another_name(text, end):
        return True
    longer = [words for a in answers if (words := read_words(a).words)[: len(name)] == name and len(words) > len(name)]
    if not longer or len(name) > 1:
        return False
    after = _CAPITALISED_AFTER.match(text.response, end)
    others = {word for words in longer for word in words}
    numbered = _TITLES if any(words[1].isdecimal() for words in longer) else frozenset[str]()
    followed = after is not None and fold_word(after[1]) not in others and not name[0].isdecimal()
    preceded = _CAPITALISED_BEFORE.search(before)
    return followed or (preceded is not None and fold_word(preceded[1]) not in others | numbered)


_OF_INSTITUTION = re.compile(
    r"\b(?:Universit(?:y|ies)|Bank|Battle|Siege|Treaty|Peace|Congress|Museum|Institute|College|Archbishop|Bishop|Duke|"
    r"Duchess|Earl|Bay|Gulf|Port) of (?:the )?$"
)
_INSTITUTION = re.compile(
    r" (?:Company|Museum|University|Institute|Airport|Station|Prize|Award|Stadium|Festival|Orchestra|Theatre|Theater|"
    r"College|Hospital|Foundation|Society|Library|Gallery)\b"
)
_NAMED_BEFORE = re.compile(r"(?<=[a-z,] )(?!The\b)[A-Z][a-z]+ $")
_EVENT = re.compile(
    r" (?:[A-Z][A-Za-z]+(?:'s|\u2019s)? )*(?:Cup|Fair|Games|Olympics|Exposition|Expo|Championships?|Festival)\b"
)


_ANY_NAME = re.compile(r"[a-z]{2,}")


def _in_an_institution(text: MaskedResponse, start: int, end: int) -> bool:
    """Whether the mention between two characters of the response is part of the name of an institution or event that
    the question and the passage do not name: "the University of Tokyo", "the Royal Shakespeare Company", "the 1889
    World's Fair"."""
    before = _OF_INSTITUTION.search(text.response, 0, start)
    after = _INSTITUTION.match(text.response, end) if _NAMED_BEFORE.search(text.response, 0, start) else None
    event = _EVENT.match(text.response, end) if text.response[start:end].isdecimal() else None
    found = before or after or event
    if found is None:
        return False
    known = f"{text.question} {text.passage or ''} {' '.join((*text.context_answers, *text.parametric_answers))}"
    return event is not None or not {*_ANY_NAME.findall(found[0].lower())} <= {*_ANY_NAME.findall(known.lower())} | {
        "of"
    }


_TITLES = frozenset({"king", "queen", "emperor", "empress", "tsar", "pope", "prince", "princess"})
_GIVEN_NAMES = re.compile(
    r"(?:^\W*|[.!?:,]\s|\b(?:by|was|is|that|and|or|named|called) )"
    r"((?:(?:[A-Z][a-z]+(?:-[A-Z][a-z]+)?|[A-Z]\.)\s?)+)$"
)
_NO_GIVEN_NAME = re.compile(
    r"(?:[A-Z][a-z]*(?:ist|er|or|ian|man|woman|ish|ese|ic|ant|ly|ing|ed)|Mr|Mrs|Ms|Miss|Mme|Dr|Prof|Sir|Lord|"
    r"Lady|Dame|Saint|St|King|Queen|Prince|Princess|Tsar|Pope|President|Chancellor|General|Captain|Colonel|"
    r"Admiral|Judge|Justice|Count|Baron|Poet|Chief|Coach|Boss|Yes|No|Not|Both|Either|Neither|Only|Also|Maybe|"
    r"Perhaps|Like|After|Before|About|Until|Since|Because|If|When|Although|Though|While|Unlike|Did|Was|Is|Had|"
    r"Has|Author|Autor|Answer|Antwort|Text|Passage|Artikel|Kontext|Wissen|Nach|Laut|First|Second|Third|Last|"
    r"Next|Later|Former|In|On|At|By|To|From|For|With|Of|And|Or|But|So|As|That|This|The|An?|It|I|He|She|We|They|"
    r"Here|There|Then|Thus|Hence|Dear|Young|Old|New|Great)"
)
"""A capitalised word before a surname that is not a first name."""
_LIKE_INITIALS = str.maketrans("yigvqkzx", "jjjwccss")
"""First letters that the spellings of one name share: Yuri and Jurij, Carl and Karl."""
_SHORT_FORMS = {
    **dict.fromkeys(("bill", "billy", "liam", "wilhelm"), "bwl"),
    **dict.fromkeys(("bob", "bobby", "dick", "robin"), "r"),
    **dict.fromkeys(("ted", "teddy", "ned", "nell", "betty", "beth", "liz", "lizzie"), "et"),
    **dict.fromkeys(("peg", "peggy", "polly", "molly", "daisy"), "m"),
    **dict.fromkeys(("tony", "sandy", "sasha", "sandro", "xander", "lex"), "a"),
    **dict.fromkeys(("jack", "hans", "sean"), "j"),
    **dict.fromkeys(("tina", "chuck", "kit"), "c"),
    **dict.fromkeys(("lotte", "hal", "fritz", "nora"), "chfel"),
}
"""The first letters of the names that a short form with another first letter stands for: "William" for "Bill"."""


def _of_another_person(text: MaskedResponse, mention: Mention) -> bool:
    """Whether a surname follows a first name that begins with another letter than those of all its aliases: "Percy
    Shelley" for Mary Shelley."""
    if mention.end - mention.start != 1:
        return False
    surname = text.words.words[mention.start]
    answers = text.context_answers if mention.side == "context" else text.parametric_answers
    # only the aliases that are names of people
    names = [a.split()[:-1] for a in answers if _PERSON.fullmatch(a) and read_words(a).words[-1:] == (surname,)]
    given = _GIVEN_NAMES.search(text.response, 0, text.words.starts[mention.start]) if names else None
    if given is None or _NO_GIVEN_NAME.fullmatch(first := re.split(r"[\s.]", given[1])[0]):
        return False
    asked = read_words(text.question).words
    if (fold_word(first), surname) in itertools.pairwise(asked):  # "Michelle Obama" in a question about her
        return True
    known = {letter for name in names for word in name for letter in _first_letters(word)}
    return not known & _first_letters(first) and fold_word(first) not in asked


def _first_letters(name: str) -> set[str]:
    """The first letters of a first name, and of the names that it can be short for."""
    folded = fold_word(name)
    return {letter.translate(_LIKE_INITIALS) for letter in folded[:1] + _SHORT_FORMS.get(folded, "")}


_PERSON = re.compile(r"(?:[A-Z][a-z'-]+ |[A-Z]\.? ?){1,3}[A-Z][^\W\d_]+")
_HYPHEN_BEFORE = re.compile(r"\b[A-Z][a-z]+-$")
_HYPHEN_AFTER = re.compile(r"-[A-Z][a-z]+")


def _joined_to_a_name(text: MaskedResponse, mention: Mention) -> bool:
    """Whether a hyphen joins a mention to another name, in a compound that neither the question nor the passage nor an
    alias has: "Serbo-Croatian", "Galician-Portuguese"."""
    start, end = text.words.starts[mention.start], text.words.ends[mention.end - 1]
    hyphen = text.response.endswith("-", 0, start)
    before = _HYPHEN_BEFORE.search(text.response, 0, start) if hyphen else None
    after = _HYPHEN_AFTER.match(text.response, end)
    if not before and not after:
        return False
    whole = text.response[before.start() if before else start : after.end() if after else end]
    sources = (text.question, text.passage or "", *text.context_answers, *text.parametric_answers)
    return not any(whole in source for source in sources)


_NEXT_NAME = re.compile(r"(?:,? (?=D\.? ?C\b)| )((?:[A-Z][a-z]+|[IVX]{2,}|D\.? ?C)\b)(?!['\s]*:|')")
_GOES_ON = GENERIC | frozenset(
    re.findall(
        r"\w+",
        """
        a ag airlines an and as at band because business but by desert dollar empire entertainment euro football for
        from gmbh had has he holdings however in inc is it jr language law limited ltd medical motors mountains no not
        of on or pictures platforms records sa she sr studios technologies that the there they this to was yes
        """,
    )
)
"""Capitalised words that can follow a name without making it another name: "the Amazon River", "Paris It is"."""


def _of_another_name(text: MaskedResponse, end: int) -> bool:
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


def _rest_of_one_answer(text: MaskedResponse) -> list[Mention]:
    """The whole response, if it gives what the question lacks of one of the answers: "C" after "Which vitamin ...?"."""
    words = text.words.words
    if not text.question or not 0 < len(words) <= 8:
        return []
    start = next((place for place, word in enumerate(words[:-1]) if word not in _IT_IS), len(words) - 1)
    sides: tuple[tuple[Side, Sequence[str]], ...] = (
        ("context", text.context_answers),
        ("parametric", text.parametric_answers),
    )
    given = [words[start:]]
    if words[-1].isdecimal() and words[:-1] in ((), ("number",), ("no",)):  # "#2" for "second"
        given.append((ordinal(words[-1]),))
    found = [side for side, answers in sides if any(rest_of_answer(a, text.question) in given for a in answers)]
    return [Mention(start, len(words), found[0])] if len(found) == 1 else []


_FEW_WORDS = 4
"""A text of so few words is an answer as a whole."""
_LONG_WORD = re.compile(r"\w{4,}")
_NEXT_WORD = re.compile(r"\s+(\w+)")
_PRONOUN = re.compile(r"\b(?:it|he|she|they|that|this|answer)\b", re.IGNORECASE)
_AFTER_ADJECTIVE = frozenset({
    "also", "although", "and", "area", "as", "at", "because", "birth", "but", "by", "capital", "citizen",
    "citizenship", "city", "coast", "control", "country", "county", "district", "for", "from", "ground", "in",
    "island", "land", "mainland", "municipality", "nation", "national", "nationality", "not", "now", "of", "on",
    "one", "or", "origin", "part", "passport", "people", "person", "place", "port", "province", "region", "rule",
    "side", "since", "so", "soil", "sovereignty", "state", "territory", "then", "though", "to", "today", "town",
    "under", "village", "whereas", "while", "who", "with",
})  # fmt: skip
"""What can follow the adjective of a place that is said of what the question asks about: "a Hungarian city"."""
_COMPLETES = re.compile(r"\bends in the word \"")
_ENDS = re.compile(r"[\"'\u201d\u2019)\]*_]*(?:[.!?\u2026]|\s*\n|\s*$|\s*[-\u2013\u2014(])")


def _completes(text: MaskedResponse, mention: Mention) -> bool:
    """Whether a mention completes the quote that the question begins: it ends a sentence, or follows the last word of
    the question. "There is no such thing" does not end in "there"."""
    before, last = text.words.words[: mention.start], read_words(text.question).words[-1:]
    end = text.words.ends[mention.end - 1]
    if before[-1:] == last or (not before and text.words.text[end : end + 1] in (",", ";", ":")):
        return True
    return _ENDS.match(text.words.text, end) is not None


_ASKS_PLACE = re.compile(
    r"\bwhere\b|\b(?:which|what)\b.*\b(?:island|state|country|region|city|town|province|continent|nationality|nation)\b",
    re.IGNORECASE,
)


def _ends_in_word(response: str) -> bool:
    """Whether a response ends in a word, so that it may have been cut off."""
    last = response.rstrip()[-1:]
    return last.isalnum() or last in ("_", "'", "-")


def _cut_off(text: MaskedResponse) -> list[Mention]:
    """The beginning of an answer at the very end of a response that was cut off ("painted by Leonardo da").

    A truncated copy of a sentence of the passage states only what it contains, because its continuation in the passage
    is not necessarily what the model would answer.
    """
    words = text.words.words
    if not words or not _ends_in_word(text.response):
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
                    whole = words[-size:-1] == wanted[:-1] and len(words[-1]) > 1 and wanted[-1].startswith(words[-1])
                elif len(wanted) == 1:
                    whole = len(words[-1]) > 3 and 2 * len(words[-1]) >= len(wanted[0]) > len(words[-1])
                    whole = whole and wanted[0].startswith(words[-1]) and not is_another_place(words[-1], wanted[0])
                else:
                    whole = len(wanted) > size and words[-size:] == wanted[:size] and len(wanted[0]) > 3
                    whole = whole and not {*wanted[:size]} <= GENERIC  # "University" begins many names
                if whole and not taken & set(range(len(words) - size, len(words))):
                    found[side] = max(found.get(side, 0), size)
                    break
    if len(found) != 1:
        return []
    ((side, size),) = found.items()
    return [Mention(len(words) - size, len(words), side)]


def _breaks_off_copied(text: MaskedResponse) -> bool:
    """Whether the response ends within a copy of the passage."""
    if not text.passage or not _ends_in_word(text.response):
        return False
    return any(end == len(text.words) for _, end in copied_runs(text.words, text.passage))
