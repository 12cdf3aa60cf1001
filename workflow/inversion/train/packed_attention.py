"""Attention inside each of the sequences that one row holds end to end.

A block-diagonal mask over the whole row, which the library builds for its own attention, costs time and
memory quadratic in the row: on a CPU ten times that of attention within each sequence.
"""

from __future__ import annotations

from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, PreTrainedModel

from inversion.models import ModelError
from inversion.train.packing import PackedData

NAME = "packed"


def use_packed_attention(model: PreTrainedModel | PeftModel) -> None:
    """Let a model on SDPA attend within each sequence of a packed row.

    Models that have another implementation keep it: FlashAttention reads the same boundaries, and for the
    others the library masks by ``position_ids`` that begin again.
    """
    plain = model.get_base_model() if isinstance(model, PeftModel) else model
    if plain.config._attn_implementation == "sdpa":
        AttentionInterface.register(NAME, packed_attention)
        plain.set_attn_implementation(NAME)


def require_sequences_apart(model: Any) -> None:
    """Raise :class:`ModelError` for a model that reads one sequence of a packed row into the next.

    Some models attend in a way of their own (Falcon), or have layers without attention that run along the whole row
    (convolutions, state spaces). ``model`` has the attention that it trains with.
    """
    device = next(model.parameters()).device
    words = min(model.get_input_embeddings().num_embeddings, 64)
    rows = [[(start + place) % words for place in range(8)] for start in (0, 8, 16)]
    seen = []
    for first in rows[:2]:
        data = PackedData.of([first, rows[2]], [[True] * 8] * 2, torch.tensor([[0, 1]], dtype=torch.int32))
        ((batch,), _) = data.step(0, most_tokens=16)
        on_device = {key: value.to(device) if isinstance(value, Tensor) else value for key, value in batch.items()}
        with torch.no_grad(), torch.random.fork_rng():  # dropout draws alike for both
            torch.manual_seed(0)
            seen.append(model(**on_device).logits[..., -7:, :].float())
    change = float((seen[0] - seen[1]).abs().max() / seen[0].std())
    # far above the rounding of sums in another order, far below what a layer lets through; most change nothing
    if not change <= torch.finfo(model.dtype).eps ** (2 / 3):
        kind = model.config.model_type
        raise ModelError(
            f"models of type {kind} read what precedes an example in its row, and cannot be trained on packed "
            "rows; choose a base model whose layers all attend through the library's attention interface"
        )


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
    if len(set(lengths)) == 1:
        # as one batch of equally long sequences
        batches = [tuple(_rows(states, len(lengths)) for states in (query, key, value))]
    else:
        batches = list(zip(*(torch.split(states, lengths, dim=2) for states in (query, key, value)), strict=True))
    attended = []
    for q, k, v in batches:
        band = _band(q.shape[2], sliding_window, q.device)
        out = scaled_dot_product_attention(
            q,
            k,
            v,
            attn_mask=band,
            dropout_p=dropout,
            is_causal=band is None,
            scale=scaling,
            enable_gqa=query.shape[1] != key.shape[1],
        )
        attended.append(out.transpose(1, 2).flatten(0, 1))
    return (torch.cat(attended) if len(attended) > 1 else attended[0])[None], None


def _rows(states: Tensor, count: int) -> Tensor:
    """``states`` [1, heads, tokens, size] as [count, heads, tokens / count, size]."""
    _, heads, _, size = states.shape
    return states.reshape(heads, count, -1, size).transpose(0, 1)


def _band(length: int, window: int | None, device: torch.device) -> Tensor | None:
    """The mask [length, length] of causal attention within a window; none if causality is all."""
    if window is None or length <= window:
        return None
    return torch.ones(length, length, dtype=torch.bool, device=device).tril().triu(1 - window)


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
