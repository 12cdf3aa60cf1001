"""Names of institutions in another order or shortened: "Modern Art Museum", "Boijmans Museum"."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from inversion.matching.answers import ARTICLES
from inversion.matching.generic import GENERIC
from inversion.matching.places import is_place
from inversion.matching.words import read_words

_KINDS = frozenset(
    re.findall(
        r"\w+",
        "academy archive cathedral conservatory foundation gallery hospital institute library museum observatory "
        "orchestra theater theatre zoo",
    )
)
"""Kinds of institutions. Universities are missing, because the order of their words tells them apart: Washington
University is not the University of Washington."""
_PARTICLES = frozenset({"da", "de", "den", "der", "di", "du", "la", "van", "von"})
_OF = frozenset({"for", "of"})
_INITIAL = re.compile(r"[A-Z]\.?")


def institution_spellings(answer: str, aliases: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Other names of the institution ``answer``, as normalised words without articles; none if it is no institution.

    - Its kind after the other words instead of before them, or the other way round: "Modern Art Museum" for "Museum of
      Modern Art".
    - Its kind with the words that identify it: a name that is one of ``aliases``, that precedes the particle of a
      surname ("Boijmans Museum" for "Museum Boijmans Van Beuningen"), or that follows an initial ("Guggenheim Museum"
      for "Solomon R. Guggenheim Museum"). A place identifies nothing.
    """
    words = tuple(word for word in read_words(answer).words if word not in ARTICLES)
    if len(words) < 2 or not answer[:1].isupper() or not _KINDS & {words[0], words[-1]}:
        return
    first = words[0] in _KINDS
    kind, rest = (words[0], words[1:]) if first else (words[-1], words[:-1])
    described = first and rest[0] in _OF
    if described:
        rest = rest[1:]
    if not rest or _OF & {*rest} or "and" in rest:
        return
    for order in ((*rest, kind), (kind, *rest), (kind, "of", *rest)):
        if order != words and (described or order[1] != "of"):
            yield order
    if described:
        return
    for name in {*_distinctive(answer, rest), *_among(rest, aliases)}:
        if len(name) < len(rest) and not _common(name):
            yield (*name, kind)
            yield (kind, *name)


def _common(name: Sequence[str]) -> bool:
    """Whether a part of a name identifies nothing by itself."""
    return all(word in GENERIC | _PARTICLES or len(word) < 4 for word in name) or is_place(" ".join(name))


def _distinctive(answer: str, rest: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The words that identify an institution: those before a particle, and the one after an initial."""
    particle = next((place for place, word in enumerate(rest) if word in _PARTICLES), 0)
    if particle:
        yield tuple(rest[:particle])
    written = [name for name in answer.split() if name.lower() not in ARTICLES | _KINDS]
    if len(written) > 2 and _INITIAL.fullmatch(written[-2]):
        yield read_words(written[-1]).words


def _among(rest: Sequence[str], aliases: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The aliases that are the beginning or the end of the words that identify an institution."""
    for alias in aliases:
        words = read_words(alias).words
        if words and words in (tuple(rest[: len(words)]), tuple(rest[-len(words) :])):
            yield words
