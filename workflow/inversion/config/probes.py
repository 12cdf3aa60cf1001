"""Probes, which are measurements inside checkpoints. Each one is declared here with its settings and the properties
that the workflow needs."""

from __future__ import annotations

from types import NoneType
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field, model_validator

from inversion.config.base import NonNegativeInt, PositiveInt, Seed, Strict

Scale = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
"""A factor by which attention weights are multiplied."""
RANDOM_SETS = 20
"""The number of sets of random heads to which the heads with the largest effects are compared. If the effect of the
latter exceeds that of all sets, its p-value is below 1 in 20."""
LAST_TOKEN = 0.05
"""The estimated cost of reading the last token of a question if the others are in memory, as a share of reading all of
it. It is less for long questions."""


class Probe(Strict):
    """A measurement of every checkpoint of a run, with a table and a figure of the same name.

    References are written ``module:function``. Scripts resolve them when they run, so that reading a configuration
    imports none of them.
    """

    version: ClassVar[int]
    """Raise it if a code change alters what is measured. All checkpoints are then measured again."""
    measure: ClassVar[str]
    """A function that is called with a :class:`~inversion.respond.probing.ProbedRun` and these settings. It returns the
    facts of all checkpoints as a table."""
    check: ClassVar[str | None] = None
    """A function that is called with a base model before anything is trained. It raises
    :class:`~inversion.models.ModelError` for a model that cannot be probed."""
    facts: ClassVar[str]
    """The record of one row of facts."""
    tabulate: ClassVar[str]
    """A function that is called with a run, its facts and the number of bootstrap resamples. It returns the run's rows
    of the probe's table."""
    draw: ClassVar[str]
    """A function that is called with the probe's table, the tables in ``draws_with`` and a list of runs. It returns a
    matplotlib figure."""
    draws_with: ClassVar[tuple[str, ...]] = ()
    """Further tables that the figure needs."""
    shows: ClassVar[str]
    """What the figure shows, for the configuration reference."""
    takes_gradients: ClassVar[bool] = False
    """Whether it needs the run's training set and hyperparameters, and memory for gradients."""
    needs_kinds: ClassVar[bool] = False
    """Whether the kinds of the training examples must be known."""
    writes_answers: ClassVar[bool] = False
    """Whether it can generate answers, so that it needs the number of tokens that the study allows."""
    models_held: ClassVar[int] = 1
    """The number of models that it has in memory at the same time."""
    sizes: ClassVar[frozenset[str]] = frozenset()
    """The settings that must fit the number of layers and heads of the model."""

    def misfit(self, layers: int, heads: int) -> str | None:
        """Why these settings do not fit a model with this number of layers, and of heads in each of them, with the fix;
        None if they fit."""
        return None

    def questions_read_once(self, layers: int) -> float:
        """The number of questions of each set that are read once for the whole run, for a model with this number of
        ``layers``."""
        return 0

    @property
    def questions_read(self) -> int:
        """The number of questions of each set that one checkpoint reads. Together with :attr:`examples_read` it is the
        cost of the probe."""
        return 0

    @property
    def examples_read(self) -> int:
        """The number of training examples that one checkpoint reads. A backward pass counts as two."""
        return 0

    @property
    def texts_read(self) -> int:
        """The number of prompts that one checkpoint reads for all sets together."""
        return 0


class AttentionProbe(Probe):
    """The attention of every checkpoint on the context, the subject and the rest of a prompt (fig. 3b)."""

    version: ClassVar[int] = 1
    measure: ClassVar[str] = "inversion.respond.attention_probe:probe_attention"
    check: ClassVar[str] = "inversion.respond.attention_probe:check_attention"
    facts: ClassVar[str] = "inversion.records.measurements:AttentionMass"
    tabulate: ClassVar[str] = "inversion.analyse.probe_tables:attention"
    draw: ClassVar[str] = "inversion.plot.probe_figures:attention"
    shows: ClassVar[str] = "attention on the context by step and layer (fig. 3b)"

    items: PositiveInt = 100
    """Number of conflict items of each set (all if there are fewer), drawn with the seed from those with a context."""
    seed: Seed = 0

    @property
    def questions_read(self) -> int:
        """Every item once."""
        return self.items


class GradientProbe(Probe):
    """The gradients of training examples by kind (C, C+S, S) at every checkpoint, with respect to the trained weights:
    their size, and the direction in which they pull. They compare a run with the theory of section 5. Only mixtures of
    the invented world have kinds."""

    version: ClassVar[int] = 2
    measure: ClassVar[str] = "inversion.respond.gradient_probe:probe_gradients"
    check: ClassVar[str] = "inversion.respond.gradient_probe:check_gradients"
    facts: ClassVar[str] = "inversion.records.measurements:ExampleGradient"
    tabulate: ClassVar[str] = "inversion.analyse.probe_tables:gradients"
    draw: ClassVar[str] = "inversion.plot.probe_figures:gradients"
    draws_with: ClassVar[tuple[str, ...]] = ("curves",)
    shows: ClassVar[str] = "context answers, and gradient norms by kind of example"
    takes_gradients: ClassVar[bool] = True
    needs_kinds: ClassVar[bool] = True

    examples: PositiveInt = 64
    """Number of training examples of each kind (all if there are fewer), drawn with the seed."""
    items: PositiveInt = 64
    """Number of conflict items of each set (all if there are fewer). The probe measures whether the examples pull the
    answers to these items towards the context or away from it."""
    seed: Seed = 0

    @property
    def questions_read(self) -> int:
        """Every item forward and backward."""
        return 3 * self.items

    @property
    def examples_read(self) -> int:
        """Two passes over the examples of three kinds, each forward and backward."""
        return 18 * self.examples


class TunedLens(Strict):
    """The training of a tuned lens, which is repeated for every checkpoint."""

    texts: PositiveInt = 1000
    """Number of prompts to train on (all if there are fewer), drawn with the seed. They are those of items that share
    no cluster, question or context with the items that are evaluated. A tenth of them is used for validation."""
    steps: NonNegativeInt = 250
    """Number of training steps, with 16 prompts each. With 0 steps it is the logit lens."""


class LensProbe(Probe):
    """The logit lens: the answer that every checkpoint would give if it ended after each of its layers, as the log-odds
    of the context answer against the parametric answer."""

    version: ClassVar[int] = 2
    measure: ClassVar[str] = "inversion.respond.lens_probe:probe_lens"
    check: ClassVar[str] = "inversion.respond.lens_probe:check_lens"
    facts: ClassVar[str] = "inversion.records.mechanism:LensReading"
    tabulate: ClassVar[str] = "inversion.analyse.mechanism_tables:lens"
    draw: ClassVar[str] = "inversion.plot.mechanism_figures:lens"
    draws_with: ClassVar[tuple[str, ...]] = ("curves",)
    shows: ClassVar[str] = "log-odds of the two answers by step and layer (logit lens) under the context answers"

    items: PositiveInt = 100
    """Number of conflict items of each set (all if there are fewer), drawn with the seed from those with a context."""
    seed: Seed = 0
    positions: tuple[Literal["last", "subject"], ...] = Field(default=("last",), min_length=1)
    """The tokens at which the lens is read: the ``last`` token, from which the answer continues, or the last token of
    the ``subject`` in the question, for items that have one."""
    tuned: TunedLens | None = None
    """Use a tuned lens in addition to the logit lens: a translator that is trained for every layer (Belrose et al.
    2023)."""

    @property
    def questions_read(self) -> int:
        """Every item once for each lens and position."""
        return self.items * len(self.positions) * (2 if self.tuned else 1)

    @property
    def texts_read(self) -> int:
        """The prompts of all training steps once; with gradients, the output embedding after every layer costs about
        three times as much as the layers themselves."""
        return 4 * 16 * self.tuned.steps if self.tuned else 0


class MilestoneProbe(Probe):
    """A probe that compares the start, the peak and the end of a run."""

    items: PositiveInt = 50
    """Number of conflict items of each set (all if there are fewer), drawn with the seed from those with a context."""
    seed: Seed = 0
    start: NonNegativeInt | None = None
    """The step of the start; by default the first checkpoint."""
    peak: NonNegativeInt | None = None
    """The step of the peak; by default the checkpoint before the end at which most of the items prefer the context's
    token at the first difference of the two answers."""
    end: NonNegativeInt | None = None
    """The step of the end; by default the last checkpoint."""

    @property
    def questions_read(self) -> int:
        """Every item once, to find the peak."""
        return self.items if self.peak is None else 0


class PatchingProbe(MilestoneProbe):
    """Patching between checkpoints: the end of a run answers with one part taken from its peak, and the peak with one
    part taken from the end, for each component of each layer. This measures how much of the fall of context answers
    each part carries."""

    version: ClassVar[int] = 3
    measure: ClassVar[str] = "inversion.respond.patching_probe:probe_patching"
    check: ClassVar[str] = "inversion.respond.patching_probe:check_patching"
    facts: ClassVar[str] = "inversion.records.mechanism:PatchedMargin"
    tabulate: ClassVar[str] = "inversion.analyse.mechanism_tables:patching"
    draw: ClassVar[str] = "inversion.plot.mechanism_figures:patching"
    shows: ClassVar[str] = "the share of the fall between peak and end that each layer and component carries"
    writes_answers: ClassVar[bool] = True
    models_held: ClassVar[int] = 2
    sizes: ClassVar[frozenset[str]] = frozenset({"layers", "answers"})

    components: tuple[Literal["residual", "attention", "mlp", "head"], ...] = Field(
        default=("residual", "attention", "mlp"), min_length=1
    )
    """What is taken from the other checkpoint: the ``residual`` stream after a layer, what the layer's ``attention`` or
    ``mlp`` adds to it, or the output of each single ``head``."""
    positions: tuple[Literal["context", "question", "last", "all", "subject"], ...] = Field(
        default=("context", "question", "last", "all"), min_length=1
    )
    """The tokens at which it is taken: those of the ``context``; those of the rest of the prompt (``question``); the
    ``last`` one; ``all`` of them; or those of the ``subject`` in the question, for items that have one."""
    layers: tuple[NonNegativeInt, ...] | None = Field(default=None, min_length=1)
    """The layers that are patched, where 0 is the layer next to the input; by default all."""
    answers: tuple[NonNegativeInt, ...] = ()
    """Layers at which the patched checkpoint also generates its answer, which the main scorer labels."""

    @model_validator(mode="after")
    def _answers_are_patched(self) -> PatchingProbe:
        if self.layers is not None and (missing := sorted({*self.answers} - {*self.layers})):
            raise ValueError(f"`answers` has layer {missing[0]}, which is not in `layers`; add it there, or remove it")
        return self

    def misfit(self, layers: int, heads: int) -> str | None:
        """The first layer in ``layers`` or ``answers`` that the model does not have."""
        for key in ("layers", "answers"):
            for layer in getattr(self, key) or ():
                if layer >= layers:
                    return (
                        f"`probes.patching.{key}` has layer {layer}, but the model has {layers} layers (0 to "
                        f"{layers - 1}); change it"
                    )
        return None

    def questions_read_once(self, layers: int) -> float:
        """Every item with each component of each layer at each position, in two receivers, from five donors. 32 heads
        per layer are assumed. The layers before the patched one are not read again. A generated answer counts as
        reading its question three times."""
        components = sum(32 if component == "head" else 1 for component in {*self.components})
        patched = range(layers) if self.layers is None else {*self.layers}
        read = sum(max(0, layers - layer) / layers for layer in patched) + 3 * len({*self.answers})
        groups = sum(LAST_TOKEN if group == "last" else 1 for group in {*self.positions})
        without_a_patch = 2  # by donor and receiver
        return 2 * 5 * groups * (components * read + without_a_patch) * self.items


class KnockoutProbe(MilestoneProbe):
    """Knock-outs: at the start, peak and end of a run, each attention head in turn cannot read the context from the
    last token of the prompt, or reads it with scaled attention."""

    version: ClassVar[int] = 3
    measure: ClassVar[str] = "inversion.respond.knockout_probe:probe_knockouts"
    check: ClassVar[str] = "inversion.respond.knockout_probe:check_knockouts"
    facts: ClassVar[str] = "inversion.records.mechanism:KnockoutMargin"
    tabulate: ClassVar[str] = "inversion.analyse.mechanism_tables:knockouts"
    draw: ClassVar[str] = "inversion.plot.mechanism_figures:knockouts"
    shows: ClassVar[str] = (
        "the effect of each attention head's attention to the context on the answer, at start, peak and end"
    )
    sizes: ClassVar[frozenset[str]] = frozenset({"together"})

    scales: tuple[Scale, ...] = Field(default=(0.0,), min_length=1)
    """Factors by which a head's attention weights from the last token to the context are multiplied, before its weights
    are normalised again. 0 is a knock-out, 1 changes nothing, and above 1 the head reads more of the context."""
    together: NonNegativeInt = 0
    """The number of heads that are also knocked out (or scaled) together: those with the largest effects on items of
    other clusters. As a comparison, 20 sets of as many random heads are used. 0 omits this."""

    def misfit(self, layers: int, heads: int) -> str | None:
        """Whether more heads are knocked out together than the model has."""
        if self.together <= layers * heads:
            return None
        return (
            f"`probes.knockouts.together` is {self.together}, but the model has {layers * heads} heads in all; lower it"
        )

    def questions_read_once(self, layers: int) -> float:
        """Every item at three checkpoints, and its last token again with each head of each layer scaled, where 32 heads
        per layer are assumed, and with sets of several heads."""
        cuts = 32 * layers + ((1 + RANDOM_SETS) if self.together else 0)
        return 3 * len(self.scales) * (1 + LAST_TOKEN * cuts) * self.items


class WeightsProbe(MilestoneProbe):
    """The updates of the weights from start to peak and from peak to end: their size and direction by module and layer,
    and how much of the rise and of the fall of context answers is due to the updates of each group of modules."""

    version: ClassVar[int] = 1
    measure: ClassVar[str] = "inversion.respond.weights_probe:probe_weights"
    check: ClassVar[str] = "inversion.models.weight_parts:weight_parts"
    facts: ClassVar[str] = "inversion.records.mechanism:WeightFact"
    tabulate: ClassVar[str] = "inversion.analyse.mechanism_tables:weights"
    draw: ClassVar[str] = "inversion.plot.mechanism_figures:weights"
    shows: ClassVar[str] = (
        "the share of the rise and of the fall that is due to the updates of each group of modules, and their norms"
    )
    models_held: ClassVar[int] = 3

    def questions_read_once(self, layers: int) -> float:
        """Every item at three checkpoints, at two of them again as a check, and with four groups exchanged in two
        directions over two intervals."""
        return (3 + 2 + 2 * 2 * 4) * self.items


class Probes(Strict):
    """Measurements inside every checkpoint, in addition to its answers, in the runs of the experiments that list the
    figure of the same name. A probe that is not set is not run."""

    attention: AttentionProbe | None = None
    """Settings of the probe for the table and the figure ``attention``."""
    gradients: GradientProbe | None = None
    """Settings of the probe for the table and the figure ``gradients``."""
    lens: LensProbe | None = None
    """Settings of the probe for the table and the figure ``lens``."""
    patching: PatchingProbe | None = None
    """Settings of the probe for the table and the figure ``patching``."""
    knockouts: KnockoutProbe | None = None
    """Settings of the probe for the table and the figure ``knockouts``."""
    weights: WeightsProbe | None = None
    """Settings of the probe for the table and the figure ``weights``."""


PROBES: dict[str, type[Probe]] = {
    name: next(kind for kind in get_args(field.annotation) if kind is not NoneType)
    for name, field in Probes.model_fields.items()
}
"""The probes by name: the fields of :class:`Probes`."""
