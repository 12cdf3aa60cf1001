"""A base model tried with the tuning methods of a study, so that problems are found before anything is trained."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from inversion.config.training import QloraTuning, Tuning
from inversion.models import load_model, prepare_tuning
from inversion.train.packed_attention import require_sequences_apart, use_packed_attention

log = logging.getLogger(__name__)


def check_tunings(folder: str | Path, tunings: Sequence[Tuning]) -> None:
    """Raise :class:`~inversion.models.ModelError` if the model in ``folder`` cannot be trained by one of ``tunings``.

    With each method's adapters it reads a few short rows, packed and alone. For QLoRA it is not quantised here; stacked
    experts, which QLoRA does not hold in four bits, are logged.
    """
    for tuning in tunings:
        model = load_model(folder)
        stacked = sorted(name for name, weight in model.named_parameters() if weight.dim() > 2)
        if isinstance(tuning, QloraTuning) and stacked:
            log.warning("qlora: %d stacked weights (%s, ...) are not held in four bits", len(stacked), stacked[0])
        tuned = prepare_tuning(model, "check", tuning)
        use_packed_attention(tuned)
        require_sequences_apart(tuned)
