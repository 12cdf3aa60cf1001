"""Runs one finetuning run in several processes, one per GPU (or several on CPUs, through gloo)."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

import inversion
from inversion.train.interruption import Interrupted
from inversion.train.store import CheckpointStore

if TYPE_CHECKING:
    from inversion.train.finetune import Job

logger = logging.getLogger(__name__)

FAILURE = "failure.txt"
INTERRUPTED = "interrupted.txt"

SHUTDOWN_S = 3600
"""Seconds that processes have to finish their step and save after they are told to stop. The launcher's default is 30
seconds. A job that takes too long is ended by the scheduler instead."""


class ProcessesError(RuntimeError):
    """The processes of a run could not be started, or one of them failed. The message says why."""


def requested_gpus(resources: Mapping[str, Any]) -> int:
    """The number of GPUs that a job requested, from its resources ``gpu`` (a number) or ``gres`` (``gpu``, ``gpu:2``,
    ``gpu:a100:2``). Sites use one or the other."""
    gres = str(resources.get("gres") or "").split(":")
    if gres[0] != "gpu":
        return int(resources.get("gpu") or 0)
    return int(gres[-1]) if gres[-1].isdecimal() else 1


def launch(job: Job, processes: int, store: CheckpointStore) -> None:
    """Run ``job`` in ``processes`` processes on this machine, forward their log messages, and wait for them.

    The processes hold the store's lock. If one fails, the others are stopped, and :class:`ProcessesError` is raised
    with its message. Each process handles SIGUSR1 itself, because Slurm sends it to all of them; SIGTERM is forwarded
    to them. After they have saved their state because of a signal, :class:`Interrupted` is raised.
    """
    if torch.cuda.is_available() and torch.cuda.device_count() < processes:
        raise ProcessesError(
            f"the run asks for {processes} GPUs, but {torch.cuda.device_count()} are visible; lower `gpus` under "
            "`training`, or the resource gpu of the profile"
        )
    with tempfile.TemporaryDirectory(prefix=".processes.", dir=store.root) as folder:
        job.write(Path(folder) / "job.json")
        paths = [str(Path(inversion.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
        with (
            subprocess.Popen(
                _command(Path(folder), processes),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
                pass_fds=[] if store.lock is None else [store.lock],
                preexec_fn=lambda: signal.signal(signal.SIGUSR1, signal.SIG_IGN),  # the signal would kill the launcher
            ) as running,
            _forward_signals(running),
        ):
            assert running.stdout is not None
            try:
                for line in running.stdout:
                    logger.info(line.rstrip())
            except BaseException:
                running.terminate()  # stops all processes
                raise
        interrupted = Path(folder) / INTERRUPTED
        if interrupted.exists():
            raise Interrupted(interrupted.read_text())
        if running.returncode:
            failure = Path(folder) / FAILURE
            reason = failure.read_text() if failure.exists() else "the log says more"
            raise ProcessesError(f"training in {processes} processes failed: {reason}")


@contextmanager
def _forward_signals(running: subprocess.Popen[str]) -> Iterator[None]:
    """Within the block, SIGTERM is forwarded to ``running`` and SIGUSR1 is ignored."""
    previous = {
        signal.SIGUSR1: signal.signal(signal.SIGUSR1, signal.SIG_IGN),
        signal.SIGTERM: signal.signal(signal.SIGTERM, lambda *_: running.terminate()),
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _command(folder: Path, processes: int) -> list[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    return [*launcher, "--shutdown-timeout", str(SHUTDOWN_S), "-m", "inversion.train.processes", str(folder)]


def work(folder: Path) -> None:
    """The main function of each process that :func:`launch` starts. The first that fails writes its message to
    ``folder``."""
    from inversion.train.finetune import Job, run_job

    first = os.environ["RANK"] == "0"
    logging.basicConfig(level=logging.INFO if first else logging.ERROR, format="%(message)s", stream=sys.stdout)
    try:
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        torch.distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
        run_job(Job.read(folder / "job.json"))
        torch.distributed.destroy_process_group()
    except Interrupted as error:
        (folder / INTERRUPTED).write_text(str(error))
        raise
    except Exception as error:
        with suppress(FileExistsError), open(folder / FAILURE, "x") as file:
            file.write(str(error))
        raise


if __name__ == "__main__":
    work(Path(sys.argv[1]))
