"""Limits the time and memory of untrusted code, such as a chat template, which can loop or grow without end."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

if sys.platform != "win32":
    import resource

_STATM = "/proc/self/statm"
"""The file that contains how many pages of memory the process has mapped (Linux)."""


class ResourceLimitError(Exception):
    """Code exceeded its limit of time or memory."""


@contextmanager
def resource_limits(seconds: float, memory: int) -> Iterator[None]:
    """Raise :class:`ResourceLimitError` in the block if it takes ``seconds`` of CPU time or ``memory`` more bytes.

    CPU time is limited, so a busy machine does not cause an error. The time limit works in the main thread only, and
    takes effect between two Python instructions. The memory limit works on Linux only. After the block the previous
    limits of the process are restored.
    """
    with _timer(seconds), _address_space(memory):
        try:
            yield
        except MemoryError:
            raise ResourceLimitError(f"it needs more than {memory // 2**20} MiB of memory") from None


@contextmanager
def _timer(seconds: float) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def expired(_: int, __: FrameType | None) -> None:
        raise ResourceLimitError(f"it was not done after {seconds:g} seconds")

    handler = signal.signal(signal.SIGVTALRM, expired)
    timer = signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, *timer)
        signal.signal(signal.SIGVTALRM, handler)


@contextmanager
def _address_space(memory: int) -> Iterator[None]:
    try:
        with open(_STATM, "rb", buffering=0) as file:
            pages = int(file.read().split()[0])
    except OSError:  # not Linux
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = pages * resource.getpagesize() + memory
    if soft != resource.RLIM_INFINITY:
        limit = min(limit, soft)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
