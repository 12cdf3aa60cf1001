"""Labels from log-probabilities: which answer is likelier after the prompt."""

from __future__ import annotations

import math
from typing import Literal

Label = Literal["context", "parametric", "other"]


def by_logprob(
    context_logprob: float | None,
    context_tokens: int,
    parametric_logprob: float | None,
    parametric_tokens: int,
    threshold: float = 0.0,
) -> Label:
    """The answer that is likelier per token, by more than ``threshold`` nats.

    The mean over tokens favours long answers, because their later tokens are nearly certain. :func:`by_first_token`
    does not have this bias.

    With both answers, the margin is ``context_logprob / context_tokens - parametric_logprob /
    parametric_tokens``. The label is ``context`` if the margin is above ``threshold``, ``parametric`` if it is below
    ``-threshold``, and otherwise ``other``. Matching items, whose two answers are equal, are always ``other``.

    A control item with a single answer has no rival, so its answer is compared with everything else that the model
    could say. It gets the label of its answer if the log-odds ``log p - log(1 - p)`` are above ``threshold`` (at 0:
    likelier than everything else together), and otherwise ``other``.

    Raises :class:`ValueError` for a negative threshold, a NaN, or an answer without tokens.
    """
    if not threshold >= 0.0:
        raise ValueError(f"threshold must be at least 0 nats, got {threshold}")
    for logprob, tokens in ((context_logprob, context_tokens), (parametric_logprob, parametric_tokens)):
        if logprob is not None and (math.isnan(logprob) or tokens < 1):
            raise ValueError(
                f"an answer of {tokens} tokens has log-probability {logprob}; evaluate the checkpoint again"
            )
    if context_logprob is not None and parametric_logprob is not None:
        margin = context_logprob / context_tokens - parametric_logprob / parametric_tokens
        return "context" if margin > threshold else "parametric" if margin < -threshold else "other"
    # log p - log(1 - p) > threshold, solved for log p: has no pole at p = 1
    least = -math.log1p(math.exp(-threshold))
    if context_logprob is not None and context_logprob > least:
        return "context"
    if parametric_logprob is not None and parametric_logprob > least:
        return "parametric"
    return "other"


def by_first_token(context_logprob: float | None, parametric_logprob: float | None) -> Label:
    """The answer with the likelier token at the first position where the two answers differ.

    Both log-probabilities are in nats. The two tokens continue the same prefix, so the lengths of the answers have no
    effect. Section 5 of the paper compares the same two tokens. Returns ``other`` if they are equal or one is missing.

    Raises :class:`ValueError` for a NaN.
    """
    if context_logprob is None or parametric_logprob is None:
        return "other"
    if math.isnan(context_logprob) or math.isnan(parametric_logprob):
        raise ValueError("the log-probability of a first differing token is NaN; evaluate the checkpoint again")
    margin = context_logprob - parametric_logprob
    return "context" if margin > 0 else "parametric" if margin < 0 else "other"


def first_token_mass(context_logprob: float | None, parametric_logprob: float | None) -> float | None:
    """The total probability of the two tokens that :func:`by_first_token` compares, from 0 to 1; None if one is
    missing.

    If it is small, the model would generate something else, so comparing the two tokens says little about its answer.
    """
    if context_logprob is None or parametric_logprob is None:
        return None
    return math.exp(context_logprob) + math.exp(parametric_logprob)
