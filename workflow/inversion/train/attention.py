"""Attention inside each of the sequences that one row holds end to end.

A block-diagonal mask over the whole row, which the library builds for its own attention, costs time and
memory quadratic in the row: on a CPU ten times that of attention within each sequence.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, PreTrainedModel

NAME = "packed"


def use_packed_attention(model: PreTrainedModel) -> None:
    """Let a model on SDPA attend within each sequence of a packed row.

    Models that have another implementation keep it: FlashAttention reads the same boundaries, and for the
    others the library masks by ``position_ids`` that begin anew.
    """
    if model.config._attn_implementation == "sdpa":
        AttentionInterface.register(NAME, packed_attention)
        model.set_attn_implementation(NAME)


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    cu_seq_lens_q: Tensor,
    max_length_q: int,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Causal attention of ``query`` [1, heads, tokens, size] within the sequences that end at ``cu_seq_lens_q``.

    Returns [1, tokens, heads, size]. Grouped-query attention and sliding windows are those of the library.
    """
    if value.dtype in {torch.bfloat16, torch.float16} and value.is_cuda and not dropout:
        return _on_cuda(query, key, value, cu_seq_lens_q, max_length_q, scaling, sliding_window), None
    lengths = cu_seq_lens_q.diff().tolist()
    attended = [
        scaled_dot_product_attention(
            q,
            k,
            v,
            attn_mask=None if band is None else band.to(q.device),
            dropout_p=dropout,
            is_causal=band is None,
            scale=scaling,
            enable_gqa=query.shape[1] != key.shape[1],
        )
        for q, k, v, band in zip(
            torch.split(query, lengths, dim=2),
            torch.split(key, lengths, dim=2),
            torch.split(value, lengths, dim=2),
            (_band(length, sliding_window) for length in lengths),
            strict=True,
        )
    ]
    return torch.cat(attended, dim=2).transpose(1, 2).contiguous(), None


def _band(length: int, window: int | None) -> Tensor | None:
    """The mask [length, length] of causal attention within a window; none where causality is all."""
    if window is None or length <= window:
        return None
    return torch.ones(length, length, dtype=torch.bool).tril().triu(1 - window)


def _on_cuda(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    ends: Tensor,
    longest: int,
    scaling: float | None,
    window: int | None,
) -> Tensor:
    """The same in one kernel for all sequences (FlashAttention, which torch brings along)."""
    from torch.nn.attention.varlen import varlen_attn

    # rotary positions may have left queries and keys in float32 under autocast
    q, k, v = (states[0].transpose(0, 1).to(value.dtype) for states in (query, key, value))
    attended = varlen_attn(
        q,
        k,
        v,
        ends,
        ends,
        longest,
        longest,
        scale=scaling,
        window_size=(-1 if window is None else window - 1, 0),
        enable_gqa=query.shape[1] != key.shape[1],
    )
    assert isinstance(attended, Tensor)
    return attended[None]
