"""Finds answers in a text, and decides when two answers are the same."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from inversion.matching.words import Words, read_words

ARTICLES = frozenset({"a", "an", "the"})


class _Answer:
    """The words that a text must contain to mention an answer."""

    __slots__ = ("common", "words")

    def __init__(self, answer: str) -> None:
        words = read_words(answer).words
        if all(word in ARTICLES for word in words):
            words = ()
        # an article in last position is kept: "vitamin A"
        self.words = (*(word for word in words[:-1] if word not in ARTICLES), *words[-1:])
        last = "".join(answer.split()[-1:]).rstrip(".!?,;:")
        self.common = len(last) > 2 and last.isascii() and last.isalpha() and last.islower()
        """Whether the last word is a common noun ("dirham"). Its plural counts as the same answer."""
        if self.common and self.words:
            self.words = (*self.words[:-1], _singular(self.words[-1]))


_read_answer = functools.lru_cache(maxsize=65536)(_Answer)


def answer_key(answer: str) -> tuple[str, ...]:
    """A key that is equal for all spellings of one answer; empty for an answer without letters or digits."""
    return _read_answer(answer).words


def same_answer(first: str, second: str) -> bool:
    """Whether no scorer could distinguish two answers: "the Bolt" and "Bólt", "1,000" and "1000", "5 km" and "5
    kilometers", "U.S." and "US"."""
    one, other = _read_answer(first), _read_answer(second)
    if one.words == other.words:
        return bool(one.words)
    if not (one.common or other.common) or not one.words or not other.words:
        return False
    return one.words[:-1] == other.words[:-1] and _singular(one.words[-1]) == _singular(other.words[-1])


def shared_answers(first: Iterable[str], second: Iterable[str]) -> list[str]:
    """The answers of ``first`` that are the same as one of ``second``."""
    others = list(second)
    return [answer for answer in first if any(same_answer(answer, other) for other in others)]


def find_answer(text: Words, answer: str) -> list[tuple[int, int]]:
    """Where ``answer`` occurs in ``text``, as half-open spans of words. Articles between its words are skipped.

    A common noun is also found in the plural. An answer without letters or digits is never found.
    """
    wanted = _read_answer(answer)
    if not wanted.words:
        return []
    first, words = wanted.words[0], text.words
    if len(wanted.words) == 1:
        if not wanted.common:
            return [(place, place + 1) for place, word in enumerate(words) if word == first]
        return [
            (place, place + 1) for place, word in enumerate(words) if word[:2] == first[:2] and _singular(word) == first
        ]
    ends = ((start, _end(words, start, wanted)) for start, word in enumerate(words) if word == first)
    return [(start, end) for start, end in ends if end is not None]


def _end(words: tuple[str, ...], start: int, wanted: _Answer) -> int | None:
    """The end of ``wanted`` if it occurs in ``words`` at ``start``, otherwise None."""
    position, last = start, len(wanted.words) - 1
    for place, word in enumerate(wanted.words):
        while position < len(words) and words[position] != word and words[position] in ARTICLES:
            position += 1
        if position == len(words):
            return None
        if words[position] != word and not (place == last and wanted.common and _singular(words[position]) == word):
            return None
        position += 1
    return position


@functools.lru_cache(maxsize=65536)
def _singular(word: str) -> str:
    """The singular of a regular English plural. A final "e" is removed from words in "-use" and "-ise", so that both
    "crocuses" and "excuses" match their singular."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("ches", "shes", "xes", "sses")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word.endswith(("use", "ise")) else word
