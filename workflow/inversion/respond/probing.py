"""Runs a probe on a fixed sample at every checkpoint of a run, with the ability to resume between checkpoints."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import polars as pl

from inversion.config.datasets import Template
from inversion.config.evaluation import Prompt
from inversion.config.training import Training
from inversion.manifests import CheckpointEntry
from inversion.records.data import ConflictItem, Example
from inversion.records.frames import read_frame
from inversion.respond.answers import EncodedQuestion
from inversion.respond.resumable import MeasurePart, ResultFiles, measure_checkpoints

R = TypeVar("R")
FACTS_FILE = "facts.parquet"


@dataclass(frozen=True, slots=True)
class ProbedRun:
    """The parts of a finished run that probes use."""

    base: str | Path
    """The folder of its base model."""
    base_digest: str
    folder: str | Path
    """The run's folder, in which the results of every checkpoint are stored."""
    steps: Sequence[CheckpointEntry]
    """Its checkpoints, beginning with the base model."""
    items: Sequence[ConflictItem]
    """The items of all sets whose conflicts are in a context."""
    template: Template
    prompt: Prompt
    batch_size: int
    """Prompts per forward pass."""
    training: Training
    seed: int
    examples: Sequence[Example] = ()
    """Its training set, for probes that compute gradients."""
    tokenizer: str | Path | None = None
    """The folder of the tokenizer for its prompts. None is the base model's."""
    max_new_tokens: int = 0
    """The number of tokens that an answer can have, for probes that generate answers."""


def sample(rows: Sequence[R], key: Callable[[R], str], count: int, seed: int) -> list[R]:
    """A sample of ``count`` rows, or all rows if there are fewer, in the given order.

    Rows are chosen by a hash of their key, so the sample hardly changes if other rows are added or reordered, and a
    larger sample contains every smaller one with the same seed.
    """
    ranked = sorted(range(len(rows)), key=lambda index: sha256(f"{seed}:{key(rows[index])}".encode()).digest())
    return [rows[index] for index in sorted(ranked[:count])]


def conflict_sample(items: Sequence[ConflictItem], count: int, seed: int) -> list[ConflictItem]:
    """Up to ``count`` conflict items with a context from each set, in the order of ``items``."""
    sets: dict[str, list[ConflictItem]] = {}
    for item in items:
        if item.role == "conflict" and item.context is not None:
            sets.setdefault(item.set, []).append(item)
    return [item for rows in sets.values() for item in sample(rows, lambda row: row.item_id, count, seed)]


class Divergence(NamedTuple):
    """The point at which the two answers of a conflict item diverge: the tokens before it, and the next token of each
    answer."""

    item: ConflictItem
    prefix: list[int]
    context_token: int
    parametric_token: int


def divergences(questions: Sequence[EncodedQuestion], probe: str) -> list[Divergence]:
    """The divergence of each question whose answers diverge.

    Raises :class:`ValueError`, naming the ``probe``, if there is none.
    """
    found = [
        Divergence(
            question.item,
            [*question.with_context.prompt, *question.with_context.context_answers[0][:place]],
            question.with_context.context_answers[0][place],
            question.with_context.parametric_answers[0][place],
        )
        for question in questions
        if (place := question.with_context.first_difference()) is not None
    ]
    if not found:
        raise ValueError(
            f"no conflict set has a context and two answers, which the probe {probe!r} compares; remove "
            f"`probes.{probe}`"
        )
    return found


def question_spec(run: ProbedRun, items: Sequence[ConflictItem]) -> dict[str, Any]:
    """The part of a probe's specification that describes the questions to the checkpoints of ``run``."""
    return {
        "items": [json.dumps(item.identity(), sort_keys=True) for item in items],
        "template": run.template.model_dump(mode="json"),
        "prompt": run.prompt.model_dump(mode="json"),
    }


def probe_checkpoints(
    run_folder: str | Path,
    name: str,
    steps: Sequence[CheckpointEntry],
    spec: Mapping[str, Any],
    prepare: Callable[[], Callable[[CheckpointEntry], Iterable[R]]],
    record: type[R],
) -> pl.DataFrame:
    """The rows (``record``) of all ``steps``, which are stored in ``run_folder`` under ``probes/name``.

    ``prepare`` returns the function that measures one checkpoint. Other arguments and errors are those of
    :func:`~inversion.respond.resumable.measure_checkpoints`, with a single part.
    """

    def prepare_whole() -> Callable[[CheckpointEntry], MeasurePart[R]]:
        rows = prepare()
        return lambda entry: lambda _: rows(entry)

    files = ResultFiles(f"probes/{name}", FACTS_FILE, "probed")
    manifest = measure_checkpoints(run_folder, files, steps, {}, {"": spec}, prepare_whole, record)
    return pl.concat(read_frame(Path(run_folder) / entry.folder / FACTS_FILE, record) for entry in manifest.steps)
