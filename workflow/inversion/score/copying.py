"""Finds the parts of a response that are copied from the passage."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from inversion.matching.words import Words, read_words

COPIED_WORDS = 6
"""The number of consecutive words that a response must share with the passage for them to count as copied. A whole
sentence of the passage, or the whole response, counts even if it is shorter."""


COPIED_AROUND = 3
"""The number of words of the passage around an answer that make it part of copied text."""


_FEWEST = 3
"""The number of words of the shortest copy."""
_SENTENCE_ENDS = re.compile(r"[.!?\n\u3002]")


@lru_cache(maxsize=512)
def _read_passage(passage: str) -> tuple[tuple[str, ...], dict[str, list[int]], frozenset[tuple[int, int]]]:
    """The words of a passage, the positions of each word, and the spans of its sentences."""
    words = read_words(passage)
    places: dict[str, list[int]] = {}
    for place, word in enumerate(words.words):
        places.setdefault(word, []).append(place)
    gaps = enumerate(zip(words.ends[:-1], words.starts[1:], strict=True), 1)
    ends = [place for place, gap in gaps if _SENTENCE_ENDS.search(words.text, *gap)] + [len(words)]
    starts = [0, *ends[:-1]]
    return words.words, places, frozenset(zip(starts, ends, strict=True))


def copied_runs(words: Words, passage: str) -> list[tuple[int, int]]:
    """The half-open spans of ``words`` that are copied from the passage: at least :data:`COPIED_WORDS` consecutive
    words, a whole sentence of the passage, or the whole response if it has at least three words."""
    source, places, sentences = _read_passage(passage)
    runs: list[tuple[int, int]] = []
    start, text = 0, words.words
    while start < len(text):
        best, origin = 0, 0
        following = text[start + 1 : start + _FEWEST]
        for place in places.get(text[start], ()):
            if source[place + 1 : place + _FEWEST] != following:
                continue
            size = len(following) + 1
            while (
                start + size < len(text) and place + size < len(source) and text[start + size] == source[place + size]
            ):
                size += 1
            if size > best:
                best, origin = size, place
        if best >= _FEWEST and (
            (best >= COPIED_WORDS and _written_words(text[start : start + best]) >= COPIED_WORDS)
            or best == len(text)
            or any(begin >= origin and end <= origin + best for begin, end in sentences)
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
