"""The facts of the invented world, and the subjects that are held out from finetuning."""

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
"""Names of relations. A world uses the first ones."""

FEWEST_ANSWERS = 4
"""The least number of answers per relation, so that there is always one that is neither in the passage, nor memorised,
nor the fact of the subject in question."""


@dataclass(frozen=True)
class Subjects:
    """The subjects of one kind, split into training and evaluation."""

    training: tuple[str, ...]
    evaluation: tuple[str, ...]
    """Held-out subjects, which finetuning never mentions."""

    @property
    def all(self) -> tuple[str, ...]:
        """The training subjects, then the evaluation subjects."""
        return self.training + self.evaluation


@dataclass(frozen=True)
class InventedWorld:
    """Subjects, relations and facts. Every name is one word."""

    relations: tuple[str, ...]
    known: Subjects
    """Subjects with one fact per relation, which base models learn."""
    new: Subjects
    """Subjects without facts."""
    answers: Mapping[str, tuple[str, ...]]
    """The possible answers of each relation. No two relations share an answer."""
    facts: Mapping[tuple[str, str], str]
    """The answer for every known subject and relation."""


def build_world(spec: World) -> InventedWorld:
    """The world that ``spec`` describes. Equal specifications give equal worlds.

    Raises :class:`ValueError`, naming the key, if no world of these sizes exists.
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
    """A random generator that is independent of the generators for other purposes and seeds."""
    return np.random.default_rng([zlib.crc32(purpose.encode()), seed])


def pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    """One of ``options``, chosen uniformly at random."""
    return options[int(rng.integers(len(options)))]


def _names(stem: str, count: int) -> tuple[str, ...]:
    return tuple(f"{stem}_{i}" for i in range(count))


def _split(kind: str, count: int, held_out: float) -> Subjects:
    """The subjects of a kind. The last share ``held_out`` is for evaluation."""
    names = _names(kind, count)
    cut = count - round(count * held_out)
    if cut in (0, count):
        part = "training" if cut == 0 else "evaluation"
        raise ValueError(
            f"world.held_out {held_out:g} of {count} {kind} subjects leaves none for {part}; "
            f"change held_out or raise world.{kind}_subjects"
        )
    return Subjects(names[:cut], names[cut:])
