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
    """Whether :func:`device` has instructions for bfloat16; without them it is emulated, slowly.

    Products of 512 x 512 on one core that has them (AVX512-BF16): 410 GFLOP/s against 83 in float32; on
    one that has not: 0.3 against 100. Where they are, Gemma 3 of 268 M parameters reads 16 prompts in 8 s of one
    core against 19 s, with adapters in 13 s against 24 s. One path is slow in bfloat16 and must be kept off:
    frozen weights times a slice with gaps in memory (as of `logits_to_keep=1`), 26 s for 4 prompts.
    """
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))


def compute_dtype(parameters: int) -> torch.dtype:
    """The type that a model of so many parameters computes in: bfloat16 where it is native and worth it
    (:data:`WORTH_BFLOAT16`), else float32; never the accident of a checkpoint's own type."""
    return torch.bfloat16 if parameters >= WORTH_BFLOAT16 and has_native_bfloat16() else torch.float32
