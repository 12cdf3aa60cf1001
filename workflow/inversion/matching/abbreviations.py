"""Names with abbreviated words: "BirdLife Int." for BirdLife International, "Fort Worth" for Ft. Worth."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

from inversion.matching.answers import ARTICLES
from inversion.matching.words import Words, fold_word, read_words

_TABLE = """
acad academy; admin administration; agcy agency; assn association; assoc association associates; ave avenue;
bldg building; blvd boulevard; bros brothers; capt captain; co company county; col colonel; coll college;
comm commission committee; conf conference; corp corporation corporal; ctr center centre; cttee committee;
dept department; dist district; dr doctor drive; fdn foundation; fed federal federation; ft fort; gen general;
gov governor; govt government; hosp hospital; hwy highway; inc incorporated; inst institute institution;
int international; intl international; jr junior; lab laboratory; lib library; lt lieutenant; ltd limited; maj major;
mt mount mountain; mts mountains; mus museum; nat national; natl national; orch orchestra;
org organisation organization; phil philharmonic; pres president; prof professor; pt point port; rd road;
rep representative republic; rev reverend; sch school; sen senator; sgt sergeant; soc society; sq square; sr senior;
st saint street; ste sainte; symph symphony; tech technology technical; univ university
"""
_STANDS_FOR = {short: frozenset(words) for entry in _TABLE.split(";") for short, *words in [entry.split()]}
"""The words that an abbreviation stands for."""
_SHORTENED = frozenset(word for words in _STANDS_FOR.values() for word in words)
_READ_AS = {"st": "saint", "ste": "sainte", "mt": "mount"}
"""Abbreviations that :func:`~inversion.matching.words.read_words` writes out, so that "Wall St." has "saint"."""
_APOSTROPHES = frozenset("'\N{RIGHT SINGLE QUOTATION MARK}")
ABBREVIATED = frozenset(_STANDS_FOR) | _SHORTENED
"""Every abbreviation and every word that has one."""


def find_abbreviated(text: Words, answers: Sequence[str], others: Sequence[str]) -> list[tuple[int, int]]:
    """Where ``text`` contains a name of ``answers`` of which a word is abbreviated, or the other way round, as
    half-open spans of words. All other words of the name must be there."""
    if ABBREVIATED.isdisjoint(text.words) and not _APOSTROPHES & {*text.text}:
        return []
    theirs = {span for other in others for span in _spans(text, other)}
    return [span for answer in answers for span in _spans(text, answer) if span not in theirs]


def _spans(text: Words, answer: str) -> Iterator[tuple[int, int]]:
    """Where ``text`` contains ``answer`` with abbreviated words."""
    wanted = _written_words(answer)
    if len(wanted) < 2 or ABBREVIATED.isdisjoint(wanted):
        return
    said = _joined(text)
    for start in range(len(said) - len(wanted) + 1):
        pairs = [(said[start + n][0], right) for n, right in enumerate(wanted)]
        if any(one == right for one, right in pairs) and all(_same(one, right) for one, right in pairs):
            yield said[start][1], said[start + len(wanted) - 1][2]


def _same(one: str, other: str) -> bool:
    """Whether two words are equal or one abbreviates the other."""
    return one == other or one in _STANDS_FOR.get(other, ()) or other in _STANDS_FOR.get(one, ())


@functools.lru_cache(maxsize=65536)
def _written_words(answer: str) -> tuple[str, ...]:
    """The words of an answer without articles, abbreviated as they are written."""
    return tuple(word for word, _, _ in _joined(read_words(answer)))


@functools.lru_cache(maxsize=1024)
def _joined(text: Words) -> tuple[tuple[str, int, int], ...]:
    """The words of a text without articles, abbreviated as they are written ("Int'l" is one word), each with its span
    of words."""
    found: list[tuple[str, int, int]] = []
    for place, word in enumerate(text.words):
        if found and len(word) == 1 and text.gap(place) in _APOSTROPHES and found[-1][0] + word in _STANDS_FOR:
            found[-1] = (found[-1][0] + word, found[-1][1], place + 1)
        elif word not in ARTICLES:
            written = fold_word(text.text[text.starts[place] : text.ends[place]])
            found.append((written if _READ_AS.get(written) == word else word, place, place + 1))
    return tuple(found)
