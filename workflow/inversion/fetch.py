"""Files that a study names by address and checksum: fetched once, or found in a folder of copies."""

from __future__ import annotations

import urllib.request
from pathlib import Path

from inversion.artifacts import sha256_bytes, sha256_file
from inversion.config.base import file_name

TIMEOUT_S = 60.0


class FetchError(RuntimeError):
    """A file that cannot be had, or is not what its checksum says; the message names it and the fix."""


def fetch_file(address: str, sha256: str, mirror: str | Path | None = None) -> bytes:
    """The bytes at ``address``, whose hex SHA-256 is ``sha256``.

    A file of that checksum below the folder ``mirror`` is taken instead, under whatever name, and the network
    is left alone. Raises :class:`FetchError` if there is neither, or if the checksum differs.
    """
    if mirror is not None:
        if not Path(mirror).is_dir():
            raise FetchError(f"the mirror {mirror} is not a folder; correct or remove `mirror`")
        found = next((file for file in sorted(Path(mirror).rglob("*")) if _is(file, sha256, address)), None)
        if found is not None:
            return found.read_bytes()
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT_S) as response:
            data: bytes = response.read()
    except (OSError, ValueError) as error:  # of the network, of the server, of the address
        reason = getattr(error, "reason", error)
        raise FetchError(
            f"{address} cannot be downloaded ({reason}); download it elsewhere and set `mirror` to its folder"
        ) from None
    if sha256_bytes(data) != sha256:
        raise FetchError(
            f"{address} has changed: its SHA-256 is {sha256_bytes(data)}, not {sha256}; check what changed before "
            "you set `sha256` to the new one"
        )
    return data


def _is(file: Path, sha256: str, address: str) -> bool:
    """Whether ``file`` is what ``sha256`` says; only files of the address's kind are read."""
    return file.is_file() and file.suffix == Path(file_name(address)).suffix and sha256_file(file) == sha256
