"""Dates without a year in digits ("07-14"), and dates in other languages ("quatorze juillet").

The names of months are those of the Unicode CLDR, through Babel, and the numbers in words are read by text2num.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from inversion.matching.places import LANGUAGES
from inversion.matching.quantities import MONTHS
from inversion.matching.words import Words, read_words

_NUMBERS_IN_WORDS = ("fr", "es", "pt", "de", "it", "nl")
"""The languages of :data:`LANGUAGES` whose numbers text2num reads."""
_LINKS = frozenset({"de", "di", "del", "do"})
_DAY = re.compile(r"0?([1-9]|[12]\d|3[01])(?:er|re|\u00ba|a|o|\.)?")
_MONTH_SIGNS = frozenset({"\u6708", "\uc6d4", "^\uc6d4"})
_DAY_SIGNS = frozenset({"\u65e5", "\u53f7", "\u865f", "\uc77c", "^\uc77c"})
_BETWEEN = frozenset({"-", "/", "."})


class _Date(NamedTuple):
    """A month with a day, a year or both."""

    month: int
    day: int | None
    year: int | None


def find_dates(text: Words, answers: Sequence[str], others: Sequence[str]) -> list[tuple[int, int]]:
    """Where ``text`` has a date of ``answers`` in digits or in another language, and none of ``others``, as half-open
    spans of words. Of a date in digits both orders of day and month are tried."""
    wanted, theirs = ([date for name in names if (date := _date_of(name)) is not None] for names in (answers, others))
    if not wanted:
        return []
    return [
        (start, end)
        for start, end, dates in (*_in_digits(text), *_in_other_languages(text))
        if any(_agree(date, each) for date in dates for each in wanted)
        and not any(_agree(date, each) for date in dates for each in theirs)
    ]


@functools.lru_cache(maxsize=65536)
def _date_of(answer: str) -> _Date | None:
    """The date that an answer consists of."""
    words = read_words(answer).words
    if not 2 <= len(words) <= 3 or (name := next((word for word in words[:2] if word in MONTHS), None)) is None:
        return None
    place = words.index(name)
    rest = [word for word in words if word != name]
    if len(rest) != len(words) - 1 or not all(word.isdecimal() for word in rest):
        return None
    day, year = (rest[place] if place < len(rest) else None), (rest[0] if place else None)
    return _Date(MONTHS.index(name) + 1, int(day) if day else None, int(year) if year else None)


def _agree(said: _Date, answer: _Date) -> bool:
    """Whether a date is an answer. One of the two may omit the year."""
    same_day = said.day == answer.day and (said.day is not None or said.year is not None)
    return said.month == answer.month and same_day and (said.year == answer.year or None in (said.year, answer.year))


def _in_digits(text: Words) -> Iterator[tuple[int, int, list[_Date]]]:
    """The dates in digits, in both orders ("07-14", "14/7"), and those in Chinese, Japanese and Korean."""
    for place in range(len(text) - 1):
        one, other = text.words[place : place + 2]
        if not (match := _DAY.fullmatch(one)):
            continue
        first = int(match[1])
        if other in _MONTH_SIGNS and place + 2 < len(text) and (day := _DAY.fullmatch(text.words[place + 2])):
            end = place + 3 + (place + 3 < len(text) and text.words[place + 3] in _DAY_SIGNS)
            yield place, end, [_Date(first, int(day[1]), None)] if first <= 12 else []
        elif text.gap(place + 1) in _BETWEEN and (match := _DAY.fullmatch(other)):
            second = int(match[1])
            yield place, place + 2, [_Date(*pair, None) for pair in ((first, second), (second, first)) if pair[0] <= 12]


def _in_other_languages(text: Words) -> Iterator[tuple[int, int, list[_Date]]]:
    """The dates with the name of a month in another language."""
    months = _months()
    for place, word in enumerate(text.words):
        if word not in months:
            continue
        month, languages = months[word]
        start, end, year = place, place + 1, None
        after = end + (end < len(text) and text.words[end] in _LINKS)
        if after < len(text) and re.fullmatch(r"1\d{3}|20\d\d", text.words[after]):
            year, end = int(text.words[after]), after + 1
        start = place - 1 - (place > 0 and text.words[place - 1] in _LINKS)
        day = _day(text.words, start, languages) if start >= 0 else None
        if day is not None or year is not None:
            yield place if day is None else start, end, [_Date(month, day, year)]


def _day(words: Sequence[str], place: int, languages: Sequence[str]) -> int | None:
    """The day in digits or words at a place."""
    if digits := _DAY.fullmatch(words[place]):
        return int(digits[1])
    from text_to_num import alpha2digit

    for language in languages:
        if language in _NUMBERS_IN_WORDS and (match := _DAY.fullmatch(alpha2digit(words[place], language))):
            return int(match[1])
    return None


@functools.cache
def _months() -> dict[str, tuple[int, tuple[str, ...]]]:
    """Maps the normalised names of months in other languages to their numbers and the languages in which they are used.
    Names that mean different months in two languages are omitted."""
    from babel import Locale

    table: dict[str, dict[int, list[str]]] = {}
    for language in LANGUAGES:
        for form in ("format", "stand-alone"):
            for number, name in Locale.parse(language).months[form]["wide"].items():
                words = read_words(name).words
                if len(words) == 1 and words[0] not in MONTHS:
                    table.setdefault(words[0], {}).setdefault(number, []).append(language)
    return {
        name: (number, tuple(dict.fromkeys(languages)))
        for name, numbers in table.items()
        if len(numbers) == 1
        for number, languages in numbers.items()
    }
