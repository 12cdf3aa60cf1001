import pytest

from inversion.conflict.short_names import short_name, with_short_names
from inversion.records.data import ConflictItem


def shortened(context_answer, parametric_answer, passage):
    item = ConflictItem("i", "s", "conflict", "Who?", passage, [context_answer], [parametric_answer], "c", "s")
    found = with_short_names(item)
    return found.context_answers[1:], found.parametric_answers[1:]


@pytest.mark.parametrize(
    ("context", "parametric", "passage", "added"),
    [
        ("Angela Merkel", "Edvard Munch", "Angela Merkel sat. Merkel's eye was sure.", (["Merkel"], ["Munch"])),
        ("Angela Merkel", "Edvard Munch", "Angela Merkel sat. Angela Merkel's eye was sure.", ([], [])),
        ("Angela Merkel", "Michelangelo", "Merkel sat.", (["Merkel"], [])),
        ("Aristotle", "Edvard Munch", "Aristotle sat.", ([], [])),
        ("Marie Curie", "Pierre Curie", "Curie sat.", ([], [])),
        ("Martin Luther King Jr.", "Edvard Munch", "King sat.", ([], [])),
        ("New Delhi", "Mumbai", "The city of New Delhi.", ([], [])),
    ],
)
def test_last_names_are_aliases_where_the_passage_uses_them(context, parametric, passage, added):
    assert shortened(context, parametric, passage) == added


def test_the_short_name_is_the_alias_that_is_the_last_word():
    assert short_name(["Angela Merkel", "Merkel"]) == "Merkel"
    assert short_name(["Angela Merkel", "Chancellor"]) is None
    assert short_name([]) is None


@pytest.mark.parametrize("name", ["Catherine the Great", "China and Pakistan", "The Aztecs", "Duke of Windsor"])
def test_last_words_that_are_not_names_are_omitted(name):
    last = name.split()[-1]
    assert shortened(name, "Edvard Munch", f"{name} sat. {last} again.") == ([], [])
    assert shortened("Angela Merkel", name, "Merkel sat.") == (["Merkel"], [])


def test_a_word_of_the_question_does_not_become_an_alias():
    item = ConflictItem(
        "i", "s", "conflict", "Who found the Bohr model?", "Merkel did.", ["Angela Merkel"], ["Niels Bohr"], "c", "s"
    )
    found = with_short_names(item)
    assert (found.context_answers, found.parametric_answers) == (["Angela Merkel", "Merkel"], ["Niels Bohr"])
