"""Conversion between records and tables.

A record is a frozen dataclass. :func:`schema_of` derives its polars schema from the annotations, so that the two always
agree.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from inversion.artifacts import ArtifactError
from inversion.parquet import read_parquet

R = TypeVar("R")

_PRIMITIVES: dict[type, pl.DataType] = {
    str: pl.String(),
    int: pl.Int64(),
    float: pl.Float64(),
    bool: pl.Boolean(),
}


def schema_of(record: type) -> pl.Schema:
    """The polars schema of a record type, one column per field, in order."""
    hints = typing.get_type_hints(record)
    return pl.Schema({field.name: _dtype(hints[field.name]) for field in dataclasses.fields(record)})


def to_frame(rows: Iterable[R], record: type[R]) -> pl.DataFrame:
    """A table with one row per record. It has the record's columns even if there are no rows.

    Raises :class:`TypeError` if a value does not fit the type of its column.
    """
    plain = [dataclasses.asdict(row) for row in rows]  # type: ignore[call-overload]
    # by columns, because polars takes rows with silent casts (0.5 to 0, 3 to "3", a string for a list to null)
    schema = schema_of(record)
    return pl.DataFrame({name: [row[name] for row in plain] for name in schema}, schema=schema, strict=True)


def from_frame(frame: pl.DataFrame, record: type[R]) -> list[R]:
    """The records of a table that :func:`to_frame` made.

    Raises :class:`ValueError` if a column is missing or has another type.
    """
    require_schema(frame, record)
    hints = typing.get_type_hints(record)
    names = [field.name for field in dataclasses.fields(record)]  # type: ignore[arg-type]
    return [
        record(**{name: _restore_records(row[name], hints[name]) for name in names})
        for row in frame.iter_rows(named=True)
    ]


def require_schema(frame: pl.DataFrame, record: type, source: str = "table", *, defaults: bool = False) -> None:
    """Raise :class:`ValueError`, naming ``source`` and the column, unless ``frame`` fits ``record``.

    With ``defaults``, columns whose field has a default may be missing.
    """
    optional = {field.name for field in dataclasses.fields(record) if field.default is not dataclasses.MISSING}
    for name, dtype in schema_of(record).items():
        if defaults and name in optional and name not in frame.columns:
            continue
        if name not in frame.columns:
            raise ValueError(f"{source}: column {name!r} is missing; delete the file and rerun to rebuild it")
        if frame.schema[name] != dtype:
            raise ValueError(
                f"{source}: column {name!r} has type {frame.schema[name]}, not {dtype}; "
                "delete the file and rerun to rebuild it"
            )


def read_frame(path: str | Path, record: type) -> pl.DataFrame:
    """The table of ``record`` rows in the Parquet file ``path``.

    Raises :class:`~inversion.artifacts.ArtifactError`, naming the file and the fix, if the file is missing or
    unreadable, or if its columns are not those of ``record``.
    """
    frame = read_parquet(path)
    try:
        require_schema(frame, record, str(path))
    except ValueError as error:
        raise ArtifactError(str(error)) from None
    return frame


def read_records(path: str | Path, record: type[R]) -> list[R]:
    """The records in the Parquet file ``path``. Raises the errors of :func:`read_frame`."""
    return from_frame(read_frame(path, record), record)


def _dtype(hint: Any) -> pl.DataType:
    """The polars type of an annotation."""
    if hint in _PRIMITIVES:
        return _PRIMITIVES[hint]
    arguments = typing.get_args(hint)
    if isinstance(hint, types.UnionType):
        (inner,) = (argument for argument in arguments if argument is not type(None))
        return _dtype(inner)
    if typing.get_origin(hint) is list:
        return pl.List(_dtype(arguments[0]))
    if dataclasses.is_dataclass(hint):
        return pl.Struct(dict(schema_of(hint)))  # type: ignore[arg-type]
    raise TypeError(f"no polars type for {hint!r}")


def _restore_records(value: Any, hint: Any) -> Any:
    """``value`` with nested structs turned back into their records."""
    if typing.get_origin(hint) is list:
        (inner,) = typing.get_args(hint)
        return [_restore_records(element, inner) for element in value]
    if dataclasses.is_dataclass(hint) and isinstance(value, dict):
        return hint(**value)  # type: ignore[operator]
    return value
