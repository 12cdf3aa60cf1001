"""Seals of Parquet files: a hash of the whole file in its metadata, which shows damage before anything is parsed."""

from __future__ import annotations

import os
import re
from pathlib import Path

from inversion.artifacts import sha256_bytes

_MAGIC = b"PAR1"
"""The last bytes of every Parquet file."""

SEAL = "sha256"
UNSEALED = "0" * 64
_SEAL_VALUE = re.compile(SEAL.encode() + rb"[^0-9a-f]{1,4}([0-9a-f]{64})")
"""The seal in Thrift's encoding: key, field header and length, value."""


def seal_span(data: bytes) -> tuple[int, int]:
    """The position of the seal in the metadata at the end of a Parquet file. Raises :class:`ValueError` if it has none.

    The bytes are searched, because no part of a file must be parsed before its hash is verified.
    """
    seals = list(_SEAL_VALUE.finditer(data))
    if not seals:
        raise ValueError("it has no seal")
    return seals[-1].span(1)


def check_seal(data: bytes) -> None:
    """Raise :class:`ValueError` unless the bytes of a Parquet file match its seal."""
    start, end = seal_span(data)
    if sha256_bytes(data[:start] + UNSEALED.encode() + data[end:]).encode() != data[start:end]:
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
            check_seal(data)
        except ValueError as error:
            return str(error)
    return None
