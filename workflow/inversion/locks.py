"""Locks between processes, also on file systems without ``flock`` (Lustre and NFS, as some sites mount them)."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import socket
from pathlib import Path
from typing import TextIO

_held: set[Path] = set()
"""The files that stand for locks of this process if there is no ``flock``."""


def take(lock: TextIO) -> bool:
    """Take the lock of an open file until :func:`release` or the end of the process; False if another process has it.

    The kernel lets go of it when the process dies, however it dies. On a file system without ``flock`` a second file
    next to it stands for the lock: one that its process left behind on this machine is removed, and one of another
    machine counts as held (:func:`owner`).
    """
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return _take_file(_stand_in(lock.name))
    return True


def release(lock: TextIO) -> None:
    """Let go of a lock that :func:`take` took; closing the file does the same where there is ``flock``."""
    _remove(_stand_in(lock.name))


def is_held(path: str | Path) -> bool:
    """Whether a process has the lock of the file ``path``."""
    with open(path, "a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return _is_alive(_stand_in(path))
    return False


def owner(path: str | Path) -> str | None:
    """Who has the lock of the file ``path`` on a file system without ``flock``, and what to do if they are gone; None
    elsewhere, where the lock of a dead process is free."""
    file = _stand_in(path)
    try:
        host, process, *_ = *file.read_text().split(), "unknown", "unknown"
    except OSError:
        return None
    return (
        f"process {process} on {host}; this file system has no flock, so delete {file} if that process has ended on "
        "another machine"
    )


def _stand_in(path: str | Path) -> Path:
    return Path(f"{path}.held")


def _take_file(file: Path) -> bool:
    """Make ``file``, which nobody else has made; after a process of this machine that is gone, again."""
    for _ in range(2):
        try:
            with open(file, "x") as stand_in:
                stand_in.write(_process(os.getpid()))
        except FileExistsError:
            if _is_alive(file):
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


def _is_alive(file: Path) -> bool:
    """Whether the process that made ``file`` may still run: surely not if it was one of this machine and is gone."""
    try:
        written = file.read_text().split()
    except FileNotFoundError:
        return False
    if len(written) != 3 or written[0] != socket.gethostname() or not written[1].isdecimal():
        return True
    return _process(int(written[1])).split() == written


def _process(number: int) -> str:
    """This machine, a process and when it started, without which another process may have its number by now."""
    started = "gone"
    with contextlib.suppress(OSError):
        os.kill(number, 0)
        started = "running"  # where the system does not tell since when
        started = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[19]
    return f"{socket.gethostname()} {number} {started}"
