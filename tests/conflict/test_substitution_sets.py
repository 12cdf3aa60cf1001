import json
import re
from pathlib import Path

import pytest

from inversion.config.sets import SubstitutionSet
from inversion.conflict.substitution_sets import substitution_items
from inversion.instruct.rows import DataError
from inversion.instruct.substitution import (
    answer_type,
    as_example,
    substitute,
    substituted,
    without_names,
)
from inversion.names import fold
from inversion.records.data import Example, Message

SQUAD = Path(__file__).parents[3] / "shared" / "data" / "sft" / "squad_format_xquad_en.json"


def qa(number, question, answer, context):
    return Example(f"q{number}", [Message("user", question), Message("assistant", answer)], context, None, None, None)


ROWS = [
    qa(0, "Who wrote Emma?", "Jane Austen", "Jane Austen wrote Emma. Few knew JANE AUSTEN."),
    qa(1, "Who painted Guernica?", "Pablo Picasso", "Guernica is by Pablo Picasso."),
    qa(2, "Who found radium?", "Marie Curie", "It was Marie Curie who found radium, says Curie's daughter."),
    qa(3, "When did it open?", "1889", "It opened in 1889, to 1,889 guests; 1889 was cold."),
    qa(4, "When did it close?", "1905", "It closed in 1905."),
    qa(5, "Why did it close?", "for want of money", "It closed for want of money."),
    qa(6, "Who is it?", "Niels Bohr", "Nobody says."),
    qa(7, "Who?", "Ada Lovelace", None),
]


@pytest.mark.parametrize(
    ("answer", "question", "type_"),
    [
        ("1889", "When?", "year"),
        ("8 February 2007", "When?", "date 0 month 0000"),
        ("May 1705", "When?", "date month 0000"),
        ("308", "How many?", "number 000"),
        ("$5.2 million", "How much?", "number $0.0 million"),
        ("40%", "What share?", "number 00%"),
        ("seven", "How many?", "number word"),
        ("Ban Ki-moon", "Who was it?", "person"),
        ("Pedro Menéndez de Avilés", "By whom was it led?", "person"),
        ("New York", "Where is it?", "place"),
        ("Peru", "In which country is it?", "place"),
        ("Venom", "What band was first?", "name band"),
        ("Venom", "What is the name of the band?", None),
        ("to the west", "Where?", None),
        ("Yes", "Who?", None),
        ("Paris, London (and Rome)", "Where?", None),
    ],
)
def test_types_of_answers(answer, question, type_):
    assert answer_type(answer, question) == type_


def test_the_answer_is_replaced_everywhere_and_nothing_else():
    row = substituted(ROWS[3], "year", "1905")
    assert row.context == "It opened in 1905, to 1,889 guests; 1905 was cold."
    assert (row.original, row.answer) == (ROWS[3], "1905")


@pytest.mark.parametrize(
    ("row", "kind", "answer"),
    [
        (ROWS[0], "person", "Marie Curie"),  # JANE AUSTEN would remain
        (ROWS[2], "person", "Jane Austen"),  # Curie would remain
        (ROWS[1], "person", "Guernica"),  # occurs in the passage and the question
        (ROWS[1], "person", "Picasso"),  # is a part of the old answer
        (ROWS[1], "person", "Pablo Picasso Junior"),  # contains the old answer
        (ROWS[4], "year", "1905"),
    ],
)
def test_an_ambiguous_substitution_is_refused(row, kind, answer):
    assert substituted(row, kind, answer) is None


def test_rows_that_cannot_be_substituted_are_counted():
    rows, skipped = substitute(ROWS, 0)
    assert [row.original.example_id for row in rows] == ["q1", "q3", "q4"]
    assert sum(skipped.values()) + len(rows) == len(ROWS)
    assert skipped == {
        "whose passage fits no other answer": 2,
        "whose answer is not in the passage": 1,
        "whose answer is not a number, date or name of a known kind": 1,
        "without a passage or of several turns": 1,
    }
    assert substitute(ROWS, 0) == (rows, skipped)


def test_the_training_answer_follows_the_passage():
    row = substituted(ROWS[1], "person", "Marie Curie")
    added = as_example(row)
    assert (added.answer, added.context, added.question) == (
        "Marie Curie",
        "Guernica is by Marie Curie.",
        "Who painted Guernica?",
    )
    assert (added.example_id, added.kind) == ("counterfactual/q1", "counterfactual")


@pytest.mark.parametrize("name", ["pablo picasso", "Marie Curie", "Guernica"])
def test_rows_that_name_evaluated_facts_are_dropped(name):
    rows = [substituted(ROWS[1], "person", "Marie Curie"), substituted(ROWS[3], "year", "1905")]
    assert without_names(rows, [name]) == rows[1:]


def test_items_and_their_matching_control():
    conflict = SubstitutionSet(source="substitution", dataset="squad", items=3)
    matching = conflict.model_copy(update={"kind": "matching"})
    items, controls = substitution_items(ROWS, conflict, "cf"), substitution_items(ROWS, matching, "m")
    assert [item.item_id for item in items] == ["cf-000000", "cf-000001", "cf-000002"]
    assert {item.role for item in items} == {"conflict"}
    assert {item.role for item in controls} == {"control"}
    assert [item.cluster for item in items] == [item.cluster for item in controls]
    assert [item.context for item in controls] == [ROWS[1].context, ROWS[3].context, ROWS[4].context]
    assert items[2].context_answers == ["1889"]
    assert items[2].parametric_answers == controls[2].context_answers == controls[2].parametric_answers == ["1905"]
    assert [item.stratum for item in items] == ["person", "year", "year"]


def test_too_little_data_stops():
    spec = SubstitutionSet(source="substitution", dataset="squad", items=4)
    with pytest.raises(DataError, match=r"sets.cf: dataset 'squad' gives 3 items, not 4, .* set items to at most 3"):
        substitution_items(ROWS, spec, "cf")


@pytest.mark.skipif(not SQUAD.is_file(), reason="the SQuAD-format rows (../shared/data) are not here")
def test_real_rows():
    pages = [page for article in json.loads(SQUAD.read_text())["data"] for page in article["paragraphs"]]
    rows = [
        qa(entry["id"], entry["question"], entry["answers"][0]["text"], p["context"])
        for p in pages
        for entry in p["qas"]
    ]
    found = substitute(rows, 0).rows
    assert len(found) > 250
    for row in found:
        assert re.search(rf"(?<!\w){re.escape(row.answer)}(?!\w)", row.context)
        assert fold(row.original.answer) not in fold(row.context)
        assert fold(row.answer) not in fold(row.original.context)
        assert answer_type(row.answer, row.original.question) == row.type
