"""A base model tried with the tuning methods of a study, so that problems are found before anything is trained."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

from inversion.config.training import QloraTuning, Tuning
from inversion.models import load_model, prepare_tuning
from inversion.models.folder_tokenizer import read_config
from inversion.train.packed_attention import require_sequences_apart, use_packed_attention

log = logging.getLogger(__name__)


def check_tunings(folder: str | Path, tunings: Sequence[Tuning]) -> None:
    """Raise :class:`~inversion.models.ModelError` if the model in ``folder`` cannot be trained by one of ``tunings``.

    Its weights read a few short rows, packed and alone. Adapters are put into a model without memory. Stacked experts,
    which QLoRA does not hold in four bits, are logged.
    """
    if not tunings:
        return
    for tuning in tunings:
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(read_config(folder), trust_remote_code=False)
            prepare_tuning(model, "check", tuning)
        stacked = sorted(name for name, weight in model.named_parameters() if weight.dim() > 2 and "lora_" not in name)
        if isinstance(tuning, QloraTuning) and stacked:
            log.warning("qlora: %d stacked weights (%s, ...) are not held in four bits", len(stacked), stacked[0])
    model = load_model(folder)
    use_packed_attention(model)
    require_sequences_apart(model)
