"""Rows of the one-layer transformer's tables."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TheoryClaim:
    """One row of the table ``theory``: one part of one claim of section 5, checked at one setting."""

    claim: str
    """``Lemma 1``, ``Proposition 1`` to ``Proposition 3`` or ``Theorem 1``."""
    part: str
    """The statement that is checked."""
    violated: list[str]
    """The assumptions of the paper that the setting violates. If there are none, the paper claims that the statement
    holds."""
    holds: bool
    """Whether the statement holds at this setting."""
    margin: float
    """By how much the statement holds (above 0) or fails (below 0): the smallest of the differences that must be
    positive."""
    low: float | None
    """If learning rates were searched, the lowest at which the statement holds; null if that is the lowest searched."""
    high: float | None
    """If learning rates were searched, the highest at which the statement holds; null if that is the highest
    searched."""
    learning_rate: float | None
    """Learning rate of W_KQ; null if it was searched, or does not matter for the statement."""
    value_learning_rate: float | None
    """Learning rate of W_V; 0 if W_V was frozen, null if the rate was searched."""
    context_critical: int
    """Number of C points."""
    context_and_memory: int
    """Number of C+S points."""
    delta_c: float
    """The probability that the value of a context gives to its answer, before training."""
    delta_m: float
    """The probability that the value of a memorised subject gives to its answer, before training."""
    o_c: float
    """The logit that every value gives to a wrong answer, before training."""
    o_r: float
    """The logit that every value gives to the relation, before training."""
    k_a: int
    """Number of answers."""
    k_s: int
    """Number of subjects."""
    sigma_r: float
    """Attention on the relation in [c, s, r] before training."""


@dataclass(frozen=True, slots=True)
class TheoryStep:
    """The one-layer transformer after ``step`` steps of gradient descent."""

    context_critical: int
    context_and_memory: int
    learning_rate: float
    value_learning_rate: float
    """Learning rate of W_V; 0 if W_V was frozen."""
    step: int
    theta_c: float
    """theta_C' W_KQ phi(r): how strongly contexts in general are attended to."""
    theta_s: float
    """theta_S' W_KQ phi(r): how strongly subjects in general are attended to."""
    attention_c: float
    """Attention on the context, mean over C points."""
    attention_cs: float
    """The same, mean over C+S points."""
    attention_conflict: float
    """The same for the conflict example, which is in no training set."""
    m_c: float
    """M_C on the conflict example."""
    norm_c: float
    """Frobenius norm of the gradient of W_KQ from all C points."""
    norm_cs: float
    """The same from all C+S points."""


@dataclass(frozen=True, slots=True)
class TheoryPhase:
    """One cell of a phase diagram: the course of M_C at one setting when W_KQ is trained."""

    diagram: str
    """``shares`` or ``deltas``."""
    context_critical: int
    context_and_memory: int
    learning_rate: float
    delta_c: float
    delta_m: float
    violated: list[str]
    start: float
    """M_C before training."""
    peak: float
    peak_step: int
    end: float
    """M_C after the last step."""
    first_phase: float
    """Margin of Proposition 1 at t = 0; above 0 the proposition holds."""
    second_phase: float
    """Margin of Proposition 1 at t = 1."""
    theorem: float
    """Margin of Theorem 1."""
