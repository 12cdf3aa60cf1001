"""Writes files and folders that are either complete or absent: atomic writes, hashes, and completion markers.

Expensive stages store their results in a folder that Snakemake does not manage, because it would remove it before every
attempt, and declare a small JSON manifest. A folder is complete only if the sizes and hashes in its marker match the
files on disk.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

MARKER = "complete.json"


class ArtifactError(RuntimeError):
    """A file or folder is missing, incomplete or corrupt. The message names it and how to fix it."""


# --- hashes -------------------------------------------------------------------------------------


def sha256_bytes(data: bytes) -> str:
    """Hex SHA-256 of ``data``."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: str | Path) -> str:
    """Hex SHA-256 of a file, read in blocks."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def fingerprint(value: Any) -> str:
    """Hex SHA-256 of a JSON value; the order of keys does not matter.

    Raises :class:`TypeError` for values that JSON does not have and :class:`ValueError` for NaN.
    """
    return sha256_bytes(json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode())


# --- atomic files -------------------------------------------------------------------------------


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path next to ``path`` that replaces it when the block ends without an error.

    If the process is killed or the disk is full, ``path`` is unchanged. It never contains a part of the new file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with open(temporary, "rb") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` as UTF-8 to ``path`` atomically."""
    write_bytes(path, text.encode())


def write_json(path: str | Path, value: Any) -> None:
    """Write ``value`` as readable JSON to ``path`` atomically. NaN is refused."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any:
    """The value in a JSON file. Raises :class:`ArtifactError` if the file is missing or broken."""
    try:
        return json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        raise ArtifactError(f"{path} is missing; rerun to create it") from None
    except ValueError as error:
        raise ArtifactError(f"{path} is not JSON ({error}); delete it and rerun to rebuild it") from None


def read_object(path: str | Path) -> dict[str, Any]:
    """The JSON object in a file that was written elsewhere, such as the configuration of a model.

    Raises :class:`ArtifactError` if the file is missing, broken, or does not contain an object.
    """
    try:
        value = json.loads(Path(path).read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{path} is not a JSON file that can be read ({error}); copy it again") from None
    if not isinstance(value, dict):
        raise ArtifactError(f"{path} contains a {type(value).__name__}, not a JSON object; copy it again")
    return value


# --- complete folders ---------------------------------------------------------------------------


def file_hashes(folder: str | Path, names: Iterable[str] | None = None) -> dict[str, dict[str, Any]]:
    """``{relative path: {"size", "sha256"}}`` of ``names``, or by default of the :func:`visible_files` in ``folder``
    without the marker."""
    folder = Path(folder)
    files = visible_files(folder) if names is None else [folder / name for name in sorted(names)]
    return {
        file.relative_to(folder).as_posix(): {"size": file.stat().st_size, "sha256": sha256_file(file)}
        for file in files
        if file != folder / MARKER
    }


def visible_files(folder: str | Path) -> list[Path]:
    """The files in ``folder`` and its subfolders, sorted. Hidden files and folders (``.git``, ``.cache``) are omitted,
    because they belong to tools."""
    folder = Path(folder)
    return [
        file
        for file in sorted(folder.rglob("*"))
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    ]


@contextlib.contextmanager
def complete_folder(path: str | Path, note: Mapping[str, Any] | None = None) -> Iterator[Path]:
    """A temporary folder that becomes ``path`` when the block ends without an error.

    Its marker lists every file with size and hash, and contains ``note``. Anything that was at ``path`` is replaced.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        # folders by mkdtemp are private to their owner, but results follow the umask
        temporary.chmod(0o777 & ~_umask())
        yield temporary
        seal_folder(temporary, note)
        if path.exists():
            shutil.rmtree(path)
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def seal_folder(path: str | Path, note: Mapping[str, Any] | None = None) -> None:
    """Write the completion marker of a finished folder, and set the permissions of its files to those of the umask."""
    for file in Path(path).rglob("*"):
        if not file.is_file() or file.is_symlink():  # do not change the target of a link
            continue
        file.chmod(0o666 & ~_umask())  # safetensors writes files that only their owner can read
    write_json(Path(path) / MARKER, {"files": file_hashes(path), "note": dict(note or {})})


def folder_fault(path: str | Path, deep: bool = True) -> str | None:
    """The reason why the folder at ``path`` is incomplete or damaged, or None.

    Sizes are compared, and with ``deep`` also hashes.
    """
    path = Path(path)
    marker = path / MARKER
    if not marker.is_file():
        return f"{path} is incomplete (no {MARKER})"
    try:
        files = _read_marker(path)["files"]
    except ArtifactError:
        return f"{marker} is broken"
    for name, expected in files.items():
        file = path / name
        if not file.is_file():
            return f"{file} is missing"
        size = file.stat().st_size
        if size != expected["size"]:
            return f"{file} has {size} bytes, not {expected['size']}"
        if deep and sha256_file(file) != expected["sha256"]:
            return f"{file} has changed since it was written (hash differs)"
    return None


def folder_digest(path: str | Path) -> str:
    """A hash of all files that the marker of a complete folder lists.

    Raises :class:`ArtifactError` if the marker is missing or broken.
    """
    return fingerprint(_read_marker(path)["files"])


def folder_note(path: str | Path) -> dict[str, Any]:
    """The note in the marker of a complete folder.

    Raises :class:`ArtifactError` if the marker is missing or broken.
    """
    note: dict[str, Any] = _read_marker(path)["note"]
    return note


def _read_marker(path: str | Path) -> dict[str, dict[str, Any]]:
    """``files`` and ``note`` of a folder's marker. Raises :class:`ArtifactError` if the marker is missing or
    malformed."""
    file = Path(path) / MARKER
    marker = read_json(file)
    match marker:
        case {"files": dict(files), "note": dict()}:
            if all(isinstance(entry, dict) and entry.keys() >= {"size", "sha256"} for entry in files.values()):
                return {"files": marker["files"], "note": marker["note"]}
    raise ArtifactError(f"{file} is not a completion marker; delete its folder and rerun to rebuild it")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
