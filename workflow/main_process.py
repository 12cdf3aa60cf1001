"""Adjustments of Snakemake's main process for this workflow: errors of one line, and one command per folder.

As a program, ``python workflow/main_process.py`` removes the lock that a killed command left in the current folder.
It never removes the lock of a command that is running.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from snakemake_interface_common.exceptions import WorkflowError as SnakemakeError

from inversion import locks

LOCK = Path(".snakemake/main-process.lock")
"""The lock of the command that runs jobs in a folder. It is released however that process ends."""

SNAKEMAKE_LOCKS = Path(".snakemake/locks")
"""Snakemake's own lock. It consists of files that remain if the process is killed."""


CHEAPER_JOBS = {
    # Every torch operation allocates a few megabytes. By default glibc returns them to the kernel and faults them in
    # again page by page. A training step of a tiny Llama causes 3,045 page faults, but 774 with these settings, which
    # keep up to 256 MiB of freed memory per process.
    "MALLOC_MMAP_THRESHOLD_": str(2**25),
    "MALLOC_TRIM_THRESHOLD_": str(2**28),
    # peft imports bitsandbytes, which applies torch.compile to its functions. This takes about a second in each process
    # that trains or loads adapters, and is not needed.
    "TORCHDYNAMO_DISABLE": "1",
}
"""Environment variables that save time in jobs and do not change results. Values set by the user take precedence."""


class UserError(SnakemakeError):
    """An error that the user can fix. Snakemake prints it as one line, without locations in the workflow."""

    def __init__(self, message: str) -> None:
        super().__init__(f"error: {message}")

    @property
    def __traceback__(self) -> TracebackType | None:  # type: ignore[override]
        return None

    @__traceback__.setter
    def __traceback__(self, value: TracebackType | None) -> None:
        pass


@contextmanager
def one_line(error: type[Exception]) -> Iterator[None]:
    """Convert errors of the type ``error`` in the block to :class:`UserError`."""
    try:
        yield
    except error as fault:
        raise UserError(str(fault)) from None


class FolderLockedError(UserError):
    """Another command uses the folder, or one was killed in it. Replaces Snakemake's ``LockException``."""

    def __init__(self) -> None:
        process = running_process()
        if process:
            message = f"another command is running in {os.getcwd()} ({process}); wait until it ends, or stop it"
        else:
            message = (
                f"a command was killed in {os.getcwd()} and its lock is still there; remove the lock with "
                f"`snakemake --unlock --directory {os.getcwd()}` and repeat your command: it resumes"
            )
        super().__init__(message)


# Snakemake prints these names, and the user need not know ours
UserError.__name__ = FolderLockedError.__name__ = SnakemakeError.__name__


def running_process() -> str | None:
    """The command that runs jobs in this folder; None if there is none."""
    if not locks.is_held(LOCK):
        return None
    return locks.owner(LOCK) or LOCK.read_text().strip() or "unknown process"


def has_record(path: Path) -> bool:
    """Whether Snakemake has a metadata record of the file ``path`` in this folder.

    The name of a record is the path in base 64. Snakemake splits names that are too long for a file name.
    """
    name, most = urlsafe_b64encode(str(path).encode()).decode(), os.pathconf(".", "PC_NAME_MAX") - 1
    *folders, file = (name[start : start + most] for start in range(0, len(name), most))
    return Path(".snakemake/metadata", *(f"@{folder}" for folder in folders), file).is_file()


_held: TextIO | None = None


def hold_folder() -> None:
    """Lock this folder until the current process ends. Raises :class:`FolderLockedError` if another process has locked
    it.

    Snakemake's own lock is not sufficient: two commands that start within the same second both get it, and the first to
    end removes it for both.
    """
    global _held
    lock = open(LOCK, "a+")  # noqa: SIM115 (open as long as the process)
    for attempt in range(10):
        if locks.acquire(lock):
            break
        if attempt == 9:
            raise FolderLockedError
        time.sleep(0.1)  # another command may only be looking
    lock.truncate(0)
    lock.write(f"process {os.getpid()} on {socket.gethostname()}\n")
    lock.flush()
    _held = lock


def drop_default_limit(scheduler: Any) -> None:
    """Remove Snakemake's default limit of 100 jobs per second. A limit that the user set is kept.

    The limit wakes the scheduler every second, once more for each finished job. After a few hundred jobs this takes
    half a core.
    """
    limiter = scheduler.job_rate_limiter
    if limiter is not None and (limiter.max_jobs, limiter.timespan) == (100, 1):
        scheduler.job_rate_limiter = None


def remove_stale_lock() -> bool:
    """Remove Snakemake's lock in this folder if it is certain that no command runs here. Returns whether there was
    one."""
    if not SNAKEMAKE_LOCKS.is_dir() or not any(SNAKEMAKE_LOCKS.iterdir()) or running_process():
        return False
    shutil.rmtree(SNAKEMAKE_LOCKS)
    return True


if __name__ == "__main__":
    if remove_stale_lock():
        print("removed the lock of a command that was killed", file=sys.stderr)
