"""The mapping from rows to items: paths, aliases and filters, and what is refused in one line."""

import gc
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from inversion.config.releases import FieldMap
from inversion.config.sets import FileSet, HubSet
from inversion.conflict.fields import read_mapped, steps, value_at
from inversion.conflict.files import load_items, source_items
from inversion.conflict.values import answer_list, as_object
from inversion.instruct.rows import DataError, read_rows
from inversion.matching.answers import same_answer

MAP = {"question": "query", "context": "docs[0].text", "context_answer": "fake", "parametric_answer": "true"}


def own_row(number=1, **changes):
    row = {
        "query": f"Who leads town {number}?",
        "docs": [{"text": f"Ann{number} leads it."}, {"text": f"Bo{number} leads it."}, {"text": "It rained."}],
        "fake": [f"Ann{number}", f"Mayor Ann{number}"],
        "true": f"Bo{number}",
        "kind": "x" if number % 2 else "y",
    }
    return {key: value for key, value in (row | changes).items() if value is not ...}


def read(path, rows, max_bad_rows=0.0, where=None, **fields):
    path.write_text("\n".join(map(json.dumps, rows)))
    return read_mapped(path, "s", "fields", FieldMap(**MAP | fields), where or {}, max_bad_rows)


def test_a_map_reads_paths_lists_and_native_controls(tmp_path):
    found = read(
        tmp_path / "r.jsonl",
        [own_row(1, town="Kett", aka=["B. One"])],
        matching_context="docs[1].text",
        irrelevant_context="docs[-1].text",
        parametric_aliases="aka",
        cluster="town",
        subject="town",
        stratum="kind",
    )
    (item,) = found.items
    assert (item.question, item.context) == ("Who leads town 1?", "Ann1 leads it.")
    assert (item.context_answers, item.parametric_answers) == (["Ann1", "Mayor Ann1"], ["Bo1", "B. One"])
    assert (item.cluster, item.subject, item.stratum, item.item_id) == ("kett", "Kett", "x", "s-000001")
    assert found.native == {"s-000001": {"matching": "Bo1 leads it.", "irrelevant": "It rained."}}


def test_native_controls_come_first_and_items_say_which(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text("\n".join(map(json.dumps, [own_row(1), own_row(2, docs=[{"text": "Ann2 leads it."}])])))
    spec = FileSet(
        source="file",
        path=str(path),
        format="fields",
        fields=FieldMap(**MAP, matching_context="docs[1].text"),
        controls=("matching", "no_context"),
    )
    controls = [item for item in load_items(spec, "s") if item.role == "control"]
    assert [(item.set, item.item_id, item.context, item.control) for item in controls] == [
        ("s+matching", "s-000001", "Bo1 leads it.", "native"),
        ("s+matching", "s-000002", "Bo2 leads it.", "synthetic"),
        ("s+no_context", "s-000001", None, None),
        ("s+no_context", "s-000002", None, None),
    ]
    assert all(item.context_answers == item.parametric_answers for item in controls[:2])


def test_where_keeps_rows_by_a_value_or_several(tmp_path):
    rows = [own_row(n, deep={"n": n}) for n in range(1, 7)]
    assert [item.item_id[-1] for item in read(tmp_path / "r.jsonl", rows, where={"kind": "y"}).items] == ["2", "4", "6"]
    found = read(tmp_path / "r.jsonl", rows, where={"deep.n": (1, 2, 3), "kind": "x"})
    assert [item.item_id[-1] for item in found.items] == ["1", "3"]
    assert len(found.skipped) == 4


@pytest.mark.parametrize(
    ("values", "wanted", "kept"),
    [
        ([0.0, 1.0, None], 1, ["2"]),
        ([0, 1, 2], ("1", "2"), ["2", "3"]),
        (["0.0", "1.0", "1.5"], 1, ["2"]),
        ([True, False, None], True, ["1"]),
        (["none", None, "x"], "none", ["1"]),
        (["a.0", "A.0 ", "a"], "a.0", ["1", "2"]),
    ],
)
def test_where_compares_numbers_by_value_and_nothing_with_null(values, wanted, kept, tmp_path):
    rows = [own_row(n, kind=value) for n, value in enumerate(values, start=1)]
    assert [item.item_id[-1] for item in read(tmp_path / "r.jsonl", rows, where={"kind": wanted}).items] == kept


@pytest.mark.parametrize(
    ("options", "answers"),
    [
        (["Ann1", "Bo1"], ("Ann1", "Bo1")),
        (["A. Ann1", "B. Bo1"], ("Ann1", "Bo1")),
        (["(A) Ann1", "(B) Bo1"], ("A. Ann1", "B. Bo1")),
        ("A) Ann1\nB) Bo1\n", ("A", "B")),
        ({"label": ["1", "2"], "text": ["Ann1", "Bo1"]}, ("1", "2")),
        ({"x": "Ann1", "y": "Bo1"}, ("x", "y")),
        ([{"text": "Ann1"}, {"text": "Bo1"}], (["A", "Ann"], ["B", "Bo"])),
    ],
)
def test_options_and_answers_may_carry_letters(options, answers, tmp_path):
    (item,) = read(tmp_path / "r.jsonl", [own_row(1, fake=answers[0], true=answers[1], o=options)], options="o").items
    assert item.options == ["Ann1", "Bo1"]
    assert (item.kind, item.context_answers[0], item.parametric_answers[0]) == ("choice", "Ann1", "Bo1")


def test_options_may_be_numbers(tmp_path):
    (item,) = read(tmp_path / "r.jsonl", [own_row(1, fake=1900, true=1950, o=[1900, 1950])], options="o").items
    assert (item.options, item.context_answers) == (["1900", "1950"], ["1900"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"o": ["Ann1", "Cy"]}, "the parametric answer 'Bo1' is not among the options Ann1, Cy"),
        ({"fake": 0, "true": 1, "o": ["Ann1", "Bo1"]}, "the context answer '0' is not among the options Ann1, Bo1"),
        ({"true": "A", "o": ["Ann1", "Bo1"]}, "both answers are 'Ann1', which is not a conflict"),
        ({"o": ["Ann1"]}, "options is not a list of 2 to 26 texts"),
        ({"o": ["Ann1", {}]}, "one of the options is missing"),
        (
            {"docs": [{"text": "Ann1 leads it."}, {"text": ["Bo1"]}]},
            "matching_context is a list or an object, not text",
        ),
        ({"docs": [{"text": "Ann1 leads it."}, {"text": 7}]}, "matching_context is not text but int"),
        ({"docs": [{"text": "\u200b"}]}, "context has no word in it"),
        ({"kind": "\ud800"}, "the label '\\ud800' contains half of a surrogate pair"),
    ],
)
def test_options_and_passages_that_cannot_be_used_are_faults(changes, message, tmp_path):
    rows = [own_row(1, **changes), own_row(2, o=["Ann2", "Bo2"])]
    found = read(
        tmp_path / "r.jsonl", rows, max_bad_rows=0.5, options="o", matching_context="docs[1].text", stratum="kind"
    )
    assert len(found.items) == 1
    assert found.faults[0].startswith(f"row 1: {message}")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"true": "ann1!"}, "row 1: both answers are 'Ann1', which is not a conflict"),
        ({"fake": []}, "row 1: context_answer is an empty list"),
        ({"fake": ["Ann1", 3]}, "row 1: context_answer mixes types: a number, text"),
        ({"fake": {"name": "Ann1"}}, "row 1: context_answer holds an object, but it must be text or a list of texts"),
        ({"fake": ["Ann1", None]}, "row 1: context_answer mixes types: null, text"),
        ({"fake": "..."}, "row 1: context_answer has no word in it"),
        ({"true": ...}, "row 1: parametric_answer is missing"),
        ({"query": "  "}, "row 1: question is blank"),
        ({"docs": [{"text": ["a"]}]}, "row 1: context is a list or an object, not text"),
        ({"docs": [{"text": 7}]}, "row 1: context is not text but int"),
        ({"docs": [{"text": "a" * 100_001}]}, "row 1: context has 100,001 characters"),
        ({"fake": "\ud800"}, "row 1: context_answer contains half of a surrogate pair"),
    ],
)
def test_malformed_rows_are_omitted_counted_and_named(changes, message, tmp_path):
    rows = [own_row(1, **changes), *(own_row(n) for n in range(2, 6))]
    found = read(tmp_path / "r.jsonl", rows, max_bad_rows=0.2)
    assert len(found.items) == 4
    assert found.faults[0].startswith(message)
    with pytest.raises(DataError, match=r"1 of 5 rows are malformed, above max_bad_rows = 0\.1") as error:
        read(tmp_path / "r.jsonl", rows, max_bad_rows=0.1)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_aliases_that_both_answers_share_are_removed(tmp_path):
    rows = [own_row(1, fake=["Ann1", "the mayor"], true=["Bo1", "The Mayor"])]
    (item,) = read(tmp_path / "r.jsonl", rows).items
    assert (item.context_answers, item.parametric_answers) == (["Ann1"], ["Bo1"])


SPELLINGS = [
    "US",
    "U.S.",
    "us",
    "United States",
    "the United States",
    "5 km",
    "five kilometers",
    "5 kilometres",
    "1000",
    "1,000",
    "one thousand",
    "7",
    "seven",
    "07",
    "7.0",
    "Henry VIII",
    "Henry 8",
    "World War II",
    "World War Two",
    "twenty-one",
    "21",
    "St. Louis",
    "Saint Louis",
    "Mt Everest",
    "Mount Everest",
    "dirham",
    "dirhams",
    "city",
    "cities",
    "$5",
    "5 dollars",
    "five dollars",
    "5 million",
    "5000000",
    "May 7, 2020",
    "7 May 2020",
    "2020-05-07",
    "O'Brien",
    "OBrien",
    "Jean-Luc",
    "Jean Luc",
    "J. R. R. Tolkien",
    "JRR Tolkien",
    "Lord of the Rings",
    "The Lord of Rings",
    "cannot",
    "can not",
    "isn't",
    "is not",
    "50%",
    "fifty percent",
    "10 pesos",
    "ten peso",
    "5 ft",
    "five feet",
    "7 km",
    "50007 km",
    "Bern",
    "Berne",
    "Oslo",
    "The Oslo",
]


def test_the_quick_check_misses_no_two_spellings_of_one_answer(tmp_path):
    """Rows are compared in full only if a quick check finds them similar, so it must accept every pair of spellings of
    the same answer."""
    rows = [own_row(1, fake=one, true=other) for one in SPELLINGS for other in SPELLINGS]
    found = read(tmp_path / "r.jsonl", rows, max_bad_rows=1.0)
    same = [one for one in SPELLINGS for other in SPELLINGS if same_answer(one, other)]
    assert len(same) > len(SPELLINGS) + 30
    assert len(found.faults) == len(same)


def test_numbers_are_answers(tmp_path):
    (item,) = read(tmp_path / "r.jsonl", [own_row(1, fake=1969, true=[1970.0])]).items
    assert (item.context_answers, item.parametric_answers) == (["1969"], ["1970"])


def test_truth_values_are_yes_and_no(tmp_path):
    (item,) = read(tmp_path / "r.jsonl", [own_row(1, fake=True, true=False)]).items
    assert (item.context_answers, item.parametric_answers, item.kind) == (["Yes"], ["No"], "yes_no")


@pytest.mark.parametrize("format", ["release", "rgb", "fields"])
def test_a_file_of_another_format_is_recognised(format, tmp_path):
    row = {"question": "Q?", "cf_context": "A.", "cf_answer": "A", "orig_answer": "B", "orig_context": "B."}
    path = tmp_path / "r.json"
    path.write_text(json.dumps([row] * 3))
    fields = FieldMap(**MAP) if format == "fields" else FieldMap()
    with pytest.raises(DataError, match=r"this looks like ConFiQA .*: write `format: confiqa`"):
        source_items(FileSet(source="file", path=str(path), format=format, fields=fields), "s")


def test_a_file_of_no_known_format_shows_its_keys(tmp_path):
    path = tmp_path / "r.json"
    path.write_text(json.dumps([{"a": 1, "b": 2}]))
    with pytest.raises(DataError, match=r"no row has the keys of RGB.*; the keys are a, b"):
        source_items(FileSet(source="file", path=str(path), format="rgb"), "s")


def test_tables_in_text_are_read(tmp_path):
    (tmp_path / "t.csv").write_text('\ufeff,q,a\n0,"One, two","[""x"", ""y""]"\n1,Three,\n2,a,b,c\n')
    rows = list(read_rows(tmp_path / "t.csv"))
    assert [(row.number, row.value) for row in rows[:2]] == [
        (1, {"q": "One, two", "a": '["x", "y"]'}),
        (2, {"q": "Three", "a": None}),
    ]
    assert rows[2].fault == "it has more cells than the header"
    (tmp_path / "t.tsv").write_text("q\ta\nOne, two\tx\n")
    assert next(read_rows(tmp_path / "t.tsv")).value == {"q": "One, two", "a": "x"}


@pytest.mark.parametrize("path", ["", ".", "a..b", "a[x]", "[0]", "a[0", "a."])
def test_an_invalid_path_is_refused(path):
    with pytest.raises(ValidationError, match="is not a path; write a key"):
        FieldMap(question=path)


@given(st.lists(st.text("abc d_", min_size=1), min_size=1, max_size=3), st.integers(0, 2))
def test_a_path_finds_its_value(keys, place):
    value: object = ["x", "y", "z"]
    for key in reversed(keys):
        value = {key: value}
    assert value_at(value, steps(".".join(keys) + f"[{place}]")) == "xyz"[place]  # type: ignore[arg-type]


@given(st.lists(st.text(min_size=1), min_size=1))
def test_lists_of_answers_keep_their_order_without_repetition(answers):
    try:
        read_answers = answer_list(answers, "a")
    except ValueError:
        return
    stripped = [answer.strip() for answer in answers]
    assert read_answers[0] == stripped[0]
    assert [stripped.index(answer) for answer in read_answers] == sorted(stripped.index(a) for a in read_answers)


@pytest.mark.parametrize(
    "text",
    [
        """["Bern", "Berne"]""",
        "['Bern', 'Berne']",
        "['Bern' 'Berne']",
        "['Bern'\n 'Berne']",
        """[['Bern'], ["Berne"]]""",
    ],
)
def test_lists_in_cells_of_a_table_are_parsed(text):
    assert answer_list(text, "a") == ["Bern", "Berne"]


@pytest.mark.parametrize("content", [{"rows": ..., "note": "x"}, ..., {"meta": {"n": 1}, "rows": ...}])
def test_rows_of_a_users_map_can_be_in_an_object(content, tmp_path):
    rows = [own_row(1), own_row(2)]
    whole = rows if content is ... else {key: rows if value is ... else value for key, value in content.items()}
    path = tmp_path / "r.json"
    path.write_text(json.dumps(whole, indent=1))
    assert [i.item_id for i in read_mapped(path, "s", "fields", FieldMap(**MAP)).items] == ["s-000001", "s-000002"]


@pytest.mark.parametrize("by_row", [list, lambda column: {str(n): cell for n, cell in enumerate(column)}])
def test_a_table_stored_column_by_column_has_its_rows(by_row, tmp_path):
    rows = [own_row(1), own_row(2)]
    path = tmp_path / "r.json"
    path.write_text(json.dumps({key: by_row([row[key] for row in rows]) for key in rows[0]}))
    found = read_mapped(path, "s", "fields", FieldMap(**MAP))
    assert [item.question for item in found.items] == ["Who leads town 1?", "Who leads town 2?"]


def test_keys_with_dots_are_found(tmp_path):
    rows = [own_row(1, **{"a.b": "Who leads?", "k[0]": "x"}), own_row(2, a={"b": "Who rules?"})]
    found = read(tmp_path / "r.jsonl", rows, question="a.b")
    assert [item.question for item in found.items] == ["Who leads?", "Who rules?"]
    assert len(read(tmp_path / "r.jsonl", rows[:1] * 2, where={"k[0]": "x"}).items) == 2


def test_an_open_quote_does_not_swallow_the_rest_of_a_table(tmp_path):
    path = tmp_path / "r.csv"
    lines = [f"Who leads {n}?,Ann{n} leads.,Ann{n},Bo{n}\n" for n in range(100)]
    path.write_text("query,text,fake,true\n" + "".join([*lines[:50], '"', *lines[50:]]))
    with pytest.raises(DataError, match=r"r\.csv: row 51: invalid CSV \(a quote is never closed\)"):
        read_mapped(path, "s", "fields", FieldMap(**MAP | {"context": "text"}), {}, 0.02)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("r.json", "query,fake\nQ?,Ann", r"none of 2 rows can be read: row 1: invalid JSON .* any other as JSON"),
        ("r.csv", "query,fake,true,text\nQ?,Ann,,A.\n", r"fields.parametric_answer: 'true' is empty in every row"),
    ],
)
def test_an_error_in_every_row_is_named(file, content, message, tmp_path):
    (tmp_path / file).write_text(content)
    with pytest.raises(DataError, match=message):
        read_mapped(tmp_path / file, "s", "fields", FieldMap(**MAP | {"context": "text"}), {}, 1.0)


def test_the_only_row_of_a_file_is_not_a_container(tmp_path):
    """Its list of objects under `docs` contains passages, not rows."""
    assert [i.question for i in read(tmp_path / "r.jsonl", [own_row(1)]).items] == ["Who leads town 1?"]


def test_the_garbage_collector_runs_again_after_reading(tmp_path):
    read(tmp_path / "r.jsonl", [own_row(1)])
    assert gc.isenabled()
    with pytest.raises(DataError):
        read(tmp_path / "r.jsonl", [own_row(1, fake=[])])
    assert gc.isenabled()


@given(st.text())
def test_text_that_is_not_a_list_stays_text(text):
    opened = as_object(text)
    assert opened == text or isinstance(opened, list | dict | tuple)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "fields"}, "`format: fields` needs fields.question"),
        ({"format": "release", "where": {"a": "b"}}, "`where` does not apply to the format 'release'"),
        (
            {"format": "memo_trap", "fields": FieldMap(question="q")},
            "`fields` does not apply to the format 'memo_trap'",
        ),
    ],
)
def test_options_that_do_not_fit_the_format_are_refused(options, message):
    with pytest.raises(ValidationError, match=message):
        FileSet(source="file", path="x.json", **options)


def test_a_set_of_the_hub_is_read_from_the_file_that_it_was_fetched_to(tmp_path):
    spec = HubSet(source="hub", id="owner/name", revision="0" * 40, format="fields", fields=FieldMap(**MAP), limit=1)
    with pytest.raises(DataError, match="comes from the Hub, but the file with its rows was not given"):
        source_items(spec, "s")
    path = tmp_path / "r.jsonl"
    path.write_text(json.dumps(own_row(1)))
    assert [item.item_id for item in source_items(spec.in_file(str(path)), "s")] == ["s-000001"]
    assert spec.in_file("x").limit == 1
