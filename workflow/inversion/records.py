"""The typed rows that pass from stage to stage, and their tables.

A record is a frozen dataclass; :func:`schema_of` derives its polars schema from the annotations,
so the two cannot drift apart.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from inversion.artifacts import ArtifactError, read_parquet

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: str
    """``system``, ``user`` or ``assistant``."""
    content: str


@dataclass(frozen=True, slots=True)
class Example:
    """One instruction-finetuning example; the last message is the assistant's.

    The context is kept apart from the messages, so that the same example can be rendered with and
    without it (:mod:`inversion.instruct.templates`).
    """

    example_id: str
    messages: list[Message]
    context: str | None
    kind: str | None
    """Where it is known by construction: ``C``, ``C+S``, ``S`` or ``counterfactual``. For checking
    selections; none but that by kind makes use of it."""
    subject: str | None
    relation: str | None

    @property
    def question(self) -> str:
        """The first user turn."""
        return next(m.content for m in self.messages if m.role == "user")

    @property
    def answer(self) -> str:
        """The last assistant turn."""
        return self.messages[-1].content


@dataclass(frozen=True, slots=True)
class ConflictItem:
    """One evaluation question, with the answer of its context and the answer of the model's memory.

    Control items have one right answer: items read from a passage have no parametric answer, items
    without a passage have no context answer, and in matching items both are the same.
    """

    item_id: str
    set: str
    role: str
    """``conflict`` or ``control``."""
    question: str
    context: str | None
    context_answers: list[str]
    """The answer and its aliases, the preferred one first; empty where there is none."""
    parametric_answers: list[str]
    cluster: str
    """Items of a cluster are not independent (same fact, or same question) and are resampled together."""
    stratum: str
    """A category to break curves down by (a relation, say)."""
    subject: str | None = None
    """Whom or what the fact is about, where it is known."""
    factors: list[str] = dataclasses.field(default_factory=list)
    """What was varied on purpose, as ``name=level``, sorted; empty in sets that cross no factors."""


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """What one rule of the audit found in one conflict set; a rule that found nothing has a row too."""

    set: str
    rule: str
    """Named and explained in :func:`inversion.conflict.audit.audit_set`."""
    action: str
    """What became of the items: ``dropped``, ``rewritten`` or ``kept``."""
    count: int
    """Items that the rule found."""
    checked: int
    """Items that the rule looked at."""
    examples: list[str]
    """The first few, in one line each."""


@dataclass(frozen=True, slots=True)
class ContextNeed:
    """How much the base model needs the context to find an example's answer (section 4.3)."""

    example_id: str
    loss_without_context: float
    """Mean negative log-likelihood (nats a token) of the answer without the context: its log-perplexity."""
    loss_with_context: float
    """The same with the context; equal where there is none."""
    tokens: int
    """Tokens of the answer, end of turn included."""


@dataclass(frozen=True, slots=True)
class SelectionCount:
    """How many examples of one kind a recipe kept, dropped and added in building a training set.

    Tokens are those of contexts and turns, without the template; null for a recipe that takes its dataset as it is.
    """

    model: str
    dataset: str
    recipe: str
    seed: int
    kind: str
    """The examples' ``kind``; ``unknown`` where the dataset has none."""
    kept: int
    dropped: int
    added: int
    kept_tokens: int | None = None
    dropped_tokens: int | None = None
    added_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """What one checkpoint said to one item: raw facts, no judgement."""

    step: int
    set: str
    item_id: str
    prompt: str
    """Name of the prompt variant."""
    text: str
    """Greedy answer up to the end of the turn."""
    finished: bool
    """Whether the model ended its turn within the allowed tokens."""
    context_logprob: float | None
    """Summed log-probability (nats) of the context answer after the prompt, of the alias that is likeliest per
    token; null where there is none."""
    context_tokens: int
    """Tokens of this alias; 0 where there is none."""
    parametric_logprob: float | None
    parametric_tokens: int
    context_first_logprob: float | None = None
    """Log-probability of the context answer's token at the first place where the preferred answers (the first
    aliases) differ, after their common beginning; null unless both have a token there."""
    parametric_first_logprob: float | None = None
    context_logprob_closed: float | None = None
    """Summed log-probability of the same alias after the same prompt without the context; null where the item has
    no context or no such answer."""
    parametric_logprob_closed: float | None = None


@dataclass(frozen=True, slots=True)
class KnowledgeProbe:
    """What a base model says to one conflict item without its context, in a plain format: raw facts, no judgement."""

    set: str
    item_id: str
    text: str
    """Greedy answer up to the end of its line."""
    context_logprob: float
    """Log-probability (nats a token) of the context answer, its likeliest alias."""
    parametric_logprob: float
    """The same of the parametric answer."""
    distractors: list[str]
    """Parametric answers of other items of the set and stratum."""
    distractor_logprobs: list[float]
    """Log-probability (nats a token) of each distractor."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """One row of the table ``knowledge``: whether a base model knows the fact that a conflict item contradicts."""

    model: str
    set: str
    item_id: str
    known: bool
    reason: str
    """Why: ``known``, or what it failed (``outranked by ...``, ``not generated``)."""
    text: str
    """What the model answered without the context."""


@dataclass(frozen=True, slots=True)
class Item:
    """One row of the table ``items``: a run, step, item and prompt, with every scorer's label."""

    model: str
    dataset: str
    recipe: str
    seed: int
    step: int
    epoch: float
    set: str
    role: str
    item_id: str
    cluster: str
    stratum: str
    factors: list[str]
    """What was crossed in making the item, as ``name=level``; empty for most sets."""
    known: bool | None
    """Whether the base model knows the parametric answer (controls: of the item they belong to); null where it
    cannot be asked."""
    prompt: str
    context_answers: list[str]
    parametric_answers: list[str]
    text: str
    finished: bool
    context_logprob: float | None
    context_tokens: int
    parametric_logprob: float | None
    parametric_tokens: int
    context_first_logprob: float | None
    parametric_first_logprob: float | None
    context_logprob_closed: float | None
    parametric_logprob_closed: float | None
    containment: str
    """Label by containment: ``context``, ``parametric``, ``both`` or ``other``."""
    first_mention: str
    """Label by the answer mentioned first: ``context``, ``parametric`` or ``other``."""
    logprob: str
    """Label by the likelier answer a token: ``context``, ``parametric`` or ``other``."""


@dataclass(frozen=True, slots=True)
class BenchmarkScore:
    """How one checkpoint did on one question of a benchmark, by one metric."""

    step: int
    benchmark: str
    """Its name in the study."""
    task: str
    """lm-eval's name of the task: of the subject, where a benchmark has several."""
    doc_id: int
    """The question's place in the task, from 0 on."""
    metric: str
    """What lm-eval calls the metric and filter, as ``acc,none``."""
    score: float


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One row of the table ``curves``."""

    model: str
    dataset: str
    recipe: str
    seed: int
    step: int
    epoch: float
    set: str
    stratum: str
    """``all`` for the whole set, ``known`` for the items whose fact the base model knows."""
    prompt: str
    scorer: str
    metric: str
    """``context_rate``, ``parametric_rate``, ``other_rate``, ``m_c``, ``pair_accuracy`` or ``accuracy`` (controls,
    benchmarks)."""
    value: float
    low: float
    high: float
    """95 % interval, a bootstrap over clusters."""
    n: int
    """Items."""


@dataclass(frozen=True, slots=True)
class Inversion:
    """One row of the table ``inversions``: what one run did on one conflict set."""

    model: str
    dataset: str
    recipe: str
    seed: int
    set: str
    stratum: str
    """``all`` for the whole set, ``known`` for the items whose fact the base model knows."""
    prompt: str
    scorer: str
    start: float
    peak_step: int
    peak: float
    end_step: int
    end: float
    rise: float
    rise_low: float
    rise_high: float
    drop: float
    drop_low: float
    drop_high: float
    to_parametric: int
    """Items answered with the context at the peak and with memory at the end."""
    to_context: int
    """Items answered with memory at the peak and with the context at the end."""
    p_value: float
    p_adjusted: float
    """Corrected over the whole table, both strata included."""
    verdict: str
    """``inversion``, ``no_drop``, ``no_rise`` or ``inconclusive``."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """One row of the table ``agreement``: how far two scorers agree on one conflict set, over all runs and steps."""

    set: str
    prompt: str
    first: str
    second: str
    n: int
    """Responses."""
    agreement: float
    """Share of responses with the same label."""
    kappa: float
    """Cohen's kappa: agreement beyond chance; NaN where both scorers know one label only."""
    one_answer: int
    """Responses whose text holds one of the two answers and not the other (by containment)."""
    one_answer_disagree: int
    """How many of these get different labels."""


@dataclass(frozen=True, slots=True)
class Flip:
    """One row of the table ``flips``: an item of one run whose label at the end is not that at the peak."""

    model: str
    dataset: str
    recipe: str
    seed: int
    set: str
    prompt: str
    scorer: str
    item_id: str
    known: bool | None
    peak: str
    """Label at the peak."""
    end: str
    """Label at the end."""


@dataclass(frozen=True, slots=True)
class FlipOverlap:
    """One row of the table ``flip_overlap``: whether two runs lose the same items from context to memory."""

    set: str
    prompt: str
    scorer: str
    first: str
    """A run, as ``{model}/{dataset}/{recipe}/seed{seed}``."""
    second: str
    both: int
    """Items that flip from the context answer to the parametric one in both runs."""
    only_first: int
    only_second: int
    neither: int
    odds_ratio: float
    """both x neither / (only_first x only_second); above 1 where the same items flip, NaN where a run flips none."""
    p_value: float
    """Fisher's exact test, two-sided."""


@dataclass(frozen=True, slots=True)
class FactorRate:
    """One row of the table ``factors``: context reliance at one level of one factor of a crossed set."""

    model: str
    dataset: str
    recipe: str
    seed: int
    set: str
    prompt: str
    scorer: str
    factor: str
    level: str
    moment: str
    """``start``, ``peak`` or ``end``, as in the table ``inversions``."""
    context_rate: float
    low: float
    high: float
    """95 % interval, a bootstrap over clusters."""
    n: int
    """Items."""


@dataclass(frozen=True, slots=True)
class Tradeoff:
    """One row of the table ``tradeoffs``: what a run of an experiment scores on one set, beside the reference."""

    experiment: str
    model: str
    dataset: str
    recipe: str
    seed: int
    prompt: str
    set: str
    """A conflict set, a control set, a benchmark, ``control mean`` or ``ID accuracy``."""
    scorer: str
    metric: str
    """``context_rate`` (conflict sets) or ``accuracy``."""
    end_step: int
    end: float
    """At the end, as in the table ``inversions``."""
    end_low: float
    end_high: float
    """95 % interval, a bootstrap over clusters; so are the others."""
    peak: float | None
    """At the peak of the context answers, as in the table ``inversions``; null for what belongs to no conflict set."""
    peak_low: float | None
    peak_high: float | None
    n: int
    """Items."""
    difference: float | None = None
    """``end`` less that of the reference: the recipe that changes nothing under the first prompt, with the same model,
    dataset and seed. Null for the reference itself, and in experiments without it."""
    difference_low: float | None = None
    difference_high: float | None = None
    p_value: float | None = None
    """Exact sign test over clusters: which go up, which down."""
    p_adjusted: float | None = None
    """Corrected over the experiment."""


ATTENTION_PARTS = ("context", "subject", "rest")
"""What a prompt's tokens are taken apart into."""


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
    """From where: ``answer``, the prompt's last token, or ``after_context``, the mean over all tokens behind the
    context."""
    context: float
    """Attention on the tokens of the context; with ``subject`` and ``rest`` it sums to 1."""
    subject: float | None
    """On the tokens of the subject in the question; null where the item has none, or its question does not name it."""
    rest: float
    """On all others: the template, the rest of the question."""
    tokens: int
    """Tokens of the prompt."""
    context_tokens: int
    subject_tokens: int


@dataclass(frozen=True, slots=True)
class GradientNorm:
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
    """Mean over the labelled tokens (nats a token)."""
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
    """``all`` or ``query_key``, as in :class:`GradientNorm`."""
    measure: str
    """``example``: mean norm of the gradient of one example; ``mean``: norm of the mean gradient of the kind;
    ``batch``: that times the kind's share of the training set, its part of a step's gradient; ``pull``: how fast that
    part widens the margin of the context answers under conflict (nats a unit of learning rate; the mean of
    :attr:`GradientNorm.towards` times the share); ``loss``."""
    value: float
    low: float
    high: float
    """95 % interval, a bootstrap over clusters of examples with the same fact."""
    n: int
    """Examples."""


@dataclass(frozen=True, slots=True)
class TheoryClaim:
    """One row of the table ``theory``: one part of one claim of section 5, checked at one setting."""

    claim: str
    """``Lemma 1``, ``Proposition 1`` to ``Proposition 3`` or ``Theorem 1``."""
    part: str
    """What exactly was checked."""
    violated: list[str]
    """The assumptions that the setting does not meet; empty where the paper claims it."""
    holds: bool
    margin: float
    """By how much it holds (above 0) or fails: the smallest of the differences that must be positive."""
    low: float | None
    """Where learning rates were searched, the lowest at which it holds; null where that is the lowest searched."""
    high: float | None
    """The highest at which it holds; null where that is the highest searched."""
    learning_rate: float | None
    """Of W_KQ; null where it was searched, or plays no part."""
    value_learning_rate: float | None
    """Of W_V; 0 where it was frozen, null where it was searched."""
    context_critical: int
    context_and_memory: int
    delta_c: float
    delta_m: float
    o_c: float
    o_r: float
    k_a: int
    k_s: int
    sigma_r: float
    """Attention on the relation of [c, s, r] before training."""


@dataclass(frozen=True, slots=True)
class TheoryStep:
    """The one-layer transformer after ``step`` steps of gradient descent."""

    context_critical: int
    context_and_memory: int
    learning_rate: float
    value_learning_rate: float
    """Of W_V; 0 where it was frozen."""
    step: int
    theta_c: float
    """theta_C' W_KQ phi(r): how far attention goes to contexts in general."""
    theta_s: float
    """theta_S' W_KQ phi(r): how far it goes to subjects in general."""
    attention_c: float
    """Attention on the context, mean over C points."""
    attention_cs: float
    """The same over C+S points."""
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
    """One cell of a phase diagram: what M_C does at one setting when W_KQ is trained."""

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
    """Margin of Proposition 1 at t = 0: above 0 where it holds."""
    second_phase: float
    """Margin of Proposition 1 at t = 1."""
    theorem: float
    """Margin of Theorem 1."""


_PRIMITIVES: dict[type, pl.DataType] = {
    str: pl.String(),
    int: pl.Int64(),
    float: pl.Float64(),
    bool: pl.Boolean(),
}


def schema_of(record: type) -> pl.Schema:
    """The polars schema of a record type, one column a field, in order."""
    hints = typing.get_type_hints(record)
    return pl.Schema({field.name: _dtype(hints[field.name]) for field in dataclasses.fields(record)})


def to_frame(rows: Iterable[R], record: type[R]) -> pl.DataFrame:
    """A table with one row a record; has the record's columns also when there are no rows.

    Raises :class:`TypeError` where a value does not fit the type of its column.
    """
    plain = [dataclasses.asdict(row) for row in rows]  # type: ignore[call-overload]
    # by columns, because polars takes rows with silent casts (0.5 to 0, 3 to "3", a string for a list to null)
    schema = schema_of(record)
    return pl.DataFrame({name: [row[name] for row in plain] for name in schema}, schema=schema, strict=True)


def from_frame(frame: pl.DataFrame, record: type[R]) -> list[R]:
    """The records of a table made by :func:`to_frame`.

    Raises :class:`ValueError` where columns are missing or of another type.
    """
    require_schema(frame, record)
    hints = typing.get_type_hints(record)
    names = [field.name for field in dataclasses.fields(record)]  # type: ignore[arg-type]
    return [record(**{name: _revive(row[name], hints[name]) for name in names}) for row in frame.iter_rows(named=True)]


def require_schema(frame: pl.DataFrame, record: type, source: str = "table") -> None:
    """Raises :class:`ValueError`, naming ``source`` and the column, unless ``frame`` fits ``record``."""
    for name, dtype in schema_of(record).items():
        if name not in frame.columns:
            raise ValueError(f"{source}: column {name!r} is missing; delete the file and rerun to rebuild it")
        if frame.schema[name] != dtype:
            raise ValueError(
                f"{source}: column {name!r} has type {frame.schema[name]}, not {dtype}; "
                "delete the file and rerun to rebuild it"
            )


def read_frame(path: str | Path, record: type) -> pl.DataFrame:
    """The table of ``record`` rows in the Parquet file ``path``.

    Raises :class:`~inversion.artifacts.ArtifactError`, naming the file and the mend, where it is
    missing, unreadable or of another shape.
    """
    frame = read_parquet(path)
    try:
        require_schema(frame, record, str(path))
    except ValueError as error:
        raise ArtifactError(str(error)) from None
    return frame


def read_records(path: str | Path, record: type[R]) -> list[R]:
    """The records in the Parquet file ``path``; raises as :func:`read_frame`."""
    return from_frame(read_frame(path, record), record)


def _dtype(hint: Any) -> pl.DataType:
    """The polars type of an annotation."""
    if hint in _PRIMITIVES:
        return _PRIMITIVES[hint]
    arguments = typing.get_args(hint)
    if isinstance(hint, types.UnionType):
        (inner,) = (argument for argument in arguments if argument is not type(None))
        return _dtype(inner)
    if typing.get_origin(hint) is list:
        return pl.List(_dtype(arguments[0]))
    if dataclasses.is_dataclass(hint):
        return pl.Struct(dict(schema_of(hint)))  # type: ignore[arg-type]
    raise TypeError(f"no polars type for {hint!r}")


def _revive(value: Any, hint: Any) -> Any:
    """``value`` with nested structs turned back into their records."""
    if typing.get_origin(hint) is list:
        (inner,) = typing.get_args(hint)
        return [_revive(element, inner) for element in value]
    if dataclasses.is_dataclass(hint) and isinstance(value, dict):
        return hint(**value)  # type: ignore[operator]
    return value
