"""Measures the checkpoints of a run one after the other, and stores the results of each as soon as they are
complete."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import polars as pl

from inversion.artifacts import ArtifactError, complete_folder, fingerprint, folder_digest, folder_fault, folder_note
from inversion.manifests import CheckpointEntry, MeasuredFolder, MeasuredManifest, removed_steps
from inversion.parquet import write_parquet
from inversion.records.frames import read_frame, to_frame

logger = logging.getLogger(__name__)

R = TypeVar("R")

MeasurePart = Callable[..., Iterable[R]]
"""Returns the rows of one part of one checkpoint, given the name of the part. If the rows of the part belong to single
items, the ids of the items to measure are a second argument."""
PrepareParts = Callable[[], Callable[[CheckpointEntry], MeasurePart[R]]]
"""Loads what all checkpoints share, and returns the function that loads one checkpoint."""


_ITEMS_FILE = "items.parquet"


@dataclass(frozen=True, slots=True)
class _StoredItem:
    """An item whose rows are stored."""

    part: str
    item_id: str
    digest: str
    """The hash of everything about the item that its rows depend on."""


class ResultFiles(NamedTuple):
    """Where results of one type are stored."""

    folder: str
    """The folder within the run's folder. It has one folder per step."""
    file: str
    done: str
    """The participle for the log, as in "step 50 scored"."""
    parts: tuple[str, ...] = ()
    """The columns whose values, joined by ``/``, name the part of a row. Empty if there is a single part."""

    def part(self) -> pl.Expr:
        """The name of each row's part."""
        return pl.concat_str(self.parts, separator="/") if self.parts else pl.lit("")


def measure_checkpoints(
    run_folder: str | Path,
    files: ResultFiles,
    steps: Sequence[CheckpointEntry],
    spec: Mapping[str, Any],
    parts: Mapping[str, Any],
    prepare: PrepareParts[R],
    record: type[R],
    items: Mapping[str, Mapping[str, str]] | None = None,
) -> MeasuredManifest:
    """The folders with the rows (``record``) of all ``steps``. Missing rows are measured.

    The rows of a step are in a folder that is complete or absent. The folder stores the hash of its specification,
    which is ``spec`` and the checkpoint's hash, and that of each of its ``parts``. A killed job therefore resumes where
    it stopped, and adding, changing or removing a part does not affect the others. Rows are in the order of the parts.
    ``prepare`` is called only if something is missing, and the function that it returns only for the steps with missing
    parts, in order.

    ``items`` names the parts whose rows have an ``item_id``, and gives a hash for each of their items. If such a part
    changes, the rows of unchanged items are kept, and only the other items are measured.

    Raises :class:`ArtifactError` if a checkpoint that is needed is damaged or was removed.
    """
    run_folder = Path(run_folder)
    folders = {entry.step: run_folder / files.folder / f"step-{entry.step:06d}" for entry in steps}
    specs = {entry.step: fingerprint({**spec, "checkpoint": entry.digest}) for entry in steps}
    wanted = {name: fingerprint(part) for name, part in parts.items()}
    stored = {step: _stored_parts(folder, specs[step]) for step, folder in folders.items()}
    due = [entry for entry in steps if stored[entry.step] != wanted]
    asked = items or {}
    left = {entry.step: _parts_left(folders[entry.step], stored[entry.step], wanted, asked) for entry in due}
    missing = {entry.step: entry for entry in due if any(ids is None or ids for ids in left[entry.step].values())}
    if due:
        logger.info("%d of %d checkpoints left", len(due), len(steps))
    for entry in missing.values():
        _require_checkpoint(run_folder, entry)
    load = prepare() if missing else None
    for entry in due:
        folder = folders[entry.step]
        stored_rows = read_frame(folder / files.file, record) if stored[entry.step] else to_frame([], record)
        measure = load(entry) if load and entry.step in missing else None
        rows = []
        for name in wanted:
            found, ids = stored_rows.filter(files.part() == name), left[entry.step].get(name, [])
            if measure and ids is None:
                found = to_frame(measure(name), record)
            elif measure and ids:
                new = to_frame(measure(name, ids), record)
                found = pl.concat([found.filter(~pl.col("item_id").is_in(ids)), new])
            rows.append(_in_order(found, asked[name]) if name in asked else found)
        with complete_folder(folder, {"spec": specs[entry.step], "parts": wanted}) as partial:
            write_parquet(partial / files.file, pl.concat(rows, rechunk=True))
            if asked:
                listed = [_StoredItem(name, *pair) for name in asked for pair in asked[name].items()]
                write_parquet(partial / _ITEMS_FILE, to_frame(listed, _StoredItem))
        logger.info("step %d %s", entry.step, files.done)
    return MeasuredManifest(
        steps=[
            MeasuredFolder(step=step, folder=folder.relative_to(run_folder).as_posix(), digest=folder_digest(folder))
            for step, folder in folders.items()
        ]
    )


def weights_of(entry: CheckpointEntry, base: str | Path, run_folder: str | Path) -> Path:
    """The folder of a checkpoint's weights. The weights of step 0 are those of the base model."""
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


def _parts_left(
    folder: Path, stored: Mapping[str, str], wanted: Mapping[str, str], items: Mapping[str, Mapping[str, str]]
) -> dict[str, list[str] | None]:
    """The parts that differ from what is ``stored``, each with the ids of the items to measure; None is the whole
    part."""
    left: dict[str, list[str] | None] = {}
    known = set()
    if stored and (folder / _ITEMS_FILE).is_file():
        known = set(read_frame(folder / _ITEMS_FILE, _StoredItem).iter_rows())
    for name, digest in wanted.items():
        if stored.get(name) != digest:
            left[name] = None
            if name in items:
                left[name] = [item for item, own in items[name].items() if (name, item, own) not in known]
    return left


def _in_order(rows: pl.DataFrame, items: Mapping[str, str]) -> pl.DataFrame:
    """The rows of ``items``, in their order."""
    places = pl.DataFrame({"item_id": list(items)}, schema={"item_id": pl.String}).with_row_index("place")
    return rows.join(places, on="item_id").sort("place", maintain_order=True).drop("place")


def _stored_parts(folder: Path, spec: str) -> dict[str, str]:
    """The parts in ``folder`` with the hashes of their specifications; empty if the folder is damaged or has another
    specification than ``spec``."""
    fault = folder_fault(folder)
    if fault and folder.exists():
        logger.warning("%s is damaged and will be evaluated again: %s", folder, fault)
    if fault or folder_note(folder).get("spec") != spec:
        return {}
    return dict(folder_note(folder).get("parts", {}))
