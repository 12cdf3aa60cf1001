"""Rows of the probes inside checkpoints, and of their tables."""

from __future__ import annotations

from dataclasses import dataclass

ATTENTION_PARTS = ("context", "subject", "rest")
"""The parts into which a prompt's tokens are divided."""


@dataclass(frozen=True, slots=True)
class AttentionMass:
    """Where one layer of one checkpoint attends to in one conflict prompt, mean over heads: raw facts."""

    step: int
    epoch: float
    set: str
    item_id: str
    cluster: str
    layer: int
    """From 0, the one next to the input."""
    query: str
    """From where: ``answer``, the prompt's last token, or ``after_context``, the mean over all tokens after the
    context."""
    context: float
    """Attention on the tokens of the context; with ``subject`` and ``rest`` it sums to 1."""
    subject: float | None
    """On the tokens of the subject in the question; null if the item has none, or its question does not name it."""
    rest: float
    """On all others: the template, the rest of the question."""
    tokens: int
    """Tokens of the prompt."""
    context_tokens: int
    subject_tokens: int


@dataclass(frozen=True, slots=True)
class ExampleGradient:
    """The gradient of the loss on one training example at one checkpoint: raw facts."""

    step: int
    epoch: float
    example_id: str
    cluster: str
    kind: str
    """``C``, ``C+S``, ``S`` or ``counterfactual``."""
    share: float
    """The kind's share of the run's training set."""
    weights: str
    """By which weights: ``all`` that the recipe trains, or ``query_key``, those of them that decide where attention
    goes (W_KQ in the paper's section 5)."""
    loss: float
    """Mean over the labelled tokens (nats per token)."""
    norm: float
    """Euclidean norm of the gradient of ``loss``."""
    along: float
    """The gradient's component along the mean gradient of the sampled examples of its kind, so that the mean of
    ``along`` over them is the norm of that mean gradient."""
    towards: float
    """Less the inner product of the gradient with that of the mean margin of the sampled conflict items, log p(context
    answer) - log p(parametric answer) in nats: how fast the margin grows, a unit of learning rate, as plain gradient
    descent takes the example; below 0 it shrinks."""


@dataclass(frozen=True, slots=True)
class AttentionPoint:
    """One row of the table ``attention``."""

    model: str
    dataset: str
    recipe: str
    seed: int
    step: int
    epoch: float
    set: str
    query: str
    """``answer`` or ``after_context``, as in :class:`AttentionMass`."""
    layer: int | None
    """Null for the mean over layers."""
    part: str
    """``context``, ``subject`` or ``rest``."""
    value: float
    """Mean attention on the part; 1 is all of it."""
    low: float
    high: float
    """95 % interval, a bootstrap over clusters."""
    n: int
    """Items."""


@dataclass(frozen=True, slots=True)
class GradientPoint:
    """One row of the table ``gradients``."""

    model: str
    dataset: str
    recipe: str
    seed: int
    step: int
    epoch: float
    kind: str
    weights: str
    """``all`` or ``query_key``, as in :class:`ExampleGradient`."""
    measure: str
    """``example``: mean norm of the gradient of one example; ``mean``: norm of the mean gradient of the kind;
    ``batch``: that times the kind's share of the training set, its part of a step's gradient; ``pull``: how fast that
    part widens the margin of the context answers under conflict (nats per unit of learning rate; the mean of
    :attr:`ExampleGradient.towards` times the share); ``loss``."""
    value: float
    """The measure, in its own unit."""
    low: float
    high: float
    """95 % interval, a bootstrap over clusters of examples with the same fact."""
    n: int
    """Examples."""
