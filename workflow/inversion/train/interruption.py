"""Signals that ask a training to save and stop, before a time limit or a preemption ends it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

SIGNALS = (signal.SIGUSR1, signal.SIGTERM)
"""SIGUSR1 comes some minutes before a job's time limit where Slurm is asked for it; SIGTERM shortly before a kill."""


class Interrupted(RuntimeError):
    """The training was asked to stop; it has saved where it is and continues from there when it is run again."""


@contextmanager
def listening() -> Iterator[Callable[[], bool]]:
    """A function that says whether one of :data:`SIGNALS` has come to any process of the group.

    All of them must call it together. Until the block ends the signals do nothing else. Main thread only.
    """
    came: list[int] = []
    previous = {number: signal.signal(number, lambda number, _: came.append(number)) for number in SIGNALS}
    try:
        yield lambda: _any_process(bool(came))
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _any_process(flag: bool) -> bool:
    if not torch.distributed.is_initialized():
        return flag
    flags = torch.tensor(int(flag))
    torch.distributed.all_reduce(flags, op=torch.distributed.ReduceOp.MAX)
    return bool(flags)
