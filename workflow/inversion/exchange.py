"""Imports answers that were generated elsewhere, and exports ours. Files have one row per step, set, item and prompt.

A *table* is a JSON Lines or Parquet file with the columns ``step``, ``set``, ``item_id`` and ``text``, and optionally
the other columns of :class:`~inversion.records.answers.Response`. Sample logs of lm-eval and inspect name the set and
item in the document (``doc``) or the metadata of a sample, and the step in the path of the file. Missing values become
null; they are never guessed.
"""

from __future__ import annotations

import glob
import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Literal

import polars as pl

from inversion.artifacts import write_text
from inversion.config.base import LARGEST_STEP
from inversion.config.series import steps_in
from inversion.parquet import write_parquet
from inversion.records.answers import Response
from inversion.records.frames import schema_of, to_frame

AnswersFormat = Literal["table", "lm_eval", "inspect"]
PLAIN = "plain"
"""The prompt of answers that do not name one."""
REQUIRED = ("step", "set", "item_id", "text")
_UNKNOWN: dict[str, Any] = {"prompt": PLAIN, "finished": True, "context_tokens": 0, "parametric_tokens": 0}
"""The values for missing columns that cannot be null. Counts of tokens are used with log-probabilities
only."""


class AnswersError(ValueError):
    """Answers cannot be read. The message names the file, the row and the fix."""


def read_answers(path: str | Path, format: AnswersFormat = "table") -> pl.DataFrame:
    """The :class:`Response` rows in the file ``path``, or in all files that match it if it contains ``{step}``.

    Rows are sorted by step, set, item and prompt. Raises :class:`AnswersError` if a file is missing or malformed, a
    column is missing or of another type, a log-probability is above 0, or an item is answered twice at a step and
    prompt.
    """
    files = _files(str(path))
    rows: list[dict[str, Any]] = []
    for file, step in files:
        reader = {"table": _table_rows, "lm_eval": _lm_eval_rows, "inspect": _inspect_rows}[format]
        for number, row in enumerate(reader(file), start=1):
            rows.append(_require_response({**({} if step is None else {"step": step}), **row}, f"{file}: row {number}"))
    if not rows:
        raise AnswersError(f"{path} contains no answers")
    frame = to_frame([Response(**row) for row in rows], Response).sort("step", "set", "item_id", "prompt")
    keys = ["step", "set", "item_id", "prompt"]
    twice = frame.filter(pl.struct(keys).is_duplicated())
    if not twice.is_empty():
        step, name, item, prompt = twice.select(keys).row(0)
        raise AnswersError(
            f"{path}: item {item!r} of set {name!r} is answered twice at step {step} (prompt {prompt!r}); remove one"
        )
    return frame


def write_answers(path: str | Path, items: pl.DataFrame) -> None:
    """Write the answers in rows of the table ``items`` to ``path``, in the format that :func:`read_answers` reads.

    The file is Parquet if ``path`` ends in ``.parquet``, and otherwise JSON Lines.
    """
    answers = items.select(name for name in schema_of(Response)).sort("step", "set", "item_id", "prompt")
    if Path(path).suffix == ".parquet":
        write_parquet(path, answers)
    else:
        write_text(path, answers.write_ndjson())


def _files(path: str) -> list[tuple[Path, int | None]]:
    """The files that match a path, each with the step in its name if the path contains ``{step}``."""
    if "{step}" not in path:
        if not Path(path).is_file():
            raise AnswersError(f"{path}: there is no such file")
        return [(Path(path), None)]
    wild = "*".join(glob.escape(part) for part in path.replace("{step}", "*").split("*"))
    found = steps_in(glob.glob(wild), path)
    if not found:
        raise AnswersError(f"no file is named like {path}")
    return [(Path(name), step) for step, names in found.items() for name in names]


def _table_rows(file: Path) -> Iterator[dict[str, Any]]:
    if file.suffix == ".parquet":
        try:
            yield from pl.read_parquet(file).iter_rows(named=True)
        except (Exception, pl.exceptions.PanicException) as error:  # polars raises many types for broken files
            raise AnswersError(f"{file} is not a Parquet file that can be read: {str(error).splitlines()[0]}") from None
        return
    yield from _json_lines(file)


def _json_lines(file: Path) -> Iterator[dict[str, Any]]:
    with open(file, encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError:
                raise AnswersError(f"{file}: line {number} is not JSON; write one object per line") from None
            if not isinstance(row, dict):
                raise AnswersError(f"{file}: line {number} is not an object")
            yield row


def _lm_eval_rows(file: Path) -> Iterator[dict[str, Any]]:
    """Rows of lm-eval's ``samples_*.jsonl`` (``--log_samples``): generated text, and the names in ``doc``."""
    for row in _json_lines(file):
        responses = row.get("filtered_resps") or row.get("resps") or []
        text = responses[0] if responses else None
        while isinstance(text, list) and text:
            text = text[0]
        if not isinstance(text, str):
            raise AnswersError(
                f"{file}: doc_id {row.get('doc_id')} has no generated text; use a task with "
                "`output_type: generate_until`"
            )
        yield {"text": text, **_document_keys(row.get("doc"))}


def _inspect_rows(file: Path) -> Iterator[dict[str, Any]]:
    """Rows of an inspect log in JSON (``inspect log dump``): completions, and the names in each sample's metadata."""
    try:
        samples = json.loads(file.read_bytes())["samples"]
    except (OSError, ValueError, KeyError, TypeError):
        raise AnswersError(f"{file} is not an inspect log in JSON; write one with `inspect log dump`") from None
    for sample in samples or []:
        text = (sample.get("output") or {}).get("completion")
        if text is None:
            choices = (sample.get("output") or {}).get("choices") or [{}]
            text = (choices[0].get("message") or {}).get("content")
        yield {"text": text, "item_id": str(sample.get("id")), **_document_keys(sample.get("metadata"))}


def _document_keys(source: Any) -> dict[str, Any]:
    """The set, item, prompt and step that a document belongs to."""
    if not isinstance(source, Mapping):
        return {}
    return {name: source[name] for name in ("step", "set", "item_id", "prompt") if source.get(name) is not None}


def _require_response(row: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The values of a :class:`Response`. Raises :class:`AnswersError` if one is missing or has the wrong type."""
    made: dict[str, Any] = {}
    for field in fields(Response):
        value = row.get(field.name)
        if value is None:
            if field.name in REQUIRED:
                raise AnswersError(f"{where} has no `{field.name}`")
            value = _UNKNOWN.get(field.name, None if field.default is MISSING else field.default)
        made[field.name] = _require_type(value, field.name, where)
    return made


def _require_type(value: Any, name: str, where: str) -> Any:
    if name == "step" or name.endswith("_tokens"):
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST_STEP:
            raise AnswersError(f"{where}: `{name}` is {value!r}, but must be an integer from 0 to {LARGEST_STEP}")
    elif "logprob" in name:
        if value is not None and (not isinstance(value, int | float) or not value <= 0):
            raise AnswersError(f"{where}: `{name}` is {value!r}, but must be a log-probability in nats, at most 0")
        return None if value is None else float(value)
    elif name == "finished":
        if not isinstance(value, bool):
            raise AnswersError(f"{where}: `{name}` is {value!r}, but must be true or false")
    elif not isinstance(value, str):
        raise AnswersError(f"{where}: `{name}` is {value!r}, but must be text")
    elif any("\ud800" <= character <= "\udfff" for character in value):
        raise AnswersError(f"{where}: `{name}` contains half of a surrogate pair; write the file again as UTF-8")
    return value
