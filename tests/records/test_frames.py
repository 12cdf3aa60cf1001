"""Records and their tables always agree, and errors name a table with other columns."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inversion import records
from inversion.artifacts import ArtifactError
from inversion.parquet import write_parquet
from inversion.records.answers import Response
from inversion.records.data import ConflictItem, Example, Message
from inversion.records.frames import from_frame, read_frame, read_records, require_schema, schema_of, to_frame
from inversion.records.tables import CurvePoint

RECORDS = [
    kind
    for module in pkgutil.iter_modules(records.__path__, "inversion.records.")
    for _, kind in inspect.getmembers(importlib.import_module(module.name), dataclasses.is_dataclass)
]

integers = st.integers(-(2**63), 2**63 - 1)
texts = st.text(st.characters(codec="utf-8"), max_size=20)
floats = st.floats(allow_nan=False)
st.register_type_strategy(int, integers)
st.register_type_strategy(str, texts)
st.register_type_strategy(float, floats)

EXAMPLE = Example(
    example_id="e1",
    messages=[Message("user", "who ?"), Message("assistant", "me")],
    context=None,
    kind="C+S",
    subject=None,
    relation="capital",
)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
@settings(max_examples=25)  # for every record, because all share the same code
@given(data=st.data())
def test_every_record_survives_its_table(record: type, data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.builds(record), max_size=4))
    assert from_frame(to_frame(rows, record), record) == rows


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_a_table_without_rows_has_its_columns(record: type) -> None:
    empty = to_frame([], record)
    assert empty.schema == schema_of(record)
    assert empty.columns == [field.name for field in dataclasses.fields(record)]
    assert from_frame(empty, record) == []


def test_schema_follows_the_annotations() -> None:
    assert schema_of(Example) == pl.Schema(
        {
            "example_id": pl.String(),
            "messages": pl.List(pl.Struct({"role": pl.String(), "content": pl.String()})),
            "context": pl.String(),
            "kind": pl.String(),
            "subject": pl.String(),
            "relation": pl.String(),
        }
    )
    assert schema_of(ConflictItem)["context_answers"] == pl.List(pl.String())
    assert schema_of(Response)["context_logprob"] == pl.Float64()
    assert schema_of(Response)["finished"] == pl.Boolean()


def test_an_annotation_without_a_column_type_is_refused() -> None:
    @dataclasses.dataclass
    class Odd:
        value: complex

    with pytest.raises(TypeError, match="complex"):
        schema_of(Odd)


def test_nested_messages_and_nulls_through_a_file(tmp_path: Path) -> None:
    path = tmp_path / "examples.parquet"
    rows = [EXAMPLE, dataclasses.replace(EXAMPLE, example_id="e2", messages=[], context="said : me")]
    write_parquet(path, to_frame(rows, Example))
    back = read_records(path, Example)
    assert back == rows
    assert isinstance(back[0].messages[0], Message)
    assert back[0].context is None


def test_nan_and_infinity_are_kept() -> None:
    point = CurvePoint("m", "d", "r", 0, 1, 0.5, "s", "all", "p", "c", "m_c", float("nan"), -float("inf"), 1.0, 0)
    (back,) = from_frame(to_frame([point], CurvePoint), CurvePoint)
    assert back.value != back.value
    assert back.low == -float("inf")


def test_question_and_answer_of_an_example() -> None:
    turns = [Message("system", "s"), Message("user", "u1"), Message("assistant", "a1"), Message("user", "u2")]
    example = dataclasses.replace(EXAMPLE, messages=[*turns, Message("assistant", "a2")])
    assert (example.question, example.answer) == ("u1", "a2")


@pytest.mark.parametrize(("field", "value"), [("subject", 3), ("subject", True), ("messages", 3)])
def test_a_value_of_another_type_is_refused(field: str, value: Any) -> None:
    with pytest.raises(TypeError):
        to_frame([EXAMPLE, dataclasses.replace(EXAMPLE, **{field: value})], Example)


@pytest.mark.parametrize("step", ["zero", 0.5, 2.0])
def test_a_step_that_is_not_an_integer_is_refused(step: Any) -> None:
    point = CurvePoint("m", "d", "r", 0, step, 0.5, "s", "all", "p", "c", "m_c", 0.1, 0.0, 1.0, 9)
    with pytest.raises(TypeError):
        to_frame([point], CurvePoint)


def test_a_missing_column_is_named() -> None:
    frame = to_frame([EXAMPLE], Example).drop("context")
    with pytest.raises(ValueError, match=r"^e\.parquet: column 'context' is missing; delete the file and rerun"):
        require_schema(frame, Example, "e.parquet")


def test_a_column_of_another_type_is_named() -> None:
    frame = to_frame([EXAMPLE], Example).with_columns(kind=pl.lit(1))
    with pytest.raises(ValueError, match=r"^table: column 'kind' has type Int32, not String; delete the file"):
        from_frame(frame, Example)


def test_columns_can_be_in_any_order_among_others() -> None:
    frame = to_frame([EXAMPLE], Example)
    shuffled = frame.select(reversed(frame.columns)).with_columns(extra=1)
    assert from_frame(shuffled, Example) == [EXAMPLE]


@pytest.mark.parametrize("read", [read_frame, read_records])
def test_a_file_of_another_shape_is_named(tmp_path: Path, read: Any) -> None:
    path = tmp_path / "labels.parquet"
    write_parquet(path, to_frame([EXAMPLE], Example))
    with pytest.raises(ArtifactError) as caught:
        read(path, Response)
    assert str(caught.value).startswith(f"{path}: column 'step' is missing; delete the file")
