"""Reads rows of local data files (JSON, JSON Lines, CSV, TSV, Parquet), with their row numbers for error messages."""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from inversion.config.inputs import input_fault


class DataError(ValueError):
    """Instruction data or a conflict set cannot be used. The message names the file and the row."""


class Row(NamedTuple):
    """One row of a file: its content, or the reason why it is malformed."""

    number: int
    """The line number in a JSON Lines file, and otherwise the position in the list or table. Both begin at 1. The
    header of CSV and TSV files does not count."""
    value: dict[str, Any]
    fault: str | None = None


def read_rows(path: str | Path) -> Iterator[Row]:
    """The rows of a Parquet (``.parquet``, ``.pqt``), CSV (``.csv``) or TSV file (``.tsv``), of a JSON list of objects,
    or of a JSON Lines file.

    Cells of CSV and TSV files are text; empty cells are null. The first character shows which of the two JSON layouts a
    file has. A file that is a single object over several lines is one row. Blank lines are skipped. A line or element
    that is not a JSON object becomes a malformed row.

    Raises :class:`DataError` if the file is missing, unreadable as a whole, or empty.
    """
    path = Path(path)
    if fault := input_fault(path):
        raise DataError(fault)
    rows = _ROWS.get(path.suffix.lower(), _json_rows)(path)
    first = next(rows, None)
    if first is None:
        raise DataError(f"{path}: the file is empty; download the data again")
    yield first
    yield from rows


def read_questions(path: str | Path) -> Iterator[Row]:
    """The questions of a SQuAD file as rows with ``context``, ``question`` and ``answers``.

    The JSON of the release (``data``, ``paragraphs``, ``qas``) is flattened, and its questions are numbered from 1. Any
    other file is read by :func:`read_rows` and must have one question per row, as on the Hub. Raises :class:`DataError`
    for the reasons of :func:`read_rows`.
    """
    path = Path(path)
    if input_fault(path) or path.suffix.lower() in _ROWS or not _NESTED.match(_start(path)):
        yield from read_rows(path)
        return
    content, repeated = _parsed(path)
    if key := _repeated_key(content) if repeated else None:
        raise DataError(f"{path}: the key {key!r} is given twice in one object; rename or remove one")
    if not isinstance(content.get("data"), list):
        raise DataError(f"{path}: 'data' is not a list of articles, as SQuAD's JSON has it")
    count = 0
    for article in content["data"]:
        for row in _article_rows(article):
            count += 1
            yield Row(count, *row)
    if not count:
        raise DataError(f"{path}: the file contains no question")


def text_field(row: Mapping[str, Any], key: str) -> str:
    """The text under ``key``. Raises :class:`ValueError` with the reason if there is none."""
    if row.get(key) is None:
        raise ValueError(f"{key!r} is missing")
    return checked_text(row[key], repr(key))


def checked_text(value: Any, what: str) -> str:
    """``value`` if it is text that can be encoded. Otherwise raises :class:`ValueError`, which calls it ``what``."""
    if not isinstance(value, str):
        raise ValueError(f"{what} is not text but {type(value).__name__}")
    if not value.strip():
        raise ValueError(f"{what} is blank")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{what} contains half of a surrogate pair") from None
    return value


def _parquet_rows(path: Path) -> Iterator[Row]:
    try:
        # glob=False, because brackets in a file name must be taken literally
        frame = pl.read_parquet(path, glob=False)
        features = _saved_features(path)
    except (Exception, pl.exceptions.PanicException) as error:  # polars raises many types of errors for broken files
        raise DataError(f"{path}: invalid Parquet file ({str(error).splitlines()[0]})") from None
    for number, value in enumerate(frame.iter_rows(named=True), start=1):
        if frame.columns == [JSON_ROWS]:
            yield _row(number, json.loads(value[JSON_ROWS]))
        elif not features:
            yield Row(number, value)
        else:
            try:
                yield Row(number, {key: from_json_feature(cell, features.get(key)) for key, cell in value.items()})
            except ValueError as error:
                yield Row(number, {}, f"invalid JSON ({error})")


JSON_ROWS = "row as JSON"
"""The name of the only column of a file whose rows do not have common types."""


def from_json_feature(value: Any, feature: Any) -> Any:
    """A value in which JSON source is parsed. The library ``datasets`` stores columns of several types as JSON source.

    ``feature`` is the library's description of the column, as a mapping. Raises :class:`ValueError` for invalid JSON.
    """
    if value is None or feature is None:
        return value
    if isinstance(feature, list):
        return [from_json_feature(entry, feature[0]) for entry in value]
    kind = feature.get("_type")
    if kind == "Json":
        return json.loads(value) if isinstance(value, str) else value
    if kind in ("List", "LargeList", "Sequence"):
        return [from_json_feature(entry, feature.get("feature")) for entry in value]
    if kind is None and isinstance(value, dict):
        return {key: from_json_feature(entry, feature.get(key)) for key, entry in value.items()}
    return value


def holds_json(feature: Any) -> bool:
    """Whether a column that the library ``datasets`` describes as ``feature`` contains JSON source."""
    if isinstance(feature, dict):
        return feature.get("_type") == "Json" or any(map(holds_json, feature.values()))
    return isinstance(feature, list) and any(map(holds_json, feature))


def _saved_features(path: Path) -> dict[str, Any]:
    """The library ``datasets``' description of a Parquet file's columns, or empty if none contains JSON source."""
    described = pl.read_parquet_metadata(path).get("huggingface")
    features = json.loads(described).get("info", {}).get("features", {}) if described else {}
    return features if holds_json(features) else {}


def _csv_rows(path: Path) -> Iterator[Row]:
    """The rows of a CSV or TSV file. A row with more cells than the header is malformed."""
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    with open(path, newline="", encoding="utf-8-sig") as handle:
        # not strict, a quote that is never closed would swallow the rest of the file
        reader, number = csv.DictReader(handle, delimiter=delimiter, strict=True), 0
        try:
            names = Counter(filter(None, reader.fieldnames or ()))
            if twice := [name for name, count in names.items() if count > 1]:
                raise DataError(f"{path}: the header names the column {twice[0]!r} twice; rename or remove one")
            for number, cells in enumerate(reader, start=1):
                value = {key: cell or None for key, cell in cells.items() if key}
                yield Row(number, value, "it has more cells than the header" if None in cells else None)
        except csv.Error as error:
            end = "a quote is never closed" if "unexpected end" in str(error) else error
            raise DataError(f"{path}: row {number + 1}: invalid CSV ({end})") from None
        except UnicodeDecodeError:
            raise DataError(f"{path}: not UTF-8; convert the file to UTF-8") from None


def _json_rows(path: Path) -> Iterator[Row]:
    if _start(path).startswith(b"["):
        return _json_list_rows(path)
    row = _object_over_lines(path)
    return _json_lines_rows(path) if row is None else iter([row])


def _object_over_lines(path: Path) -> Row | None:
    """The row of a file that is a single JSON object over several lines; None for any other file."""
    with open(path, "rb") as handle:
        first = next((line for line in handle if line.strip(b"\xef\xbb\xbf \t\r\n")), b"")
    if not first.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{") or first.rstrip().endswith(b"}"):
        return None
    try:
        content, repeated = _parsed(path)
    except DataError:
        return None
    return _row(1, content, repeated) if isinstance(content, dict) else None


_ROWS = {".parquet": _parquet_rows, ".pqt": _parquet_rows, ".csv": _csv_rows, ".tsv": _csv_rows}
"""The reader for each file name extension. Files with any other extension are read as JSON."""


def _start(path: Path) -> bytes:
    with open(path, "rb") as handle:
        return handle.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()


def _parsed(path: Path) -> tuple[Any, list[_Repeated]]:
    """The file as one JSON value, and the objects in it that have a duplicate key."""
    data = path.read_bytes()
    parser = _Parser()
    try:
        return parser.parse(data), parser.repeated
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: line {data[: error.start].count(10) + 1} is not UTF-8; convert the file to UTF-8"
        ) from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: invalid JSON ({error})") from None


_NESTED = re.compile(rb'\{\s*"(version|data)"\s*:')
"""The beginning of a file in SQuAD's release format."""


def _article_rows(article: Any) -> Iterator[tuple[dict[str, Any], str | None]]:
    """The questions of one article of SQuAD's JSON, each with what is wrong with it, or None."""
    paragraphs = article.get("paragraphs") if isinstance(article, dict) else None
    if not isinstance(paragraphs, list):
        yield {}, "the article has no list 'paragraphs'"
        return
    for paragraph in paragraphs:
        questions = paragraph.get("qas") if isinstance(paragraph, dict) else None
        if not isinstance(questions, list):
            yield {}, "the paragraph has no list 'qas'"
            continue
        for question in questions:
            if isinstance(question, dict):
                yield {"context": paragraph.get("context"), **question}, None
            else:
                yield {}, f"the question is not a JSON object but {type(question).__name__}"


def _json_list_rows(path: Path) -> Iterator[Row]:
    values, repeated = _parsed(path)
    for number, value in enumerate(values, start=1):
        yield _row(number, value, repeated)


def _json_lines_rows(path: Path) -> Iterator[Row]:
    parser = _Parser()
    with open(path, "rb") as handle:
        for number, line in enumerate(handle, start=1):
            if not line.strip(b"\xef\xbb\xbf \t\r\n"):
                continue
            try:
                value = parser.parse(line)
                yield _row(number, value, parser.repeated)
            except UnicodeDecodeError:
                yield Row(number, {}, "not UTF-8")
            except (ValueError, RecursionError) as error:
                yield Row(number, {}, f"invalid JSON ({error})")


def _row(number: int, value: Any, repeated: Sequence[_Repeated] = ()) -> Row:
    """The row of a JSON value. ``repeated`` has the objects of the file that have a duplicate key."""
    if not isinstance(value, dict):
        return Row(number, {}, f"not a JSON object but {type(value).__name__}")
    key = _repeated_key(value) if repeated else None
    return Row(number, value, None if key is None else f"the key {key!r} is given twice; rename or remove one")


# --- JSON objects with duplicate keys, of which the parser would keep the last ------------------


class _Repeated(dict[str, Any]):
    """A JSON object that has the key ``key`` twice."""

    key: str


class _Parser:
    """Parses JSON and finds objects with a duplicate key; one parser for a whole file is faster than one per line."""

    def __init__(self) -> None:
        self.repeated: list[_Repeated] = []
        """The repeated keys in the value that was parsed last."""
        self._decoder = json.JSONDecoder(object_pairs_hook=self._object)

    def parse(self, data: bytes) -> Any:
        """The JSON value in UTF-8, with or without a byte order mark; raises :class:`ValueError`."""
        self.repeated = []
        return self._decoder.decode(data.removeprefix(codecs.BOM_UTF8).decode())

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) == len(pairs):
            return value
        marked = _Repeated(value)
        marked.key = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        self.repeated.append(marked)
        return marked


def _repeated_key(value: Any) -> str | None:
    """A key that occurs twice in ``value`` or in an object within it; None if there is none."""
    pending = [value]
    while pending:
        match pending.pop():
            case _Repeated(key=key):
                return key
            case dict() as entry:
                pending += entry.values()
            case list() as entries:
                pending += entries
    return None
