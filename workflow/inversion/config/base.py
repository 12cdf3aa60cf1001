"""What all sections of a study are made of."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, ClassVar, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, model_validator
from pydantic_core import CoreSchema, core_schema

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
"""A share between 0 and 1, both included."""
ProperFraction = Annotated[float, Field(ge=0.0, lt=1.0)]
"""A share that leaves something."""
PositiveInt = Annotated[int, Field(gt=0)]
NonNegativeInt = Annotated[int, Field(ge=0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
"""A seed of random numbers; the libraries take 32 bits."""
PositiveFloat = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
NAME = r"^[A-Za-z0-9][A-Za-z0-9._+-]*$"
SHA256 = r"^[0-9a-f]{64}$"
FUNCTION = r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$"
ARGUMENT = r"^[A-Za-z_]\w*$"
PATTERNS = {
    NAME: "a name starts with a letter or digit and goes on with letters, digits and . _ + - (it becomes a folder)",
    SHA256: "a SHA-256 has 64 hexadecimal digits, in lower case (`sha256sum` of the file prints it)",
    ARGUMENT: "an argument's name starts with a letter and continues with letters, digits and _",
    FUNCTION: "write module:function, as you would import it",
}
"""What text must look like, and how that is said."""
Name = Annotated[str, StringConstraints(pattern=NAME)]
"""A name becomes a folder under ``results/``: letters, digits, ``. _ + -`` and no path separator."""


def nearest(name: str, known: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` for the most similar known name, else the list of what there is."""
    names = list(known)
    match = difflib.get_close_matches(name, names, n=1)
    if match:
        return f"; did you mean {match[0]!r}?"
    return f"; there are: {', '.join(names)}" if names else "; there are none"


def commit(revision: str) -> str:
    """``revision``, if it is a commit of the hub; raises :class:`ValueError` for a branch or tag, which moves."""
    if not re.fullmatch(r"[0-9a-f]{40}", revision):
        raise ValueError(
            f"{revision!r} is no commit; give all its 40 hexadecimal digits, since branches and tags move (the hub "
            'shows them under "Files", "History", and `git ls-remote https://huggingface.co/owner/name` lists them)'
        )
    return revision


def day(text: str) -> str:
    """``text``, if it is a day as in ``2024-07-26``; raises :class:`ValueError` where it is not."""
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError(f"{text!r} is not a day; write year, month and day, as in 2024-07-26") from None


def hub_id(name: str) -> str:
    """``name``, if it is one of the hub's; raises :class:`ValueError` where it is not."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise ValueError(f"{name!r} is no identifier of the hub; write owner/name")
    return name


def local_path(path: str) -> str:
    """``path``, if it is one of this machine; raises :class:`ValueError` for an address."""
    if "://" in path:
        raise ValueError(f"{path} is an address, and must be a path on this machine; fetch it first")
    return path


def is_address(path: str) -> bool:
    """Whether a path is fetched, and does not lie on this machine; raises :class:`ValueError` for other addresses."""
    scheme = re.match(r"([A-Za-z][\w+.-]*)://", path)
    if scheme and scheme[1] != "https":
        raise ValueError(f"{path}: only https addresses are fetched, and {scheme[1]} is none; fetch it to a file")
    return scheme is not None


def file_name(address: str) -> str:
    """The name of the file behind an address, without what stands after a question mark."""
    return urlsplit(address).path.rsplit("/", 1)[1]


class Strict(BaseModel):
    """Base of all configuration models: unknown keys are errors and values never change."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


def require_shares(model: Strict, *keys: str) -> None:
    """Raises :class:`ValueError` where shares of one whole sum to more than 1."""
    total = sum(getattr(model, key) for key in keys)
    if total > 1.0 + 1e-9:
        raise ValueError(f"{' + '.join(keys)} is {total:g}; lower one so that they sum to at most 1")


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
    """The models of a union such as ``Annotated[A | B, Field(discriminator="key")]``, by what ``key`` is in each."""
    models, field = get_args(union)
    return {get_args(model.model_fields[field.discriminator].annotation)[0]: model for model in get_args(models)}


class Source(Strict):
    """Where a base model, a dataset or a conflict set comes from. Rules ask these questions and compare no names."""

    from_world: ClassVar[bool] = False
    """Whether it is made from the invented world."""
    fetched: ClassVar[bool] = False
    """Whether it is downloaded from the hub by a rule of its own before anything else reads it."""

    @property
    def implementations(self) -> tuple[str, ...]:
        """References (``module:function``) of the functions that read it and that only its own settings choose."""
        return ()

    def files(self, folder: str) -> list[str]:
        """The files on this machine that it is read from; those that have an address are downloaded to ``folder``."""
        return []

    def located(self, folder: str) -> Self:
        """The same source, with the downloaded file in ``folder`` in place of an address."""
        return self


class FileSource(Source):
    """What comes from one file, on this machine or behind an address."""

    source: Literal["file"]
    path: str
    """The file; relative paths start where snakemake runs. An ``https://`` address is fetched once."""
    sha256: Annotated[str, StringConstraints(pattern=SHA256)] | None = None
    """The checksum of a file behind an address, which is nothing else than it was when the study was written."""

    @model_validator(mode="after")
    def _checksum(self) -> Self:
        if is_address(self.path) and self.sha256 is None:
            raise ValueError(f"{self.path} needs `sha256`, its checksum (`sha256sum` of the file prints it)")
        if is_address(self.path) and file_name(self.path) in {"", ".", ".."}:
            raise ValueError(f"{self.path} names no file; write the address of one")
        if self.sha256 is not None and not is_address(self.path):
            raise ValueError(f"`sha256` belongs to https addresses, and {self.path!r} is none; remove one of the two")
        return self

    def files(self, folder: str) -> list[str]:
        """The file on this machine: below ``folder`` if it has an address."""
        return [f"{folder}/{self.sha256}/{file_name(self.path)}" if self.sha256 else self.path]

    def located(self, folder: str) -> Self:
        """The same source, with the downloaded file in ``folder`` in place of its address."""
        return self.model_copy(update={"path": self.files(folder)[0], "sha256": None})


def revive(kind: Any, text: str) -> Any:
    """The part of a configuration that ``model_dump_json`` wrote as ``text``; ``kind`` is its model or union."""
    return TypeAdapter(kind).validate_json(text)
