"""Handles the signals that ask a run to save and stop before a time limit or a preemption."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

SIGNALS = (signal.SIGUSR1, signal.SIGTERM)
"""Slurm can send SIGUSR1 some minutes before a job's time limit, and sends SIGTERM shortly before it kills the job."""


class Interrupted(RuntimeError):
    """The run was asked to stop. It has saved its state, and resumes from it when it is started again."""


@contextmanager
def listening() -> Iterator[Callable[[], bool]]:
    """A function that returns whether any process of the group has received one of :data:`SIGNALS`.

    All processes must call the function together. Within the block the signals have no other effect. It works in the
    main thread only.
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
