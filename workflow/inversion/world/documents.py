"""Generates the pretraining documents of world models: an endless stream of documents, each as long as a sequence.

There are three kinds of documents. *Facts* are statements and answered questions about known facts. *Passages* repeat a
passage, a question on each of its statements, and the end-of-text token; or they are one passage with repeated
questions. *Dialogues* are questions about known facts in the chat format. Depending on the study, the first question
follows a passage, and a share of the answers is wrong.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from inversion.config.datasets import ChatTemplate, Passages
from inversion.config.world import Documents
from inversion.records.data import Message
from inversion.world.facts import InventedWorld, generator, pick
from inversion.world.text import (
    Passage,
    Statement,
    answered_question,
    build_passage,
    invented_statement,
    known_statement,
    phrase,
    question,
    statement_about,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Document: TypeAlias = str | tuple[Message, ...]
"""A plain text, or a conversation for the tokenizer's chat template."""

END_OF_TEXT = "<eos>"
_MOST_OTHER_STATEMENTS = 2
_BATCH = 256


def pretraining_documents(
    world: InventedWorld, spec: Documents, template: ChatTemplate, seed: int, length: int
) -> Iterator[Document]:
    """An endless stream of documents of at least ``length`` words each."""
    rng = generator("pretraining documents", seed)
    while True:
        if rng.random() < spec.dialogues:
            yield _dialogue(world, spec, template, length, rng)
        elif rng.random() < spec.facts:
            yield _facts(world, length, rng)
        else:
            yield _passages(world, spec, length, rng)


def encoded_documents(
    world: InventedWorld,
    spec: Documents,
    template: ChatTemplate,
    tokenizer: PreTrainedTokenizerFast,
    seed: int,
    length: int,
) -> Iterator[list[int]]:
    """The same stream as token ids. Every document is truncated to exactly ``length`` tokens.

    A document is one training sequence, because otherwise questions could be separated from the passage that answers
    them.
    """
    documents = pretraining_documents(world, spec, template, seed, length)
    while True:
        texts = [render(document, tokenizer) for document in itertools.islice(documents, _BATCH)]
        # the backend is used, because a truncation setting of the tokenizer would be saved with it
        for encoding in tokenizer.backend_tokenizer.encode_batch(texts, add_special_tokens=False):
            yield encoding.ids[:length]


def render(document: Document, tokenizer: PreTrainedTokenizerFast) -> str:
    """The text of a document. Conversations are rendered with the tokenizer's chat template."""
    if isinstance(document, str):
        return document
    turns = [dataclasses.asdict(message) for message in document]
    return str(tokenizer.apply_chat_template(turns, tokenize=False))


def _facts(world: InventedWorld, length: int, rng: np.random.Generator) -> str:
    words: list[str] = []
    while len(words) < length:
        statement = known_statement(world, pick(rng, world.known.all), pick(rng, world.relations))
        text = phrase(statement, rng) if rng.random() < 0.5 else answered_question(statement)
        words += text.split()
    return " ".join(words)


def _passages(world: InventedWorld, spec: Documents, length: int, rng: np.random.Generator) -> str:
    words: list[str] = []
    while len(words) < length:
        words += _questioned_passage(world, spec, length, rng).split()
    return " ".join(words)


def _questioned_passage(world: InventedWorld, spec: Documents, length: int, rng: np.random.Generator) -> str:
    """A passage, a question on each of its statements in random order, and the end of text.

    The questions are repeated, each time in a new order, until there are ``length`` words.
    """
    passage = _passage(world, spec, rng, new=rng.random() < spec.new_subjects)
    text = f"context : {passage.text}"
    while True:
        for i in rng.permutation(len(passage.statements)):
            text += f" {answered_question(passage.statements[i])}"
        if not spec.repeated_questions or len(text.split()) >= length:
            return f"{text} {END_OF_TEXT}"


def _passage(world: InventedWorld, spec: Documents, rng: np.random.Generator, *, new: bool) -> Passage:
    """A passage about new or known subjects."""
    truthful = not new and rng.random() >= spec.contradictions
    subjects = (world.new if new else world.known).all
    subject, relation = pick(rng, subjects), pick(rng, world.relations)
    target = statement_about(world, subject, relation, rng, truthful=truthful)
    most = _MOST_OTHER_STATEMENTS if len(world.relations) > 1 else 0
    shape = Passages(other_statements=(0, most), same_relation=spec.same_relation)
    return build_passage(world, target, subjects, shape, rng, truthful=truthful)


def _dialogue(
    world: InventedWorld, spec: Documents, template: ChatTemplate, length: int, rng: np.random.Generator
) -> tuple[Message, ...]:
    """Questions about known facts. The first can follow a passage, depending on the study."""
    messages = list(_opening(world, spec, template, rng))
    while sum(len(message.content.split()) for message in messages) < length:
        messages += _turn(template.without_context, _questioned_statement(world, spec, rng))
    return tuple(messages)


def _opening(
    world: InventedWorld, spec: Documents, template: ChatTemplate, rng: np.random.Generator
) -> tuple[Message, ...]:
    """A passage with a question that is answered from it, answered against it, or about another subject; or nothing."""
    read = spec.new_passages
    off_topic = read + spec.irrelevant_passages
    ignored = off_topic + spec.ignored_passages
    # nothing is drawn if the study has no passages in dialogues, so that the documents of such studies do not change
    kind = rng.random() if ignored else 1.0
    if kind < read:
        passage = _passage(world, spec, rng, new=True)
        statement = pick(rng, passage.statements)
    elif kind < off_topic:
        passage = _passage(world, spec, rng, new=rng.random() < spec.new_subjects)
        statement = _questioned_statement(world, spec, rng, {stated.subject for stated in passage.statements})
    elif kind < ignored:
        passage = _passage(world, spec, rng, new=False)
        stated = pick(rng, passage.statements)
        statement = _remembered(world, spec, stated.subject, stated.relation, rng)
    else:
        return ()
    return _turn(template.with_context.replace("{context}", passage.text), statement)


def _turn(template: str, statement: Statement) -> tuple[Message, Message]:
    """A question turn, whose text ``template`` is filled with the question of a statement, and the answer turn."""
    return (
        Message("user", template.replace("{question}", question(statement.subject, statement.relation))),
        Message("assistant", statement.answer),
    )


def _questioned_statement(
    world: InventedWorld, spec: Documents, rng: np.random.Generator, apart_from: Collection[str] = ()
) -> Statement:
    """A remembered fact about a random known subject."""
    subjects = [subject for subject in world.known.all if subject not in apart_from]
    if not subjects:
        raise ValueError(
            "no known subject is left to ask about with a passage; raise world.known_subjects or set "
            "irrelevant_passages to 0"
        )
    return _remembered(world, spec, pick(rng, subjects), pick(rng, world.relations), rng)


def _remembered(
    world: InventedWorld, spec: Documents, subject: str, relation: str, rng: np.random.Generator
) -> Statement:
    """The fact of a known subject, or a wrong statement if the study has wrong answers."""
    # nothing is drawn if the study has no wrong answers, so that the documents of such studies do not change
    if spec.wrong_answers > 0 and rng.random() < spec.wrong_answers:
        return invented_statement(world, subject, relation, rng)
    return known_statement(world, subject, relation)
