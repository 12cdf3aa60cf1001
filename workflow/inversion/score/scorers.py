"""All scorers in one table. A scorer is a function from an item and a response to a label.

To add one, write its function and its line in :data:`SCORERS`; the tables, figures and the report follow the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from inversion.records.answers import Response
from inversion.records.data import ConflictItem
from inversion.score.judgement import judge
from inversion.score.likelihood import by_first_token, by_logprob
from inversion.score.mentions import containment, first_mention

MAIN = "judge"
"""The scorer that reports and figures show unless another one is named."""


@dataclass(frozen=True, slots=True)
class Scorer:
    """One way to label a response."""

    name: str
    """Also the name of its column in the table ``items``."""
    label: Callable[[ConflictItem, Response], str]
    """Its label: ``context``, ``parametric``, ``both``, or another word where the response follows neither."""
    reads: Literal["text", "logprobs"]
    """What it needs of a response. Scorers of texts judge controls too."""
    summary: str
    """When a response follows the context, in one line of the docs."""


def _judge(item: ConflictItem, response: Response) -> str:
    return judge(response.text, item.context_answers, item.parametric_answers, item.context, item.question).label


def _containment(item: ConflictItem, response: Response) -> str:
    return containment(response.text, item.context_answers, item.parametric_answers).label


def _first_mention(item: ConflictItem, response: Response) -> str:
    return first_mention(response.text, item.context_answers, item.parametric_answers, item.question)


def _logprob(item: ConflictItem, response: Response) -> str:
    return by_logprob(
        response.context_logprob, response.context_tokens, response.parametric_logprob, response.parametric_tokens
    )


def _first_token(item: ConflictItem, response: Response) -> str:
    return by_first_token(response.context_first_logprob, response.parametric_first_logprob)


SCORERS: Mapping[str, Scorer] = MappingProxyType(
    {
        scorer.name: scorer
        for scorer in (
            Scorer("judge", _judge, "text", "the answer that the text commits to is the context's"),
            Scorer("containment", _containment, "text", "the text contains the context's answer; it may contain both"),
            Scorer("first_mention", _first_mention, "text", "the first answer that is not negated is the context's"),
            Scorer("logprob", _logprob, "logprobs", "the context's answer is likelier per token"),
            Scorer(
                "first_token",
                _first_token,
                "logprobs",
                "the context's answer is likelier at the first token in which the two answers differ",
            ),
        )
    }
)
"""Every scorer by its name, the main one first."""
