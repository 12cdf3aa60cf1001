import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inversion.config.sets import FileSet, WorldSet
from inversion.config.world import World
from inversion.conflict.files import (
    distinct_items,
    excluded_items,
    fact_key,
    keep_items,
    load_items,
    source_items,
)
from inversion.instruct.rows import DataError
from inversion.names import normalise
from inversion.records.data import ConflictItem
from inversion.world.facts import build_world

REAL = Path(__file__).parents[3] / "shared" / "data" / "conflict" / "paper"
real_data = pytest.mark.skipif(not REAL.is_dir(), reason="the paper's conflict sets (../shared/data) are not here")


def row(country, answer, memory, context=None, **changes):
    question = f"What is the capital city of {country}?"
    return {"context": context or f"It is {answer} now.", "question": question, "answer": answer} | (
        changes or {"memory_answer": memory}
    )


ROWS = [row("Chad", "Moundou", "N'Djamena"), row("Egypt", "New Cairo", "Cairo"), row("Italy", "Milan", "Rome")]


def file_set(path, rows, **options):
    path.write_text(json.dumps(rows, indent=1, ensure_ascii=False))
    return FileSet(source="file", path=str(path), **options)


def ids(items):
    return [item.item_id for item in items]


def test_rows_become_items(tmp_path):
    items = load_items(file_set(tmp_path / "c.json", ROWS), "capitals")
    assert items[1] == ConflictItem(
        item_id="capitals-000002",
        set="capitals",
        role="conflict",
        question="What is the capital city of Egypt?",
        context="It is New Cairo now.",
        context_answers=["New Cairo"],
        parametric_answers=["Cairo"],
        cluster="what is the capital city of egypt",
        stratum="capitals",
        subject="Egypt",
    )


@pytest.mark.parametrize(
    ("changes", "subject"),
    [
        ({"question": "What is the capital of the Gambia?"}, "Gambia"),
        ({"question": "Who led the capital of Peru?"}, None),
        ({"question": "Who led it?", "subject": "Peru"}, "Peru"),
    ],
)
def test_subjects_are_named_or_read_from_a_question_for_a_capital(tmp_path, changes, subject):
    (found,) = source_items(file_set(tmp_path / "c.json", [ROWS[0] | changes]), "c")
    assert found.subject == subject


def test_json_lines_and_the_other_key_read_alike(tmp_path):
    spec = file_set(tmp_path / "c.json", ROWS)
    renamed = [
        {k: v for k, v in r.items() if k != "memory_answer"} | {"parametric_answer": r["memory_answer"]} for r in ROWS
    ]
    (tmp_path / "c.jsonl").write_text("\n".join(map(json.dumps, renamed)))
    assert load_items(FileSet(source="file", path=str(tmp_path / "c.jsonl")), "c") == load_items(spec, "c")


def test_exact_duplicates_are_dropped_and_other_passages_kept(tmp_path):
    same = {key: f" {value.upper()}" for key, value in ROWS[0].items()}
    rows = [*ROWS, same, ROWS[0] | {"context": "Moundou, since the flood."}]
    items = load_items(file_set(tmp_path / "c.json", rows), "c")
    assert ids(items) == ["c-000001", "c-000002", "c-000003", "c-000005"]
    assert items[0].cluster == items[3].cluster


def test_excluded_facts_are_dropped_whatever_their_passage(tmp_path):
    capitals = file_set(tmp_path / "c.json", ROWS[:2], limit=1)
    rows = [ROWS[2], ROWS[0] | {"context": "Another passage with Moundou."}, row("Chad", "Abéché", "N'Djamena")]
    facts = file_set(tmp_path / "f.json", rows, exclude=("capitals",))
    sources = {"capitals": source_items(capitals, "capitals"), "facts": source_items(facts, "facts")}
    assert ids(load_items(facts, "facts", excluded=excluded_items(facts, sources))) == ["facts-000001", "facts-000003"]
    assert excluded_items(capitals, sources) == []


def test_a_set_that_exclusion_empties_stops(tmp_path):
    spec = file_set(tmp_path / "c.json", ROWS)
    with pytest.raises(DataError, match=r"set 'c': every item of .*c\.json is also in a set under `exclude`"):
        load_items(spec, "c", excluded=source_items(spec, "other"))


def test_a_limit_draws_the_same_items_after_the_rules(tmp_path):
    rows = [row(f"country {k}", f"new {k}", f"old {k}") for k in range(40)]
    spec = file_set(tmp_path / "c.json", [*rows, *rows])
    whole = load_items(spec, "c")
    drawn = load_items(spec.model_copy(update={"limit": 10}), "c")
    assert (len(whole), len(drawn)) == (40, 10)
    assert drawn == [item for item in whole if item in drawn]
    assert drawn != whole[:10]
    assert drawn == load_items(spec.model_copy(update={"limit": 10}), "c")
    assert load_items(spec.model_copy(update={"limit": 99}), "c") == whole


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (" J.K.  Rowling's", "j k rowling s"),
        ("2,000 KM", "2 000 km"),
        ("\u0130stanbul", "i\u0307stanbul"),
        ("Male\u0301", "mal\u00e9"),
        ("\u0926\u093f\u0932\u094d\u0932\u0940!", "\u0926\u093f\u0932\u094d\u0932\u0940"),
    ],
)
def test_normalised_words(text, words):
    assert normalise(text) == words


@given(text=st.text())
def test_normalising_twice_changes_nothing(text):
    assert normalise(normalise(text)) == normalise(text)


@given(rows=st.lists(st.tuples(*[st.sampled_from("xyz")] * 3), max_size=12), cut=st.integers(0, 12))
def test_kept_items_are_distinct_and_not_excluded(rows, cut):
    items = [
        ConflictItem(f"i{k}", "s", "conflict", q, c, [f"{a}1"], [f"{a}2"], q, "s") for k, (q, c, a) in enumerate(rows)
    ]
    kept = keep_items(items, items[cut:])
    assert distinct_items(kept) == kept
    assert not {fact_key(item) for item in kept} & {fact_key(item) for item in items[cut:]}
    assert {fact_key(item) for item in kept} == {fact_key(i) for i in items} - {fact_key(i) for i in items[cut:]}


def test_world_sets_come_from_the_world():
    spec = WorldSet(source="world", kind="conflict", items=12)
    items = load_items(spec, "conflict", build_world(World(known_subjects=20, new_subjects=20, answers=8)))
    assert len(items) == 12
    with pytest.raises(DataError, match="'conflict' is made from the invented world"):
        load_items(spec, "conflict")


@real_data
def test_the_papers_sets_load_without_their_known_faults():
    specs = {
        "capitals": FileSet(source="file", path=str(REAL / "country_capitals_only.json")),
        "world_facts": FileSet(source="file", path=str(REAL / "world_facts.json"), exclude=("capitals",)),
        "biographies": FileSet(source="file", path=str(REAL / "famous_biographies.jsonl")),
    }
    sources = {name: source_items(spec, name) for name, spec in specs.items()}
    loaded = {name: load_items(spec, name, excluded=excluded_items(spec, sources)) for name, spec in specs.items()}
    assert {name: len(items) for name, items in sources.items()} == {
        "capitals": 196,
        "world_facts": 313,
        "biographies": 555,
    }
    assert {name: len(items) for name, items in loaded.items()} == {
        "capitals": 196,
        "world_facts": 117,
        "biographies": 545,
    }
    assert len({item.cluster for item in loaded["biographies"]}) == 111
    bolivia = next(item for item in loaded["capitals"] if "Bolivia" in item.question)
    assert bolivia.parametric_answers[:2] == ["La Paz", "Sucre"]
