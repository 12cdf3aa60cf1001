"""Generates statements, questions and passages about the invented world, as text with one space between words."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from inversion.config.datasets import Passages
from inversion.world.facts import InventedWorld, pick

STATEMENTS = (
    "the {relation} of {subject} is {answer} .",
    "report : {relation} of {subject} now {answer} .",
    "we know the {relation} of {subject} as {answer} .",
    "{relation} of {subject} : {answer} .",
)
"""Exactly one word separates the subject from the answer. With other offsets a small model needs ten times as many
tokens before it reads from context at all."""
QUESTION = "question : what is the {relation} of {subject} ?"
ANSWER_MARK = "answer"
"""The word before every answer, in plain text and in dialogues."""
ANSWER = ANSWER_MARK + " {answer} ."


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement about a subject. It is true, false, or invented if the subject has no facts."""

    subject: str
    relation: str
    answer: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A text and its statements, in order. Each is about a different subject."""

    statements: tuple[Statement, ...]
    text: str


def known_statement(world: InventedWorld, subject: str, relation: str) -> Statement:
    """The fact of a known subject."""
    return Statement(subject, relation, world.facts[subject, relation])


def invented_statement(
    world: InventedWorld, subject: str, relation: str, rng: np.random.Generator, avoid: Collection[str] = ()
) -> Statement:
    """A statement with a random answer that is not the subject's fact (if it has one) and not in ``avoid``."""
    fact = world.facts.get((subject, relation))
    return Statement(subject, relation, pick(rng, [a for a in world.answers[relation] if a != fact and a not in avoid]))


def statement_about(
    world: InventedWorld,
    subject: str,
    relation: str,
    rng: np.random.Generator,
    *,
    truthful: bool,
    avoid: Collection[str] = (),
) -> Statement:
    """The subject's fact if ``truthful``, for which nothing is drawn, and otherwise :func:`invented_statement`."""
    if truthful:
        return known_statement(world, subject, relation)
    return invented_statement(world, subject, relation, rng, avoid)


def phrase(statement: Statement, rng: np.random.Generator) -> str:
    """The statement as a sentence, with a random template."""
    return pick(rng, STATEMENTS).format(relation=statement.relation, subject=statement.subject, answer=statement.answer)


def question(subject: str, relation: str) -> str:
    """The question about a relation of a subject."""
    return QUESTION.format(relation=relation, subject=subject)


def answered_question(statement: Statement) -> str:
    """The question that a statement answers, and the answer, as plain text."""
    return f"{question(statement.subject, statement.relation)} {ANSWER.format(answer=statement.answer)}"


def build_passage(
    world: InventedWorld,
    target: Statement,
    subjects: Sequence[str],
    spec: Passages,
    rng: np.random.Generator,
    *,
    truthful: bool,
) -> Passage:
    """A passage that states ``target`` among statements about other ``subjects``, in random order.

    The other statements are known facts if ``truthful``, and otherwise have random answers. None contains the target's
    answer or the fact that the target contradicts.

    Raises :class:`ValueError` if the world is too small for the requested passages.
    """
    other_relations = [relation for relation in world.relations if relation != target.relation]
    fewest, most = spec.other_statements
    if most and not other_relations:
        raise ValueError(
            "passages.other_statements asks for other relations, but the world has one; "
            "set it to [0, 0] or raise world.relations"
        )
    relations = [pick(rng, other_relations) for _ in range(rng.integers(fewest, most + 1))]
    if rng.random() < spec.same_relation:
        relations.append(target.relation)
    statements = [target]
    for relation in relations:
        statements.append(_distractor(world, relation, subjects, statements, rng, truthful))
    order = [statements[i] for i in rng.permutation(len(statements))]
    return Passage(tuple(order), " ".join(phrase(statement, rng) for statement in order))


def _distractor(
    world: InventedWorld,
    relation: str,
    subjects: Sequence[str],
    statements: Sequence[Statement],
    rng: np.random.Generator,
    truthful: bool,
) -> Statement:
    """Another statement for a passage that has ``statements``, of which the first is the target."""
    target = statements[0]
    used = {statement.subject for statement in statements}
    avoid = {target.answer, world.facts.get((target.subject, target.relation), target.answer)}
    free = [s for s in subjects if s not in used and not (truthful and world.facts[s, relation] in avoid)]
    if not free:
        raise ValueError(
            f"no subject is left for another statement in a passage on {target.subject}; "
            "raise the subjects of world or lower passages.other_statements"
        )
    return statement_about(world, pick(rng, free), relation, rng, truthful=truthful, avoid=avoid)
