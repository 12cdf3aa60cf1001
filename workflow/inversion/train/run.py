"""One training run through the Trainer: scheduled checkpoints, exact resume, a manifest at the end."""

from __future__ import annotations

import logging
import math
import platform
import resource
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import nn
from transformers import (
    PreTrainedModel,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    set_seed,
)
from transformers.utils.logging import disable_progress_bar

from inversion.artifacts import folder_digest
from inversion.manifests import LossPoint, Step, TrainManifest
from inversion.models import compute_dtype, fused_parameter_names, restore_weights
from inversion.train.checkpoints import CheckpointStore

logger = logging.getLogger(__name__)

LOGS_A_RUN = 20


class NonFiniteLossError(RuntimeError):
    """The loss or the weights became NaN or infinite."""


@dataclass(frozen=True)
class Optimization:
    """Everything about a training run that changes its weights, beside model and data."""

    steps: int
    batch_size: int
    micro_batch_size: int
    learning_rate: float
    scheduler: str
    scheduler_options: dict[str, float]
    warmup_steps: int
    weight_decay: float
    max_grad_norm: float
    seed: int


def train(
    model: PreTrainedModel | PeftModel,
    rows: Sequence[dict[str, Any]],
    collate: Callable[[list[dict[str, Any]]], dict[str, torch.Tensor]],
    optimization: Optimization,
    schedule: Sequence[int],
    store: CheckpointStore,
    spec: str,
    left_out: int = 0,
) -> TrainManifest:
    """Train ``model`` on ``rows`` and keep a checkpoint at every step of ``schedule``.

    ``rows`` are what ``collate`` takes (``input_ids`` among the keys); ``left_out`` more were too long.
    Goes on from the newest sound checkpoint in ``store``; a training that has already ended is not
    repeated. The weights are bit for bit those of a training that was never interrupted (same machine,
    CPU). Raises :class:`NonFiniteLossError` for a NaN or infinite loss; the checkpoints before it stay.
    """
    steps_per_epoch = len(rows) / optimization.batch_size
    done = store.read_manifest()
    if done is not None:
        logger.info("all %d checkpoints are there already: nothing to train", len(done.steps))
        return done

    disable_progress_bar()  # of every save; progress is a line in the log
    set_seed(optimization.seed)
    saving = store.root / "saving"
    trainer = _Trainer(
        model=model,
        args=_arguments(optimization, saving, compute_dtype(model.num_parameters())),
        train_dataset=rows,  # type: ignore[arg-type]
        data_collator=collate,
        callbacks=[_Checkpoints(set(schedule), store), _Progress()],
    )
    trainer.remove_callback(PrinterCallback)
    start = store.resume_step(list(schedule))
    begin = time.perf_counter()
    if start == optimization.steps:
        # only the manifest is missing; the Trainer would take one step too many
        logger.info("resuming from step %d of %d: nothing is left to train", start, optimization.steps)
        trainer.state = TrainerState.load_from_json(str(store.state_folder(start) / "trainer_state.json"))
    elif start:
        logger.info("resuming from step %d of %d", start, optimization.steps)
        with store.resume_folder(start) as folder:
            trainer.train(resume_from_checkpoint=str(folder))
    else:
        logger.info("training %d steps from the start", optimization.steps)
        trainer.train()
    wall = time.perf_counter() - begin
    shutil.rmtree(saving, ignore_errors=True)

    mean_length = sum(len(row["input_ids"]) for row in rows) / len(rows)
    tokens = mean_length * optimization.batch_size * (optimization.steps - start)
    manifest = TrainManifest(
        spec=spec,
        steps=[
            Step(
                step=step,
                epoch=step / steps_per_epoch,
                folder=f"{store.root.name}/{store.step_folder(step).name}",
                digest=folder_digest(store.step_folder(step)),
            )
            for step in schedule
            if step
        ],
        steps_per_epoch=steps_per_epoch,
        examples=len(rows),
        left_out=left_out,
        loss=[
            LossPoint(step=entry["step"], loss=entry["loss"], learning_rate=entry["learning_rate"])
            for entry in trainer.state.log_history
            if "loss" in entry
        ],
        trained_parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
        wall_s=round(wall, 3),
        tokens_per_s=round(tokens / wall, 1),
        peak_memory_mib=round(_peak_memory_mib(), 1),
        resumed_from=start,
        versions=software_versions(),
    )
    store.write_manifest(manifest)
    store.drop_states()
    return manifest


def total_steps(examples: int, batch_size: int, epochs: float, max_steps: int | None) -> int:
    """Optimizer steps of a run: ``max_steps`` where set, else ``epochs`` passes over the examples."""
    return max_steps if max_steps is not None else math.ceil(epochs * math.ceil(examples / batch_size))


def software_versions() -> dict[str, str]:
    """Versions of what decides the weights."""
    packages = ("torch", "transformers", "peft", "accelerate")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}


def _arguments(optimization: Optimization, saving: Path, dtype: torch.dtype) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(saving),
        max_steps=optimization.steps,
        per_device_train_batch_size=optimization.micro_batch_size,
        gradient_accumulation_steps=optimization.batch_size // optimization.micro_batch_size,
        learning_rate=optimization.learning_rate,
        lr_scheduler_type=optimization.scheduler,
        lr_scheduler_kwargs=dict(optimization.scheduler_options),
        warmup_steps=optimization.warmup_steps,
        weight_decay=optimization.weight_decay,
        max_grad_norm=optimization.max_grad_norm,
        seed=optimization.seed,
        data_seed=optimization.seed,
        bf16=dtype == torch.bfloat16,
        save_strategy="no",  # _Checkpoints decides
        logging_strategy="steps",
        logging_steps=max(1, optimization.steps // LOGS_A_RUN),
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
    )


class _Trainer(Trainer):
    """The Trainer, without NaN losses, without pickled arguments beside the weights, and with a resume
    that restores every weight."""

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        loss: torch.Tensor = super().training_step(*args, **kwargs)
        if not torch.isfinite(loss):
            raise NonFiniteLossError(
                f"the loss became {loss.item()} after step {self.state.global_step}; the checkpoints up to there "
                "are kept; lower learning_rate or max_grad_norm"
            )
        return loss

    def get_decay_parameter_names(self, model: nn.Module) -> list[str]:
        frozen = set(fused_parameter_names(model)) if _is_partly_frozen(model) else set()
        return [name for name in super().get_decay_parameter_names(model) if name not in frozen]

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        if isinstance(self.model, PeftModel):
            super()._load_from_checkpoint(resume_from_checkpoint, model)
        else:
            restore_weights(self.model, resume_from_checkpoint)

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        # peft would look for a resized vocabulary in the base model, and on the hub for that
        adapter = {"save_embedding_layers": False} if isinstance(self.model, PeftModel) else {}
        self.model.save_pretrained(output_dir or self.args.output_dir, state_dict=state_dict, **adapter)


def _is_partly_frozen(model: nn.Module) -> bool:
    return any(p._backward_hooks for p in model.parameters() if p.requires_grad)


class _Checkpoints(TrainerCallback):
    """Saves at the scheduled steps and hands each saved folder to the store."""

    def __init__(self, schedule: set[int], store: CheckpointStore) -> None:
        self.schedule = schedule
        self.store = store

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if state.global_step in self.schedule:
            control.should_save = True
            control.should_log = True  # empties the loss accumulator, so that resuming logs the same losses

    def on_save(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: nn.Module | None = None,
        **kwargs: Any,
    ) -> None:
        assert model is not None
        for name, parameter in model.named_parameters():
            if parameter.requires_grad and not torch.isfinite(parameter).all():
                raise NonFiniteLossError(
                    f"weight {name} became NaN or infinite by step {state.global_step}; the checkpoints before it are "
                    "kept; lower learning_rate or max_grad_norm"
                )
        self.store.commit(Path(args.output_dir or "") / f"checkpoint-{state.global_step}", state.global_step)


class _Progress(TrainerCallback):
    """A plain line now and then for the job's log."""

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        if logs and "loss" in logs:
            logger.info(
                "step %d/%d  loss %.4f  learning rate %.2e",
                state.global_step,
                state.max_steps,
                logs["loss"],
                logs["learning_rate"],
            )


def _peak_memory_mib() -> float:
    """Peak memory of the device where there is one, else of this process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
