"""When two spellings are the same answer, and where a text mentions one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inversion.matching.answers import find_answer, same_answer, shared_answers
from inversion.matching.loose import find_loose, reread, respelled, rest_of_answer
from inversion.matching.words import read_words


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Bólt", "Bolt"), ("the Bolt", "Bolt"), ("U.S.", "US"), ("1,000", "1000"), ("5 km", "5 kilometers"),
        ("5km", "five kilometres"), ("Washington DC", "Washington, D.C."), ("J. K. Rowling", "JK Rowling"),
        ("Saint Louis", "St. Louis"), ("Mt. Everest", "Mount Everest"), ("7", "seven"), ("50 %", "50 per cent"),
        ("10 million", "10,000,000"), ("1 000", "1000"), ("3 March 1919", "March 3rd, 1919"),
        ("3 March 1919", "1919-03-03"),
        ("peso", "pesos"), ("Peso", "Pesos"), ("hibiscus", "hibiscuses"), ("iris", "irises"), ("mouse", "mouses"),
        ("Øresund", "Oresund"), ("Łódź", "Lodz"),
        ("$5 million", "5 million dollars"),
        ("the one", "one"), ("98 °C", "98 degrees Celsius"), ("World War II", "World War Two"), ("£1.65", "1.65 GBP"),
        ("nineteen forty-five", "1945"), ("\uff12\uff14\uff10 km", "240 km"), ("45k", "45,000"),
        ("1.2M", "1.2 million"),
        ("2.345.678", "2345678"), ("7. October 1949", "October 7, 1949"), ("the fourteenth of July", "14 July"),
    ],
)  # fmt: skip
def test_the_same_answer(first: str, second: str) -> None:
    assert same_answer(first, second)
    assert same_answer(second, first)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("us", "US"),
        ("Herat", "Herats"),
        ("use", "us"),
        ("rise", "rice"),
        ("5 km", "5 kg"),
        ("1000", "10000"),
        ("3 March", "3 May"),
        ("1.2m", "1.2M"),
        ("300 K", "300 thousand"),
        ("", ""),
        ("the", "a"),
    ],
)
def test_other_answers(first: str, second: str) -> None:
    assert not same_answer(first, second)


@pytest.mark.parametrize(
    ("text", "answer", "found"),
    [
        ("首都是里昂。", "里昂", "里昂"),
        ("首都はリヨンです。", "リヨン", "リヨン"),
        ("ニューヨーク", "ヨーク", None),
        ("수도는 리옹입니다.", "리옹", "리옹"),
        ("__Lyon__", "Lyon", "Lyon"),
        ("in 1912 in Paris", "1912", "1912"),
        ("3.5 million people", "5 million", None),
        ("no one knows", "1", None),
        ("全長は240mです。", "240 m", "240m"),
        ("i.e. x squared", "x squared", "x squared"),
        ("\\boxed{540\\text{ km}}", "540 kilometers", "540\\text{ km"),
        ("He came on the 4th of July, 1776", "July 4, 1776", "4th of July, 1776"),
    ],
)
def test_mentions(text: str, answer: str, found: str | None) -> None:
    words = read_words(text)
    spans = find_answer(words, answer)
    assert [text[words.starts[a] : words.ends[b - 1]] for a, b in spans] == ([] if found is None else [found])


@settings(deadline=None)
@given(st.text(max_size=60))
def test_every_word_has_its_position(text: str) -> None:
    words = read_words(text)
    assert len(words.words) == len(words.starts) == len(words.ends)
    assert all(0 <= a < b <= len(text) for a, b in zip(words.starts, words.ends, strict=True))
    assert list(words.starts) == sorted(words.starts)


@settings(deadline=None)
@given(st.text(max_size=30))
def test_an_answer_equals_and_contains_itself(text: str) -> None:
    if read_words(text).words:
        assert same_answer(text, text) == bool(shared_answers([text], [text]))


@pytest.mark.parametrize(
    ("text", "answer", "other", "found"),
    [
        ("Der Turm ist 1.483 Meter hoch.", "1,483 m", "1,520 m", "1.483 Meter"),
        ("about 640K people", "640,000", "820,000", "640K"),
        ("June the 9th", "9 June 1821", "4 March 1820", "June the 9th"),
        ("June the 9th", "9 June 1821", "9 June 1822", None),
        ("in the spring of '68", "1968", "1971", "'68"),
        ("It boils at 64.5 °C.", "64.47 °C", "70 °C", "64.5 °C"),
        ("JSB", "Johann Sebastian Bach", "Telemann", "JSB"),
        ("It was Sebastian.", "Sebastian Kurz", "Werner Kogler", "Sebastian"),
        ("It was Sebastian Coe.", "Sebastian Kurz", "Werner Kogler", None),
        ("the Bach brothers", "Johann Bach", "Maria Bach", None),
        ("a paste of hazel nuts", "hazelnuts", "almonds", "hazel nuts"),
        ("a hazel, nuts and oil", "hazelnuts", "almonds", None),
        ("an icecream", "ice cream", "sorbet", "icecream"),
        ("La capitale est Lisbonne.", "Lisbon", "Porto", "Lisbonne"),
        ("首都是开罗。", "Cairo", "Alexandria", "开罗"),
        ("Она живёт в Варшаве.", "Warsaw", "Kraków", "Варшаве"),
        ("수도는 서울입니다.", "Seoul", "Busan", "서울"),
        ("Frankreich gewann das Finale.", "France", "Spain", "Frankreich"),
        ("El idioma oficial es el francés.", "French", "Dutch", "francés"),
    ],
)
def test_looser_spellings(text: str, answer: str, other: str, found: str | None) -> None:
    words = read_words(reread(text))
    spans = find_answer(words, answer) or find_loose(words, [answer], [other])
    assert [text[words.starts[a] : words.ends[b - 1]] for a, b in spans] == ([] if found is None else [found])


@pytest.mark.parametrize(
    ("text", "answer", "found"),
    [
        ("She is from Philadelpia.", "Philadelphia", "Philadelpia"),
        ("She is from Pittsburg.", "Pittsburgh", "Pittsburg"),
        ("She is from Columbia.", "Colombia", "Columbia"),
        ("She is from Kingstown.", "Kingston", None),
        ("She is from Iceland.", "Ireland", None),
        ("Pallas Athene", "Athena", "Athene"),
        ("Helena of Troy", "Helene of Troy", "Helena of Troy"),
        ("the Athens", "Athena", None),
        ("by Walentina Tereschkowa", "Valentina Tereshkova", None),
        ("by Valentina Tereschkowa", "Valentina Tereshkova", "Valentina Tereschkowa"),
        ("Sung by Aretha Franklyn", "Aretha Franklin", "Aretha Franklyn"),
        ("by Thomas Harpy", "Thomas Hardy", "Thomas Harpy"),
        ("by Karl Bath", "Karl Barth", "Karl Bath"),
        ("by Harpy", "Thomas Hardy", None),
        ("Guatemala Csity", "Guatemala City", None),
        ("by Thomas Hardin", "Thomas Hardy", None),
        ("Lake Como", "Lake Coma", None),
        ("Jean Smith", "Joan Smith", None),
    ],
)
def test_misspelled_names(text: str, answer: str, found: str | None) -> None:
    words = respelled(read_words(text), [answer], ["Seville"])
    spans = find_answer(words, answer)
    assert [text[words.starts[a] : words.ends[b - 1]] for a, b in spans] == ([] if found is None else [found])


@pytest.mark.parametrize(
    ("answer", "question", "rest"),
    [
        ("vitamin B", "Which vitamin helps blood to clot?", ("b",)),
        ("the Battle of Agincourt", "Which battle was fought in 1415?", ("agincourt",)),
        ("Herat", "What is the capital?", ()),
        ("vitamin B", "Which vitamin is better, vitamin B or K?", ()),
        ("Guinea Republic Bank", "Which republic?", ()),
    ],
)
def test_the_words_that_the_question_does_not_give(answer: str, question: str, rest: tuple[str, ...]) -> None:
    assert rest_of_answer(answer, question) == rest
