"""A model's weights, gradients and optimizer state spread over processes (FSDP2), and whole again on disk.

Through torch itself: the plug-in by which accelerate does the same takes effect on accelerators only, and
this way two processes on CPUs run, and test, what several GPUs run.
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
    """Spread ``model`` over all processes of the group, each decoder layer a unit, in place.

    Products and the exchange of weights run in bfloat16 where it is native, sums of gradients in float32.
    """
    device_type = "cuda" if torch.cuda.is_available() else "cpu"
    policy = MixedPrecisionPolicy(param_dtype=compute_dtype(model.num_parameters()), reduce_dtype=torch.float32)
    mesh = init_device_mesh(device_type, (torch.distributed.get_world_size(),))
    for module in model.modules():
        if type(module).__name__ in (model._no_split_modules or ()):
            fully_shard(module, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)
    # tells the Trainer that the model minds placement and gradients itself, and not to wrap it again
    model._is_distributed_loading_by_transformers = True


def is_sharded(model: nn.Module) -> bool:
    """Whether :func:`shard` spread the model."""
    return isinstance(model, FSDPModule)


@contextmanager
def local_gradients(model: nn.Module) -> Iterator[None]:
    """Gradients of a sharded model add up in each process while the block runs."""
    assert isinstance(model, FSDPModule)
    model.set_requires_gradient_sync(False)
    try:
        yield
    finally:
        model.set_requires_gradient_sync(True)


def whole_weights(model: nn.Module) -> dict[str, Any]:
    """All weights on the CPU of the first process (elsewhere none); every process must call it."""
    return get_model_state_dict(model, options=_WHOLE)


def restore_weights(model: nn.Module, weights: dict[str, Any]) -> None:
    """Give each process its part of whole weights."""
    set_model_state_dict(model, weights, options=StateDictOptions(full_state_dict=True))


def whole_optimizer_state(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The optimizer's whole state on the CPU of the first process; every process must call it."""
    return get_optimizer_state_dict(model, optimizer, options=_WHOLE)


def restore_optimizer_state(model: nn.Module, optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Give each process its part of a whole optimizer state."""
    set_optimizer_state_dict(model, optimizer, state, options=StateDictOptions(full_state_dict=True))
