"""Benchmarks, prompts, decoding methods, and how checkpoints are evaluated."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from inversion.config.base import (
    Name,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Seed,
    Strict,
    commit,
    local_path,
    nearest,
)
from inversion.config.tasks import TASKS

CONTRAST_CHECK = "inversion.respond.contrast:check_contrast"
"""Reference (``module:function``) of the function that checks base models for contrastive decoding before anything is
trained. It raises :class:`~inversion.models.ModelError` for a model that cannot be decoded in this way."""


class Benchmark(Strict):
    """An lm-eval task, with questions from the Hub or from a file."""

    task: str
    """``gsm8k``, ``mmlu``, ``arc_challenge``, ``squad`` (version 1.1, our own task), or any other lm-eval task."""
    path: Annotated[str, AfterValidator(local_path)] | None = None
    """A JSON, JSON Lines or CSV file with the questions of one of the four named tasks, instead of the Hub; see
    docs/benchmarks.md."""
    revision: Annotated[str, AfterValidator(commit)] | None = None
    """The commit of the task's dataset on the Hub; by default the current one (``squad`` pins its own)."""
    metric: str | None = None
    """lm-eval's name of the metric to use as accuracy, such as ``acc,none``. Not needed for the four named tasks."""
    few_shot: NonNegativeInt | None = None
    """Number of few-shot examples before each question; by default the task's own number. Questions from a file have
    none."""
    limit: PositiveInt | None = None
    """Use only the first n questions (of each subject, if the task has several)."""

    @property
    def main_metric(self) -> str:
        """The metric that counts as accuracy."""
        return self.metric or TASKS[self.task].metric

    @model_validator(mode="after")
    def _consistent(self) -> Benchmark:
        if self.task not in TASKS:
            if self.path is not None:
                raise ValueError(f"`path` works for {', '.join(TASKS)}, not for {self.task!r}; remove `path`")
            if self.metric is None:
                raise ValueError(f"task {self.task!r} needs `metric`, such as `acc,none`{nearest(self.task, TASKS)}")
        if self.path is not None and (self.few_shot or self.revision):
            raise ValueError(
                "few_shot and revision are for questions from the Hub, because a file has no few-shot examples and no "
                "commits; remove them or `path`"
            )
        return self


KeepCheckpoints = Literal["all", "extremes", "none"]
"""Which weights of a run stay on disk."""


class ContextAwareDecoding(Strict):
    """Amplify what the context changes: answer greedily from softmax((1 + alpha) logit(y | context, question) - alpha
    logit(y | question)) (arXiv 2305.14739). Every token takes two forward passes."""

    method: Literal["context_aware"]
    alpha: PositiveFloat = 1.0
    """The strength. 0 would be plain decoding; the authors use 1 if context and memory conflict, and 0.5 otherwise."""


class AdaptiveDecoding(Strict):
    """Context-aware decoding with a separate strength for every token: the Jensen-Shannon divergence, in nats, of the
    distributions with and without the context. Nothing is amplified where they agree (AdaCAD, arXiv 2409.07394)."""

    method: Literal["adaptive"]


Decoding = Annotated[ContextAwareDecoding | AdaptiveDecoding, Field(discriminator="method")]
"""How answers are decoded from a model's distributions with and without the context."""


class Prompt(Strict):
    """How a question is asked and answered. The dataset's own template is used, as in training, with these changes."""

    instruction: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] | None = None
    """A sentence before every question, with or without a context. Models of the invented world know only the words
    of their world."""
    order: Literal["context_first", "question_first"] = "context_first"
    """``question_first``: the question comes before the context, not after it. No effect if the template has the
    question first anyway, as Alpaca's does (instruction, then input)."""
    # not part of specifications if unset, so that answers from before this key existed stay valid
    decoding: Decoding | None = Field(default=None, exclude_if=lambda decoding: decoding is None)
    """How answers are decoded; by default, and for items without a context, greedily from the model's own
    distribution."""


class Design(Strict):
    """Which items every checkpoint answers, if not all."""

    items: PositiveInt
    """Number of items of each set (all if there are fewer). They are the same at every checkpoint, and a set's controls
    are those of its items. Levels of clusters, strata and factors are represented in proportion, for any number.
    Raising the number later evaluates only the additional items."""
    seed: Seed = 0
    """Which items are chosen among those that are equally needed."""


class Evaluation(Strict):
    """How checkpoints are evaluated."""

    prompts: dict[Name, Prompt] = Field(default={"plain": Prompt()}, min_length=1)
    """Prompts by name; every checkpoint answers every item with each of them. Figures show the first."""
    checkpoints_per_job: PositiveInt = 12
    """How many checkpoints one job evaluates on one loaded base model."""
    max_new_tokens: PositiveInt = 8
    """Maximum number of tokens of a generated answer."""
    design: Design | None = None
    """Evaluate a balanced sample of each set's items. By default all items are evaluated."""
    batch_size: PositiveInt = 256
    """Prompts per forward pass. Results do not depend on it in float32; in bfloat16 a few answers are worded
    differently (docs/evaluation.md)."""
    bootstrap: PositiveInt = 2000
    """Number of bootstrap resamples over clusters, in the tables of probes. For a verdict, twice as many curves are
    simulated."""
    margin: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Rises and falls of the context rate below this are negligible. A verdict never claims a smaller one, and it
    claims that there is none only if one of this size is excluded."""
    scatter: Annotated[float, Field(gt=0, lt=1)] = 0.02
    """Prior standard deviation of the scatter of checkpoints around the trend of their curve. The more checkpoints a
    curve has, the less this prior matters (docs/evaluation.md)."""
    benchmark_every: PositiveInt = 1
    """Run the benchmarks on every n-th checkpoint, as well as on the base model and the last checkpoint."""
    keep_checkpoints: KeepCheckpoints = "all"
    """Which weights stay on disk once all answers of a run are labelled. ``extremes`` keeps the last step and, for
    every conflict set, the step with the most context answers (by containment); the start is the base model. Answers
    are always kept, and finished work is not repeated. To evaluate deleted weights on anything new, the run must be
    trained again."""
