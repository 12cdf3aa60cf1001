"""What every job of the workflow has in common: a log for people, errors as one line."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def logged(path: str | Path) -> Iterator[None]:
    """Send log records and warnings of the block to the file ``path``.

    An error ends the process with status 1: its traceback stands in the log, its message as one line
    at the end of the log and on the error stream.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        filename=path, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", force=True, encoding="utf-8"
    )
    logging.captureWarnings(True)
    # it logs every request, and the addresses of gated files on the hub are signed
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    try:
        yield
    except Exception as error:
        logging.exception("the job failed")
        message = " ".join(str(error).split()) or type(error).__name__
        logging.error(message)
        sys.exit(f"error: {message}")
    finally:
        logging.shutdown()
