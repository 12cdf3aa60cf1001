"""Writes files and folders that are either complete or absent: atomic writes, hashes, and completion markers.

Expensive stages store their results in a folder that Snakemake does not manage, because it would remove it before every
attempt, and declare a small JSON manifest. A folder is complete only if the sizes and hashes in its marker match the
files on disk.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

MARKER = "complete.json"

_MAGIC = b"PAR1"
"""The last bytes of every Parquet file."""

_SEAL = "sha256"
_UNSEALED = "0" * 64
_SEAL_VALUE = re.compile(_SEAL.encode() + rb"[^0-9a-f]{1,4}([0-9a-f]{64})")
"""The seal in Thrift's encoding: key, field header and length, value."""


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


def code_fingerprint(script: str | Path, package: str | Path, also: Iterable[str] = ()) -> str:
    """Hex SHA-256 of the behaviour of a script and of the modules of ``package`` that it imports.

    Sources are compared as syntax trees, so comments, docstrings and layout do not matter. Imports are followed
    transitively in the source text; nothing is imported or run. ``also`` lists modules that the script imports by a
    name that is only known at run time. Modules of other packages are ignored. Raises :class:`ArtifactError` if
    ``package`` does not have a module in ``also``.
    """
    package = Path(package)
    known = _modules(package)
    pending, trees = [Path(script)], {}
    for module in also:
        files = _module_files([module], known)
        if module.split(".")[0] == package.name and not any(_is_module(file, module, package) for file in files):
            raise ArtifactError(f"{module} is not a module of {package}; correct the reference that names it")
        pending += files
    seen: set[Path] = set()
    while pending:
        path = pending.pop()
        if path in seen:
            continue
        seen.add(path)
        modules, syntax = _syntax(path.read_bytes(), path, package)
        pending += _module_files(modules, known)
        name = path.relative_to(package.parent).as_posix() if path.is_relative_to(package) else "script"
        trees[name] = syntax
    return fingerprint(trees)


@functools.cache  # many scripts import the same modules
def _syntax(source: bytes, path: Path, package: Path) -> tuple[frozenset[str], str]:
    """The imports in ``source``, the content of ``path``, and the hash of its syntax tree without docstrings."""
    tree = ast.parse(source, filename=str(path))
    names = frozenset(_imported_names(tree, path, package))
    return names, sha256_bytes(ast.dump(_without_docstrings(tree)).encode())


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """The root of ``tree`` and all statements below it, without the many nodes inside expressions."""
    pending = [tree]
    while pending:
        node = pending.pop()
        yield node
        for part in ("body", "orelse", "finalbody", "handlers", "cases"):
            inner = getattr(node, part, None)
            if isinstance(inner, list):
                pending += inner


def _imported_names(tree: ast.AST, path: Path, package: Path) -> set[str]:
    """All names in the imports of ``tree``, the syntax tree of ``path``, that could be modules."""
    modules: set[str] = set()
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level and not path.is_relative_to(package):
                continue
            start = path.parents[node.level - 1].relative_to(package.parent).parts if node.level else ()
            module = ".".join([*start, *([node.module] if node.module else [])])
            modules.add(module)
            modules.update(f"{module}.{alias.name}" for alias in node.names)
    return modules


def _modules(package: Path) -> dict[str, list[Path]]:
    """The files of ``package`` by the dotted name of their module."""
    found: dict[str, list[Path]] = {}
    for folder, _, names in os.walk(package):
        parts = Path(folder).relative_to(package.parent).parts
        for name in names:
            stem, suffix = os.path.splitext(name)
            if suffix == ".py":
                module = ".".join(parts if stem == "__init__" else (*parts, stem))
                found.setdefault(module, []).append(Path(folder, name))
    return found


def _module_files(modules: Iterable[str], known: Mapping[str, list[Path]]) -> list[Path]:
    """The files of the named modules and their parents, if they are ``known``."""
    wanted = {
        ".".join(parts[:depth]) for parts in (m.split(".") for m in modules) for depth in range(1, len(parts) + 1)
    }
    return [file for module in sorted(wanted & known.keys()) for file in known[module]]


def _is_module(file: Path, module: str, package: Path) -> bool:
    """Whether ``file`` is the module with that dotted name."""
    stem = package.parent.joinpath(*module.split("."))
    return file in (stem.with_suffix(".py"), stem / "__init__.py")


def _without_docstrings(tree: ast.AST) -> ast.AST:
    """``tree`` with bare string statements (docstrings, also those of attributes) removed."""
    for node in _statements(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [
                statement
                for statement in body
                if not (
                    isinstance(statement, ast.Expr)
                    and isinstance(statement.value, ast.Constant)
                    and isinstance(statement.value.value, str)
                )
            ]
            node.body = kept  # type: ignore[attr-defined]
    return tree


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


def write_parquet(path: str | Path, frame: pl.DataFrame) -> None:
    """Write a table to ``path`` atomically, sealed with a hash of the whole file. Equal tables give equal bytes.

    Without a seal, about half of all flipped bits in a Parquet file give wrong values without an error, and some damage
    crashes the process that reads it. :func:`read_parquet` verifies the seal before it reads.
    """
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", statistics=False, metadata={_SEAL: _UNSEALED})
    data = buffer.getvalue()
    start, end = _seal_span(data)
    write_bytes(path, data[:start] + sha256_bytes(data).encode() + data[end:])


def _seal_span(data: bytes) -> tuple[int, int]:
    """The position of the seal in the metadata at the end of a Parquet file. Raises :class:`ValueError` if it has none.

    The bytes are searched, because no part of a file must be parsed before its hash is verified.
    """
    seals = list(_SEAL_VALUE.finditer(data))
    if not seals:
        raise ValueError("it has no seal")
    return seals[-1].span(1)


def write_table(parquet: str | Path, csv: str | Path, frame: pl.DataFrame) -> None:
    """Write a table as Parquet and as CSV, each atomically.

    In the CSV file, lists are joined by `` | ``. An apostrophe is put before a text that a spreadsheet would run as a
    formula (one that begins with ``=``, ``+``, ``-`` or ``@``). The Parquet file is exact.
    """
    lists = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.List)]
    flat = frame.with_columns(pl.col(lists).list.join(" | "))
    texts = [pl.col(name) for name, dtype in flat.schema.items() if dtype == pl.String]
    write_parquet(parquet, frame)
    as_texts = [pl.when(_is_formula(text)).then(pl.lit("'") + text).otherwise(text).name.keep() for text in texts]
    write_text(csv, flat.with_columns(as_texts).write_csv())


def _is_formula(text: pl.Expr) -> pl.Expr:
    return text.str.contains(r"^[=+\-@\t\r]")


def read_parquet(path: str | Path) -> pl.DataFrame:
    """The table in a Parquet file. Raises :class:`ArtifactError` if it is missing, broken or does not match its
    seal."""
    try:
        data = Path(path).read_bytes()
        _check_seal(data)
        return pl.read_parquet(io.BytesIO(data))
    except FileNotFoundError:
        raise ArtifactError(f"{path} is missing; rerun to create it") from None
    except (Exception, pl.exceptions.PanicException) as error:  # polars raises many types for broken files
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ArtifactError(f"{path} is not a readable table ({reason}); delete it and rerun to rebuild it") from None


def _check_seal(data: bytes) -> None:
    """Raise :class:`ValueError` unless the bytes of a Parquet file match its seal."""
    start, end = _seal_span(data)
    if sha256_bytes(data[:start] + _UNSEALED.encode() + data[end:]).encode() != data[start:end]:
        raise ValueError("it has changed since it was written: its hash differs")


def parquet_fault(path: str | Path, hash_up_to: int = 2**22) -> str | None:
    """The reason why the Parquet file at ``path`` is damaged, or None.

    Truncation is always detected. Files of at most ``hash_up_to`` bytes are also compared with their seal, if they have
    one.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size <= hash_up_to:
            data = file.read()
        else:
            file.seek(max(0, size - len(_MAGIC)))
            data = file.read()
    if not data.endswith(_MAGIC):
        return f"it is truncated, at {size} bytes"
    if size <= hash_up_to and _SEAL_VALUE.search(data):
        try:
            _check_seal(data)
        except ValueError as error:
            return str(error)
    return None


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
