"""Rows of the attention probe and the gradient probe, and of their tables."""

from __future__ import annotations

from dataclasses import dataclass

ATTENTION_PARTS = ("context", "subject", "rest")
"""The parts into which a prompt's tokens are divided."""


@dataclass(frozen=True, slots=True)
class AttentionMass:
    """The attention of one layer of one checkpoint in one conflict prompt, averaged over heads: raw facts."""

    step: int
    epoch: float
    set: str
    item_id: str
    cluster: str
    layer: int
    """Index of the layer; 0 is the layer next to the input."""
    query: str
    """The tokens that attend: ``answer``, the prompt's last token, or ``after_context``, all tokens after the context,
    averaged."""
    context: float
    """Attention on the tokens of the context; with ``subject`` and ``rest`` it sums to 1."""
    subject: float | None
    """Attention on the tokens of the subject in the question; null if the item has no subject, or its question does not
    name it."""
    rest: float
    """Attention on all other tokens: the template and the rest of the question."""
    tokens: int
    """Number of tokens of the prompt."""
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
    """The weights that the gradient is taken with respect to: ``all``, every weight that the recipe trains, or
    ``query_key``, only those of them that decide where attention goes (W_KQ in the paper's section 5)."""
    loss: float
    """Mean loss over the labelled tokens (nats per token)."""
    norm: float
    """Euclidean norm of the gradient of ``loss``."""
    along: float
    """The component of the gradient along the mean gradient of the sampled examples of the same kind. The mean of
    ``along`` over these examples is the norm of their mean gradient."""
    towards: float
    """The negative inner product of the gradient with the gradient of the mean margin of the sampled conflict items.
    The margin is log p(context answer) - log p(parametric answer), in nats. ``towards`` is thus how fast the margin
    grows, per unit of learning rate, when plain gradient descent takes a step on the example; below 0 the margin
    shrinks."""


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
    """Index of the layer; 0 is the layer next to the input. Null for the mean over layers."""
    part: str
    """``context``, ``subject`` or ``rest``."""
    value: float
    """Mean attention on the part, from 0 to 1."""
    low: float
    high: float
    """Upper bound of the value. The two bounds are a 95 % bootstrap interval over clusters."""
    n: int
    """Number of items."""


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
    """``example``: mean norm of the gradient of one example. ``mean``: norm of the mean gradient of the kind.
    ``batch``: ``mean`` times the kind's share of the training set, which is the kind's part of the gradient of a step.
    ``pull``: how fast that part widens the margin of the context answers on conflict items (nats per unit of learning
    rate): the mean of :attr:`ExampleGradient.towards` times the share. ``loss``: mean loss (nats per token)."""
    value: float
    """The value of the measure, in its own unit."""
    low: float
    high: float
    """Upper bound of the value. The two bounds are a 95 % bootstrap interval over clusters of examples with the same
    fact."""
    n: int
    """Number of examples."""
