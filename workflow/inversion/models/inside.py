"""The modules of a transformer that probes read and change, whatever its family calls them.

Families differ in the names of the same few modules, so that one table of names and PyTorch's own hooks are enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from inversion.models.folder_tokenizer import ModelError

_LAYERS = ("layers", "h")
_ATTENTION = ("self_attn", "attention", "attn")
_NORM = ("norm", "final_layer_norm", "final_layernorm", "ln_f")
_ATTENTION_WRITES = ("post_attention_layernorm", *_ATTENTION)
"""What adds a layer's attention to the residual stream, where the layer normalises it first, as Gemma's do."""
_MLP_WRITES = ("post_feedforward_layernorm", "mlp", "block_sparse_moe")
_NORMALISES_WHAT_IS_ADDED = "post_feedforward_layernorm"
"""Only layers that have this use their ``post_attention_layernorm`` on what attention adds; in other families it is
the norm before the MLP."""


class Inside(NamedTuple):
    """The modules of one model. Lists have an entry for each layer, the one next to the input first."""

    layers: list[nn.Module]
    """Whose outputs are the residual stream."""
    attention: list[nn.Module]
    """The attention modules, which are given the mask."""
    writers: dict[str, list[nn.Module]]
    """By component, whose output is added to the residual stream, or is it: ``residual``, ``attention``, ``mlp``."""
    norm: nn.Module
    """Before the output embedding."""
    heads: int
    """Heads of queries in each attention module."""


def plain(model: Any) -> Any:
    """``model`` without the wrapping of its adapters; they stay in place."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def inside(model: Any) -> Inside:
    """The modules of a causal language model, with or without adapters.

    Raises :class:`ModelError` if one is not found under any of the known names.
    """
    whole = plain(model)
    decoder = whole.get_decoder()
    layers = list(_found(whole, decoder, _LAYERS, "list of layers"))  # type: ignore[call-overload]
    gemma = hasattr(layers[0], _NORMALISES_WHAT_IS_ADDED)
    writes = _ATTENTION_WRITES if gemma else _ATTENTION
    return Inside(
        layers,
        [_found(whole, layer, _ATTENTION, "attention") for layer in layers],
        {
            "residual": layers,
            "attention": [_found(whole, layer, writes, "attention") for layer in layers],
            "mlp": [_found(whole, layer, _MLP_WRITES, "MLP") for layer in layers],
        },
        _found(whole, decoder, _NORM, "norm before the output embedding"),
        whole.config.get_text_config().num_attention_heads,
    )


def _found(whole: nn.Module, owner: nn.Module, names: Sequence[str], what: str) -> nn.Module:
    """The first module of ``owner`` among ``names``."""
    for name in names:
        if isinstance(module := getattr(owner, name, None), nn.Module):
            return module
    raise ModelError(
        f"{type(whole).__name__}: no {what} was found in {type(owner).__name__} (looked for {', '.join(names)}), so "
        "it cannot be probed; remove `lens`, `patching` and `knockouts` from `probes` for this model"
    )


def deviation(one: Tensor, other: Tensor) -> float:
    """How far two tensors of the same shape are apart (root mean square), as a share of the standard deviation."""
    return float((one - other).square().mean().sqrt() / other.std())


def rounding(dtype: torch.dtype) -> float:
    """The largest :func:`deviation` of logits that is put down to sums in another order, which add up over many layers;
    in half precision a router may also choose another expert."""
    return 1e-3 if torch.finfo(dtype).eps < 1e-4 else 0.25


@contextmanager
def eager(model: Any) -> Iterator[None]:
    """``model``, without its adapters' wrapping, attends by its eager implementation until the block ends: the one
    that computes attention weights, and is always given a mask.

    Raises :class:`ModelError` for a model that cannot be switched to it (Falcon), or computes something else with it.
    """
    before = model.config._attn_implementation
    own = _short_logits(model)
    model.set_attn_implementation("eager")
    try:
        if model.config._attn_implementation != "eager":
            raise ModelError(
                f"{type(model).__name__} cannot switch to its eager attention, so its attention cannot be probed; "
                "remove `attention` and `knockouts` from `probes` for this model"
            )
        apart = deviation(_short_logits(model), own)
        if not apart <= rounding(model.dtype):
            raise ModelError(
                f"{type(model).__name__} computes other logits with its eager attention (by {apart:.1g} of their "
                "deviation), so its attention cannot be probed; remove `attention` and `knockouts` from `probes` for "
                "this model"
            )
        yield
    finally:
        model.set_attn_implementation(before)


@torch.no_grad()
def _short_logits(model: Any) -> Tensor:
    """The logits of a short row: float32 [1, tokens, vocabulary]."""
    words = min(model.get_input_embeddings().num_embeddings, 16)
    ids = torch.arange(words, device=next(model.parameters()).device)[None]
    logits: Tensor = model(input_ids=ids, use_cache=False).logits
    return logits.float()


@contextmanager
def outputs_pass(modules: Sequence[nn.Module], change: Callable[[int, Tensor], Tensor | None]) -> Iterator[None]:
    """Call ``change`` with the index and the output of each module as it is computed, until the block ends.

    The tensor that it returns takes the place of the output; with None the output stays. Of a module that returns
    several things the output is the first.
    """

    def hook(index: int) -> Any:
        def see(module: nn.Module, arguments: Any, output: Any) -> Any:
            several = isinstance(output, tuple)
            changed = change(index, output[0] if several else output)
            return None if changed is None else (changed, *output[1:]) if several else changed

        return see

    with ExitStack() as hooks:
        for index, module in enumerate(modules):
            hooks.callback(module.register_forward_hook(hook(index)).remove)
        yield


@contextmanager
def input_passes(module: nn.Module, change: Callable[[Tensor], Tensor | None]) -> Iterator[None]:
    """Call ``change`` with what goes into a module, first argument, until the block ends; as :func:`outputs_pass`."""

    def see(module: nn.Module, arguments: tuple[Any, ...]) -> Any:
        changed = change(arguments[0])
        return None if changed is None else (changed, *arguments[1:])

    handle = module.register_forward_pre_hook(see)
    try:
        yield
    finally:
        handle.remove()
