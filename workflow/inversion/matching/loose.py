"""Loose spellings of an answer, used only if a text contains neither answer in an exact spelling.

Each is a separate rule: a date without its year, a two-digit year, a range of years in words, a number rounded to one
decimal less, a name without its apostrophe, the initials of a name, one word of a name, and the name of a country or
language in another language (Unicode CLDR, through Babel).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from decimal import ROUND_HALF_UP, Decimal

from inversion.matching.answers import ARTICLES
from inversion.matching.words import Words, fold_word, read_words

_OTHER_READINGS = (
    # "8.861 Meter": the stop separates thousands
    (re.compile(r"(?<![\d.,])([1-9]\d{0,2})\.(\d{3})(?![\d.,]?\d)"), r"\1,\2"),
    # "380K": thousands, not kelvins
    (re.compile(r"(?<=\d)K\b"), "k"),
)
_LANGUAGES = (
    *("de", "fr", "es", "it", "pt", "nl", "pl", "ru", "zh", "ja", "ko", "ar", "tr", "sv"),
    *("ca", "da", "nb", "fi", "cs", "el", "he", "hu", "ro", "uk", "hi"),
)
_POSSESSIVE = re.compile(r"['\u2019]s\b")
_CAPITALISED = re.compile(r"[^\W\d_][\w'\u2019-]*")
GENERIC = frozenset(
    re.findall(
        r"\w+",
        """
        autumn award bank battle best big black blue book bridge building castle central children
        church city club college company corporation cup dark day east eastern federation film first
        game games general god golden good grand great green group high holy house institute
        international island islands king kingdom lady lake licence license life little long lord
        love low man men more most mount mountain museum music national new night north northern
        ocean old palace park party peace people president prime prince princess prize public queen
        real red republic river royal saint san santa school sea second short silver sir song south
        southern spring standard star state states story street summer super tales team third time
        tower town treaty united university version war west western white winter woman women world
        young
        """,
    )
)
"""Words that occur in many names and identify nothing by themselves."""


def reread(text: str) -> str:
    """``text`` with ambiguous numbers rewritten in their other reading. The length does not change."""
    for pattern, other in _OTHER_READINGS:
        text = pattern.sub(other, text)
    return text


@functools.lru_cache(maxsize=65536)
def loose_spellings(answer: str) -> tuple[tuple[tuple[str, ...], str], ...]:
    """The loose spellings of an answer as normalised words, each with its kind: ``capitals`` for initials, ``part`` for
    one word of a name, otherwise ``plain``."""
    return tuple(dict.fromkeys(_spellings(answer)))


def _spellings(answer: str) -> Iterator[tuple[tuple[str, ...], str]]:
    words = read_words(answer).words
    if not words:
        return
    if len(words) == 1 and re.fullmatch(r"1\d{3}|20\d\d", words[0]):
        yield (f"'{words[0][2:]}",), "plain"
    if len(words) == 3 and re.fullmatch(r"\d{4}", words[0]) and words[1].isalpha() and words[2].isdecimal():
        yield words[1:], "plain"
    if re.fullmatch(r"\d+\.\d+", words[0]) and len(re.sub(r"\D", "", words[0])) >= 4:
        places = len(words[0].partition(".")[2]) - 1
        rounded = Decimal(words[0]).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP).normalize()
        yield (f"{rounded:f}", *words[1:]), "plain"
    if len(words) == 2 and all(re.fullmatch(r"1\d{3}|20\d\d", word) for word in words):
        for between in ("to", "and", "until", "till", "through"):
            yield (words[0], between, words[1]), "plain"
    if (joined := _POSSESSIVE.sub("s", answer)) != answer:
        yield read_words(joined).words, "plain"
    names = [name for name in re.split(r"[\s.]+", answer.strip()) if name]
    if len(names) > 1 and all(_CAPITALISED.fullmatch(name) for name in names):
        capital = [name for name in names if name[0].isupper()]
        if len(capital) >= 3 and capital == names:
            yield ("".join(name[0] for name in names).lower(),), "capitals"
        for name in (names[0], names[-1]):
            folded = fold_word(name)
            if name[0].isupper() and len(folded) >= 3 and folded not in GENERIC | ARTICLES:
                yield read_words(name).words, "part"
                if name is names[-1]:
                    yield (f"{folded}s",), "part"
    for name in _translations().get(answer.strip().lower().removeprefix("the "), ()):
        if (translated := read_words(name).words) and translated != words:
            yield translated, "plain"


@functools.cache
def _translations() -> dict[str, tuple[str, ...]]:
    """Maps the English names of countries and languages to their names in other languages."""
    from babel import Locale

    english = Locale.parse("en")
    table: dict[str, list[str]] = {}
    for language in _LANGUAGES:
        locale = Locale.parse(language)
        for field in ("territories", "languages"):
            names = getattr(locale, field)
            for code, name in getattr(english, field).items():
                if not code.isdecimal() and code in names and len(names[code]) > 1:
                    table.setdefault(name.lower(), []).append(names[code])
    return {name: tuple(dict.fromkeys(others)) for name, others in table.items()}


def find_loose(text: Words, answers: Sequence[str], others: Sequence[str]) -> list[tuple[int, int]]:
    """Where ``text`` contains a loose spelling of ``answers`` that cannot mean ``others``, as half-open spans of
    words."""
    theirs = {word for other in others for word in read_words(other).words}
    also = {spelling for other in others for spelling, _ in loose_spellings(other)}
    present = frozenset(text.words)
    spans: set[tuple[int, int]] = set()
    for answer in answers:
        for wanted, kind in loose_spellings(answer):
            if wanted[0] not in present or wanted in also or (kind == "part" and wanted[0] in theirs):
                continue
            for start, word in enumerate(text.words):
                end = start + len(wanted)
                if word == wanted[0] and text.words[start:end] == wanted and _fits(text, start, end, kind):
                    spans.add((start, end))
    return sorted(spans)


_NAME_BEFORE = re.compile(r"(?:^|[^.!?:\s])\s(?!(?:I|A|The|And|But|So|Sorry|Mr|Mrs|Ms|Dr|Sir)\b)[A-Z][\w'-]+\.?\s$")
_NAME_AFTER = re.compile(r"[\s-][A-Z][\w-]*|'s?\s[A-Z]")
_STARTS = re.compile(r"(?:^|[.!?:\n]\s*|[\"'(*_\u201c-]\s*)$")
_GOES_ON = re.compile(r"\W*$|\W*(?:and|or|&|is|was|wrote|did|has|had)\b|[*_.,!?)\u201d\"-]")


def _fits(text: Words, start: int, end: int, kind: str) -> bool:
    """Whether a loose spelling refers to the answer here. Initials must be in capitals. One word of a name must begin
    with a capital and must not be part of another name ("Leonard" in "Leonard Cohen")."""
    first, last = text.starts[start], text.ends[end - 1]
    written = text.text[first:last]
    if kind == "capitals":
        return written.isupper()
    if kind != "part":
        return True
    before, after = text.text[max(0, first - 24) : first], text.text[last : last + 24]
    if not written[:1].isupper() or _NAME_BEFORE.search(f" {before}") or _NAME_AFTER.match(after):
        return False
    return not _STARTS.search(before) or _GOES_ON.match(after) is not None
