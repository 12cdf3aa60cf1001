"""Reads the measurements that the manifest of a chunk of checkpoints lists."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from inversion.artifacts import ArtifactError, folder_digest, folder_fault
from inversion.manifests import BENCHMARKS_FILE, RESPONSES_FILE, MeasuredManifest
from inversion.records.answers import BenchmarkScore, Response
from inversion.records.frames import read_frame, read_records


def read_responses(path: str | Path) -> list[Response]:
    """The responses that the :class:`MeasuredManifest` at ``path`` lists.

    Raises :class:`ArtifactError`, naming the file and the fix, if one is missing or damaged.
    """
    return [
        response for folder in _verified_folders(path) for response in read_records(folder / RESPONSES_FILE, Response)
    ]


def read_benchmarks(path: str | Path) -> pl.DataFrame:
    """The :class:`~inversion.records.answers.BenchmarkScore` rows that the manifest at ``path`` lists. Raises the
    errors of :func:`read_responses`."""
    return pl.concat(read_frame(folder / BENCHMARKS_FILE, BenchmarkScore) for folder in _verified_folders(path))


def _verified_folders(path: str | Path) -> Iterator[Path]:
    """The folders that the :class:`MeasuredManifest` at ``path`` lists. Each is verified when it is reached."""
    run_folder = Path(path).parent.parent
    for entry in MeasuredManifest.read(path).steps:
        folder = run_folder / entry.folder
        fault = folder_fault(folder)
        if fault is None and folder_digest(folder) != entry.digest:
            fault = f"{folder} is not what {path} lists"
        if fault:
            raise ArtifactError(f"{fault}; delete {path} and rerun: only the damaged parts are evaluated again")
        yield folder
