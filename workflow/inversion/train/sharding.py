"""Shards a model's weights, gradients and optimizer state over processes (FSDP2), and gathers them for saving.

It uses torch directly. The FSDP plug-in of accelerate only works on accelerators; this code also runs in two processes
on CPUs, so it can be tested without GPUs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from transformers import PreTrainedModel

from inversion.models import compute_dtype

_WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)


def shard(model: PreTrainedModel) -> None:
    """Shard ``model`` in place over all processes of the group, with one unit per decoder layer.

    Matrix products and the exchange of weights use bfloat16 if the device supports it natively. Gradients are summed in
    float32.
    """
    device_type = "cuda" if torch.cuda.is_available() else "cpu"
    policy = MixedPrecisionPolicy(param_dtype=compute_dtype(model.num_parameters()), reduce_dtype=torch.float32)
    mesh = init_device_mesh(device_type, (torch.distributed.get_world_size(),))
    for module in model.modules():
        if type(module).__name__ in (model._no_split_modules or ()):
            fully_shard(module, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)
    # tells the Trainer that the model handles placement and gradients itself, so that it is not wrapped again
    model._is_distributed_loading_by_transformers = True


def is_sharded(model: nn.Module) -> bool:
    """Whether the model was sharded by :func:`shard`."""
    return isinstance(model, FSDPModule)


@contextmanager
def local_gradients(model: nn.Module) -> Iterator[None]:
    """Within the block, gradients of a sharded model accumulate in each process without being exchanged."""
    assert isinstance(model, FSDPModule)
    model.set_requires_gradient_sync(False)
    try:
        yield
    finally:
        model.set_requires_gradient_sync(True)


def whole_weights(model: nn.Module) -> dict[str, Any]:
    """All weights, on the CPU of the first process; empty in other processes. Every process must call this function."""
    return get_model_state_dict(model, options=_WHOLE)


def restore_weights(model: nn.Module, weights: dict[str, Any]) -> None:
    """Load full weights into a sharded model."""
    set_model_state_dict(model, weights, options=StateDictOptions(full_state_dict=True))


def whole_optimizer_state(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The full optimizer state, on the CPU of the first process. Every process must call this function."""
    return get_optimizer_state_dict(model, optimizer, options=_WHOLE)


def restore_optimizer_state(model: nn.Module, optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load a full optimizer state into the optimizer of a sharded model."""
    set_optimizer_state_dict(model, optimizer, state, options=StateDictOptions(full_state_dict=True))
