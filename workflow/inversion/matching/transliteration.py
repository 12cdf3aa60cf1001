"""Names in another script: a Cyrillic or Greek spelling of a name ("Яшин" for Yashin), and Chinese names in characters.

A word is transliterated by anyascii and compared with the words of a name by how they sound, because each language
spells a name by its own rules. Japanese names in characters are not recognised, because they are not read as the same
characters in Chinese.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator, Sequence

from inversion.matching.generic import GENERIC
from inversion.matching.spelling import edit_distance
from inversion.matching.words import Words, read_words

_ALPHABETIC = re.compile(r"[\u0370-\u03ff\u0400-\u052f\u0531-\u0587\u10a0-\u10ff\u1f00-\u1fff]{3,}")
_HAN = re.compile(r"[\u3400-\u9fff]")
_SOUNDS = tuple(
    (re.compile(pattern), sound)
    for pattern, sound in (
        (r"sch|sh|sz", "s"), (r"tsch|tch|ch|cz|ts|tz", "C"), (r"ew", "iu"), (r"zh", "z"), (r"kh|gh", "h"),
        (r"ph", "f"), (r"th", "t"), (r"x", "ks"), (r"qu|ck|q|c(?=[aoulrkt]|$)|k", "k"), (r"w", "v"),
        (r"ee|y|j", "i"), (r"ou|oo", "u"), (r"ae|ai|e", "e"), (r"h(?![aeiou])", ""), (r"i+", "i"), (r"(.)\1+", r"\1"),
    )
)  # fmt: skip
"""Spellings of a sound, and the one that takes their place, in the order in which they are replaced."""
_SHORTEST = 4
"""The number of letters from which a word of a name is compared."""


def find_transliterated(text: Words, answers: Sequence[str], others: Sequence[str]) -> list[tuple[int, int]]:
    """Where ``text`` has the last word of a name of ``answers`` in another script, as half-open spans of words, without
    words that also resemble one of ``others``."""
    wanted = [name for answer in answers if (name := _name(answer))]
    theirs = {word for other in others for word in _name(other)}
    spans = []
    for place, written in enumerate(text.words):
        word = text.text[text.starts[place] : text.ends[place]]
        if not written or not _ALPHABETIC.fullmatch(word) or any(_sounds_like(word, other) for other in theirs):
            continue
        for name in wanted:
            if _sounds_like(word, name[-1]):
                first = place - len(name) + 1
                before = zip(range(first, place), name[:-1], strict=True)
                whole = first >= 0 and all(_sounds_like(_written(text, at), part) for at, part in before)
                spans.append((first if whole else place, place + 1))
    return spans + list(_in_characters(text, wanted, theirs))


@functools.lru_cache(maxsize=65536)
def _name(answer: str) -> tuple[str, ...]:
    """The words of a name that identify it; none if its last one is too short."""
    words = tuple(
        word for word in read_words(answer).words if word.isascii() and word.isalpha() and word not in GENERIC
    )
    return words if words and len(words[-1]) >= _SHORTEST else ()


def _written(text: Words, place: int) -> str:
    return text.text[text.starts[place] : text.ends[place]]


@functools.lru_cache(maxsize=65536)
def sound(word: str) -> str:
    """A word in Latin letters, spelled as it sounds."""
    for pattern, sound in _SOUNDS:
        word = pattern.sub(sound, word)
    return word


@functools.lru_cache(maxsize=65536)
def _latin(word: str) -> str:
    from anyascii import anyascii

    return re.sub(r"[^a-z]", "", anyascii(word).lower())


def _sounds_like(written: str, name: str) -> bool:
    """Whether a word in another script sounds like a word of a name. It may have an ending of up to three letters, and
    one sound in five may differ."""
    said, right = sound(_latin(written)), sound(name)
    if len(right) < 2 or said[:1] != right[:1]:
        return False
    return any(
        edit_distance(said[: len(said) - ending], right) <= (len(right) // 5 if ending < 3 else 0)
        for ending in range(4)
        if len(said) - ending >= min(len(right), _SHORTEST)
    )


def _in_characters(text: Words, wanted: Sequence[Sequence[str]], theirs: set[str]) -> Iterator[tuple[int, int]]:
    """Where the text has the pinyin of a whole name in Chinese characters. A name of one syllable must begin the text,
    which must be short, because many characters sound alike."""
    if not text.words or not any(map(_HAN.fullmatch, text.words)):
        return
    for name in wanted:
        joined = "".join(name)
        for start, end in itertools.combinations(range(len(text) + 1), 2) if len(text) < 60 else ():
            characters = text.words[start:end]
            if end - start > len(joined) // 2 or not all(map(_HAN.fullmatch, characters)):
                continue
            alone = end - start > 1 or (start == 0 and len(text) <= _SHORTEST)
            if alone and "".join(map(_latin, characters)) == joined and joined not in theirs:
                yield start, end
