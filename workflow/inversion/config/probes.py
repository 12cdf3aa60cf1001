"""What is measured inside checkpoints: each probe is declared here once, its settings and all that the workflow must
know of it."""

from __future__ import annotations

from types import NoneType
from typing import ClassVar, get_args

from inversion.config.base import PositiveInt, Seed, Strict


class Probe(Strict):
    """A measurement of every checkpoint of a run. It has a table and a figure of its own name.

    References are written ``module:function``; scripts resolve them when they run, so that reading a configuration
    imports none of them.
    """

    version: ClassVar[int]
    """Raise it when a change of the code changes what is measured: all checkpoints are then measured again."""
    measure: ClassVar[str]
    """Called with a :class:`~inversion.respond.probing.ProbedRun` and these settings; returns the facts of all
    checkpoints as a table."""
    facts: ClassVar[str]
    """The record of one row of facts."""
    tabulate: ClassVar[str]
    """Called with a run, its facts and the number of bootstrap resamples; returns its rows of the probe's table."""
    draw: ClassVar[str]
    """Called with the probe's table, the tables in ``draws_with`` and a list of runs; returns a matplotlib figure."""
    draws_with: ClassVar[tuple[str, ...]] = ()
    """Further tables that the figure needs."""
    shows: ClassVar[str]
    """What the figure shows, for the reference of the configuration."""
    takes_gradients: ClassVar[bool] = False
    """Whether it needs the run's training set and hyperparameters, and memory for gradients."""
    needs_kinds: ClassVar[bool] = False
    """Whether training examples must know their kind."""

    @property
    def questions_read(self) -> int:
        """How often one checkpoint reads a question of each set: its cost, with :attr:`examples_read`."""
        return 0

    @property
    def examples_read(self) -> int:
        """How often one checkpoint reads a training example; a backward pass counts as two."""
        return 0


class AttentionProbe(Probe):
    """How much attention every checkpoint pays to the context, to the subject and to the rest of a prompt (fig. 3b)."""

    version: ClassVar[int] = 1
    measure: ClassVar[str] = "inversion.respond.attention_probe:probe_attention"
    facts: ClassVar[str] = "inversion.records.measurements:AttentionMass"
    tabulate: ClassVar[str] = "inversion.analyse.probe_tables:attention"
    draw: ClassVar[str] = "inversion.plot.probe_figures:attention"
    shows: ClassVar[str] = "attention on the context by step and layer (fig. 3b)"

    items: PositiveInt = 100
    """Conflict items of each set, or all where there are fewer, which the seed draws among those with a context."""
    seed: Seed = 0

    @property
    def questions_read(self) -> int:
        """Every item once."""
        return self.items


class GradientProbe(Probe):
    """The gradients of training examples by kind (C, C+S, S) at every checkpoint, on the weights that train, how hard
    they pull and which way: the theory of section 5 against the run itself. Only mixtures of the invented world know
    kinds."""

    version: ClassVar[int] = 2
    measure: ClassVar[str] = "inversion.respond.gradient_probe:probe_gradients"
    facts: ClassVar[str] = "inversion.records.measurements:ExampleGradient"
    tabulate: ClassVar[str] = "inversion.analyse.probe_tables:gradients"
    draw: ClassVar[str] = "inversion.plot.probe_figures:gradients"
    draws_with: ClassVar[tuple[str, ...]] = ("curves",)
    shows: ClassVar[str] = "gradient norms by kind of example under the context answers"
    takes_gradients: ClassVar[bool] = True
    needs_kinds: ClassVar[bool] = True

    examples: PositiveInt = 64
    """Training examples of each kind, or all where there are fewer, drawn by the seed."""
    items: PositiveInt = 64
    """Conflict items of each set, or all where there are fewer: examples pull towards their context or away."""
    seed: Seed = 0

    @property
    def questions_read(self) -> int:
        """Every item forward and backward."""
        return 3 * self.items

    @property
    def examples_read(self) -> int:
        """Two passes over the examples of three kinds, each forward and backward."""
        return 18 * self.examples


class Probes(Strict):
    """What is measured inside every checkpoint, next to its answers: in the runs of the experiments that list the
    figure of the same name, and nothing where unset."""

    attention: AttentionProbe | None = None
    """For the table and the figure ``attention``."""
    gradients: GradientProbe | None = None
    """For the table and the figure ``gradients``."""


PROBES: dict[str, type[Probe]] = {
    name: next(kind for kind in get_args(field.annotation) if kind is not NoneType)
    for name, field in Probes.model_fields.items()
}
"""The probes by name: the fields of :class:`Probes`."""
