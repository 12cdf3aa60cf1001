"""Rows of model output: responses and their labels, knowledge, benchmark scores."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Response:
    """The response of one checkpoint to one item: raw facts, no judgement."""

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
    token; null if there is none."""
    context_tokens: int
    """Tokens of this alias; 0 if there is none."""
    parametric_logprob: float | None
    parametric_tokens: int
    context_first_logprob: float | None = None
    """Log-probability of the context answer's token at the first place where the preferred answers (the first
    aliases) differ, after their common beginning; null unless both have a token there."""
    parametric_first_logprob: float | None = None
    context_logprob_closed: float | None = None
    """Summed log-probability of the same alias after the same prompt without the context; null if the item has
    no context or no such answer."""
    parametric_logprob_closed: float | None = None


@dataclass(frozen=True, slots=True)
class KnowledgeProbe:
    """The response of a base model to one conflict item without its context, in a plain format: raw facts."""

    set: str
    item_id: str
    text: str
    """Greedy answer up to the end of its line."""
    context_logprob: float
    """Log-probability (nats per token) of the context answer, its likeliest alias."""
    parametric_logprob: float
    """The same for the parametric answer."""
    distractors: list[str]
    """Parametric answers of other items of the set and stratum."""
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
    """Why: ``known``, or the reasons why not (``outranked by ...``, ``not generated``)."""
    text: str
    """The model's answer without the context."""
    says: str = ""
    """Which of the two answers that is, ``context`` or ``parametric``; empty if it is neither."""


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
    """The levels of the crossed factors of the item, as ``name=level``; empty for most sets."""
    known: bool | None
    """Whether the base model knows the parametric answer (controls: of the item they belong to); null if it
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
    """Label by the answer that is likelier per token: ``context``, ``parametric`` or ``other``."""


@dataclass(frozen=True, slots=True)
class Labels:
    """The columns of the table ``items`` that follow those of :class:`Item`; tables of other origin may lack them."""

    judge: str
    """The main label: ``context``, ``parametric``, ``both``, ``neither`` or ``abstains``."""
    judge_span: str | None
    """The words of the response that the label is based on; null if there are none."""
    judge_rule: str
    """The name of the rule that applied (docs/evaluation.md lists them)."""
    first_token: str
    """Label by the likelier token at the first difference of the answers: ``context``, ``parametric`` or ``other``."""
    first_token_mass: float | None
    """The total probability of these two tokens, from 0 to 1; null if there are none."""
    words: int
    """Words of the response."""
    copied: float | None
    """Share of the response's words that are copied from the passage, from 0 to 1; null without a passage."""
    control: str | None
    """The origin of a control's passage: ``native``, from the release itself, or ``synthetic``, generated here."""


@dataclass(frozen=True, slots=True)
class BenchmarkScore:
    """The score of one checkpoint on one question of a benchmark, by one metric."""

    step: int
    benchmark: str
    """Its name in the study."""
    task: str
    """lm-eval's name of the task: of the subject, where a benchmark has several."""
    doc_id: int
    """The question's place in the task, from 0 on."""
    metric: str
    """lm-eval's name of the metric and filter, such as ``acc,none``."""
    score: float
