"""Questions of benchmarks in files: read, checked, and brought into the shape that they have on the hub."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

Row = dict[str, Any]

_CHOICE = re.compile(r"\banswer(\d+): ", re.IGNORECASE)


def read_questions(path: str | Path, task: str) -> list[Row]:
    """The questions of ``task`` (``gsm8k``, ``mmlu``, ``arc_challenge``, ``squad``) in a JSON, JSON Lines or CSV file.

    Raises :class:`ValueError`, naming the file and the row, where the file cannot be read, is empty, or a row lacks
    a column or an answer.
    """
    rows = _read(Path(path))
    if not rows:
        raise ValueError(f"{path}: no questions; name another file")
    questions = []
    for number, row in enumerate(rows, start=1):
        try:
            questions.append(_SHAPES[task](row))
        except KeyError as error:
            raise ValueError(
                f"{path}, row {number}: no column {error.args[0]!r} (there are: {', '.join(map(str, row))})"
            ) from None
        except (ValueError, TypeError, IndexError, AttributeError) as error:
            raise ValueError(f"{path}, row {number}: no question of {task} ({error}); correct or remove it") from None
    return questions


def _read(path: Path) -> list[Row]:
    """The rows of a file, whose name says what it is."""
    try:
        if path.suffix == ".csv":
            return pl.read_csv(path, infer_schema=False).to_dicts()
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            rows = json.loads(text)
        elif path.suffix == ".jsonl":
            rows = [json.loads(line) for line in text.splitlines() if line.strip()]
        else:
            raise ValueError("its name ends in none of .json, .jsonl and .csv")
    except FileNotFoundError:
        raise ValueError(f"{path} is missing; correct `path`") from None
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise ValueError(f"{path} cannot be read: {str(error).splitlines()[0]}") from None
    if isinstance(rows, dict) and isinstance(rows.get("data"), list):  # SQuAD's own nesting
        rows = [
            {"context": paragraph["context"], **question}
            for article in rows["data"]
            for paragraph in article.get("paragraphs", [])
            for question in paragraph.get("qas", [])
        ]
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"{path}: not a list of objects; give one object a question")
    return rows


def _gsm8k(row: Row) -> Row:
    if "####" not in row["answer"]:
        raise ValueError("its answer lacks '#### ' and the number")
    return {"question": str(row["question"]), "answer": row["answer"]}


def _mmlu(row: Row) -> Row:
    choices = row["choices"] if "choices" in row else [row[f"choice{number}"] for number in range(4)]
    answer = int(row["answer"])
    if len(choices) != 4 or not 0 <= answer < 4:
        raise ValueError("needs four choices and an answer from 0 to 3")
    return {"question": str(row["question"]), "choices": [str(choice) for choice in choices], "answer": answer}


def _arc(row: Row) -> Row:
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


def _arc_instruction(row: Row) -> Row:
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


def _squad(row: Row) -> Row:
    answers = row["answers"]
    texts = answers["text"] if isinstance(answers, dict) else [answer["text"] for answer in answers]
    if not texts:
        raise ValueError("it has no answer")
    return {"context": str(row["context"]), "question": str(row["question"]), "answers": {"text": texts}}


_SHAPES: dict[str, Callable[[Row], Row]] = {"gsm8k": _gsm8k, "mmlu": _mmlu, "arc_challenge": _arc, "squad": _squad}
