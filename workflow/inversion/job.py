"""Setup that all jobs of the workflow share: a readable log, and errors as one line.

Scripts import this module first, so that errors outside :func:`logged` are handled too, such as an import that runs out
of memory.
"""

from __future__ import annotations

import errno
import faulthandler
import gc
import logging
import shutil
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

# Importing torch, transformers and peft creates half a million objects, none of which is garbage. Garbage collection
# therefore begins in :func:`logged` and ignores them, which saves 9 % of a short finetuning job's CPU time.
gc.disable()

SPARE_BYTES = 2**16
"""If less space than this is free on the disk, a job is assumed to have failed because of it."""
STOPPING = ("SIGTERM", "SIGHUP", "SIGXCPU")
"""Signals that end a job unless something else handles them. SIGINT already raises :class:`KeyboardInterrupt`."""


class StoppedError(BaseException):
    """The job was stopped by a signal. It is not an :class:`Exception`, so that code that catches exceptions does not
    catch it."""


@contextmanager
def logged(path: str | Path) -> Iterator[None]:
    """Send log records and warnings of the block to the file ``path``.

    An error ends the process with status 1, and a signal of :data:`STOPPING` with status 128 plus its number. The
    traceback is written to the log, and the message as one line to the end of the log and to stderr. A full disk or a
    lack of memory always gives the same message, whichever library failed. If a library crashes the process (a
    segmentation fault, an abort), the log says where.
    """
    gc.freeze()
    gc.enable()
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        filename=path, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", force=True, encoding="utf-8"
    )
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # a log that cannot be written must not hide the original error
    # this logger logs every request, and the addresses of gated files on the Hub contain signatures
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    try:
        with _fatal_signals_to(path), _stopped_by_signals():
            yield
    except (Exception, StoppedError, KeyboardInterrupt) as error:
        _end(error, path)
    except BaseException as error:
        # a panic of a Rust library is not an Exception, and its traceback would not be in the log
        if type(error).__name__ != "PanicException":
            raise
        _end(error, path)
    finally:
        logging.shutdown()


def _end(error: BaseException, path: str | Path) -> None:
    """Write the error to the job's log, print it as one line on stderr, and exit."""
    logging.error("the job failed", exc_info=error)
    message = _message(error, Path(path))
    logging.error(message)
    print(f"error: {message}", file=sys.stderr)
    number = error.args[0] if isinstance(error, StoppedError) else signal.SIGINT
    sys.exit(128 + number if isinstance(error, StoppedError | KeyboardInterrupt) else 1)


def _message(error: BaseException, log: Path) -> str:
    """The error as one line with the fix. ``log`` is the path of the job's log."""
    if isinstance(error, StoppedError | KeyboardInterrupt):
        name = signal.Signals(error.args[0]).name if isinstance(error, StoppedError) else "SIGINT"
        return f"the job was stopped by {name} before it had finished; run it again: complete files are kept"
    message = " ".join(str(error).split()) or type(error).__name__
    if _memory_is_full(error):
        return (
            f"no memory left ({message}); give the job more (`mem_mb` of its rule, `ulimit -v` of the shell) and run "
            "it again: complete files are kept"
        )
    if _disk_is_full(error, log.parent):
        return f"no space left on the disk of {log} ({message}); free some and run it again: complete files are kept"
    return message


@contextmanager
def _fatal_signals_to(path: str | Path) -> Iterator[None]:
    """Let the interpreter write a traceback to the file ``path`` if a library crashes the process (SIGSEGV,
    SIGABRT)."""
    with open(path, "a", encoding="utf-8") as log:
        faulthandler.enable(log)
        try:
            yield
        finally:
            faulthandler.disable()


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Raise :class:`StoppedError` in the block for signals of :data:`STOPPING` that would otherwise end the process."""

    def stop(number: int, _: FrameType | None) -> None:
        raise StoppedError(number)

    numbers = [number for name in STOPPING if (number := getattr(signal, name, None)) is not None]
    if threading.current_thread() is not threading.main_thread():
        numbers = []
    replaced = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    for number in replaced:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in replaced:
            signal.signal(number, signal.SIG_DFL)


def _memory_is_full(error: BaseException | None) -> bool:
    """Whether ``error`` or one of its causes is due to a lack of memory, for which every library has another
    message."""
    messages = ("not enough memory", "cannot allocate memory", "out of memory", "failed to map segment", "bad_alloc")
    while error is not None:
        if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
            return True
        if any(words in str(error).lower() for words in messages):
            return True
        error = error.__cause__ or error.__context__
    return False


def _disk_is_full(error: BaseException | None, folder: Path) -> bool:
    """Whether ``error`` or one of its causes is due to a full disk or quota. Some libraries do not name the reason, so
    the free space is checked too."""
    while error is not None:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left on device" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return shutil.disk_usage(folder).free < SPARE_BYTES


def _outside_of_logged(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> Any:
    """Replaces Python's report of an uncaught error in the imports of a script, before logging begins, by one line and
    a log."""
    job = getattr(sys.modules.get("__main__"), "snakemake", None)
    if job is None or not getattr(job, "log", None):
        return sys.__excepthook__(kind, error, trace)
    path = Path(job.log[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    message = _message(error, path)
    with open(path, "a", encoding="utf-8") as log:
        log.write(f"{''.join(traceback.format_exception(kind, error, trace))}{message}\n")
    print(f"error: {message}", file=sys.stderr)
    return None


sys.excepthook = _outside_of_logged
