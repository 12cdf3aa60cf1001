"""Trains one run with the Trainer: scheduled checkpoints, exact resuming, and a manifest at the end.

Each item that the Trainer gets is a whole optimizer step: the forward passes of :mod:`inversion.train.packing`, whose
number varies from step to step. With several processes, each gets its share of them.
"""

from __future__ import annotations

import logging
import platform
import resource
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import nn
from torch.distributed.tensor import DTensor
from torch.utils.data import DataLoader
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
from inversion.manifests import CheckpointEntry, LossPoint, TrainManifest
from inversion.models import compute_dtype, fused_parameter_names, load_model, restore_weights, trained_weights
from inversion.train import sharding
from inversion.train.interruption import Interrupted
from inversion.train.packed_attention import use_packed_attention
from inversion.train.packing import Batch, PackedData, Steps
from inversion.train.store import CheckpointStore

logger = logging.getLogger(__name__)

LOGS_A_RUN = 20


class NonFiniteLossError(RuntimeError):
    """The loss or the weights became NaN or infinite."""


@dataclass(frozen=True)
class Optimization:
    """All settings of a training run that change its weights, besides model and data."""

    learning_rate: float
    scheduler: str
    scheduler_options: dict[str, float]
    warmup_steps: int
    weight_decay: float
    max_grad_norm: float
    seed: int
    micro_batch_tokens: int
    """The maximum number of tokens in a forward pass."""
    activation_checkpointing: bool = False


def train(
    model: PreTrainedModel | PeftModel,
    data: PackedData,
    optimization: Optimization,
    schedule: Sequence[int],
    store: CheckpointStore,
    spec: str,
    start: int = 0,
    left_out: int = 0,
    asked_to_stop: Callable[[], bool] = lambda: False,
) -> None:
    """Train ``model`` on ``data``, and write checkpoints at the steps of ``schedule`` and the manifest to the store.

    Training begins after the step ``start``, whose weights and state are in the store's resume folder. On a CPU, the
    weights of an interrupted run are bit for bit those of an uninterrupted run on the same machine. ``left_out`` is the
    number of examples that were too long. When ``asked_to_stop`` returns true, the run finishes its step, saves its
    state and raises :class:`Interrupted`. With several processes, only the first writes.

    Raises :class:`NonFiniteLossError` for a NaN or infinite loss; the earlier checkpoints are kept.
    """
    disable_progress_bar()  # for saving; progress is logged as lines
    trainer = make_trainer(
        model,
        data,
        optimization,
        store.saving_folder,
        [_SaveCheckpoints(set(schedule), store, asked_to_stop), _Progress()],
    )
    begin = time.perf_counter()
    if start == data.steps:
        # only the manifest is missing, and the Trainer would train for one step too many
        logger.info("resuming from step %d of %d: nothing is left to train", start, data.steps)
        trainer.state = TrainerState.load_from_json(str(store.resume_folder(start) / "trainer_state.json"))
    elif start:
        logger.info("resuming from step %d of %d", start, data.steps)
        trainer.train(resume_from_checkpoint=str(store.resume_folder(start)))
    else:
        logger.info("training %d steps from the start", data.steps)
        trainer.train()
    wall = time.perf_counter() - begin
    if not trainer.is_world_process_zero():
        return

    steps_per_epoch = data.examples / data.batch_size
    manifest = TrainManifest(
        spec=spec,
        steps=[
            CheckpointEntry(
                step=step,
                epoch=step / steps_per_epoch,
                folder=f"{store.root.name}/{store.step_folder(step).name}",
                digest=folder_digest(store.step_folder(step)),
            )
            for step in schedule
            if step
        ],
        steps_per_epoch=steps_per_epoch,
        examples=data.examples,
        left_out=left_out,
        loss=[
            LossPoint(step=entry["step"], loss=entry["loss"], learning_rate=entry["learning_rate"])
            for entry in trainer.state.log_history
            if "loss" in entry
        ],
        trained_parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
        weights=trained_weights(model),
        wall_s=round(wall, 3),
        tokens_per_s=round(data.tokens_from(start) / wall, 1),
        peak_memory_mib=round(_peak_memory_mib(), 1),
        resumed_from=start,
        versions=software_versions(),
    )
    store.write_manifest(manifest)


def make_trainer(
    model: PreTrainedModel | PeftModel,
    data: PackedData,
    optimization: Optimization,
    saving: str | Path,
    callbacks: Sequence[TrainerCallback] = (),
) -> Trainer:
    """A Trainer for the steps of ``data``, which saves to the folder ``saving``."""
    set_seed(optimization.seed)
    use_packed_attention(model)
    trainer = _Trainer(
        data=data,
        optimization=optimization,
        model=model,
        args=_arguments(optimization, data, saving, compute_dtype(model.num_parameters())),
        callbacks=[*callbacks],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def software_versions() -> dict[str, str]:
    """The versions of the packages on which the weights depend."""
    packages = ("torch", "transformers", "peft", "accelerate")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}


def _arguments(
    optimization: Optimization, data: PackedData, saving: str | Path, dtype: torch.dtype
) -> TrainingArguments:
    # the library's "constant" scheduler has no warm-up
    warms_up = optimization.scheduler == "constant" and optimization.warmup_steps > 0
    arguments = TrainingArguments(
        output_dir=str(saving),
        max_steps=data.steps,
        per_device_train_batch_size=data.batch_size,
        learning_rate=optimization.learning_rate,
        lr_scheduler_type="constant_with_warmup" if warms_up else optimization.scheduler,
        lr_scheduler_kwargs=dict(optimization.scheduler_options),
        warmup_steps=optimization.warmup_steps,
        weight_decay=optimization.weight_decay,
        max_grad_norm=optimization.max_grad_norm,
        seed=optimization.seed,
        data_seed=optimization.seed,
        bf16=dtype == torch.bfloat16,
        activation_checkpointing=optimization.activation_checkpointing,
        activation_checkpointing_kwargs={"use_reentrant": False},
        use_cpu=not torch.cuda.is_available(),
        ddp_backend="gloo" if torch.distributed.is_initialized() and not torch.cuda.is_available() else None,
        ddp_find_unused_parameters=False,
        save_strategy="no",  # _SaveCheckpoints decides when to save
        logging_strategy="steps",
        logging_steps=max(1, data.steps // LOGS_A_RUN),
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
    )
    # otherwise the Trainer of a single process splits each row over all visible GPUs (nn.DataParallel)
    arguments._n_gpu = min(1, arguments.n_gpu)
    return arguments


class _Trainer(Trainer):
    """A Trainer for packed steps. It refuses NaN losses, writes no pickled arguments next to the weights, and restores
    every weight when it resumes, sharded or not."""

    def __init__(self, data: PackedData, optimization: Optimization, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.steps = Steps(
            data, optimization.micro_batch_tokens, self.accelerator.num_processes, self.accelerator.process_index
        )

    def get_train_dataloader(self) -> DataLoader[Any]:
        # an item is this process's share of a whole step; the order is already drawn, so nothing is shuffled
        return DataLoader(self.steps, batch_size=1, collate_fn=lambda items: items[0])

    def training_step(
        self, model: nn.Module, inputs: tuple[list[Batch], int], num_items_in_batch: Any = None
    ) -> torch.Tensor:
        batches, labelled = inputs
        model.train()
        total = torch.zeros((), device=self.args.device)
        for number, batch in enumerate(self._prepare_inputs(batches), start=1):
            # gradients are averaged over processes once per step, after the last forward pass
            with nullcontext() if number == len(batches) else self._unsynchronised(model):
                loss = model(**batch, num_items_in_batch=labelled).loss * self.accelerator.num_processes
                self.accelerator.backward(loss)
            total += loss.detach()
        if not torch.isfinite(total):
            raise NonFiniteLossError(
                f"the loss became {total.item()} after step {self.state.global_step}; the checkpoints up to there "
                "are kept; lower learning_rate or max_grad_norm"
            )
        return total

    def _unsynchronised(self, model: nn.Module) -> Any:
        if sharding.is_sharded(model):
            return sharding.local_gradients(model)
        return self.accelerator.no_sync(model)

    def floating_point_ops(self, inputs: Any) -> int:
        return 0  # not used here, and the library's estimate is wrong for packed rows

    def get_decay_parameter_names(self, model: nn.Module) -> list[str]:
        frozen = set(fused_parameter_names(model)) if _is_partly_frozen(model) else set()
        return [name for name in super().get_decay_parameter_names(model) if name not in frozen]

    # --- checkpoints ----------------------------------------------------------------------------

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        if sharding.is_sharded(self.model):
            state_dict = sharding.whole_weights(self.model)
        if self.args.should_save:
            # otherwise peft checks for a resized vocabulary in the base model, which it looks up on the Hub
            adapter = {"save_embedding_layers": False} if isinstance(self.model, PeftModel) else {}
            self.model.save_pretrained(output_dir or self.args.output_dir, state_dict=state_dict, **adapter)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if not sharding.is_sharded(self.model):
            super()._save_optimizer_and_scheduler(output_dir)
            return
        state = sharding.whole_optimizer_state(self.model, self.optimizer)
        if self.args.should_save:
            torch.save(state, Path(output_dir) / "optimizer.pt")
            torch.save(self.lr_scheduler.state_dict(), Path(output_dir) / "scheduler.pt")

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        if isinstance(self.model, PeftModel):
            super()._load_from_checkpoint(resume_from_checkpoint, model)
        elif sharding.is_sharded(self.model):
            sharding.restore_weights(self.model, load_model(resume_from_checkpoint, self.model.dtype).state_dict())
        else:
            restore_weights(self.model, resume_from_checkpoint)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None or not sharding.is_sharded(self.model):
            super()._load_optimizer_and_scheduler(checkpoint)
            return
        state = torch.load(Path(checkpoint) / "optimizer.pt", map_location="cpu", weights_only=True)
        sharding.restore_optimizer_state(self.model, self.optimizer, state)
        self.lr_scheduler.load_state_dict(torch.load(Path(checkpoint) / "scheduler.pt", weights_only=True))


def _is_partly_frozen(model: nn.Module) -> bool:
    return any(p._backward_hooks for p in model.parameters() if p.requires_grad)


class _SaveCheckpoints(TrainerCallback):
    """Saves at the scheduled steps, and once when asked to stop, and commits each saved folder to the store."""

    def __init__(
        self, schedule: set[int], store: CheckpointStore, asked_to_stop: Callable[[], bool] = lambda: False
    ) -> None:
        self.schedule = schedule
        self.store = store
        self.asked_to_stop = asked_to_stop
        self.stopping = False

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self.stopping = self.asked_to_stop() and state.global_step < state.max_steps
        if state.global_step in self.schedule or self.stopping:
            control.should_save = True
            control.should_log = True  # resets the loss accumulator, so that a resumed run logs the same losses

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
            weights = parameter.to_local() if isinstance(parameter, DTensor) else parameter
            if parameter.requires_grad and not torch.isfinite(weights).all():
                raise NonFiniteLossError(
                    f"weight {name} became NaN or infinite by step {state.global_step}; the checkpoints before it are "
                    "kept; lower learning_rate or max_grad_norm"
                )
        _wait_for_all()  # until each process has saved its random state
        if state.is_world_process_zero:
            saved = Path(args.output_dir or "") / f"checkpoint-{state.global_step}"
            self.store.commit(saved, state.global_step, scheduled=state.global_step in self.schedule)
        _wait_for_all()  # so that no process reads the folder while it is moved
        if self.stopping:
            raise Interrupted(
                f"to be continued: asked to stop, saved after step {state.global_step} of {state.max_steps}; "
                "the next attempt continues from there"
            )


class _Progress(TrainerCallback):
    """Writes progress to the job's log as plain lines."""

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


def _wait_for_all() -> None:
    """Wait until every process of the group has called this function."""
    if torch.distributed.is_initialized():
        torch.distributed.barrier()


def _peak_memory_mib() -> float:
    """Peak memory of the GPU if there is one, otherwise of this process, in MiB."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
