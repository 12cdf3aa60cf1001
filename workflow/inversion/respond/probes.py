"""What is measured inside every checkpoint of a run: a fixed sample, step after step, resumable between them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from inversion.artifacts import complete_folder, fingerprint, folder_fault, folder_note, write_parquet
from inversion.manifests import Step
from inversion.records import read_frame, to_frame
from inversion.respond.run import require_checkpoint

logger = logging.getLogger(__name__)

R = TypeVar("R")
FACTS_FILE = "facts.parquet"

Measure = Callable[[Step], Iterable[R]]
"""The rows of one checkpoint."""


def sample(rows: Sequence[R], key: Callable[[R], str], count: int, seed: int) -> list[R]:
    """``count`` of the rows, or all where there are fewer, in the given order.

    The hash of a row's key decides, so that neither the order of the rows nor the others matter much: a larger
    sample holds every smaller one of the same seed.
    """
    ranked = sorted(range(len(rows)), key=lambda index: sha256(f"{seed}:{key(rows[index])}".encode()).digest())
    return [rows[index] for index in sorted(ranked[:count])]


def probe_checkpoints(
    run_folder: str | Path,
    name: str,
    steps: Sequence[Step],
    spec: Mapping[str, Any],
    prepare: Callable[[], Measure[R]],
    record: type[R],
) -> pl.DataFrame:
    """The rows (``record``) of all ``steps``, measured where ``run_folder``/probes/``name`` does not hold them yet.

    Each step's rows are a folder there that is complete or absent and knows its specification, ``spec`` and the
    checkpoint's hash. ``prepare`` loads what is needed and returns the function that measures one checkpoint; it is
    called only if something is missing, and its function for the missing steps in their order. Raises
    :class:`~inversion.artifacts.ArtifactError` for a damaged or removed checkpoint.
    """
    run_folder = Path(run_folder)
    folders = {entry.step: run_folder / "probes" / name / f"step-{entry.step:06d}" for entry in steps}
    wanted = {entry.step: fingerprint({**spec, "checkpoint": entry.digest}) for entry in steps}
    missing = [entry for entry in steps if not _is_measured(folders[entry.step], wanted[entry.step])]
    if missing:
        logger.info("%d of %d checkpoints to probe", len(missing), len(steps))
        for entry in missing:
            require_checkpoint(run_folder, entry)
        measure = prepare()
        for entry in missing:
            with complete_folder(folders[entry.step], {"spec": wanted[entry.step]}) as folder:
                write_parquet(folder / FACTS_FILE, to_frame(measure(entry), record))
            logger.info("step %d probed", entry.step)
    return pl.concat(read_frame(folders[entry.step] / FACTS_FILE, record) for entry in steps)


def _is_measured(folder: Path, spec: str) -> bool:
    return folder_fault(folder) is None and folder_note(folder).get("spec") == spec
