"""Checks of the files and folders that a study names, before any job starts."""

from __future__ import annotations

import os
from pathlib import Path

_START = 512
"""Leading bytes of a file that identify its type."""
_COMPRESSED = {
    b"\x1f\x8b": ("gzip", "gunzip"),
    b"BZh": ("bzip2", "bunzip2"),
    b"\xfd7zXZ\x00": ("xz", "unxz"),
    b"\x28\xb5\x2f\xfd": ("zstd", "unzstd"),
    b"PK\x03\x04": ("zip", "unzip"),
    b"7z\xbc\xaf\x27\x1c": ("7z", "7z x"),
}
"""The first bytes of compressed files and archives, with the name of the format and the command that unpacks it."""
_WEB_PAGE = (b"<!doctype", b"<html")
"""The first bytes of a web page."""
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
"""The first bytes of a Git LFS pointer file."""


def input_fault(path: str | Path) -> str | None:
    """Why ``path`` is not a file that can be read as data, with the fix; None if it is one.

    Only the first bytes are read. Later faults, such as a malformed row, are reported by the reader of the file.
    """
    path = Path(path)
    if path.is_dir():
        return f"{path}: this is a folder; name the file in it"
    if not path.exists():
        return f"{path}: there is no such file (looked from {os.getcwd()}); correct the path or fetch the data"
    if not path.is_file():
        return f"{path}: this is neither a file nor a folder; name a file"
    try:
        with open(path, "rb") as handle:
            start = handle.read(_START)
    except OSError as error:
        return f"{path}: it cannot be read ({error.strerror}); change its permissions"
    for magic, (kind, tool) in _COMPRESSED.items():
        if start.startswith(magic):
            return f"{path}: it is compressed with {kind}; unpack it first (`{tool} {path}`)"
    if start.startswith(_LFS_POINTER):
        return f"{path}: this is a Git LFS pointer, not the data; fetch the data (`git lfs pull`)"
    if start.lstrip().lower().startswith(_WEB_PAGE):
        return f"{path}: this is a web page (HTML), not the data; download the file itself"
    return None if start else f"{path}: the file is empty; fetch the data again"


def input_folder_fault(path: str | Path) -> str | None:
    """Why ``path`` is not a folder that can be read, with the fix; None if it is one."""
    path = Path(path)
    if not path.exists():
        return f"{path}: there is no such folder (looked from {os.getcwd()}); correct the path"
    if not path.is_dir():
        return f"{path}: this is a file; name the folder that contains it"
    return None if os.access(path, os.R_OK | os.X_OK) else f"{path}: it cannot be read; change its permissions"
