"""Instruction finetuning of a base model on a training set."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import DataCollatorForSeq2Seq

from inversion.artifacts import fingerprint
from inversion.config import Template, Training
from inversion.instruct.templates import encode_example
from inversion.manifests import TrainManifest
from inversion.models import load_for_tuning, load_tokenizer
from inversion.records import Example
from inversion.train import VERSION
from inversion.train.checkpoints import open_store
from inversion.train.run import Optimization, total_steps, train

logger = logging.getLogger(__name__)

IGNORED_LABEL = -100


class TrainingDataError(ValueError):
    """A training set that leaves nothing to train on."""


def finetune(
    base: str | Path,
    base_digest: str,
    examples: Sequence[Example],
    data_digest: str,
    template: Template,
    training: Training,
    seed: int,
    store: str | Path,
) -> TrainManifest:
    """Finetune the base model in the folder ``base`` and keep its checkpoints in the folder ``store``.

    ``base_digest`` and ``data_digest`` are the hashes of base model and training set; with the
    hyperparameters they are the specification under which checkpoints are found again. Loss is on the
    assistant's tokens only. Raises :class:`TrainingDataError` where no example fits ``max_length``.
    """
    spec = fingerprint(
        {
            "version": VERSION,
            "base": base_digest,
            "data": data_digest,
            "template": template.model_dump(mode="json"),
            "training": training.model_dump(mode="json"),
            "seed": seed,
        }
    )
    tokenizer = load_tokenizer(base)
    encoded = [encode_example(tokenizer, template, example) for example in examples]
    rows = [
        {
            "input_ids": row.input_ids,
            "labels": [
                token if labelled else IGNORED_LABEL
                for token, labelled in zip(row.input_ids, row.label_mask, strict=True)
            ],
        }
        for row in encoded
        if len(row.input_ids) <= training.max_length
    ]
    if not rows:
        raise TrainingDataError(f"no example is within max_length {training.max_length}; raise it")
    if len(rows) < len(encoded):
        logger.warning(
            "%d of %d examples are longer than max_length and left out", len(encoded) - len(rows), len(encoded)
        )
    steps = total_steps(len(rows), training.batch_size, training.epochs, training.max_steps)

    with open_store(store, spec) as opened:
        torch.manual_seed(seed)  # adapters are drawn at random
        model = load_for_tuning(base, base_digest, training.tuning)
        model.config.use_cache = False
        return train(
            model=model.train(),
            rows=rows,
            collate=DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=IGNORED_LABEL),
            optimization=Optimization(
                steps=steps,
                batch_size=training.batch_size,
                micro_batch_size=training.micro_batch_size or training.batch_size,
                learning_rate=training.learning_rate,
                scheduler=training.scheduler,
                scheduler_options={},
                warmup_steps=training.warmup_steps,
                weight_decay=training.weight_decay,
                max_grad_norm=training.max_grad_norm,
                seed=seed,
            ),
            schedule=training.checkpoint_steps(steps),
            store=opened,
            spec=spec,
            left_out=len(encoded) - len(rows),
        )
