"""Where models run, and in which type of number."""

from __future__ import annotations

import torch

WORTH_BFLOAT16 = 100_000_000
"""Parameters from which a model runs in bfloat16 where that is native.

Smaller ones gain nothing from it, and in float32 they give the same curves on every device.
"""


def device() -> torch.device:
    """The first CUDA device, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def has_native_bfloat16() -> bool:
    """Whether :func:`device` is a GPU with instructions for bfloat16; older ones emulate it, slowly.

    On CPUs the answer is no, whatever they have. Without AVX512-BF16 or AMX, products in bfloat16 are
    hundreds of times slower than in float32. With them most are 3 to 6 times faster, but those that the
    fast library does not take are not: the output layer of Gemma 3 at the last position of 4 prompts took
    26 s against 0.6 s in float32, and a whole pass 4 times as long.
    """
    return torch.cuda.is_available() and bool(torch.cuda.is_bf16_supported(including_emulation=False))


def compute_dtype(parameters: int) -> torch.dtype:
    """The type that a model of so many parameters computes in: bfloat16 where it is native and worth it
    (:data:`WORTH_BFLOAT16`), else float32; never the accident of a checkpoint's own type."""
    return torch.bfloat16 if parameters >= WORTH_BFLOAT16 and has_native_bfloat16() else torch.float32
