"""Bounds on what a program from elsewhere may use: a chat template is one, and may loop or grow without end."""

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
"""Tells how many pages of memory the process has mapped."""


class BoundError(Exception):
    """What ran took more time or memory than it may."""


@contextmanager
def bounded(seconds: float, memory: int) -> Iterator[None]:
    """Raise :class:`BoundError` in the block once it has computed for ``seconds`` or needs ``memory`` bytes more.

    Time is that of the processor, so that a busy machine is not a fault of the block. It is bounded in the main thread,
    between two instructions of Python; memory where the system tells how much there is in use (Linux). Both limits
    are those of the process from before when the block ends.
    """
    with _timer(seconds), _address_space(memory):
        try:
            yield
        except MemoryError:
            raise BoundError(f"it needs more than {memory // 2**20} MiB of memory") from None


@contextmanager
def _timer(seconds: float) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def expired(_: int, __: FrameType | None) -> None:
        raise BoundError(f"it was not done after {seconds:g} seconds")

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
    except OSError:  # no Linux
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
