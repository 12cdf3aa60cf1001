"""Raw facts of a run's checkpoints, taken one checkpoint after the other and kept as soon as they are there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import polars as pl

from inversion.artifacts import (
    ArtifactError,
    complete_folder,
    fingerprint,
    folder_digest,
    folder_fault,
    folder_note,
    write_parquet,
)
from inversion.manifests import CheckpointEntry, MeasuredFolder, MeasuredManifest, removed_steps
from inversion.records.frames import read_frame, to_frame

logger = logging.getLogger(__name__)

R = TypeVar("R")

Measure = Callable[[str], Iterable[R]]
"""The rows of one part, by its name, of one checkpoint."""
Prepare = Callable[[], Callable[[CheckpointEntry], Measure[R]]]
"""Loads what all checkpoints need; the function that it returns loads one."""


class Kept(NamedTuple):
    """Where facts of one sort lie, and what has been done to a checkpoint that has them."""

    folder: str
    """Below the run's folder, with a folder a step."""
    file: str
    done: str
    """A participle, for the log."""
    parts: tuple[str, ...] = ()
    """The columns whose values, joined by ``/``, name the part of a row; none if there is one part only."""

    def part(self) -> pl.Expr:
        """The name of each row's part."""
        return pl.concat_str(self.parts, separator="/") if self.parts else pl.lit("")


def measure_checkpoints(
    run_folder: str | Path,
    kept: Kept,
    steps: Sequence[CheckpointEntry],
    spec: Mapping[str, Any],
    parts: Mapping[str, Any],
    prepare: Prepare[R],
    record: type[R],
) -> MeasuredManifest:
    """The folders with the rows (``record``) of all ``steps``, taken where they are not there yet.

    Each step's rows are a folder that is complete or absent. It knows its specification, ``spec`` and the checkpoint's
    hash, and that of each of its ``parts``, so that a job that was killed resumes where it stopped, and a part that is
    added, changed or taken away leaves the others unchanged. Rows are in the order of the parts. ``prepare`` is
    called only if something is missing, and its function for the steps that miss it, in order. Raises
    :class:`ArtifactError` for a damaged or removed checkpoint that is needed.
    """
    run_folder = Path(run_folder)
    folders = {entry.step: run_folder / kept.folder / f"step-{entry.step:06d}" for entry in steps}
    specs = {entry.step: fingerprint({**spec, "checkpoint": entry.digest}) for entry in steps}
    wanted = {name: fingerprint(part) for name, part in parts.items()}
    there = {step: _parts_there(folder, specs[step]) for step, folder in folders.items()}
    due = [entry for entry in steps if there[entry.step] != wanted]
    missing = {entry.step: entry for entry in due if wanted.items() - there[entry.step].items()}
    if due:
        logger.info("%d of %d checkpoints left", len(due), len(steps))
    for entry in missing.values():
        _require_checkpoint(run_folder, entry)
    load = prepare() if missing else None
    for entry in due:
        folder, old = folders[entry.step], there[entry.step]
        kept_rows = read_frame(folder / kept.file, record) if old else to_frame([], record)
        measure = load(entry) if load and entry.step in missing else None
        rows = [
            kept_rows.filter(kept.part() == name)
            if measure is None or old.get(name) == digest
            else to_frame(measure(name), record)
            for name, digest in wanted.items()
        ]
        with complete_folder(folder, {"spec": specs[entry.step], "parts": wanted}) as made:
            write_parquet(made / kept.file, pl.concat(rows, rechunk=True))
        logger.info("step %d %s", entry.step, kept.done)
    return MeasuredManifest(
        steps=[
            MeasuredFolder(step=step, folder=folder.relative_to(run_folder).as_posix(), digest=folder_digest(folder))
            for step, folder in folders.items()
        ]
    )


def weights_of(entry: CheckpointEntry, base: str | Path, run_folder: str | Path) -> Path:
    """Where the weights of a checkpoint lie; those of step 0 are the base model's."""
    return Path(run_folder) / entry.folder if entry.folder else Path(base)


def _require_checkpoint(run_folder: Path, entry: CheckpointEntry) -> None:
    """Raises :class:`ArtifactError` unless the weights of ``entry`` can be loaded."""
    if not entry.folder:
        return
    weights, manifest = run_folder / entry.folder, run_folder / "train.json"
    if (run_folder / "series.json").is_file() and (fault := folder_fault(weights)):
        raise ArtifactError(
            f"{fault}; the weights of a series have changed since they were listed; run it again to list them"
        )
    if entry.step in removed_steps(weights.parent):
        raise ArtifactError(
            f"{weights} was deleted by `keep_checkpoints` after labelling, so nothing new can be evaluated on it; "
            f"to train the run again delete {weights.parent} and {manifest}, then rerun"
        )
    fault = folder_fault(weights)
    if not fault and manifest.is_file() and folder_digest(weights) != entry.digest:
        fault = f"{weights} is not the checkpoint of step {entry.step} that {manifest} lists"
    if fault:
        raise ArtifactError(
            f"{fault}; create it again with `snakemake --forcerun {manifest}`: undamaged checkpoints are kept"
        )


def _parts_there(folder: Path, spec: str) -> dict[str, str]:
    """The parts in ``folder``, with the hash of each one's specification; none if it is damaged, or of another
    specification than ``spec``."""
    fault = folder_fault(folder)
    if fault and folder.exists():
        logger.warning("%s is damaged and will be evaluated again: %s", folder, fault)
    if fault or folder_note(folder).get("spec") != spec:
        return {}
    return dict(folder_note(folder).get("parts", {}))
