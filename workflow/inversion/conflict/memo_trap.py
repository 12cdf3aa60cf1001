"""Reads memo-trap's proverbs (the paper's CF_Quotes): an instruction asks for an ending other than the well-known one.

"Write a quote that ends in the word "heavy": Absence makes the heart grow" has the context answer "heavy"
and the parametric answer "fonder". The conflict is in the instruction, so items have no context.
"""

from __future__ import annotations

import ast
import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from inversion.config.inputs import input_fault
from inversion.instruct.rows import DataError, checked_text
from inversion.matching.answers import shared_answers
from inversion.names import normalise
from inversion.records.data import ConflictItem

_COLUMNS = ("prompt", "classes", "answer_index")
_PROMPT = re.compile(r'Write a quote that ends in the word "(?P<ending>[^"]+)": (?P<quote>.+)', re.DOTALL)


def memo_trap_items(path: str | Path, name: str) -> list[ConflictItem]:
    """The items of a memo-trap file of proverbs, with the ids ``{name}-000001`` and so on by row.

    All items with the same quote are a cluster. Raises :class:`DataError`, naming file and row, at the first malformed
    row.
    """
    items = []
    for number, row in enumerate(_rows(Path(path)), start=1):
        try:
            items.append(_item(row, name, number))
        except ValueError as error:
            raise DataError(f"{path}: row {number}: {error}") from None
    if not items:
        raise DataError(f"{path}: the file has no rows")
    return items


def endings_not_apart(item: ConflictItem) -> bool:
    """Whether a response to ``item`` cannot show which ending it gives. Either the quote, which the response can
    repeat, already contains an ending ("Blood is thicker than"), or both endings are the same word except for capitals.
    False for items of other kinds."""
    prompt = _PROMPT.fullmatch(item.question)
    if prompt is None or item.context is not None:
        return False
    endings = [normalise(answer) for answer in (*item.context_answers, *item.parametric_answers)]
    alike = shared_answers(item.context_answers, item.parametric_answers)
    return bool(alike) or bool(set(endings) & set(normalise(prompt["quote"]).split()))


def _rows(path: Path) -> Iterator[dict[str, str]]:
    """The rows of the CSV file. Raises :class:`DataError` if a column is missing or the file is not UTF-8."""
    if fault := input_fault(path):
        raise DataError(fault)
    try:
        with open(path, newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle)
            lacking = sorted(set(_COLUMNS) - set(reader.fieldnames or ()))
            if lacking:
                raise DataError(f"{path}: the column {lacking[0]!r} of memo-trap's files is missing")
            try:
                yield from reader
            except csv.Error as error:
                raise DataError(f"{path}: line {reader.line_num + 1}: invalid CSV ({error})") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: not UTF-8; convert the file to UTF-8") from None
    except csv.Error as error:
        raise DataError(f"{path}: invalid CSV ({error})") from None


def _item(row: Mapping[str, str], name: str, number: int) -> ConflictItem:
    """The item of one row. Raises :class:`ValueError` with what is wrong with the row."""
    question = checked_text(row["prompt"], "'prompt'").strip()
    prompt = _PROMPT.fullmatch(question)
    if prompt is None:
        raise ValueError(f"'prompt' is {question!r}, not 'Write a quote that ends in the word \"...\": ...'")
    requested, known = _endings(row)
    if normalise(requested) != normalise(prompt["ending"]):
        raise ValueError(f"the prompt asks for {prompt['ending']!r}, but 'answer_index' selects {requested!r}")
    return ConflictItem(
        item_id=f"{name}-{number:06d}",
        set=name,
        role="conflict",
        question=question,
        context=None,
        context_answers=[requested],
        parametric_answers=[known],
        cluster=normalise(prompt["quote"]),
        stratum=name,
    )


def _endings(row: Mapping[str, str]) -> tuple[str, str]:
    """The requested ending and the well-known one, without the full stop."""
    try:
        classes, index = ast.literal_eval(row["classes"]), int(row["answer_index"])
        requested, known = classes[index], classes[1 - index]
    except (ValueError, SyntaxError, TypeError, IndexError, KeyError):
        raise ValueError(
            f"'classes' and 'answer_index' are {row['classes']!r} and {row['answer_index']!r}, "
            "not two endings and the index of the requested one"
        ) from None
    endings = [checked_text(ending, "an ending").strip().rstrip(".") for ending in (requested, known)]
    if len(classes) != 2 or not all(map(normalise, endings)):
        raise ValueError(f"'classes' is {row['classes']!r}, not two endings")
    return endings[0], endings[1]
