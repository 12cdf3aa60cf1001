"""What every job of the workflow has in common: a log for people, errors as one line."""

from __future__ import annotations

import errno
import logging
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SPARE_BYTES = 2**16
"""With less on a disk, a job that failed did so for want of space."""


@contextmanager
def logged(path: str | Path) -> Iterator[None]:
    """Send log records and warnings of the block to the file ``path``.

    An error ends the process with status 1: its traceback stands in the log, its message as one line
    at the end of the log and on the error stream. That a disk is full is said in the same words, whichever
    library could not write.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        filename=path, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", force=True, encoding="utf-8"
    )
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # a log that cannot be written is no reason to bury the error under another
    # it logs every request, and the addresses of gated files on the hub are signed
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    try:
        yield
    except BaseException as error:
        # a panic of a library in Rust is no Exception, and would end in a traceback that no log shows
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        logging.exception("the job failed")
        message = " ".join(str(error).split()) or type(error).__name__
        if _disk_is_full(error, Path(path).parent):
            message = (
                f"no space left on the disk of {path} ({message}); free some and run it again: what is whole stays"
            )
        logging.error(message)
        sys.exit(f"error: {message}")
    finally:
        logging.shutdown()


def _disk_is_full(error: BaseException | None, folder: Path) -> bool:
    """Whether ``error``, or one behind it, comes of a full disk or quota; some libraries only say that they failed."""
    while error is not None:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left on device" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return shutil.disk_usage(folder).free < SPARE_BYTES
