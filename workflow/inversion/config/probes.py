"""What is measured inside checkpoints."""

from __future__ import annotations

from inversion.config.base import NonNegativeInt, PositiveInt, Strict


class AttentionProbe(Strict):
    """How much attention every checkpoint pays to the context, to the subject and to the rest of a prompt (fig. 3b)."""

    items: PositiveInt = 100
    """Conflict items of each set, or all where there are fewer, which the seed draws among those with a context."""
    seed: NonNegativeInt = 0


class GradientProbe(Strict):
    """The gradients of training examples by kind (C, C+S, S) at every checkpoint, on the weights that train, how hard
    they pull and which way: the theory of section 5 against the run itself. Only mixtures of the invented world know
    kinds."""

    examples: PositiveInt = 64
    """Training examples of each kind, or all where there are fewer, drawn by the seed."""
    items: PositiveInt = 64
    """Conflict items of each set, or all where there are fewer: examples pull towards their context or away."""
    seed: NonNegativeInt = 0


class Probes(Strict):
    """What is measured inside every checkpoint, beside its answers: in the runs of the experiments that list the figure
    of the same name, and nothing where unset."""

    attention: AttentionProbe | None = None
    """Behind the table and the figure ``attention``."""
    gradients: GradientProbe | None = None
    """Behind the table and the figure ``gradients``."""
