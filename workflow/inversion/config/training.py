"""Hyperparameters and tuning methods of a run."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from inversion.config.base import (
    LARGEST_COUNT,
    Fraction,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Strict,
    members,
    require_shorter_warmup,
)


class WeightTuning(Strict):
    """The properties of a tuning method that the workflow needs."""

    trains_all: ClassVar[bool] = False
    """Whether the model's own weights are trained, instead of adapters."""
    mergeable: ClassVar[bool] = True
    """Whether the trained weights can be merged into the base model, so that inference costs no more than for it."""
    version: ClassVar[int] = 1
    """Raise it if a code change alters the weights that this method trains. Its runs are then trained again."""

    def trained_parameters(self, parameters: float) -> float:
        """How many of the model's ``parameters`` are trained, or an estimate of the number in its adapters."""
        return parameters


class FullTuning(WeightTuning):
    """Train all weights, or only those of the query and key projections."""

    trains_all: ClassVar[bool] = True
    method: Literal["full"] = "full"
    weights: Literal["all", "query_key"] = "all"


class AdapterTuning(WeightTuning):
    """What the methods for training low-rank adapters have in common."""

    peft_type: ClassVar[str] = "LORA"
    """peft's name for the adapter type in a saved configuration; checkpoints of a type that no tuning method has are
    refused."""
    adapter: ClassVar[str] = "inversion.models.tuning:lora_config"
    """Reference (``module:function``): called with these settings and the names of the modules to adapt, it returns
    the peft configuration of the adapters."""

    weights: Literal["all", "query_key"] = "all"
    rank: PositiveInt = 128
    alpha: PositiveFloat = Field(default_factory=lambda values: 2.0 * values.get("rank", 128))
    """The scale of the update; by default twice the rank, so that one learning rate suits different ranks."""
    dropout: Fraction = 0.0

    def trained_parameters(self, parameters: float) -> float:
        """The number in adapters on all linear layers: 320e6 at rank 128 for a model with 7e9 parameters."""
        return parameters * self.rank / 2800


class LoraTuning(AdapterTuning):
    """Train low-rank adapters on the linear layers."""

    method: Literal["lora"]


class DoraTuning(AdapterTuning):
    """Train low-rank adapters and, separately, the norm of every row of the adapted weights (weight-decomposed
    low-rank adaptation, arXiv 2402.09353)."""

    adapter: ClassVar[str] = "inversion.models.tuning:dora_config"

    method: Literal["dora"]


class QloraTuning(AdapterTuning):
    """Train low-rank adapters on a base whose linear layers are quantised to 4 bits (nf4) during training.
    Checkpoints are evaluated on the unquantised base, so that step 0 is the same as for ``lora``."""

    version: ClassVar[int] = 2  # on some CPUs, version 1 trained with wrong gradients
    method: Literal["qlora"]
    double_quantization: bool = True
    """Also quantise the scales of the quantised blocks, as the QLoRA paper does."""


Tuning = Annotated[FullTuning | LoraTuning | DoraTuning | QloraTuning, Field(discriminator="method")]
TUNINGS: dict[str, type[WeightTuning]] = members(Tuning)
"""The tuning methods by the name that the configuration uses: the members of :data:`Tuning`."""


class ScheduleSegment(Strict):
    """Keep every n-th checkpoint, up to a step."""

    every: PositiveInt
    until: PositiveInt | None = None
    """Last step of the segment; by default the end of training."""


class Training(Strict):
    """Hyperparameters of finetuning."""

    epochs: Annotated[PositiveFloat, Field(le=10_000)] = 2.0
    max_steps: PositiveInt | None = None
    """Optimizer steps; if set, it overrides ``epochs``."""
    batch_size: PositiveInt = 32
    """Examples per optimizer step."""
    micro_batch_tokens: PositiveInt = 2048
    """Maximum tokens per forward pass (gradients are accumulated over a step); a longer example gets its own pass."""
    activation_checkpointing: bool = False
    """Recompute activations in the backward pass instead of storing them: less memory, a third more time."""
    gpus: NonNegativeInt = 0
    """GPUs that a run requests (its Snakemake resource ``gpu``, which a profile may set instead). Several GPUs split
    each step, and full finetuning shards the model over them. With 0 a model of a billion
    parameters or more still requests one, and a GPU is used if there is one."""
    learning_rate: PositiveFloat = 5e-4
    scheduler: Literal["cosine", "linear", "constant"] = "cosine"
    warmup_steps: NonNegativeInt = 0
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.0
    max_grad_norm: PositiveFloat = 1.0
    max_length: PositiveInt = 2048
    """Maximum length of an example in tokens; examples longer than this or the model's context window are omitted and
    counted."""
    checkpoints: tuple[ScheduleSegment, ...] = (
        ScheduleSegment(every=10, until=60),
        ScheduleSegment(every=50),
    )
    """Steps that are kept and evaluated: dense early, when the model changes fastest, then sparse. Step 0 (the base
    model) and the last step are always included."""
    tuning: Tuning = FullTuning()

    @model_validator(mode="after")
    def _shares(self) -> Training:
        if self.gpus and self.batch_size % self.gpus:
            raise ValueError(f"batch_size {self.batch_size} is not a multiple of gpus {self.gpus}; change one of them")
        return self

    @model_validator(mode="after")
    def _warmup(self) -> Training:
        if self.max_steps is not None:
            require_shorter_warmup(self.warmup_steps, self.max_steps, "max_steps")
        return self

    @model_validator(mode="after")
    def _segments(self) -> Training:
        ends = [segment.until for segment in self.checkpoints]
        if not ends or ends[-1] is not None or None in ends[:-1]:
            raise ValueError("every segment of checkpoints except the last needs `until`; remove it from the last one")
        bounded = [end for end in ends if end is not None]
        if bounded != sorted(set(bounded)):
            raise ValueError(f"the `until` steps of checkpoints must increase, got {bounded}")
        return self

    def require_enough(self, examples: int, what: str) -> None:
        """Raise :class:`ValueError` if there are fewer ``examples`` than one batch, or if training on them would end
        before its warm-up does or take more than :data:`~inversion.config.base.LARGEST_COUNT` steps. ``what`` names the
        examples in messages."""
        if examples < self.batch_size:
            raise ValueError(
                f"{what}: {examples} examples are fewer than one batch of batch_size {self.batch_size}; lower "
                f"training.batch_size to {max(examples, 1)} or less, or select less strictly"
            )
        steps = self.total_steps(examples)
        if steps > LARGEST_COUNT:
            raise ValueError(f"{what}: epochs {self.epochs:g} are {steps} steps on {examples} examples; lower it")
        require_shorter_warmup(self.warmup_steps, steps, f"of {what}: {examples} examples")

    def total_steps(self, examples: int) -> int:
        """Optimizer steps for the given number of examples: ``max_steps`` if set, otherwise ``epochs`` passes."""
        return self.max_steps if self.max_steps is not None else math.ceil(self.epochs * examples / self.batch_size)

    def checkpoint_steps(self, total: int) -> list[int]:
        """The steps to keep of a run of ``total`` steps: ascending, with 0 and ``total``."""
        steps, start = {0, total}, 0
        for segment in self.checkpoints:
            stop = total if segment.until is None else min(segment.until, total)
            steps.update(range(start + segment.every, stop + 1, segment.every))
            start = max(start, stop)
        return sorted(steps)


class TrainingOverride(Strict):
    """A recipe's changes to ``training``. An omitted key keeps the study's value, except that ``epochs`` removes its
    ``max_steps``."""

    epochs: PositiveFloat | None = None
    max_steps: PositiveInt | None = None
    batch_size: PositiveInt | None = None
    micro_batch_tokens: PositiveInt | None = None
    activation_checkpointing: bool | None = None
    gpus: NonNegativeInt | None = None
    learning_rate: PositiveFloat | None = None
    scheduler: Literal["cosine", "linear", "constant"] | None = None
    warmup_steps: NonNegativeInt | None = None
    weight_decay: Annotated[float, Field(ge=0.0)] | None = None
    max_grad_norm: PositiveFloat | None = None
    max_length: PositiveInt | None = None
    checkpoints: tuple[ScheduleSegment, ...] | None = None
    tuning: Tuning | None = None
