"""Finds the facts that a text names: by the names of a conflict set, and by other words for the same countries."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

from inversion.matching.demonyms import country_demonyms, country_names
from inversion.names import NameFinder, SpellingFinder

NameKind = Literal["name", "demonym", "other name"]
"""How an example refers to a fact: by a name from the set, by a demonym ("French"), or by another name or abbreviation
of a country ("UK")."""


class FoundName(NamedTuple):
    """A name because of which ``no_fact_overlap`` drops an example."""

    name: str
    kind: NameKind

    def __str__(self) -> str:
        return self.name if self.kind == "name" else f"{self.name} ({self.kind})"


_OTHER_WORDS = {"us", "pole", "polish", "swede", "scot", "finn", "dane", "turk", "lao", "nz", "prc", "drc", "ksa"}
"""Spellings that are other words in lower case: "tell us", "polish the table". They are found as they are written."""
_NOT_COUNTRIES = re.compile(
    r"\b(?:(?:North|South|Central|Latin|Meso)[ -]?America(?:ns?)?|the Americas|(?:North|South) Pole"
    r"|Polish (?:the|your|it|up|this|these|my|his|her|its|our|their))\b",
    re.IGNORECASE,
)
"""Phrases in which a word for a country does not refer to it."""


class FactFinder:
    """Finds mentions of names in a text, including demonyms and other names of countries.

    Names are found as :class:`~inversion.names.NameFinder` finds them, and so are the other words, in the plural and
    the possessive too. Those that are different words in lower case ("US", "Polish") count only as written.
    """

    def __init__(self, names: Iterable[str]) -> None:
        names = list(names)
        self._names = NameFinder(name for name in names if name.lower() not in _OTHER_WORDS)
        self._kinds: dict[str, NameKind] = {}
        for name in names:
            self._kinds |= dict.fromkeys(country_demonyms(name), "demonym")
        for name in names:
            self._kinds |= dict.fromkeys(country_names(name), "other name")
        self._kinds |= {name: "name" for name in names if name.lower() in _OTHER_WORDS}
        self._as_written = SpellingFinder(word for word in self._kinds if word.lower() in _OTHER_WORDS)
        plain = [word for word in self._kinds if word.lower() not in _OTHER_WORDS]
        self._singular = {f"{word}s": word for word in plain} | {word: word for word in plain}
        self._others = NameFinder(self._singular)

    def find(self, text: str) -> list[FoundName]:
        """The names that ``text`` mentions, each once. Names from the sets come first."""
        named = self._names.find(text)
        rest = _NOT_COUNTRIES.sub(" ", text)
        words = [*(self._singular[word] for word in self._others.find(rest)), *self._as_written.find(rest)]
        related = dict.fromkeys(word for word in words if word not in named)
        found = [
            *(FoundName(name, "name") for name in named),
            *(FoundName(word, self._kinds[word]) for word in related),
        ]
        return sorted(found, key=lambda each: each.kind != "name")
