"""What is measured inside every checkpoint of a run: a fixed sample, step after step, resumable between them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from inversion.config.datasets import Template
from inversion.config.evaluation import Prompt
from inversion.config.training import Training
from inversion.manifests import CheckpointEntry
from inversion.records.data import ConflictItem, Example
from inversion.records.frames import read_frame
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
    """``count`` of the rows, or all where there are fewer, in the given order.

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
