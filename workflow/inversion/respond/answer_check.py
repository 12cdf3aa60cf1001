"""A base model asked a few rows before anything is trained: so that models that answer inexactly are found early."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from pkgutil import resolve_name

import torch

from inversion.models import ModelError, load_model
from inversion.respond.answers import continue_prompts, continue_uncached

_PROMPTS = ((1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11), (1, 2, 3, 4, 9, 8), (1, 2, 3, 4, 7, 5, 3))
"""Rows of token ids that begin alike and are of different lengths."""
_ANSWERS = (((2, 3, 5), (7,)), ((6, 2),), ((3,), (4, 4, 4, 1)))


@torch.no_grad()
def check_answers(folder: str | Path, checks: Sequence[str] = ()) -> None:
    """Raise :class:`~inversion.models.ModelError` unless the model in ``folder`` answers alike in a batch and alone.

    ``checks`` are those of the probes that a study has (:attr:`~inversion.config.probes.Probe.check`).
    """
    model = load_model(folder)
    for check in checks:
        resolve_name(check)(model)
    together = continue_prompts(model, _PROMPTS, _ANSWERS, [], 0, 3)
    alone = continue_uncached(model, _PROMPTS, _ANSWERS, [], 3)
    pairs = [
        (torch.tensor(one.logprobs[answer]), torch.tensor(other.logprobs[answer]))
        for one, other in zip(together, alone, strict=True)
        for answer in other.logprobs
    ]
    differences = torch.cat([one - other for one, other in pairs])
    apart = float(differences.square().mean().sqrt())
    if not apart <= (1e-3 if torch.finfo(model.dtype).eps < 1e-4 else 0.5):  # nats
        raise ModelError(
            f"models of type {model.config.model_type} answer differently in a batch than alone (by {apart:.1g} nats a "
            "token); choose a base model of another family: docs/compatibility.md lists those that answer exactly"
        )
