"""Builds conflict sets and their controls from the held-out subjects of the invented world."""

from __future__ import annotations

import itertools

import numpy as np

from inversion.config.sets import WorldSet
from inversion.records.data import ConflictItem
from inversion.world.facts import InventedWorld, generator
from inversion.world.text import build_passage, question, statement_about

_ATTEMPTS = 100


def world_items(world: InventedWorld, spec: WorldSet, name: str) -> list[ConflictItem]:
    """The items of the set ``name``, with the ids ``{name}-000000`` and so on. All are different.

    Pairs of subject and relation take turns in random order, so their counts differ by at most one. Items about the
    same pair are a cluster and have different passages.

    Raises :class:`ValueError` if the world is too small for the requested items or passages.
    """
    rng = generator(f"set {spec.kind}", spec.seed)
    subjects = _subjects(world, spec)
    pairs = [(subject, relation) for subject in subjects for relation in world.relations]
    turns = [pairs[i] for i in rng.permutation(len(pairs))]
    items: list[ConflictItem] = []
    seen: set[tuple[str, str, str | None]] = set()
    for subject, relation in itertools.islice(itertools.cycle(turns), spec.items):
        draws = (_context(world, spec, subject, relation, rng) for _ in range(_ATTEMPTS))
        drawn = next((draw for draw in draws if (subject, relation, draw[0]) not in seen), None)
        if drawn is None:
            raise ValueError(
                f"sets.{name}: the world gives {len(items)} different items of kind {spec.kind!r}, not {spec.items}; "
                f"set items to at most {len(items)} or raise the subjects of world"
            )
        context, answer = drawn
        seen.add((subject, relation, context))
        fact = world.facts.get((subject, relation))
        items.append(
            ConflictItem(
                item_id=f"{name}-{len(items):06d}",
                set=name,
                role="conflict" if spec.kind == "conflict" else "control",
                question=question(subject, relation),
                context=context,
                context_answers=[] if answer is None else [answer],
                parametric_answers=[] if fact is None else [fact],
                cluster=f"{subject}/{relation}",
                stratum=relation,
                subject=subject,
            )
        )
    return items


def _subjects(world: InventedWorld, spec: WorldSet) -> tuple[str, ...]:
    return (world.new if spec.kind == "new_facts" else world.known).evaluation


def _context(
    world: InventedWorld, spec: WorldSet, subject: str, relation: str, rng: np.random.Generator
) -> tuple[str | None, str | None]:
    """A passage and its answer, or two None for ``recall``."""
    if spec.kind == "recall":
        return None, None
    truthful = spec.kind == "matching"
    statement = statement_about(world, subject, relation, rng, truthful=truthful)
    passage = build_passage(world, statement, _subjects(world, spec), spec.passages, rng, truthful=truthful)
    return passage.text, statement.answer
