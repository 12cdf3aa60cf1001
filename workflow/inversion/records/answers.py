"""Rows of model output: responses and their labels, what base models know, and benchmark scores."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Response:
    """The response of one checkpoint to one item: raw facts, no judgement."""

    step: int
    set: str
    item_id: str
    prompt: str
    """Name of the prompt."""
    text: str
    """The greedy answer, up to the end of the turn."""
    finished: bool
    """Whether the model ended its turn within the maximum number of tokens."""
    context_logprob: float | None
    """Log-probability (nats, summed over tokens) of the context answer after the prompt. Of several aliases, the one
    with the highest log-probability per token is used. Null if there is no such answer."""
    context_tokens: int
    """Number of tokens of that alias; 0 if there is none."""
    parametric_logprob: float | None
    parametric_tokens: int
    context_first_logprob: float | None = None
    """Log-probability of the context answer's token at the first position where the preferred forms (the first aliases)
    of the two answers differ, after their common beginning; null unless both have a token there."""
    parametric_first_logprob: float | None = None
    context_logprob_closed: float | None = None
    """Log-probability (nats, summed over tokens) of the same alias after the same prompt without the context; null if
    the item has no context or no such answer."""
    parametric_logprob_closed: float | None = None


@dataclass(frozen=True, slots=True)
class KnowledgeProbe:
    """The answer of a base model to the question of one conflict item without its context, in a plain format: raw
    facts."""

    set: str
    item_id: str
    text: str
    """The greedy answer, up to the end of its line."""
    context_logprob: float
    """Log-probability (nats per token) of the context answer: of its most likely alias."""
    parametric_logprob: float
    """The same for the parametric answer."""
    distractors: list[str]
    """Parametric answers of other items of the same set and stratum."""
    distractor_logprobs: list[float]
    """Log-probability (nats per token) of each distractor."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """One row of the table ``knowledge``: whether a base model knows the fact that a conflict item contradicts."""

    model: str
    set: str
    item_id: str
    known: bool
    reason: str
    """``known``, or the reasons why the model does not know the fact (``outranked by ...``, ``not generated``)."""
    text: str
    """The model's answer without the context."""
    says: str = ""
    """The answer that the model's text gives: ``context`` or ``parametric``; empty if it gives neither."""


@dataclass(frozen=True, slots=True)
class Item:
    """One row of the table ``items``: the response to one item under one prompt at one step of a run, with every
    scorer's label."""

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
    """The levels of the item's factors, as ``name=level``; empty in sets without factors."""
    known: bool | None
    """Whether the base model knows the parametric answer (for controls, that of the conflict item they belong to); null
    if it cannot be probed."""
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
    """Label by the answer that is mentioned first: ``context``, ``parametric`` or ``other``."""
    logprob: str
    """Label by the answer with the higher log-probability per token: ``context``, ``parametric`` or ``other``."""


@dataclass(frozen=True, slots=True)
class Labels:
    """The columns of the table ``items`` that follow those of :class:`Item`. Tables that were made by other programs
    may lack them."""

    judge: str
    """The main label: ``context``, ``parametric``, ``both``, ``neither`` or ``abstains``."""
    judge_span: str | None
    """The words of the response that the label is based on; null if there are none."""
    judge_rule: str
    """The name of the rule that applied (docs/evaluation.md lists them)."""
    first_token: str
    """Label by the more likely token where the answers first differ: ``context``, ``parametric`` or ``other``."""
    first_token_mass: float | None
    """The total probability of these two tokens, from 0 to 1; null if there are none."""
    words: int
    """Number of words of the response."""
    copied: float | None
    """Share of the response's words that are copied from the passage, from 0 to 1; null without a passage."""
    control: str | None
    """The origin of a control's passage: ``native``, from the release itself, or ``synthetic``, generated here."""


@dataclass(frozen=True, slots=True)
class BenchmarkScore:
    """The score of one checkpoint on one question of a benchmark, by one metric."""

    step: int
    benchmark: str
    """Name of the benchmark in the study."""
    task: str
    """lm-eval's name of the task. If a benchmark has several subjects, each is a task."""
    doc_id: int
    """Index of the question in the task, beginning with 0."""
    metric: str
    """lm-eval's name of the metric and filter, such as ``acc,none``."""
    score: float
