import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inversion.names import NameFinder, fold

WORDS = st.text("aAéb c'.-", min_size=1, max_size=8)


@given(names=st.lists(WORDS, max_size=5), text=st.text("aAéEb c'.-\n", max_size=40))
def test_the_automaton_finds_what_a_plain_search_finds(names, text):
    """Against one regular expression a name, word by word."""
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
