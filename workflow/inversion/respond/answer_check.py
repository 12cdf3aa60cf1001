"""Checks before training that a base model gives the same answers in a batch as alone, so that problems are found
early."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from pkgutil import resolve_name

import torch
from torch import Tensor

from inversion.config.probes import Probe
from inversion.models import ModelError, load_model
from inversion.models.transformer_modules import deviation, rounding, transformer_modules
from inversion.respond.answers import Continuation, continue_prompts, continue_uncached

_PROMPTS = ((1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11), (1, 2, 3, 4, 9, 8), (1, 2, 3, 4, 7, 5, 3))
"""Rows of token ids with a common prefix and different lengths."""
_ANSWERS = (((2, 3, 5), (7,)), ((6, 2),), ((3,), (4, 4, 4, 1)))


@torch.no_grad()
def check_answers(folder: str | Path, checks: Sequence[str] = (), probes: Sequence[Probe] = ()) -> None:
    """Raise :class:`~inversion.models.ModelError` unless the model in ``folder`` gives the same answers in a batch and
    alone.

    ``checks`` has references to functions that are called with the model, which the probes and decoding methods of a
    study declare. ``probes`` must fit the model's number of layers and heads.
    """
    model = load_model(folder)
    for check in checks:
        resolve_name(check)(model)
    for probe in probes:
        modules = transformer_modules(model)
        if (reason := probe.misfit(len(modules.layers), modules.heads)) is not None:
            raise ModelError(reason)
    together = continue_prompts(model, _PROMPTS, _ANSWERS, [], 0, 3)
    alone = continue_uncached(model, _PROMPTS, _ANSWERS, [], 3)
    apart = deviation(_logprobs(together), _logprobs(alone))
    if not apart <= rounding(model.dtype):
        raise ModelError(
            f"models of type {model.config.model_type} answer differently in a batch than alone (by {apart:.1g} of the "
            "log-probabilities' deviation); choose a base model of another family: docs/compatibility.md lists those "
            "that answer exactly"
        )


def _logprobs(continuations: Sequence[Continuation]) -> Tensor:
    """The log-probabilities of all tokens of the answers, in their order."""
    answers = [sorted(one.logprobs.items()) for one in continuations]
    return torch.tensor([value for found in answers for _, values in found for value in values])
