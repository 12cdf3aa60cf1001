"""The specification of a finetuning run, as one hash. Imports no torch: the workflow compares it while it is read."""

from __future__ import annotations

from inversion.artifacts import fingerprint
from inversion.config.datasets import Template
from inversion.config.training import Training
from inversion.train import VERSION

BY_ROUNDING = ("gpus", "micro_batch_tokens", "activation_checkpointing")
"""Hyperparameters that change weights by rounding only: they say how a step is divided, not what it is. A run that
went out of memory resumes with other values of them."""


def training_specification(
    base_digest: str, data_digest: str, template: Template, training: Training, seed: int
) -> str:
    """Hex SHA-256 over everything that decides the weights of a run, :data:`~inversion.train.VERSION` included.

    ``base_digest`` and ``data_digest`` are the hashes of the base model and of the file with the training set.
    """
    return fingerprint(
        {
            "version": VERSION,
            "base": base_digest,
            "data": data_digest,
            "template": template.model_dump(mode="json"),
            "training": training.model_dump(mode="json", exclude=set(BY_ROUNDING)),
            "seed": seed,
        }
    )
