"""All scorers in one table. A scorer is a function from an item and a response to a label.

To add one, write its function and its line in :data:`SCORERS`; the tables, figures and the report follow the table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from inversion.matching.answers import shared_answers
from inversion.records.answers import Response
from inversion.records.data import ConflictItem
from inversion.score.judgement import Judgement, judge
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


_LETTER = re.compile(
    r"\s*(?:(?:the\s+)?(?:correct\s+|final\s+|right\s+)?(?:answer|option|choice)(?:\s+is)?\s*:?\s*)?[\"'(\[*]*(?P<letter>[A-Z])[\"')\]*]*"
    r"(?=\s*(?:$|[.):,\n]|is\b))",
    re.IGNORECASE,
)
_POLARITY = re.compile(r"\s*(?:(?:the\s+)?answer(?:\s+is)?\s*:?\s*)?[\"'(\[*]*(?P<word>yes|no)\b", re.IGNORECASE)


def judge_item(item: ConflictItem, response: Response) -> Judgement:
    """:func:`~inversion.score.judgement.judge` of a response to an item.

    A response to a question with options that begins with a letter gives that option, and one to a question that is
    answered with yes or no gives the word that it begins with, whatever it names after that.
    """
    text, sides = response.text, {"context": item.context_answers, "parametric": item.parametric_answers}
    answer: tuple[str, tuple[int, int]] | None = None
    if item.options and (letter := _LETTER.match(text)):
        chosen = dict(item.lettered_options()).get(letter["letter"].upper())
        answer = None if chosen is None else (chosen, letter.span("letter"))
    elif item.kind == "yes_no" and (word := _POLARITY.match(text)):
        answer = word["word"], word.span("word")
    if answer is None:
        return judge(text, item.context_answers, item.parametric_answers, item.context, item.question)
    given, span = answer
    side = next((side for side, answers in sides.items() if shared_answers([given], answers)), None)
    return Judgement(side or "neither", span, "option" if item.options else "polarity")  # type: ignore[arg-type]


def _judge(item: ConflictItem, response: Response) -> str:
    return judge_item(item, response).label


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
