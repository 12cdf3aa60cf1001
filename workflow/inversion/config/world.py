"""The invented world, and the pretraining of its base models."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from inversion.config.base import (
    Fraction,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Seed,
    Strict,
    require_shares,
    require_shorter_warmup,
)


class World(Strict):
    """An invented world of facts "(subject, relation) -> answer", for models that need no download."""

    seed: Seed = 0
    """Determines the facts; another seed gives another world."""
    known_subjects: PositiveInt = 200
    """Subjects whose facts every base model learns in pretraining."""
    new_subjects: PositiveInt = 200
    """Subjects without facts: statements about them occur only in passages."""
    relations: PositiveInt = 2
    """Kinds of facts (capital, language, ...)."""
    answers: PositiveInt = 60
    """Possible answers of each relation."""
    held_out: Fraction = 0.2
    """Share of the subjects of each kind that finetuning never sees; evaluation uses only these."""


class Documents(Strict):
    """The composition of a world model's pretraining text."""

    dialogues: Fraction = 0.05
    """Share of documents in the chat format: questions on known facts, answered from memory (but see
    ``new_passages``)."""
    facts: Fraction = 0.50
    """Share of the other documents that state known facts; the rest are passages with questions."""
    new_subjects: Fraction = 0.60
    """Share of the passages that are about a new subject, so that the answer is found in the passage only."""
    contradictions: Fraction = 1.0
    """Share of the passages about a known subject that contradict its known fact."""
    same_relation: Fraction = 0.20
    """Share of the passages that also state the relation of the question for another subject, which makes them
    ambiguous."""
    repeated_questions: bool = True
    """Whether the questions on one passage are repeated until the sequence is full. Otherwise another
    passage begins, which is often truncated before its questions, and models need twice the steps to learn to read."""
    ignored_passages: Fraction = 0.5
    """Share of the dialogues whose first question is about a statement of a passage on known subjects, but is
    answered from memory whatever the passage says. They teach the model to answer from memory in the chat format."""
    irrelevant_passages: Fraction = 0.0
    """Share of the dialogues whose first question follows a passage about other subjects."""
    new_passages: Fraction = 0.0
    """Share of the dialogues that begin with a passage about a new subject and a question that it answers. With them a
    model reads in the chat format before it is finetuned, but it also learns to distinguish known subjects from new
    ones."""
    wrong_answers: Fraction = 0.0
    """Share of the answers in dialogues that are drawn from the relation's wrong answers. It limits how certain a
    model's memory is in the chat format; other documents state no wrong facts outside passages."""

    @model_validator(mode="after")
    def _passages(self) -> Documents:
        require_shares(self, "ignored_passages", "irrelevant_passages", "new_passages")
        return self


class Pretraining(Strict):
    """How a world model is pretrained."""

    seed: Seed = 0
    """Determines the initial weights, the documents and their order."""
    steps: PositiveInt = 1200
    batch_size: PositiveInt = 32
    """Sequences per step."""
    sequence_length: PositiveInt = 64
    """Tokens per sequence; each is one document, truncated to this length."""
    learning_rate: PositiveFloat = 3e-3
    final_learning_rate: Fraction = 0.1
    """The learning rate at the end of the cosine decay, as a share of ``learning_rate``."""
    warmup_steps: NonNegativeInt = Field(default_factory=lambda values: min(100, values.get("steps", 1200) // 2))
    """By default 100, or half of ``steps`` if there are fewer than 200."""
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.01
    documents: Documents = Documents()

    @model_validator(mode="after")
    def _warmup(self) -> Pretraining:
        require_shorter_warmup(self.warmup_steps, self.steps, "steps")
        return self
