"""Locks between processes that also work on file systems without ``flock`` (Lustre and NFS with some mount options)."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import socket
from pathlib import Path
from typing import TextIO

_held: set[Path] = set()
"""The lock files of this process on file systems without ``flock``."""


def acquire(lock: TextIO) -> bool:
    """Lock an open file until :func:`release` or the end of the process. Returns False if another process holds the
    lock.

    The kernel releases the lock when the process ends, for whatever reason. On a file system without ``flock``, a lock
    file next to it is used instead. A lock file that a dead process of this machine left behind is removed; one of
    another machine counts as held (:func:`owner`).
    """
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return _create_lock_file(_lock_file(lock.name))
    return True


def release(lock: TextIO) -> None:
    """Release a lock that :func:`acquire` took. With ``flock``, closing the file has the same effect."""
    _remove(_lock_file(lock.name))


def is_held(path: str | Path) -> bool:
    """Whether a process holds the lock of the file ``path``."""
    with open(path, "a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return _may_be_running(_lock_file(path))
    return False


def owner(path: str | Path) -> str | None:
    """On a file system without ``flock``, the owner of the lock of the file ``path``, and what to do if it no longer
    exists. None otherwise, because the lock of a dead process is released."""
    file = _lock_file(path)
    try:
        host, process, *_ = *file.read_text().split(), "unknown", "unknown"
    except OSError:
        return None
    return (
        f"process {process} on {host}; this file system has no flock, so delete {file} if that process has ended on "
        "another machine"
    )


def _lock_file(path: str | Path) -> Path:
    return Path(f"{path}.held")


def _create_lock_file(file: Path) -> bool:
    """Create ``file`` if it does not exist, or if the process of this machine that created it has ended."""
    for _ in range(2):
        try:
            with open(file, "x") as stand_in:
                stand_in.write(_process(os.getpid()))
        except FileExistsError:
            if _may_be_running(file):
                return False
            file.unlink(missing_ok=True)
            continue
        _held.add(file)
        atexit.register(_remove, file)
        return True
    return False


def _remove(file: Path) -> None:
    if file in _held:
        _held.discard(file)
        file.unlink(missing_ok=True)


def _may_be_running(file: Path) -> bool:
    """Whether the process that created ``file`` could still be running. False only if it ran on this machine and has
    ended."""
    try:
        written = file.read_text().split()
    except FileNotFoundError:
        return False
    if len(written) != 3 or written[0] != socket.gethostname() or not written[1].isdecimal():
        return True
    return _process(int(written[1])).split() == written


def _process(number: int) -> str:
    """This machine, a process number and its start time, because process numbers are reused."""
    started = "gone"
    with contextlib.suppress(OSError):
        os.kill(number, 0)
        started = "running"  # if the system does not give the start time
        started = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[19]
    return f"{socket.gethostname()} {number} {started}"
