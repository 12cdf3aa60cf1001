"""The lm-eval tasks that a study can use without further settings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BenchmarkTask:
    """A benchmark that is known by name: its metric, the source of its questions, and its cost."""

    metric: str
    """lm-eval's name of the metric that is used as accuracy."""
    question: str
    """Reference (``module:function``) of the function that converts one row of a file to a question in the Hub's
    layout. It raises :class:`ValueError` or :class:`KeyError` for a malformed row."""
    questions: int
    """Total number of questions."""
    tokens_read: int
    """Tokens per question, including its few-shot examples."""
    tokens_written: int = 0
    """Tokens per answer; 0 if answers are only scored."""
    folder: str | None = None
    """Its folder among lm-eval's own tasks; None for a task of this project (``inversion/respond/tasks``)."""
    file_task: str | None = None
    """The task for questions from a file, if it is a different one."""
    subjects: int = 1
    """Number of subjects; a limit applies to each of them."""
    not_accuracy_of: tuple[str, ...] = ()
    """Formats of instruction data for which the ID accuracy omits this benchmark, as in the paper."""


TASKS: dict[str, BenchmarkTask] = {
    "gsm8k": BenchmarkTask(
        "exact_match,strict-match",
        "inversion.respond.benchmark_files:gsm8k",
        questions=1319,
        tokens_read=900,
        tokens_written=256,
        folder="gsm8k",
        not_accuracy_of=("alpaca",),
    ),
    "mmlu": BenchmarkTask(
        "acc,none",
        "inversion.respond.benchmark_files:mmlu",
        questions=14_042,
        tokens_read=150,
        folder="mmlu/default",
        file_task="mmlu_file",
        subjects=57,
    ),
    "arc_challenge": BenchmarkTask(
        "acc_norm,none",
        "inversion.respond.benchmark_files:arc_challenge",
        questions=1172,
        tokens_read=300,
        folder="arc",
    ),
    "squad": BenchmarkTask(
        "exact_match,none",
        "inversion.respond.benchmark_files:squad",
        questions=10_570,
        tokens_read=200,
        tokens_written=32,
    ),
}
"""The tasks by the name that ``benchmarks.<name>.task`` gives."""
