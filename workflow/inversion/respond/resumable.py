"""Raw facts of a run's checkpoints, taken one checkpoint after the other and kept as soon as they are there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from inversion.artifacts import (
    ArtifactError,
    complete_folder,
    fingerprint,
    folder_digest,
    folder_fault,
    folder_note,
    write_parquet,
)
from inversion.manifests import ResponseFolder, ResponseManifest, Step, removed_steps
from inversion.records.frames import to_frame

logger = logging.getLogger(__name__)

R = TypeVar("R")

Measure = Callable[[Step], Iterable[R]]
"""The rows of one checkpoint."""


class Kept(NamedTuple):
    """Where facts of one sort lie, and what has been done to a checkpoint that has them."""

    folder: str
    """Below the run's folder, with a folder a step."""
    file: str
    done: str
    """A participle, for the log."""


def measure_checkpoints(
    run_folder: str | Path,
    kept: Kept,
    steps: Sequence[Step],
    spec: Mapping[str, Any],
    prepare: Callable[[], Measure[R]],
    record: type[R],
) -> ResponseManifest:
    """The folders with the rows (``record``) of all ``steps``, taken where they are not there yet.

    Each step's rows are a folder that is complete or absent and knows its specification, ``spec`` and the checkpoint's
    hash, so that a job that was killed goes on where it stopped. ``prepare`` loads what is needed and returns the
    function that measures one checkpoint; it is called only if something is missing, and its function for the missing
    steps in their order. Raises :class:`ArtifactError` for a damaged or removed checkpoint.
    """
    run_folder = Path(run_folder)
    folders = {entry.step: run_folder / kept.folder / f"step-{entry.step:06d}" for entry in steps}
    wanted = {entry.step: fingerprint({**spec, "checkpoint": entry.digest}) for entry in steps}
    missing = [entry for entry in steps if not _is_there(folders[entry.step], wanted[entry.step])]
    if missing:
        logger.info("%d of %d checkpoints to go", len(missing), len(steps))
        for entry in missing:
            _require_checkpoint(run_folder, entry)
        measure = prepare()
        for entry in missing:
            rows = to_frame(measure(entry), record)
            with complete_folder(folders[entry.step], {"spec": wanted[entry.step]}) as folder:
                write_parquet(folder / kept.file, rows)
            logger.info("step %d %s", entry.step, kept.done)
    return ResponseManifest(
        steps=[
            ResponseFolder(step=step, folder=folder.relative_to(run_folder).as_posix(), digest=folder_digest(folder))
            for step, folder in folders.items()
        ]
    )


def weights_of(entry: Step, base: str | Path, run_folder: str | Path) -> Path:
    """Where the weights of a checkpoint lie; those of step 0 are the base model's."""
    return Path(run_folder) / entry.folder if entry.folder else Path(base)


def _require_checkpoint(run_folder: Path, entry: Step) -> None:
    """Raises :class:`ArtifactError` unless the weights of ``entry`` can be loaded."""
    if not entry.folder:
        return
    weights, manifest = run_folder / entry.folder, run_folder / "train.json"
    if entry.step in removed_steps(weights.parent):
        raise ArtifactError(
            f"{weights} was removed by `keep_checkpoints` when its answers were judged, and cannot be asked anything "
            f"new; to train the run again delete {weights.parent} and {manifest}, then rerun"
        )
    fault = folder_fault(weights)
    if fault:
        raise ArtifactError(f"{fault}; make it again with `snakemake --forcerun {manifest}`: what is sound is kept")


def _is_there(folder: Path, spec: str) -> bool:
    """Whether ``folder`` is complete and holds what the specification ``spec`` asks for."""
    fault = folder_fault(folder)
    if fault and folder.exists():
        logger.warning("%s is damaged and will be made again: %s", folder, fault)
    return fault is None and folder_note(folder).get("spec") == spec
