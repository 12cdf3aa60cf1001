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

    The mean over tokens favours answers of many tokens, whose later tokens are nearly certain: where two answers differ
    in their number of tokens, :func:`by_first_token` is free of this bias.

    With both answers the margin is ``context_logprob / context_tokens - parametric_logprob /
    parametric_tokens``: ``context`` where it is above ``threshold``, ``parametric`` where it is below
    ``-threshold``, ``other`` where ``|margin| <= threshold`` (so always in matching items).

    A control item with one answer has no rival to be compared with, so its answer is compared with
    everything else the model could say: its own label where its log-odds ``log p - log(1 - p)`` are
    above ``threshold`` (with 0: likelier than all else together), else ``other``.

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
    """The answer whose token is likelier where the two answers first differ; both log-probabilities are in nats.

    This compares two continuations of the same beginning, so that the answers' lengths play no part (section 5 of the
    paper compares the same two tokens). ``other`` where the two are equal or one is missing.

    Raises :class:`ValueError` for a NaN.
    """
    if context_logprob is None or parametric_logprob is None:
        return "other"
    if math.isnan(context_logprob) or math.isnan(parametric_logprob):
        raise ValueError("the log-probability of a first differing token is NaN; evaluate the checkpoint again")
    margin = context_logprob - parametric_logprob
    return "context" if margin > 0 else "parametric" if margin < 0 else "other"


def first_token_mass(context_logprob: float | None, parametric_logprob: float | None) -> float | None:
    """The probability of the two tokens that :func:`by_first_token` compares, from 0 to 1; None if one is missing.

    Where it is small the model would say something else, and the comparison says little about the model's answer.
    """
    if context_logprob is None or parametric_logprob is None:
        return None
    return math.exp(context_logprob) + math.exp(parametric_logprob)
