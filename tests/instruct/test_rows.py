import contextlib
import json
import tempfile
from pathlib import Path

import datasets
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inversion.instruct.rows import JSON_ROWS, DataError, checked_text, holds_json, read_rows, text_field

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text(max_size=5), json_values, max_size=4)


@settings(max_examples=30)
@given(values=st.lists(objects, min_size=1, max_size=5), indent=st.sampled_from([None, 2]))
def test_a_json_list_and_json_lines_read_alike(values, indent):
    with tempfile.TemporaryDirectory() as folder:
        as_list, as_lines = Path(folder, "list.json"), Path(folder, "lines.jsonl")
        as_list.write_text(json.dumps(values, indent=indent))
        as_lines.write_text("".join(json.dumps(value) + "\n" for value in values))
        for path in (as_list, as_lines):
            rows = list(read_rows(path))
            assert [row.number for row in rows] == list(range(1, len(values) + 1))
            assert [row.value for row in rows] == values
            assert not any(row.fault for row in rows)


@given(data=st.binary(max_size=200))
def test_any_bytes_give_rows_or_a_clear_error(data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "data.jsonl")
        path.write_bytes(data)
        rows = []
        with contextlib.suppress(DataError):
            rows = list(read_rows(path))
            assert rows
        assert all(isinstance(row.value, dict) for row in rows)


def test_line_numbers_count_blank_lines_and_faults_have_reasons(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\n\n{"a": \n"text"\n{"a": "\xff"}\n{"a": 2}\n')
    rows = list(read_rows(path))
    assert [(row.number, row.value) for row in rows if not row.fault] == [(1, {"a": 1}), (6, {"a": 2})]
    assert {row.number: row.fault.split(" (")[0] for row in rows if row.fault} == {
        3: "invalid JSON",
        4: "not a JSON object but str",
        5: "not UTF-8",
    }


def test_parquet_rows(tmp_path):
    pl.DataFrame({"a": ["x", None]}).write_parquet(tmp_path / "data.parquet")
    assert [(row.number, row.value) for row in read_rows(tmp_path / "data.parquet")] == [
        (1, {"a": "x"}),
        (2, {"a": None}),
    ]


@pytest.mark.parametrize(
    ("value", "reason"), [(3, "not text but int"), (" \n", "blank"), ("\ud800", "half of a surrogate pair")]
)
def test_values_that_are_not_text_are_refused(value, reason):
    with pytest.raises(ValueError, match=reason):
        checked_text(value, "it")


def test_a_field_without_a_value_is_missing():
    assert text_field({"a": " x "}, "a") == " x "
    for row in ({}, {"a": None}):
        with pytest.raises(ValueError, match="'a' is missing"):
            text_field(row, "a")


def test_brackets_in_the_name_of_a_parquet_file_are_part_of_it(tmp_path):
    for name, value in (("data[1].parquet", "right"), ("data1.parquet", "wrong")):
        pl.DataFrame({"a": [value]}).write_parquet(tmp_path / name)
    assert [row.value for row in read_rows(tmp_path / "data[1].parquet")] == [{"a": "right"}]


def test_a_parquet_file_that_datasets_saved_is_read_as_its_own_json_says(tmp_path):
    rows = [
        {"output": 'Line one\nline "two"', "messages": [{"role": "user", "content": "q", "name": "x"}]},
        {"output": 3, "messages": [{"role": "user", "content": ["p"]}]},
        {"output": None, "messages": []},
    ]
    source = tmp_path / "rows.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    loaded = datasets.load_dataset("json", data_files=str(source), split="train", cache_dir=str(tmp_path / "cache"))
    assert holds_json(loaded.features.to_dict()), "a column of several types is kept as JSON source"
    loaded.to_parquet(str(tmp_path / "rows.parquet"))
    read = [row.value for row in read_rows(tmp_path / "rows.parquet")]
    assert [row["output"] for row in read] == [row["output"] for row in rows]
    assert read[0]["messages"][0]["content"] == "q"
    assert read[1]["messages"][0]["content"] == ["p"]


def test_rows_without_common_types_are_kept_one_by_one(tmp_path):
    rows = [{"a": 'x\n"y"'}, {"a": 3}, {"a": ["z"]}]
    pl.DataFrame({JSON_ROWS: [json.dumps(row) for row in rows]}).write_parquet(tmp_path / "r.parquet")
    assert [row.value for row in read_rows(tmp_path / "r.parquet")] == rows
