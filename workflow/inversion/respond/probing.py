"""Measurements inside every checkpoint of a run: a fixed sample, step after step, resumable between them."""

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
from inversion.respond.resumable import Kept, Measure, measure_checkpoints

R = TypeVar("R")
FACTS_FILE = "facts.parquet"


@dataclass(frozen=True, slots=True)
class ProbedRun:
    """A finished run, as probes see it."""

    base: str | Path
    """The folder of its base model."""
    base_digest: str
    folder: str | Path
    """The run's own folder; what is found at each checkpoint is kept below it."""
    steps: Sequence[CheckpointEntry]
    """Its checkpoints, the base model first."""
    items: Sequence[ConflictItem]
    """The items of all sets that have conflicts in a context."""
    template: Template
    prompt: Prompt
    batch_size: int
    """Prompts per forward pass."""
    training: Training
    seed: int
    examples: Sequence[Example] = ()
    """Its training set, for probes that take gradients."""
    tokenizer: str | Path | None = None
    """The folder of the tokenizer that it is asked with; the base's where None."""


def sample(rows: Sequence[R], key: Callable[[R], str], count: int, seed: int) -> list[R]:
    """``count`` of the rows, or all if there are fewer, in the given order.

    The hash of a row's key decides, so that neither the order of the rows nor the others matter much: a larger
    sample holds every smaller one of the same seed.
    """
    ranked = sorted(range(len(rows)), key=lambda index: sha256(f"{seed}:{key(rows[index])}".encode()).digest())
    return [rows[index] for index in sorted(ranked[:count])]


def conflict_sample(items: Sequence[ConflictItem], count: int, seed: int) -> list[ConflictItem]:
    """Of each set up to ``count`` conflict items with a context, in the order of ``items``."""
    sets: dict[str, list[ConflictItem]] = {}
    for item in items:
        if item.role == "conflict" and item.context is not None:
            sets.setdefault(item.set, []).append(item)
    return [item for rows in sets.values() for item in sample(rows, lambda row: row.item_id, count, seed)]


class Divergence(NamedTuple):
    """What a model has read of a conflict item where its two answers part, and the token of each that comes next."""

    item: ConflictItem
    read: list[int]
    context: int
    parametric: int


def divergences(questions: Sequence[EncodedQuestion], probe: str) -> list[Divergence]:
    """Where the answers of each question part, of those whose answers do.

    Raises :class:`ValueError`, naming the ``probe`` that compares them, if there is none.
    """
    found = [
        Divergence(
            question.item,
            [*question.asked.prompt, *question.asked.context_answers[0][:place]],
            question.asked.context_answers[0][place],
            question.asked.parametric_answers[0][place],
        )
        for question in questions
        if (place := question.asked.first_difference()) is not None
    ]
    if not found:
        raise ValueError(
            f"no conflict set has a context and two answers, which the probe {probe!r} compares; remove "
            f"`probes.{probe}`"
        )
    return found


def asking(run: ProbedRun, items: Sequence[ConflictItem]) -> dict[str, Any]:
    """What is asked of the checkpoints of ``run``, for the specification of a probe."""
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
    """The rows (``record``) of all ``steps``, which are kept in ``run_folder`` under ``probes/name``.

    ``prepare`` returns the function that measures one checkpoint. Other arguments and errors are those of
    :func:`~inversion.respond.resumable.measure_checkpoints`, with one part.
    """

    def prepare_whole() -> Callable[[CheckpointEntry], Measure[R]]:
        rows = prepare()
        return lambda entry: lambda _: rows(entry)

    kept = Kept(f"probes/{name}", FACTS_FILE, "probed")
    manifest = measure_checkpoints(run_folder, kept, steps, {}, {"": spec}, prepare_whole, record)
    return pl.concat(read_frame(Path(run_folder) / entry.folder / FACTS_FILE, record) for entry in manifest.steps)
