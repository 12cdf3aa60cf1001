"""Spellings of an answer in other units, symbols, scripts, languages and numerals."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from inversion.matching.answers import same_answer
from inversion.matching.conversions import find_quantities
from inversion.matching.dates import find_dates
from inversion.matching.katakana import find_in_katakana
from inversion.matching.loose import find_loose
from inversion.matching.places import exonyms
from inversion.matching.symbols import find_symbols
from inversion.matching.transliteration import find_transliterated
from inversion.matching.words import Words, read_words

Find = Callable[[Words, Sequence[str], Sequence[str]], list[tuple[int, int]]]


def _found(find: Find, text: str, answer: str, other: str) -> list[str]:
    words = read_words(text)
    return [text[words.starts[start] : words.ends[end - 1]] for start, end in find(words, [answer], [other])]


@pytest.mark.parametrize(
    ("text", "answer", "other", "found"),
    [
        # other units
        ("about 133 °F", "56.05 °C", "72 °C", "133 °F"),
        ("It is 300 K.", "26.85 °C", "30 °C", "300 K"),
        ("29,032 feet", "8,848.86 m", "8,611 m", "29,032 feet"),
        ("it takes 90 minutes", "1.5 hours", "2 hours", "90 minutes"),
        ("two weeks", "14 days", "16 days", "two weeks"),
        ("3.44 x 10^2 m/s", "344 m/s", "420 m/s", "3.44 x 10^2 m/s"),
        ("344,000 mm", "344 m", "420 m", "344,000 mm"),
        # both answers round to it, or it has too few digits
        ("26 miles", "42.195 km", "41.5 km", None),
        ("6 feet", "1.83 m", "1.5 m", None),
        ("133 °F", "60 °C", "72 °C", None),
        # another dimension
        ("56 km", "56 kg", "72 kg", None),
        # more or fewer digits
        ("20.95 vol%", "21%", "12%", "20.95 vol%"),
        ("8,849 m", "8,848.86 m", "8,611 m", "8,849 m"),
        ("8,900 m", "8,848.86 m", "8,611 m", None),
        ("in 1910", "1912", "1913", None),
        # fractions
        ("three quarters", "75%", "60%", "three quarters"),
        ("two thirds", "66.7 percent", "60 percent", "two thirds"),
        ("four fifths", "78%", "71%", None),
    ],
)
def test_quantities(text: str, answer: str, other: str, found: str | None) -> None:
    assert _found(find_quantities, text, answer, other) == ([] if found is None else [found])


@pytest.mark.parametrize(
    ("text", "answer", "other", "found"),
    [
        ("11-05", "5 November", "9 November", "11-05"),
        ("5/11", "5 November", "9 November", "5/11"),
        ("a score of 5 to 11", "5 November", "9 November", None),
        ("05-11", "5 November", "11 May", None),
        ("le cinq novembre 1605", "5 November 1605", "9 May 1605", "cinq novembre 1605"),
        ("le cinq novembre 1604", "5 November 1605", "9 May 1605", None),
        ("am 1. Mai", "1 May", "1 March", "1. Mai"),
        ("el 2 de agosto de 1990", "August 2, 1990", "May 3, 1990", "2 de agosto de 1990"),
        ("9 мая", "9 May", "8 May", "9 мая"),
        ("10月3日", "3 October", "10 March", "10月3日"),
        ("la planète Mars", "3 March", "10 March", None),
    ],
)
def test_dates(text: str, answer: str, other: str, found: str | None) -> None:
    assert _found(find_dates, text, answer, other) == ([] if found is None else [found])


@pytest.mark.parametrize(
    ("text", "answer", "other", "found"),
    [
        ("They burn SO₂.", "sulfur dioxide", "carbon dioxide", "SO₂"),
        ("NaCl", "sodium chloride", "potassium chloride", "NaCl"),
        ("It gives off N2.", "nitrogen", "oxygen", "N2"),
        ("H2O", "water", "oxygen", "H2O"),
        ("CO", "carbon dioxide", "oxygen", None),
        ("Pb", "lead", "tin", "Pb"),
        ("It's Hg.", "mercury", "tin", "Hg"),
        ("As I said, tin", "arsenic", "tin", None),
        ("They pay in NOK.", "Norwegian krone", "euro", "NOK"),
        ("TOP NEWS", "pa'anga", "euro", None),
        ("Hz", "hertz", "watt", "Hz"),
        ("WY", "Wyoming", "Montana", "WY"),
        ("in Cody, WY", "Wyoming", "Montana", "WY"),
        ("It's IN the US, OK", "Indiana", "Oklahoma", None),
        ("CA", "California", "Canada", None),
        ("SE", "Sweden", "Norway", "SE"),
    ],
)
def test_symbols(text: str, answer: str, other: str, found: str | None) -> None:
    assert _found(find_symbols, text, answer, other) == ([] if found is None else [found])


@pytest.mark.parametrize(
    ("text", "answer", "other", "found"),
    [
        ("Это написал Тургенев.", "Ivan Turgenev", "Leo Tolstoy", "Тургенев"),
        ("Иваном Тургеневым", "Ivan Turgenev", "Leo Tolstoy", "Иваном Тургеневым"),
        ("Михаил Горбачёв", "Mikhail Bulgakov", "Leo Tolstoy", None),
        ("Платонов", "Socrates", "Leo Tolstoy", None),
        ("Είναι Πλάτωνας", "Plato", "Socrates", "Πλάτωνας"),
        ("Пикассо", "Pablo Picasso", "Salvador Dalí", "Пикассо"),
        ("Иванов", "Viktor Ivanov", "Pyotr Ivanov", None),
        ("毛泽东是主席", "Mao Zedong", "Deng Xiaoping", "毛泽东"),
        ("唐朝", "Tang dynasty", "Song dynasty", "唐"),
        ("他喜欢喝甜的汤", "Tang dynasty", "Song dynasty", None),
    ],
)
def test_names_in_other_scripts(text: str, answer: str, other: str, found: str | None) -> None:
    assert _found(find_transliterated, text, answer, other) == ([] if found is None else [found])


@pytest.mark.parametrize(
    ("text", "answer", "other", "found"),
    [
        ("It was Henry the Eighth.", "Henry VIII", "Henry VII", "Henry the Eighth"),
        ("It was Henry the Ninth.", "Henry VIII", "Henry VII", None),
        ("the Second World War", "World War II", "Korean War", "Second World War"),
        ("the First World War", "World War II", "Korean War", None),
        ("WWII", "World War II", "Korean War", "WWII"),
        ("World War II", "Second World War", "Korean War", "World War II"),
        ("Peter I", "Peter the Great", "Ivan V", "Peter I"),
        ("Peter III", "Peter the Great", "Ivan V", None),
        ("He lives in Firenze.", "Florence", "Pisa", "Firenze"),
        ("He lives in Köln.", "Cologne", "Bonn", "Köln"),
        ("He lives in Leningrad.", "Saint Petersburg", "Moscow", None),
        ("They pay with the krone.", "Norwegian krone", "euro", "krone"),
        ("They pay with the krone.", "Norwegian krone", "Danish krone", None),
        ("Lombardi's Packers won.", "Green Bay Packers", "Kansas City Chiefs", "Packers"),
        ("1. Bonn\n2. Ulm", "Bonn Airport", "Ulm Minster", "Bonn"),
        ("Ask Holst. Elgar wrote it.", "Edward Elgar", "Frederick Delius", "Elgar"),
        ("Both Elgar and Bax", "Edward Elgar", "Frederick Delius", "Elgar"),
    ],
)
def test_names(text: str, answer: str, other: str, found: str | None) -> None:
    assert _found(find_loose, text, answer, other) == ([] if found is None else [found])


def test_names_of_other_cities_are_no_exonyms() -> None:
    assert "Florencia" not in exonyms("Florence")
    assert "Washington D.C." not in exonyms("Washington")
    assert exonyms("no such city") == ()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("eighteen-fifteen", "1815"),
        ("nineteen oh five", "1905"),
        ("twenty-oh-four", "2004"),
        ("€", "euro"),
        ("£5", "5 £"),
        ("5 lbs", "5 pounds"),
        ("75 pct", "75%"),
    ],
)
def test_the_same_number_or_currency(first: str, second: str) -> None:
    assert same_answer(first, second)


@pytest.mark.parametrize(("first", "second"), [("ten-four", "1004"), ("twenty-five", "2005"), ("fifteen-one", "1501")])
def test_numbers_with_hyphens_that_are_no_years(first: str, second: str) -> None:
    assert not same_answer(first, second)


@pytest.mark.parametrize(
    ("text", "answer", "other", "found"),
    [
        ("モーツァルトです。", "Wolfgang Amadeus Mozart", "Joseph Haydn", "モーツァルト"),
        ("レオナルド・ダ・ヴィンチが描いた", "Leonardo da Vinci", "Raphael", "レオナルド・ダ・ヴィンチ"),
        ("チャイコフスキー", "Pyotr Tchaikovsky", "Mussorgsky", "チャイコフスキー"),
        ("ベートーヴェン", "Joseph Haydn", "Ludwig van Beethoven", None),
        ("バッハ", "Johann Sebastian Bach", "Joseph Haydn", None),
        ("アメリカのコーヒー", "tomorrow", "coffee", None),
    ],
)
def test_names_in_katakana(text: str, answer: str, other: str, found: str | None) -> None:
    spans = _found(find_in_katakana, text, answer, other)
    assert max(spans, key=len, default=None) == found


def test_eight_and_nine_atoms_have_prefixes_of_their_own() -> None:
    assert find_symbols(read_words("S2F8"), ["disulfur octafluoride"], []) == [(0, 1)]
    assert find_symbols(read_words("P4S9"), ["tetraphosphorus nonasulfide"], []) == [(0, 1)]
    assert find_symbols(read_words("S2F8"), ["disulfur monofluoride"], []) == []
