"""The facts of the invented world and who is held out from finetuning."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from inversion.config.world import World

T = TypeVar("T")

RELATIONS = (
    "capital",
    "language",
    "currency",
    "anthem",
    "river",
    "mountain",
    "dish",
    "sport",
    "bird",
    "flower",
    "color",
    "instrument",
)
"""Names of relations; a world uses the first few."""

FEWEST_ANSWERS = 4
"""So that there is always one that is neither a passage's, nor memory's, nor the fact of the subject in question."""


@dataclass(frozen=True)
class Subjects:
    """The subjects of one kind, by what they are for."""

    training: tuple[str, ...]
    evaluation: tuple[str, ...]
    """Held out: finetuning never mentions them."""

    @property
    def all(self) -> tuple[str, ...]:
        """Those for training, then those for evaluation."""
        return self.training + self.evaluation


@dataclass(frozen=True)
class InventedWorld:
    """Subjects, relations and facts; every name is one word."""

    relations: tuple[str, ...]
    known: Subjects
    """Subjects with one fact a relation, which base models learn."""
    new: Subjects
    """Subjects without facts."""
    answers: Mapping[str, tuple[str, ...]]
    """The possible answers of each relation; no two relations share one."""
    facts: Mapping[tuple[str, str], str]
    """The answer for every known subject and relation."""


def build_world(spec: World) -> InventedWorld:
    """The world that ``spec`` describes; equal specifications give equal worlds.

    Raises :class:`ValueError`, naming the key, for sizes of which no world can be made.
    """
    if spec.relations > len(RELATIONS):
        raise ValueError(f"world.relations is {spec.relations}, but there are names for {len(RELATIONS)}; lower it")
    if spec.answers < FEWEST_ANSWERS:
        raise ValueError(f"world.answers is {spec.answers}; raise it to at least {FEWEST_ANSWERS}")
    rng = generator("facts", spec.seed)
    relations = RELATIONS[: spec.relations]
    answers = {relation: _names(relation, spec.answers) for relation in relations}
    known = _split("known", spec.known_subjects, spec.held_out)
    new = _split("new", spec.new_subjects, spec.held_out)
    facts = {(subject, relation): pick(rng, answers[relation]) for subject in known.all for relation in relations}
    return InventedWorld(relations, known, new, answers, facts)


def generator(purpose: str, seed: int) -> np.random.Generator:
    """A random generator whose draws are independent of those for another purpose or seed."""
    return np.random.default_rng([zlib.crc32(purpose.encode()), seed])


def pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    """One of ``options``, all equally likely."""
    return options[int(rng.integers(len(options)))]


def _names(stem: str, count: int) -> tuple[str, ...]:
    return tuple(f"{stem}_{i}" for i in range(count))


def _split(kind: str, count: int, held_out: float) -> Subjects:
    """The subjects of a kind; the last ``held_out`` share is for evaluation."""
    names = _names(kind, count)
    cut = count - round(count * held_out)
    if cut in (0, count):
        part = "training" if cut == 0 else "evaluation"
        raise ValueError(
            f"world.held_out {held_out:g} of {count} {kind} subjects leaves none for {part}; "
            f"change held_out or raise world.{kind}_subjects"
        )
    return Subjects(names[:cut], names[cut:])
