import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inversion.names import NameFinder, fold, listed_names, normalise

WORDS = st.text("aAéb c'.-", min_size=1, max_size=8)


@given(names=st.lists(WORDS, max_size=5), text=st.text("aAéEb c'.-\n", max_size=40))
def test_the_automaton_finds_what_a_plain_search_finds(names, text):
    """The plain search has one regular expression per name, and compares word by word."""
    expected = set()
    for name in names:
        words = re.sub(r"^ (the|a|an) (?=\S)", " ", fold(name)).split()
        if words and re.search(rf"(?<!\S){' '.join(map(re.escape, words))}(?!\S)", fold(text)):
            expected.add(tuple(words))
    found = {tuple(re.sub(r"^ (the|a|an) (?=\S)", " ", fold(name)).split()) for name in NameFinder(names).find(text)}
    assert found == expected


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("On COTE D'IVOIRE's coast", ["Côte d'Ivoire"]),
        ("Gambia and Romans", ["the Gambia"]),
        ("France Oman", ["France", "Oman"]),
        ("from New  York\nto York", ["New York", "York"]),
        ("Françe", ["France"]),
        ("", []),
    ],
)
def test_names_in_texts(text, found):
    finder = NameFinder(["Côte d'Ivoire", "the Gambia", "Oman", "France", "York", "New York", "...", ""])
    assert sorted(finder.find(text)) == sorted(found)


@pytest.mark.parametrize(
    ("answer", "forms"),
    [
        ("Rome", ["Rome"]),
        ("Washington, D.C.", ["Washington, D.C."]),
        ("Truth or Dare", ["Truth or Dare"]),
        ("Dead or Alive (band)", ["Dead or Alive"]),
        ("Nay Pyi Taw (Naypyidaw)", ["Nay Pyi Taw", "Naypyidaw"]),
        ("La Paz (administrative); Sucre [judicial]", ["La Paz", "Sucre"]),
        (
            "Rangoon (Yangon); Naypyidaw or Nay Pyi Taw (administrative)",
            ["Rangoon", "Yangon", "Naypyidaw", "Nay Pyi Taw"],
        ),
        ("Gitega (changed from Bujumbura; or so)", ["Gitega"]),
        ("Amsterdam; The Hague (seat of government)", ["Amsterdam", "The Hague"]),
        ("Oslo (Christiania", ["Oslo", "Christiania"]),
        ("(unknown)", []),
    ],
)
def test_remarks_in_brackets_become_separate_names(answer, forms):
    whole = [] if forms == [answer] else [answer]
    assert listed_names(f" {answer} ") == forms + whole


@given(answer=st.text(st.sampled_from("aB ;()[]or "), max_size=20).filter(normalise))
def test_listed_names_are_valid_and_include_the_text(answer):
    forms = listed_names(answer)
    assert forms[-1] == answer.strip()
    assert len(set(forms)) == len(forms)
    assert all(normalise(form) for form in forms)


@given(st.text(st.characters(max_codepoint=127)))
def test_ascii_texts_are_normalised_like_all_others(text):
    # a letter outside ASCII selects the general code path
    accented = "\N{LATIN SMALL LETTER E WITH ACUTE}"
    assert normalise(f"{text} {accented}") == f"{normalise(text)} {accented}".strip()
