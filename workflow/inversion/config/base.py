"""Types, checks and base classes that all sections of a study share."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, ClassVar, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, model_validator
from pydantic_core import CoreSchema, core_schema

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
"""A share between 0 and 1, both included."""
ProperFraction = Annotated[float, Field(ge=0.0, lt=1.0)]
"""A share of at least 0 and less than 1."""
LARGEST_COUNT = 10**7
"""The largest number of steps, rows, tokens or items that a study may set."""
LARGEST_STEP = 10**15
"""The largest number of a step: tables store 64-bit integers, and figures are exact up to 53 bits."""


def _at_most(largest: int) -> AfterValidator:
    def check(number: int) -> int:
        if number > largest:
            raise ValueError(f"{number} is more than {largest}, the largest value allowed; check its digits")
        return number

    return AfterValidator(check)


PositiveInt = Annotated[int, Field(gt=0), _at_most(LARGEST_COUNT)]
NonNegativeInt = Annotated[int, Field(ge=0), _at_most(LARGEST_COUNT)]
Step = Annotated[int, Field(ge=0), _at_most(LARGEST_STEP)]
"""The position of a checkpoint on the axis: a step, or tokens, of a training elsewhere."""
Seed = Annotated[int, Field(ge=0, lt=2**32)]
"""A seed for random numbers; the libraries accept 32 bits."""
PositiveFloat = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
NAME = r"^[A-Za-z0-9][A-Za-z0-9._+-]*$"
LONGEST_NAME = 64
"""The maximum number of characters of a name. A part of a path has at most 255 bytes on most file systems, and Slurm's
executor puts all wildcards of a job (model, dataset, recipe, seed, and a chunk or probe) into one part."""
SHA256 = r"^[0-9a-f]{64}$"
FUNCTION = r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$"
ARGUMENT = r"^[A-Za-z_]\w*$"
LONGEST_FILE_NAME = 200
"""The maximum number of bytes of a downloaded file's name. It leaves room for longer temporary names."""
PATTERNS = {
    NAME: "a name starts with a letter or digit and continues with letters, digits and . _ + - (it becomes a folder)",
    SHA256: "a SHA-256 has 64 hexadecimal digits, in lower case (`sha256sum` of the file prints it)",
    ARGUMENT: "an argument's name starts with a letter and continues with letters, digits and _",
    FUNCTION: "write module:function, as you would import it",
}
"""The patterns that text must match, and the error message for each."""
Name = Annotated[str, StringConstraints(pattern=NAME, max_length=LONGEST_NAME)]
"""A name becomes a folder under ``results/``. It consists of letters, digits and ``. _ + -``."""


def nearest(name: str, known: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` for the most similar known name, or else the list of known names."""
    names = list(known)
    match = difflib.get_close_matches(name, names, n=1)
    if match:
        return f"; did you mean {match[0]!r}?"
    return f"; there are: {', '.join(names)}" if names else "; there are none"


def commit(revision: str) -> str:
    """``revision``, if it is a commit of the Hub; raises :class:`ValueError` for a branch or tag, which can move."""
    if not re.fullmatch(r"[0-9a-f]{40}", revision):
        raise ValueError(
            f"{revision!r} is not a commit; give all its 40 hexadecimal digits, since branches and tags move (the Hub "
            'shows them under "Files", "History", and `git ls-remote https://huggingface.co/owner/name` lists them)'
        )
    return revision


def day(text: str) -> str:
    """``text``, if it is a date such as ``2024-07-26``; raises :class:`ValueError` otherwise."""
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError(f"{text!r} is not a date; write year, month and day, as in 2024-07-26") from None


def hub_id(name: str) -> str:
    """``name``, if it is a Hub repository id; raises :class:`ValueError` otherwise."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise ValueError(f"{name!r} is not a repository id of the Hub; write owner/name")
    return name


def local_path(path: str) -> str:
    """``path``, if it is a local path; raises :class:`ValueError` for a URL, an empty path, and a path that needs shell
    expansion or contains characters that cannot be printed."""
    if not path.strip():
        raise ValueError("the path is empty; name a file or folder, or remove the key")
    if path.startswith("~"):
        expanded = os.path.expanduser(path)
        fix = expanded if expanded != path else "the path from the root of the file system"
        raise ValueError(f"only a shell knows what `~` in {path} means; write {fix}")
    if not path.isprintable():
        raise ValueError(f"{path!r} contains a character that cannot be printed; type the path again")
    if "://" in path:
        raise ValueError(f"{path} is a URL, but this key needs a local path; download the file first")
    return path


def is_address(path: str) -> bool:
    """Whether ``path`` is an https URL and not a local path; raises :class:`ValueError` for other URLs."""
    scheme = re.match(r"([A-Za-z][\w+.-]*)://", path)
    if scheme and scheme[1] != "https":
        raise ValueError(f"{path}: only https URLs are downloaded, not {scheme[1]}; download it and give the path")
    return scheme is not None


def file_name(address: str) -> str:
    """The file name in a URL, without the query string."""
    return urlsplit(address).path.rsplit("/", 1)[1]


class Strict(BaseModel):
    """Base of all configuration models: unknown keys are errors and values never change."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


def names_differing_in_case(names: Iterable[str]) -> tuple[str, str] | None:
    """The first two different names that are the same folder on file systems that ignore case; None if there are
    none."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.lower(), name)
        if other != name:
            return other, name
    return None


def require_shares(model: Strict, *keys: str) -> None:
    """Raise :class:`ValueError` if shares of the same whole sum to more than 1."""
    total = sum(getattr(model, key) for key in keys)
    if total > 1.0 + 1e-9:
        raise ValueError(f"{' + '.join(keys)} is {total:g}; lower one so that they sum to at most 1")


def require_shorter_warmup(warmup: int, steps: int, where: str) -> None:
    """Raise :class:`ValueError` if a warm-up takes all ``steps``, so that the learning rate is never reached; ``where``
    says in the message what determines the number of steps."""
    if warmup >= steps:
        raise ValueError(
            f"warmup_steps {warmup} would take all {steps} steps ({where}); lower it below {steps}"
            if steps > 1
            else f"warmup_steps is {warmup}, and there is one step only ({where}); set it to 0"
        )


@dataclass(frozen=True, slots=True)
class OneOf:
    """Marks a string of the configuration that must be a key of a table: ``Annotated[str, OneOf(TABLE)]``.

    Checks, errors and the JSON schema are those of a ``Literal`` with the table's keys.
    """

    table: Iterable[str]

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        """The schema of a literal; pydantic calls this."""
        return core_schema.literal_schema(list(self.table))


def members(union: Any) -> dict[str, Any]:
    """The models of a union such as ``Annotated[A | B, Field(discriminator="key")]``, by their value of ``key``."""
    models, field = get_args(union)
    return {get_args(model.model_fields[field.discriminator].annotation)[0]: model for model in get_args(models)}


class Source(Strict):
    """Where a base model, a dataset or a conflict set comes from. Rules read these properties instead of the type."""

    from_world: ClassVar[bool] = False
    """Whether it is generated from the invented world."""
    fetched: ClassVar[bool] = False
    """Whether a separate rule downloads it from the Hub before anything else reads it."""

    @property
    def implementations(self) -> tuple[str, ...]:
        """References (``module:function``) of the functions that read it, if they depend on its settings."""
        return ()

    def files(self, folder: str) -> list[str]:
        """The local files that it is read from; files at a URL are downloaded to ``folder``."""
        return []

    def with_downloads_in(self, folder: str) -> Self:
        """The same source, with the downloaded file in ``folder`` in place of a URL."""
        return self


class FileSource(Source):
    """Data in one file, local or at a URL."""

    source: Literal["file"]
    path: str
    """The file; relative paths start where snakemake runs. An ``https://`` URL is downloaded once."""
    sha256: Annotated[str, StringConstraints(pattern=SHA256)] | None = None
    """The checksum of a file at a URL, so that its content cannot change after the study was written."""

    @model_validator(mode="after")
    def _checksum(self) -> Self:
        if not is_address(self.path):
            local_path(self.path)
        elif self.sha256 is None:
            raise ValueError(f"{self.path} needs `sha256`; add its checksum, as `sha256sum` of the file prints it")
        if is_address(self.path) and file_name(self.path) in {"", ".", ".."}:
            raise ValueError(f"{self.path} does not name a file; write the URL of a file")
        if is_address(self.path) and len(file_name(self.path).encode()) > LONGEST_FILE_NAME:
            raise ValueError(
                f"the file name in {self.path[:60]}... is longer than {LONGEST_FILE_NAME} bytes, which few file "
                "systems support; download it yourself, under a shorter name"
            )
        if self.sha256 is not None and not is_address(self.path):
            raise ValueError(f"`sha256` is for https URLs, but {self.path!r} is a local path; remove one of the two")
        return self

    def files(self, folder: str) -> list[str]:
        """The local file: below ``folder`` if it is downloaded from a URL."""
        return [f"{folder}/{self.sha256}/{file_name(self.path)}" if self.sha256 else self.path]

    def with_downloads_in(self, folder: str) -> Self:
        """The same source, with the downloaded file in ``folder`` in place of its URL."""
        return self.model_copy(update={"path": self.files(folder)[0], "sha256": None})


def config_from_json(kind: Any, text: str) -> Any:
    """The part of a configuration that ``model_dump_json`` wrote as ``text``; ``kind`` is its model or union."""
    return TypeAdapter(kind).validate_json(text)
