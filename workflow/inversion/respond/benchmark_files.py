"""Reads questions of benchmarks from files, checks them, and converts them to the format that they have on the Hub."""

from __future__ import annotations

import re
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from inversion.config.tasks import TASKS
from inversion.instruct.rows import read_questions

Columns = dict[str, Any]

_CHOICE = re.compile(r"\banswer(\d+): ", re.IGNORECASE)


def benchmark_questions(path: str | Path, task: str) -> list[Columns]:
    """The questions of ``task`` (one of :data:`~inversion.config.tasks.TASKS`) in a file.

    :func:`~inversion.instruct.rows.read_questions` reads the file. Cells of CSV files are text.

    Raises :class:`ValueError`, naming the file and the row, if the file cannot be read, is empty, or a row lacks
    a column or an answer.
    """
    path, shape = Path(path), resolve_name(TASKS[task].question)
    questions = []
    for row in read_questions(path):
        if row.fault:
            raise ValueError(f"{path}, row {row.number}: {row.fault}; correct or remove it")
        try:
            questions.append(shape(row.value))
        except KeyError as error:
            raise ValueError(
                f"{path}, row {row.number}: no column {error.args[0]!r} (there are: {', '.join(map(str, row.value))})"
            ) from None
        except (ValueError, TypeError, IndexError, AttributeError) as error:
            raise ValueError(
                f"{path}, row {row.number}: not a question of {task} ({error}); correct or remove it"
            ) from None
    return questions


def gsm8k(row: Columns) -> Columns:
    """GSM8k: ``question``, and ``answer`` with the number after ``####``."""
    if "####" not in row["answer"]:
        raise ValueError("its answer lacks '#### ' and the number")
    return {"question": str(row["question"]), "answer": row["answer"]}


def mmlu(row: Columns) -> Columns:
    """MMLU: ``question``, ``choices`` or ``choice0`` to ``choice3``, and ``answer`` from 0 to 3."""
    choices = row["choices"] if "choices" in row else [row[f"choice{number}"] for number in range(4)]
    answer = int(row["answer"])
    if len(choices) != 4 or not 0 <= answer < 4:
        raise ValueError("needs four choices and an answer from 0 to 3")
    return {"question": str(row["question"]), "choices": [str(choice) for choice in choices], "answer": answer}


def arc_challenge(row: Columns) -> Columns:
    """ARC in the format of the Hub, or in that of LLM-Adapters (``instruction``, ``answer``)."""
    if "instruction" in row:
        return _arc_instruction(row)
    labels, texts = row["choices"]["label"], row["choices"]["text"]
    if row["answerKey"] not in labels or len(labels) != len(texts):
        raise ValueError(f"answerKey {row['answerKey']!r} is not a label of its choices")
    return {
        "question": str(row["question"]),
        "choices": {"label": labels, "text": texts},
        "answerKey": row["answerKey"],
    }


def _arc_instruction(row: Columns) -> Columns:
    """ARC in the format of LLM-Adapters: question and choices in one text, and an ``answer`` such as ``answer3``."""
    question, _, rest = row["instruction"].partition("\n\n")
    parts = _CHOICE.split(rest.partition("\n\nAnswer format:")[0])
    labels, texts = parts[1::2], [text.strip() for text in parts[2::2]]
    right = row["answer"].removeprefix("answer")
    if right not in labels:
        raise ValueError(f"answer {row['answer']!r} is not among its choices")
    return {
        "question": question.removeprefix("Please choose the correct answer to the question: "),
        "choices": {"label": labels, "text": texts},
        "answerKey": right,
    }


def squad(row: Columns) -> Columns:
    """SQuAD: ``context``, ``question`` and ``answers``."""
    answers = row["answers"]
    texts = answers["text"] if isinstance(answers, dict) else [answer["text"] for answer in answers]
    if not texts:
        raise ValueError("it has no answer")
    if not row["context"]:
        raise ValueError("it has no context")
    return {"context": str(row["context"]), "question": str(row["question"]), "answers": {"text": texts}}
