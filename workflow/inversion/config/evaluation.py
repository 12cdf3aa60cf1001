"""Benchmarks, prompts, decodings, and how checkpoints are asked."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from inversion.config.base import Name, NonNegativeInt, PositiveFloat, PositiveInt, Strict, commit, local_path, nearest
from inversion.config.tasks import TASKS


class Benchmark(Strict):
    """A task of lm-eval, with questions from the hub or from a file."""

    task: str
    """``gsm8k``, ``mmlu``, ``arc_challenge``, ``squad`` (version 1.1, ours), or any other task of lm-eval."""
    path: Annotated[str, AfterValidator(local_path)] | None = None
    """A JSON, JSON Lines or CSV file with the questions of one of those four, instead of the hub; see
    docs/benchmarks.md."""
    revision: Annotated[str, AfterValidator(commit)] | None = None
    """The commit of the task's dataset on the hub; the current one where unset (``squad`` has one of its own)."""
    metric: str | None = None
    """What lm-eval calls the metric that counts, as ``acc,none``. Those four need none."""
    few_shot: NonNegativeInt | None = None
    """Solved examples before each question; as many as the task says where unset, none with a file."""
    limit: PositiveInt | None = None
    """Ask the first so many questions only (of each subject, in tasks that have several)."""

    @property
    def main_metric(self) -> str:
        """The metric that counts as accuracy."""
        return self.metric or TASKS[self.task].metric

    @model_validator(mode="after")
    def _consistent(self) -> Benchmark:
        if self.task not in TASKS:
            if self.path is not None:
                raise ValueError(f"files serve {', '.join(TASKS)}, not {self.task!r}; remove `path`")
            if self.metric is None:
                raise ValueError(f"task {self.task!r} needs `metric`, as `acc,none`{nearest(self.task, TASKS)}")
        if self.path is not None and (self.few_shot or self.revision):
            raise ValueError(
                "few_shot and revision are for questions from the hub: a file has neither examples to show nor commits"
            )
        return self


KeepCheckpoints = Literal["all", "extremes", "none"]
"""Which weights of a run stay on disk."""


class ContextAwareDecoding(Strict):
    """Amplify what the context changes: answer greedily from softmax((1 + alpha) logit(y | context, question) - alpha
    logit(y | question)) (arXiv 2305.14739). Every answer takes two forward passes a token."""

    method: Literal["context_aware"]
    alpha: PositiveFloat = 1.0
    """Strength: 0 would be plain decoding; its authors use 1 where context and memory conflict, 0.5 elsewhere."""


class AdaptiveDecoding(Strict):
    """The same with a strength for every token: the Jensen-Shannon divergence, in nats, of the distributions with and
    without the context, so that nothing is amplified where they agree (AdaCAD, arXiv 2409.07394)."""

    method: Literal["adaptive"]


Decoding = Annotated[ContextAwareDecoding | AdaptiveDecoding, Field(discriminator="method")]
"""How answers are drawn from a model's distributions with and without the context."""


class Prompt(Strict):
    """How a question is put and answered: in the dataset's own template, as in training, with what is changed here."""

    instruction: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] | None = None
    """A sentence before every question, also where there is no context. Models of the invented world know the words
    of their world only."""
    order: Literal["context_first", "question_first"] = "context_first"
    """``question_first``: the question stands before the context and not behind it. Without effect where the template
    has the question first by itself, as Alpaca's has (instruction, then input)."""
    # left out of specifications where unset: answers from before there was a choice stay valid
    decoding: Decoding | None = Field(default=None, exclude_if=lambda decoding: decoding is None)
    """How answers are decoded; greedily from the model's own distribution where unset, and for items without a
    context."""


class Evaluation(Strict):
    """How checkpoints are questioned."""

    prompts: dict[Name, Prompt] = Field(default={"plain": Prompt()}, min_length=1)
    """Prompts by name; every checkpoint answers every item with each of them. Figures show the first."""
    checkpoints_per_job: PositiveInt = 12
    """How many checkpoints one job questions on one loaded base model."""
    max_new_tokens: PositiveInt = 8
    """Longest generated answer."""
    batch_size: PositiveInt = 256
    """Prompts a forward pass. Results do not depend on it in float32; in bfloat16 a few answers are worded
    differently (docs/evaluation.md)."""
    bootstrap: PositiveInt = 2000
    """Resamples of a bootstrap over clusters (probes), and half as many as the simulated curves behind a verdict."""
    margin: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Rises and falls of the context rate below this are negligible: a verdict asserts none that is smaller, and says
    that there is none only where one as large is excluded."""
    scatter: Annotated[float, Field(gt=0, lt=1)] = 0.02
    """Standard deviation with which checkpoints are expected to scatter around the trend of their curve, before one is
    seen: the more checkpoints a curve has, the less it counts (docs/evaluation.md)."""
    benchmark_every: PositiveInt = 1
    """Every n-th checkpoint takes the benchmarks, besides the base model and the last one."""
    keep_checkpoints: KeepCheckpoints = "all"
    """Which weights stay on disk once all answers of a run are judged. ``extremes``: of every conflict set the step
    with most context answers (by containment), and the last step; the start is the base model. Answers stay in any
    case, and what is done is not done again; to ask removed weights anything new they must be trained again."""
