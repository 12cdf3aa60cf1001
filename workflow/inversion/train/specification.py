"""The specification of a finetuning run as one hash. It does not import torch, because the workflow computes it while
it is parsed."""

from __future__ import annotations

from inversion.artifacts import fingerprint
from inversion.config.datasets import Template
from inversion.config.training import Training
from inversion.train import VERSION

BY_ROUNDING = ("gpus", "micro_batch_tokens", "activation_checkpointing")
"""Hyperparameters that change weights by rounding only, because they say how a step is divided. A run that went out of
memory can resume with other values."""


def training_specification(
    base_digest: str, data_digest: str, template: Template, training: Training, seed: int
) -> str:
    """The hexadecimal SHA-256 of everything on which the weights of a run depend, including
    :data:`~inversion.train.VERSION` and the version of the tuning method.

    ``base_digest`` and ``data_digest`` are the hashes of the base model and of the file with the training set.
    """
    tuning_version = training.tuning.version
    return fingerprint(
        {
            "version": VERSION,
            "base": base_digest,
            "data": data_digest,
            "template": template.model_dump(mode="json"),
            "training": training.model_dump(mode="json", exclude=set(BY_ROUNDING)),
            "seed": seed,
            # only if it was raised, so that the runs of other methods stay valid
            **({"tuning_version": tuning_version} if tuning_version > 1 else {}),
        }
    )
