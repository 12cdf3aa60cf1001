"""Attention that is restricted to each of the sequences that are joined end to end in one row.

The library's own attention uses a block-diagonal mask over the whole row, whose cost in time and memory is quadratic in
the length of the row. On a CPU this is ten times the cost of attention within each sequence.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, PreTrainedModel

from inversion.models.base_model import ATTENTION
from inversion.models.folder_tokenizer import ModelError, first_line
from inversion.models.transformer_modules import deviation, rounding
from inversion.train.packing import PackedData

NAME = "packed"


class BoundariesNotGivenError(Exception):
    """A model does not pass the ends of the sequences of a packed row to its attention."""


def use_packed_attention(model: PreTrainedModel | PeftModel) -> None:
    """Restrict the attention of a model with SDPA to each sequence of a packed row.

    Models with another implementation keep it, and so do models that do not pass the ends of sequences to attention
    (StableLM, Nemotron). For these the library masks by ``position_ids``, which restart in every sequence.
    """
    plain = model.get_base_model() if isinstance(model, PeftModel) else model
    if plain.config._attn_implementation == ATTENTION:
        AttentionInterface.register(NAME, packed_attention)
        plain.set_attn_implementation(NAME)
        try:
            _packed_logits(model, [[0, 1], [0, 1]])
        except BoundariesNotGivenError:
            plain.set_attn_implementation(ATTENTION)
        except Exception:  # require_sequences_apart handles all other failures
            pass


def require_sequences_apart(model: Any) -> None:
    """Raise :class:`ModelError` for a model that computes sequences in a packed row differently from the same sequences
    alone.

    Some models have their own attention (Falcon), or layers without attention that run over the whole row
    (convolutions, state spaces). ``model`` must already have the attention with which it is trained. The first sequence
    of the check is longer than the windows of the model's attention. Windows of more than :data:`LONGEST_TRIED` tokens
    are narrowed for a second check.
    """
    widths = _widths(model.config)
    _require_apart(model, 8 + max([0, *(width for width in widths if width <= LONGEST_TRIED)]))
    if any(width > LONGEST_TRIED for width in widths):
        with _narrow_windows(model):
            _require_apart(model, 2 * NARROW)


def _require_apart(model: Any, beyond: int) -> None:
    """Raise the errors of :func:`require_sequences_apart`, with a first sequence of ``beyond`` tokens."""
    kind = model.config.model_type
    words = min(model.get_input_embeddings().num_embeddings, 64)
    one, other = ([(start + 3 * place) % words for place in range(beyond)] for start in (0, 8))
    last = [(16 + place) % words for place in range(8)]
    try:
        alone = torch.cat([_logits_alone(model, row) for row in (one, last)])
    except Exception as error:  # peft puts adapters on routers of some families, which then fail
        raise ModelError(
            f"models of type {kind} cannot read a row with what `tuning` puts into them ({first_line(error)}); change "
            "`tuning`, or choose another model"
        ) from None
    try:
        joined, changed = (_packed_logits(model, [first, last]) for first in (one, other))
    except Exception as error:  # a model that does not support it can raise anything
        raise ModelError(
            f"models of type {kind} cannot be trained on packed rows ({first_line(error)}); {_OTHER_FAMILY}"
        ) from None
    leak = float((joined[-7:] - changed[-7:]).abs().max() / alone.std())
    # far above rounding errors, and far below the effect of a layer that mixes sequences; for most models it is 0
    if not leak <= torch.finfo(model.dtype).eps ** (2 / 3):
        raise ModelError(
            f"models of type {kind} read what precedes an example in its row, and cannot be trained on packed rows; "
            f"{_OTHER_FAMILY}"
        )
    apart = deviation(joined, alone)
    if not apart <= rounding(model.dtype):
        raise ModelError(
            f"models of type {kind} compute packed rows differently from single ones (by {apart:.1g} of the logits' "
            f"deviation); {_OTHER_FAMILY}"
        )


_OTHER_FAMILY = "choose a base model of another family: docs/compatibility.md lists those that can be trained"
LONGEST_TRIED = 1024
"""The number of tokens of the widest window that the check of packed rows crosses at its full width."""
NARROW = 16
"""The number of tokens of a window that is narrowed for the check."""
_WIDTHS = ("sliding_window", "window_size", "attention_window")


def _widths(config: Any) -> list[int]:
    """The sizes of attention windows in a configuration."""
    text = config.get_text_config(decoder=True)
    found = [getattr(text, name, None) for name in _WIDTHS]
    return [width for width in found if isinstance(width, int)]


@contextmanager
def _narrow_windows(model: nn.Module) -> Iterator[None]:
    """Within the block, windows of more than :data:`LONGEST_TRIED` tokens have :data:`NARROW`.

    Masks read the width from the configuration, and modules from the configuration or from a copy of their own.
    """
    owners = {id(owner): owner for module in model.modules() for owner in (module, getattr(module, "config", None))}
    changed = []
    for owner in owners.values():
        for name in _WIDTHS:
            width = getattr(owner, "__dict__", {}).get(name)
            if isinstance(width, int) and width > LONGEST_TRIED:
                changed.append((owner, name, width))
                setattr(owner, name, NARROW)
    try:
        yield
    finally:
        for owner, name, width in changed:
            setattr(owner, name, width)


def _packed_logits(model: Any, rows: list[list[int]]) -> Tensor:
    """The logits [tokens, vocabulary] of the joined ``rows``, without those of the last token of each row."""
    count = len(rows)
    data = PackedData.of(rows, [[True] * len(row) for row in rows], torch.arange(count, dtype=torch.int32)[None])
    ((batch,), _) = data.step(0, most_tokens=sum(map(len, rows)))
    device = next(model.parameters()).device
    on_device = {key: value.to(device) if isinstance(value, Tensor) else value for key, value in batch.items()}
    return _forward(model, **on_device)


def _logits_alone(model: Any, row: list[int]) -> Tensor:
    """The logits of one row alone, with the library's own attention, without those of its last token."""
    plain = model.get_base_model() if isinstance(model, PeftModel) else model
    trained_with = plain.config._attn_implementation
    if trained_with == NAME:
        plain.set_attn_implementation(ATTENTION)
    try:
        ids = torch.tensor([row], device=next(model.parameters()).device)
        return _forward(model, input_ids=ids, use_cache=False)[:-1]
    finally:
        plain.set_attn_implementation(trained_with)


def _forward(model: Any, **inputs: Any) -> Tensor:
    """The logits of one row: float32 [tokens, vocabulary]. Dropout is off; the model's mode is restored afterwards."""
    trains = model.training
    try:
        with torch.no_grad():
            logits: Tensor = model.eval()(**inputs).logits
    finally:
        model.train(trains)
    return logits.reshape(-1, logits.shape[-1]).float()


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    cu_seq_lens_q: Tensor | None = None,
    max_length_q: int = 0,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Causal attention of ``query`` [1, heads, tokens, size] within the sequences that end at ``cu_seq_lens_q``.

    Returns [1, tokens, heads, size]. Grouped-query attention and sliding windows work as in the library. Raises
    :class:`BoundariesNotGivenError` if the model does not pass ``cu_seq_lens_q``.
    """
    if cu_seq_lens_q is None:
        raise BoundariesNotGivenError(type(module).__name__)
    if value.dtype in {torch.bfloat16, torch.float16} and value.is_cuda and not dropout:
        return _on_cuda(query, key, value, cu_seq_lens_q, max_length_q, scaling, sliding_window), None
    lengths = cu_seq_lens_q.diff().tolist()
    if len(set(lengths)) == 1:
        # sequences of equal length become one batch
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
    """The mask [length, length] of causal attention within a window; None if causal attention needs no mask."""
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
    """The same with a single kernel for all sequences (the FlashAttention that is part of torch)."""
    from torch.nn.attention.varlen import varlen_attn

    # under autocast, rotary embeddings can leave queries and keys in float32
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
