"""Downloads files that a study names by address and checksum, or finds them in a mirror folder."""

from __future__ import annotations

import urllib.request
from pathlib import Path

from inversion.artifacts import sha256_bytes, sha256_file
from inversion.config.base import file_name

TIMEOUT_S = 60.0


class FetchError(RuntimeError):
    """A file is not available, or does not match its checksum. The message names it and the fix."""


def fetch_file(address: str, sha256: str, mirror: str | Path | None = None) -> bytes:
    """The bytes at ``address``, whose hex SHA-256 is ``sha256``.

    If the folder ``mirror`` contains a file with this checksum, under any name, it is used and nothing is downloaded.
    Raises :class:`FetchError` if the file is not available, or if the checksum differs.
    """
    if mirror is not None:
        if not Path(mirror).is_dir():
            raise FetchError(f"the mirror {mirror} is not a folder; correct or remove `mirror`")
        found = next((file for file in sorted(Path(mirror).rglob("*")) if _has_checksum(file, sha256, address)), None)
        if found is not None:
            return found.read_bytes()
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT_S) as response:
            data: bytes = response.read()
    except (OSError, ValueError) as error:  # errors of the network, the server or the address
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


def _has_checksum(file: Path, sha256: str, address: str) -> bool:
    """Whether ``file`` has the hash ``sha256``. Only files with the extension of the address are read."""
    return file.is_file() and file.suffix == Path(file_name(address)).suffix and sha256_file(file) == sha256
