"""A case of bad input, and the one-line error in which it ends."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path

FOLDER = "/home/me/study"
"""The page's name for the folder in which a case is made."""


@dataclass(frozen=True)
class Case:
    """One kind of bad input."""

    what: str
    """What happened, in the words of a person."""
    cause: Callable[[], object]
    """Makes the input in the working directory, which is empty, and reads it as a study does."""
    fix: str | None = None
    """How to fix it, if the line does not say so after a semicolon."""


@dataclass(frozen=True)
class Section:
    """Cases about one kind of input."""

    title: str
    says: str
    """When these lines are shown."""
    cases: list[Case]


@dataclass(frozen=True)
class Outcome:
    """The result of a case."""

    line: str
    """The line that is shown after ``error:``."""
    fix: str


class NotRefusedError(AssertionError):
    """Bad input was accepted, or ended in something other than a one-line error."""


def outcome(case: Case) -> Outcome:
    """The line in which ``case`` ends. Raises :class:`NotRefusedError` if there is none."""
    with _empty_folder() as folder:
        try:
            case.cause()
        except Exception as error:
            if not (type(error).__module__.startswith("inversion.") or type(error) in (ValueError, SystemExit)):
                raise NotRefusedError(f"{case.what}: ends in {type(error).__name__}: {error}") from error
            line = " ".join(str(error).split()).replace(folder, FOLDER)
            line = re.sub(r"process \d+ on [^);]+", "process 4711 on node1", line)
        else:
            raise NotRefusedError(f"{case.what}: was taken")
    fix = case.fix or re.sub(r"^did you mean (.+)\?$", r"write \1", line.partition("; ")[2])
    if not fix:
        raise NotRefusedError(f"{case.what}: no fix, neither in the line nor in the case: {line}")
    return Outcome(line, fix)


@contextmanager
def _empty_folder() -> Iterator[str]:
    """An empty working directory."""
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        yield os.path.realpath(folder)


def write(path: str, content: str | bytes) -> str:
    """Write a file in the working directory, and return ``path``."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(content.encode() if isinstance(content, str) else content)
    return path
