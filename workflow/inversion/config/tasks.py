"""The tasks of lm-eval that a study can name without saying more."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BenchmarkTask:
    """A benchmark that is known by name: its metric, where its questions come from, and what it costs."""

    metric: str
    """What lm-eval calls the metric that counts as accuracy."""
    question: str
    """Reference (``module:function``): from one row of a file to a question as the hub has it; raises
    :class:`ValueError` or :class:`KeyError` for a faulty row."""
    questions: int
    """Questions in all."""
    tokens_read: int
    """Tokens of a question with its solved examples."""
    tokens_written: int = 0
    """Tokens of an answer; 0 where answers are only compared."""
    folder: str | None = None
    """Its folder among lm-eval's own tasks; None for a task of this project (``inversion/respond/tasks``)."""
    file_task: str | None = None
    """The task that asks questions from a file, where that is another one."""
    subjects: int = 1
    """A limit counts for each of them."""
    not_accuracy_of: tuple[str, ...] = ()
    """Formats of instruction data whose ID accuracy omits it, as the paper does."""


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
