"""Tells without a search that a pattern cannot match: each one needs some of a few literal strings.

Most patterns of :mod:`inversion.score.cues` look for words that most texts lack. Which of all these words a text
contains is found in one pass, and only the patterns whose words are there are searched.

The strings come from the parsed pattern, for which Python has no public interface. The tests compare the searches with
those without this module, for every version of Python that they run on.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable
from re import _constants as ops  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from ahocorasick_rs import AhoCorasick

_MOST = 32
"""The largest number of spellings that are kept for one part of a pattern."""
_REPEATS = (ops.MAX_REPEAT, ops.MIN_REPEAT, ops.POSSESSIVE_REPEAT)
_ZERO_WIDTH = (ops.AT, ops.ASSERT, ops.ASSERT_NOT)
_NOTHING = frozenset({""})


def needed(pattern: str) -> frozenset[str]:
    """Strings of which every match of a case-sensitive pattern contains at least one; empty if there are none."""
    found = _needed(parser.parse(pattern))
    return frozenset() if "" in found else found


def _needed(sequence: Iterable[tuple[Any, Any]]) -> frozenset[str]:
    """The set of strings for consecutive parts of a pattern that the fewest texts are likely to contain; it contains
    the empty string if any text can match."""
    found, here = [_NOTHING], _NOTHING
    for op, value in sequence:
        exact = _exact(op, value)
        if exact is not None and len(joined := _joined(here, exact)) <= _MOST:
            here = joined
            continue
        found += [here, _inside(op, value)]
        here = exact or _NOTHING
    return min(*found, here, key=_frequency)


def _frequency(strings: frozenset[str]) -> float:
    """A rough estimate of how often a text contains some strings; infinite for the empty string."""
    return math.inf if "" in strings else sum(8.0 ** -len(string) for string in strings)


def _joined(one: Iterable[str], other: Iterable[str]) -> frozenset[str]:
    return frozenset(map("".join, itertools.product(one, other)))


def _exact(op: Any, value: Any) -> frozenset[str] | None:
    """All strings that a part of a pattern can match, if they are few; None otherwise."""
    if op in _ZERO_WIDTH:
        return _NOTHING
    if op is ops.LITERAL:
        return frozenset({chr(value)})
    if op is ops.IN and all(kind is ops.LITERAL for kind, _ in value) and not _PRIVATE_USE & {c for _, c in value}:
        return frozenset(chr(character) for _, character in value)
    if op is ops.SUBPATTERN:
        return _exact_sequence(value[-1])
    if op is ops.BRANCH:
        branches = [_exact_sequence(branch) for branch in value[1]]
        known = [branch for branch in branches if branch is not None]
        return frozenset().union(*known) if len(known) == len(branches) else None
    if op in _REPEATS and value[1] == 1 and (once := _exact_sequence(value[2])) is not None:
        return once if value[0] else once | _NOTHING
    return None


_PRIVATE_USE = frozenset(range(0xE000, 0xE002))
"""The characters that replace answers, which every text contains."""


def _exact_sequence(sequence: Iterable[tuple[Any, Any]]) -> frozenset[str] | None:
    """All strings that consecutive parts of a pattern can match, if they are few; None otherwise."""
    strings = _NOTHING
    for op, value in sequence:
        exact = _exact(op, value)
        if exact is None or len(strings := _joined(strings, exact)) > _MOST:
            return None
    return strings


def _inside(op: Any, value: Any) -> frozenset[str]:
    """What a part of a pattern needs that can match many strings."""
    if op is ops.SUBPATTERN:
        return _needed(value[-1])
    if op is ops.BRANCH:
        return frozenset().union(*map(_needed, value[1]))
    if op in _REPEATS and value[0]:
        return _needed(value[2])
    return _NOTHING


class LiteralFinder:
    """Finds which of some patterns a text can match."""

    def __init__(self, patterns: Iterable[re.Pattern[str]]) -> None:
        bits: dict[str, int] = {}
        self._bits: dict[int, int] = {}
        for place, pattern in enumerate(patterns):
            strings = needed(pattern.pattern) if pattern.flags == re.UNICODE else frozenset[str]()
            for string in strings:
                bits[string] = bits.get(string, 0) | 1 << place
            if strings:
                # by identity, because the hash of a long pattern is slow
                self._bits[id(pattern)] = 1 << place
        self._of_string = [bits[string] for string in sorted(bits)]
        self._automaton = AhoCorasick(sorted(bits))

    def candidates(self, text: str) -> int:
        """The patterns that a text can match, one bit each."""
        found = 0
        for string, _, _ in self._automaton.find_matches_as_indexes(text, overlapping=True):
            found |= self._of_string[string]
        return found

    def can_match(self, pattern: re.Pattern[str], candidates: int) -> bool:
        """Whether a pattern is one of the ``candidates`` of a text. True for a pattern that the finder does not
        know."""
        bit = self._bits.get(id(pattern))
        return bit is None or bool(bit & candidates)
