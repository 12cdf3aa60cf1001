"""Quantities that are the same in another unit or with another number of digits ("173 °F" for 78.4 °C), and in
words such as "nearly" or "a dozen"."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from inversion.matching.words import Words, read_words

_TABLE = """
length: millimeter 0.001, centimeter 0.01, meter 1, kilometer 1000, inch 0.0254, foot 0.3048, yard 0.9144, mile 1609.344
area: square meter 1, hectare 10000, square kilometer 1000000, acre 4046.8564224
area: square meter 1, square foot 0.09290304, square mile 2589988.110336
volume: milliliter 0.001, liter 1, cubic centimeter 0.001, cubic meter 1000
mass: milligram 0.001, gram 1, kilogram 1000, metric ton 1000000, ounce 28.349523125, pound 453.59237
time: millisecond 0.001, second 1, minute 60, hour 3600, day 86400, week 604800
calendar: month 1, year 12, decade 120, century 1200
speed: meter per second 3600, kilometer per hour 1000, kilometer per second 3600000, mile per hour 1609.344
temperature: degree celsius 1.8, kelvin 1.8, degree fahrenheit 1
share: percent 1
"""
"""Units of one dimension, each with its size in a common unit."""
_ZERO = {("degree", "celsius"): Decimal(32), ("kelvin",): Decimal("-459.67")}
"""What a temperature of zero is in degrees Fahrenheit."""

_Unit = tuple[str, ...]
_UNITS: dict[_Unit, tuple[str, Decimal]] = {
    tuple(entry.split()[:-1]): (dimension, Decimal(entry.split()[-1]))
    for dimension, entries in (line.split(":") for line in _TABLE.strip().splitlines())
    for entry in entries.split(",")
}
_PARTS = {
    "half": 2, "halve": 2, "third": 3, "3rd": 3, "quarter": 4, "fourth": 4, "4th": 4, "fifth": 5, "5th": 5, "tenth": 10,
    "10th": 10,
}  # fmt: skip
"""The denominators of fractions in words, which count as a share: "three quarters" is 75 percent."""
_HUNDREDTH = Decimal("0.01")
_LONGEST = max(map(len, _UNITS))
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


class _Quantity(NamedTuple):
    """A number with its unit, and where it is among the words of a text."""

    value: Decimal
    unit: _Unit
    start: int
    end: int


def find_quantities(text: Words, answers: Sequence[str], others: Sequence[str]) -> list[tuple[int, int]]:
    """Where ``text`` states one of ``answers`` in another unit or with more or fewer digits, as half-open spans
    of words, without those that also state one of ``others``.

    A rounded quantity needs two significant digits in another unit. In the unit of the answer it needs three if it has
    fewer digits than the answer.
    """
    wanted, theirs = (
        [quantity for name in names if (quantity := _whole(name)) is not None] for names in (answers, others)
    )
    dozens = find_dozens(text, answers, others)
    if not wanted:
        return dozens
    return dozens + [
        (said.start, said.end)
        for said in _quantities(text.words)
        if _nearly(text.words, said, wanted, theirs)
        or (any(_states(said, each) for each in wanted) and not any(_states(said, each) for each in theirs))
    ]


_BELOW = (("nearly",), ("almost",), ("just", "under"), ("little", "under"), ("slightly", "under"))
_ABOVE = (("just", "over"), ("little", "over"), ("slightly", "over"), ("slightly", "above"))
_NEAR = Decimal("0.1")
"""How far an answer may be from "nearly" a quantity, as a share of it."""
_APART = Decimal("0.25")
"""How far the other answer must be from it."""
_WITHOUT_SHARES = frozenset({"temperature", "share"})
"""Dimensions in which a tenth of a value is not a small difference, or the zero is arbitrary."""


def _nearly(words: Sequence[str], said: _Quantity, wanted: Sequence[_Quantity], theirs: Sequence[_Quantity]) -> bool:
    """Whether a quantity after "nearly" or "just over" is one of ``wanted`` ("nearly two years" for 22 months), and the
    other answer is far from it."""
    before = tuple(words[max(0, said.start - 2) : said.start])
    below, above = (any(before[-len(cue) :] == cue for cue in cues) for cues in (_BELOW, _ABOVE))
    dimension = _UNITS[said.unit][0]
    if not (below or above) or dimension in _WITHOUT_SHARES or said.value <= 0:
        return False
    ours, other = (
        [_converted(each, said.unit) / said.value - 1 for each in each_side if _UNITS[each.unit][0] == dimension]
        for each_side in (wanted, theirs)
    )
    near = any((-_NEAR <= share < 0) if below else (0 < share <= _NEAR) for share in ours)
    return near and all(abs(share) > _APART for share in other)


def find_dozens(text: Words, answers: Sequence[str], others: Sequence[str]) -> list[tuple[int, int]]:
    """Where ``text`` states a number of ``answers`` in dozens, as half-open spans of words: "a dozen" for 12, "half a
    dozen" for 6."""
    if "dozen" not in text.words:
        return []
    theirs = {read_words(other).words for other in others}
    named = {words for answer in answers if (words := read_words(answer).words)} - theirs
    return [
        (start, after)
        for start, end, count in _dozens(text.words)
        for words in named
        if words[0] == count and text.words[end : (after := end + len(words) - 1)] == words[1:]
    ]


def _dozens(words: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """Where a number of dozens begins and ends, and the number in digits. "A dozen or so" is not a number."""
    for place, word in enumerate(words):
        before = tuple(words[max(0, place - 2) : place])
        if word != "dozen" or words[place + 1 : place + 2] == ("or",):
            continue
        if before == ("half", "a"):
            yield place - 2, place + 1, "6"
        elif before[-1:] == ("a",):
            yield place - 1, place + 1, "12"
        elif before and before[-1].isdecimal():
            yield place - 1, place + 1, str(12 * int(before[-1]))


@functools.lru_cache(maxsize=65536)
def _whole(answer: str) -> _Quantity | None:
    """The quantity that an answer consists of."""
    words = read_words(answer).words
    return next((each for each in _quantities(words) if (each.start, each.end) == (0, len(words))), None)


def _quantities(words: Sequence[str]) -> Iterator[_Quantity]:
    """The quantities among the words of a text, with their longest unit."""
    for start, word in enumerate(words):
        if not _NUMBER.fullmatch(word):
            continue
        if start + 1 < len(words) and (part := _PARTS.get(words[start + 1].rstrip("s"))):
            yield _Quantity((Decimal(word) * 100 / part).quantize(_HUNDREDTH), ("percent",), start, start + 2)
            continue
        for end in range(start + 1 + _LONGEST, start + 1, -1):
            if (unit := tuple(words[start + 1 : end])) in _UNITS and end <= len(words):
                yield _Quantity(Decimal(word), unit, start, end)
                break


def _states(said: _Quantity, answer: _Quantity) -> bool:
    """Whether a quantity is an answer in another unit, or rounded."""
    if _UNITS[said.unit][0] != _UNITS[answer.unit][0]:
        return False
    digits = len(said.value.normalize().as_tuple().digits)
    if said.unit != answer.unit:
        converted = _converted(answer, said.unit)
        return converted == said.value or (digits > 1 and _rounded(converted, said.value) == said.value)
    if said.value == answer.value:
        return True
    more_digits = (
        len(answer.value.normalize().as_tuple().digits) > 1 and _rounded(said.value, answer.value) == answer.value
    )
    return more_digits or (digits > 2 and _rounded(answer.value, said.value) == said.value)


def _converted(quantity: _Quantity, unit: _Unit) -> Decimal:
    """The value of a quantity in another unit of its dimension."""
    common = quantity.value * _UNITS[quantity.unit][1] + _ZERO.get(quantity.unit, Decimal(0))
    return (common - _ZERO.get(unit, Decimal(0))) / _UNITS[unit][1]


def _rounded(value: Decimal, like: Decimal) -> Decimal:
    """A value, rounded to the last digit of another one that is not a zero."""
    return value.quantize(Decimal(1).scaleb(int(like.normalize().as_tuple().exponent)), ROUND_HALF_UP)
