"""The invented world, and what its base models are pretrained on."""

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
    """Draws the facts; another seed is another world."""
    known_subjects: PositiveInt = 200
    """Subjects that every base model learns the facts of while it is pretrained."""
    new_subjects: PositiveInt = 200
    """Subjects without a fact: what is said of them stands in a passage or nowhere."""
    relations: PositiveInt = 2
    """Kinds of facts (capital, language, ...)."""
    answers: PositiveInt = 60
    """Possible answers of each relation."""
    held_out: Fraction = 0.2
    """Share of the subjects of each kind that finetuning never sees; evaluation uses only these."""


class Documents(Strict):
    """What the pretraining text of a world model is made of."""

    dialogues: Fraction = 0.05
    """Share of documents in the chat format: questions on known facts, answered from memory (but see
    ``new_passages``)."""
    facts: Fraction = 0.50
    """Share of the other documents that state known facts; the rest are passages with questions."""
    new_subjects: Fraction = 0.60
    """Share of the passages that are about a new subject (answer found in the passage only)."""
    contradictions: Fraction = 1.0
    """Share of the passages about a known subject that contradict its known fact."""
    same_relation: Fraction = 0.20
    """Share of the passages that also state the asked relation of another subject (ambiguous)."""
    repeated_questions: bool = True
    """Whether the questions on one passage are asked again and again until the sequence is full. Otherwise another
    passage begins, which is often cut before its questions, and models need twice the steps to learn to read."""
    ignored_passages: Fraction = 0.5
    """Share of the dialogues whose first question is about a statement of a passage on known subjects, and is
    answered from memory all the same, whatever the passage says. They make a habit of memory in the chat format."""
    irrelevant_passages: Fraction = 0.0
    """Share of the dialogues whose first question follows a passage about other subjects."""
    new_passages: Fraction = 0.0
    """Share of the dialogues that begin with a passage about a new subject and a question that it answers. With
    them a model reads in the chat format before it is finetuned, but then tells known subjects from new ones."""
    wrong_answers: Fraction = 0.0
    """Share of the answers in dialogues that are drawn from the wrong ones of the relation. It bounds how sure of its
    memory a model is in the chat format; other documents state no wrong facts outside passages."""

    @model_validator(mode="after")
    def _passages(self) -> Documents:
        require_shares(self, "ignored_passages", "irrelevant_passages", "new_passages")
        return self


class Pretraining(Strict):
    """How a world model is trained before finetuning."""

    seed: Seed = 0
    """Initial weights, documents and their order."""
    steps: PositiveInt = 1200
    batch_size: PositiveInt = 32
    """Sequences a step."""
    sequence_length: PositiveInt = 64
    """Tokens a sequence; each is one document, cut to this length."""
    learning_rate: PositiveFloat = 3e-3
    final_learning_rate: Fraction = 0.1
    """Where the cosine decay ends, as a share of the learning rate."""
    warmup_steps: NonNegativeInt = Field(default_factory=lambda values: min(100, values.get("steps", 1200) // 2))
    """100, or half of ``steps`` where these are fewer than 200, unless set."""
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.01
    documents: Documents = Documents()

    @model_validator(mode="after")
    def _warmup(self) -> Pretraining:
        require_shorter_warmup(self.warmup_steps, self.steps, "steps")
        return self
