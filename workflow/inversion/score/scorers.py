"""The scorers, which are functions from an item and a response to a label, and a table of them by name.

They are declared in :data:`inversion.config.scorers.SCORERS`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pkgutil import resolve_name
from types import MappingProxyType
from typing import Literal

from inversion.config.scorers import SCORERS as KINDS
from inversion.matching.answers import shared_answers
from inversion.records.answers import Response
from inversion.records.data import ConflictItem
from inversion.score.decision import judge
from inversion.score.judgement import Judgement
from inversion.score.likelihood import by_first_token, by_logprob
from inversion.score.mentions import containment, first_mention


@dataclass(frozen=True, slots=True)
class Scorer:
    """A scorer of :data:`inversion.config.scorers.SCORERS` with its function."""

    name: str
    """Also the name of its column in the table ``items``."""
    label: Callable[[ConflictItem, Response], str]
    """Returns the label: ``context``, ``parametric``, ``both``, or another word if the response follows neither."""
    reads: Literal["text", "logprobs"]
    """The part of a response that it reads. Scorers that read the text also label controls."""
    summary: str
    """One line of the docs: when a response counts as following the context."""


_LETTER = re.compile(
    r"\s*(?:(?:the\s+)?(?:correct\s+|final\s+|right\s+)?(?:answer|option|choice)(?:\s+is)?\s*:?\s*)?[\"'(\[*]*(?P<letter>[A-Z])[\"')\]*]*"
    r"(?=\s*(?:$|[.):,\n]|is\b))",
    re.IGNORECASE,
)
_POLARITY = re.compile(r"\s*(?:(?:the\s+)?answer(?:\s+is)?\s*:?\s*)?[\"'(\[*]*(?P<word>yes|no)\b", re.IGNORECASE)


def judge_item(item: ConflictItem, response: Response) -> Judgement:
    """:func:`~inversion.score.decision.judge` of a response to an item.

    If the question has options and the response begins with a letter, the letter decides. If it is a yes-or-no question
    and the response begins with yes or no, that word decides. Text after the letter or word is then ignored.
    """
    text, sides = response.text, {"context": item.context_answers, "parametric": item.parametric_answers}
    answer: tuple[str, tuple[int, int]] | None = None
    if item.options and (letter := _LETTER.match(text)):
        chosen = dict(item.lettered_options()).get(letter["letter"].upper())
        answer = None if chosen is None else (chosen, letter.span("letter"))
    elif item.kind == "yes_no" and (word := _POLARITY.match(text)):
        answer = word["word"], word.span("word")
    if answer is None:
        return _judge(text, (*item.context_answers,), (*item.parametric_answers,), item.context, item.question)
    given, span = answer
    side = next((side for side, answers in sides.items() if shared_answers([given], answers)), None)
    return Judgement(side or "neither", span, "option" if item.options else "polarity")  # type: ignore[arg-type]


_judge = functools.lru_cache(maxsize=2**16)(judge)
"""A model gives most of its answers at several checkpoints, and each is judged for its label and for its evidence."""


def by_judge(item: ConflictItem, response: Response) -> str:
    """The label of :func:`judge_item`."""
    return judge_item(item, response).label


def by_containment(item: ConflictItem, response: Response) -> str:
    """The label of :func:`~inversion.score.mentions.containment`."""
    return containment(response.text, item.context_answers, item.parametric_answers).label


def by_first_mention(item: ConflictItem, response: Response) -> str:
    """The label of :func:`~inversion.score.mentions.first_mention`. Words repeated from the question do not count."""
    return first_mention(response.text, item.context_answers, item.parametric_answers, item.question)


def by_answer_logprob(item: ConflictItem, response: Response) -> str:
    """The label of :func:`~inversion.score.likelihood.by_logprob` from the log-probabilities of both whole answers."""
    return by_logprob(
        response.context_logprob, response.context_tokens, response.parametric_logprob, response.parametric_tokens
    )


def by_first_difference(item: ConflictItem, response: Response) -> str:
    """The label of :func:`~inversion.score.likelihood.by_first_token`."""
    return by_first_token(response.context_first_logprob, response.parametric_first_logprob)


SCORERS: Mapping[str, Scorer] = MappingProxyType(
    {name: Scorer(name, resolve_name(kind.label), kind.reads, kind.summary) for name, kind in KINDS.items()}
)
"""All scorers by name. The main scorer is first."""
