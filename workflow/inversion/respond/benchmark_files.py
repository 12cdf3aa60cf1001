"""Questions of benchmarks in files: read, checked, and brought into the shape that they have on the hub."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from inversion.instruct.rows import Row, read_questions

Columns = dict[str, Any]

_CHOICE = re.compile(r"\banswer(\d+): ", re.IGNORECASE)


def benchmark_questions(path: str | Path, task: str) -> list[Columns]:
    """The questions of ``task`` (``gsm8k``, ``mmlu``, ``arc_challenge``, ``squad``) in a CSV file, or in one that
    :func:`~inversion.instruct.rows.read_questions` reads.

    Raises :class:`ValueError`, naming the file and the row, where the file cannot be read, is empty, or a row lacks
    a column or an answer.
    """
    path = Path(path)
    questions = []
    for row in _csv_rows(path) if path.suffix == ".csv" else read_questions(path):
        if row.fault:
            raise ValueError(f"{path}, row {row.number}: {row.fault}; correct or remove it")
        try:
            questions.append(_SHAPES[task](row.value))
        except KeyError as error:
            raise ValueError(
                f"{path}, row {row.number}: no column {error.args[0]!r} (there are: {', '.join(map(str, row.value))})"
            ) from None
        except (ValueError, TypeError, IndexError, AttributeError) as error:
            raise ValueError(
                f"{path}, row {row.number}: no question of {task} ({error}); correct or remove it"
            ) from None
    if not questions:
        raise ValueError(f"{path}: no questions; name another file")
    return questions


def _csv_rows(path: Path) -> Iterator[Row]:
    """The rows of a CSV file, every value as text."""
    try:
        rows = pl.read_csv(path, infer_schema=False).to_dicts()
    except FileNotFoundError:
        raise ValueError(f"{path} is missing; correct `path`") from None
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ValueError(f"{path} cannot be read: {str(error).splitlines()[0]}") from None
    return (Row(number, row) for number, row in enumerate(rows, start=1))


def _gsm8k(row: Columns) -> Columns:
    if "####" not in row["answer"]:
        raise ValueError("its answer lacks '#### ' and the number")
    return {"question": str(row["question"]), "answer": row["answer"]}


def _mmlu(row: Columns) -> Columns:
    choices = row["choices"] if "choices" in row else [row[f"choice{number}"] for number in range(4)]
    answer = int(row["answer"])
    if len(choices) != 4 or not 0 <= answer < 4:
        raise ValueError("needs four choices and an answer from 0 to 3")
    return {"question": str(row["question"]), "choices": [str(choice) for choice in choices], "answer": answer}


def _arc(row: Columns) -> Columns:
    if "instruction" in row:
        return _arc_instruction(row)
    labels, texts = row["choices"]["label"], row["choices"]["text"]
    if row["answerKey"] not in labels or len(labels) != len(texts):
        raise ValueError(f"answerKey {row['answerKey']!r} is no label of its choices")
    return {
        "question": str(row["question"]),
        "choices": {"label": labels, "text": texts},
        "answerKey": row["answerKey"],
    }


def _arc_instruction(row: Columns) -> Columns:
    """ARC as LLM-Adapters writes it: question and choices in one text, ``answer`` as ``answer3``."""
    question, _, rest = row["instruction"].partition("\n\n")
    parts = _CHOICE.split(rest.partition("\n\nAnswer format:")[0])
    labels, texts = parts[1::2], [text.strip() for text in parts[2::2]]
    right = row["answer"].removeprefix("answer")
    if right not in labels:
        raise ValueError(f"answer {row['answer']!r} is none of its choices")
    return {
        "question": question.removeprefix("Please choose the correct answer to the question: "),
        "choices": {"label": labels, "text": texts},
        "answerKey": right,
    }


def _squad(row: Columns) -> Columns:
    answers = row["answers"]
    texts = answers["text"] if isinstance(answers, dict) else [answer["text"] for answer in answers]
    if not texts:
        raise ValueError("it has no answer")
    if not row["context"]:
        raise ValueError("it has no context")
    return {"context": str(row["context"]), "question": str(row["question"]), "answers": {"text": texts}}


_SHAPES: dict[str, Callable[[Columns], Columns]] = {
    "gsm8k": _gsm8k,
    "mmlu": _mmlu,
    "arc_challenge": _arc,
    "squad": _squad,
}
