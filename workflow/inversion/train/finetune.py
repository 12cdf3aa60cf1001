"""Finetunes a base model on a training set."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import torch

from inversion.config.datasets import Template
from inversion.config.training import FullTuning, Training
from inversion.instruct.templates import encode_example
from inversion.instruct.tokens import RowTextError
from inversion.manifests import Manifest, TrainManifest
from inversion.models import context_window, load_for_tuning, load_tokenizer
from inversion.records.data import Example
from inversion.train import sharding
from inversion.train.interruption import listening
from inversion.train.packed_attention import require_sequences_apart, use_packed_attention
from inversion.train.packing import PackedData, training_order
from inversion.train.processes import launch
from inversion.train.specification import training_specification
from inversion.train.store import CheckpointStore, open_store
from inversion.train.trainer import Optimization, train

logger = logging.getLogger(__name__)


_FAULTS_SHOWN = 5
_MAX_UNWRITTEN = 0.01
"""The largest share of examples that may be omitted because the template cannot write them."""


class TrainingDataError(ValueError):
    """A training set cannot be used for training."""


class Job(Manifest):
    """The inputs of each process of a finetuning run. The training data are in the store."""

    base: str
    base_digest: str
    training: Training
    seed: int
    store: str
    spec: str
    start: int
    """The step to continue from."""


def finetune(
    base: str | Path,
    base_digest: str,
    examples: Sequence[Example],
    data_digest: str,
    template: Template,
    training: Training,
    seed: int,
    store: str | Path,
    processes: int = 1,
    attempt: int = 1,
) -> TrainManifest:
    """Finetune the base model in the folder ``base``, and store its checkpoints in the folder ``store``.

    ``base_digest`` and ``data_digest`` are the hashes of the base model and the training set. They are part of the
    :func:`~inversion.train.specification.training_specification`, which identifies the checkpoints. If the store holds
    a finished training with the same specification, nothing is trained. The loss is on the assistant's tokens only.

    ``processes`` is the number of processes, one per GPU, that share each step. On SIGUSR1 and SIGTERM the run saves
    its state and raises :class:`~inversion.train.interruption.Interrupted`; the next call resumes from it. ``attempt``
    is the number of the caller's attempt. From the second attempt on, :class:`~inversion.train.store.NoProgressError`
    is raised if the last two attempts began at the same step as this one would.

    Raises :class:`TrainingDataError` if no example fits ``max_length`` and the model's context window, and
    :class:`~inversion.models.ModelError` if the model cannot train on packed rows.
    """
    spec = training_specification(base_digest, data_digest, template, training, seed)
    if training.batch_size % processes:
        raise TrainingDataError(
            f"{processes} processes cannot share a batch of {training.batch_size} examples evenly; "
            "change batch_size or the number of GPUs"
        )
    with open_store(store, spec) as opened:
        done = opened.read_manifest()
        if done is not None:
            logger.info("all %d checkpoints exist already: nothing to train", len(done.steps))
            return done
        opened.keep_data(lambda: _pack(base, examples, template, training, seed))
        data, _ = opened.read_data()
        with opened.resuming(training.checkpoint_steps(data.steps)) as start:
            job = Job(
                base=str(base),
                base_digest=base_digest,
                training=training,
                seed=seed,
                store=str(store),
                spec=spec,
                start=start,
            )
            with opened.attempting(start, first=attempt == 1):
                if processes == 1:
                    run_job(job)
                else:
                    launch(job, processes, opened)
        opened.drop_states()
        return TrainManifest.read(opened.manifest_path)


def run_job(job: Job) -> None:
    """Train in this process, either alone or as part of a process group."""
    with listening() as asked_to_stop:
        training, store = job.training, CheckpointStore(job.store)
        data, left_out = store.read_data()
        torch.manual_seed(job.seed)  # adapters are initialised randomly
        model = load_for_tuning(job.base, job.base_digest, training.tuning)
        use_packed_attention(model)
        require_sequences_apart(model)
        if torch.distributed.is_initialized() and training.tuning == FullTuning():
            # other methods train few weights, which fit on each GPU, and query-key tuning needs unsharded weights
            sharding.shard(model)
        train(
            model=model,
            data=data,
            optimization=Optimization(
                learning_rate=training.learning_rate,
                scheduler=training.scheduler,
                scheduler_options={},
                warmup_steps=training.warmup_steps,
                weight_decay=training.weight_decay,
                max_grad_norm=training.max_grad_norm,
                seed=job.seed,
                micro_batch_tokens=training.micro_batch_tokens,
                activation_checkpointing=training.activation_checkpointing,
            ),
            schedule=training.checkpoint_steps(data.steps),
            store=store,
            spec=job.spec,
            start=job.start,
            left_out=left_out,
            asked_to_stop=asked_to_stop,
        )


def _pack(
    base: str | Path, examples: Sequence[Example], template: Template, training: Training, seed: int
) -> tuple[PackedData, int]:
    """The encoded examples that fit ``max_length`` and the context window, in training order, and how many are omitted.

    Raises :class:`TrainingDataError` if no example is left, or if the template cannot write more than one in a hundred.
    """
    tokenizer = load_tokenizer(base)
    encoded, faults = [], []
    for example in examples:
        try:
            encoded.append(encode_example(tokenizer, template, example))
        except RowTextError as error:
            faults.append(str(error))
    if faults:
        shown = "; ".join(faults[:_FAULTS_SHOWN])
        logger.warning("%d of %d examples cannot be written and are omitted: %s", len(faults), len(examples), shown)
    if len(faults) > _MAX_UNWRITTEN * len(examples):
        raise TrainingDataError(
            f"{len(faults)} of {len(examples)} examples cannot be written in the template; the first: {faults[0]}"
        )
    window = context_window(base) or training.max_length
    longest = min(training.max_length, window)
    rows = [row for row in encoded if len(row.input_ids) <= longest]
    if not rows:
        fix = (
            "; raise it" if longest < window else ", which is the model's context window; choose another model or data"
        )
        raise TrainingDataError(f"no example is within max_length {longest}{fix}")
    too_long = len(encoded) - len(rows)
    if too_long:
        logger.warning("%d of %d examples are longer than %d tokens and are omitted", too_long, len(encoded), longest)
    training.require_enough(len(rows), f"of {len(examples)} examples those that fit")
    steps = training.total_steps(len(rows))
    order = training_order(len(rows), training.batch_size, steps, seed)
    return PackedData.of([row.input_ids for row in rows], [row.loss_mask for row in rows], order), too_long + len(
        faults
    )
