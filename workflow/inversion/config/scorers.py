"""The scorers. Each one refers to a function that labels the response to an item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ScorerKind:
    """One way to label a response."""

    label: str
    """Reference (``module:function``) of the function: called with a
    :class:`~inversion.records.data.ConflictItem` and a :class:`~inversion.records.answers.Response`, it returns
    ``context``, ``parametric``, ``both``, or another word if the response follows neither."""
    reads: Literal["text", "logprobs"]
    """The part of a response that the scorer reads. Scorers that read the text also label controls."""
    summary: str
    """When a response follows the context, as one line for the documentation."""


SCORERS: dict[str, ScorerKind] = {
    "judge": ScorerKind(
        "inversion.score.scorers:by_judge", "text", "the answer that the text commits to is the context's"
    ),
    "containment": ScorerKind(
        "inversion.score.scorers:by_containment",
        "text",
        "the text contains the context's answer; it may contain both",
    ),
    "first_mention": ScorerKind(
        "inversion.score.scorers:by_first_mention", "text", "the first answer that is not negated is the context's"
    ),
    "logprob": ScorerKind(
        "inversion.score.scorers:by_answer_logprob", "logprobs", "the context's answer is likelier per token"
    ),
    "first_token": ScorerKind(
        "inversion.score.scorers:by_first_difference",
        "logprobs",
        "the context's answer is likelier at the first token in which the two answers differ",
    ),
}
"""The scorers by name, which is also the name of their column in the table ``items``. The first one is the main
scorer."""

MAIN = next(iter(SCORERS))
"""The scorer that the report and the figures show by default."""
