"""Foreign names in Japanese katakana: "シェイクスピア" for Shakespeare.

Katakana change vowels, and write several consonants of other languages with the same letter. Names are therefore
compared by their consonants only, in six classes. Four consonants are required, so short names are not found. Korean
and Arabic names are not read in this way: every syllable and word would be compared, and too many are alike.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence

from inversion.matching.generic import GENERIC
from inversion.matching.words import Words, read_words

_KATAKANA = re.compile(r"[\u30a1-\u30fa\u30fc-\u30ff]+")
_BETWEEN = re.compile(r"[\u30fb\uff65=\uff1d\s-]?")
"""What can be between the words of a name."""
_CLASSES = tuple(
    (re.compile(pattern), sound)
    for pattern, sound in (
        (r"([a-z])\1+", r"\1"), (r"tsch|tch|sch|sh|ch|ts|tz|dz|zh|c(?=[eiy])|[jz]", "s"), (r"ph", "f"), (r"th|dh", "t"),
        (r"x", "ks"), (r"ck|kh|gh|[cqg]", "k"), (r"[bvf]", "p"), (r"d", "t"), (r"l", "r"), (r"n(?=[bpm])", "m"),
        (r"[^kmnprst]", ""),
    )
)  # fmt: skip
"""The classes of consonants, in the order in which they are replaced."""
_SHORTEST = 4
"""The number of consonants from which a name is compared."""
_TOLERANT = 9
"""The number of consonants of both names together from which an "r" may be missing."""


def find_in_katakana(text: Words, answers: Sequence[str], others: Sequence[str]) -> list[tuple[int, int]]:
    """Where ``text`` has a name of ``answers``, or its last word, in katakana, as half-open spans of words, without
    those that also resemble one of ``others``."""
    runs = list(_runs(text))
    if not runs:
        return []
    wanted = {sounds for name in answers for sounds in _consonants_of(name)}
    theirs = {sounds for name in others for sounds in _consonants_of(name)}
    return [
        (start, end)
        for start, end, said in runs
        if any(_alike(said, each) for each in wanted) and not any(_alike(said, each) for each in theirs)
    ]


def _runs(text: Words) -> Iterator[tuple[int, int, str]]:
    """The words and names in katakana, with their consonants."""
    for start in range(len(text)):
        for end in range(start + 1, min(start + 5, len(text) + 1)):
            joined = end == start + 1 or _BETWEEN.fullmatch(text.gap(end - 1))
            if not joined or not _KATAKANA.fullmatch(text.words[end - 1]):
                break
            yield start, end, _consonants(text.text[text.starts[start] : text.ends[end - 1]])


@functools.lru_cache(maxsize=65536)
def _consonants_of(name: str) -> tuple[str, ...]:
    """The consonants of a name and of its last word; none that are too few."""
    words = [word for word in read_words(name).words if word.isascii() and word.isalpha() and word not in GENERIC]
    if not name[:1].isupper():
        return ()
    found = (_consonants("".join(words)), _consonants(words[-1])) if words else ()
    return tuple(sounds for sounds in found if len(sounds) >= _SHORTEST)


@functools.lru_cache(maxsize=65536)
def _consonants(word: str) -> str:
    from anyascii import anyascii

    plain = re.sub(r"[^a-z]", "", anyascii(word).lower())
    for pattern, sound in _CLASSES:
        plain = pattern.sub(sound, plain)
    return plain


def _alike(said: str, name: str) -> bool:
    """Whether two sequences of consonants are equal. An "r" may be missing, because many languages do not pronounce it
    at the end of a syllable."""
    return said == name or (len(said + name) >= _TOLERANT and said.replace("r", "") == name.replace("r", ""))
