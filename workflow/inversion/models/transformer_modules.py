"""Finds the modules of a transformer that probes read and change, for all families of models.

Families have different names for the same few modules, so a table of names and PyTorch's own hooks are sufficient.
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
_PROJECTIONS = ("o_proj", "dense", "out_proj", "c_proj")
"""Names of the module that combines the outputs of the heads."""
_NORM = ("norm", "final_layer_norm", "final_layernorm", "ln_f")
_ATTENTION_WRITES = ("post_attention_layernorm", *_ATTENTION)
"""Names of the module whose output a layer adds to the residual stream as its attention. Some layers normalise it first
(Gemma)."""
_MLP_WRITES = ("post_feedforward_layernorm", "mlp", "block_sparse_moe")
_NORMALISES_WHAT_IS_ADDED = "post_feedforward_layernorm"
"""Only layers with this module apply ``post_attention_layernorm`` to the output of attention. In other families it is
the norm before the MLP."""


class TransformerModules(NamedTuple):
    """The modules of one model. Lists have one entry per layer, beginning at the input."""

    layers: list[nn.Module]
    """The layers, whose outputs are the residual stream."""
    attention: list[nn.Module]
    """The attention modules, which receive the mask."""
    writers: dict[str, list[nn.Module]]
    """For each component (``residual``, ``attention``, ``mlp``), the modules whose outputs are the residual stream or
    are added to it."""
    norm: nn.Module
    """The norm before the output embedding."""
    heads: int
    """The number of query heads in each attention module."""


def plain(model: Any) -> Any:
    """``model`` without the wrapper of its adapters. The adapters stay active."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def transformer_modules(model: Any) -> TransformerModules:
    """The modules of a causal language model, with or without adapters.

    Raises :class:`ModelError` if a module is not found under any of the known names.
    """
    whole = plain(model)
    decoder = whole.get_decoder()
    layers = list(_found(whole, decoder, _LAYERS, "list of layers"))  # type: ignore[call-overload]
    gemma = hasattr(layers[0], _NORMALISES_WHAT_IS_ADDED)
    writes = _ATTENTION_WRITES if gemma else _ATTENTION
    return TransformerModules(
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


def head_projections(model: Any) -> list[nn.Module]:
    """The module of each layer that combines the outputs of its heads; its input is these outputs side by side.

    Raises :class:`ModelError` if a module is not found under any of the known names.
    """
    found = []
    for attention in transformer_modules(model).attention:
        named = {name.rpartition(".")[2]: module for name, module in attention.named_modules()}
        module = next((named[name] for name in _PROJECTIONS if name in named), None)
        if module is None:
            raise ModelError(
                f"{type(plain(model)).__name__}: no projection of the heads was found in {type(attention).__name__} "
                f"(looked for {', '.join(_PROJECTIONS)}), so its heads cannot be patched; remove `head` from "
                "`probes.patching.components` for this model"
            )
        found.append(module)
    return found


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
    """The root mean square difference of two tensors of the same shape, as a share of the standard deviation."""
    return float((one - other).square().mean().sqrt() / other.std())


def rounding(dtype: torch.dtype) -> float:
    """The largest :func:`deviation` of logits that rounding can explain. Errors from summing in another order
    accumulate over layers, and in half precision a router can also choose another expert."""
    return 1e-3 if torch.finfo(dtype).eps < 1e-4 else 0.25


@contextmanager
def eager(model: Any) -> Iterator[None]:
    """Within the block, ``model`` (without the wrapper of its adapters) uses its eager attention, which computes
    attention weights and always receives a mask.

    Raises :class:`ModelError` for a model that cannot be switched to it (Falcon), or that computes something else with
    it.
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
    """Within the block, call ``change`` with the index and the output of each module as it is computed.

    The tensor that it returns replaces the output; None keeps the output. If a module returns several values, the first
    is its output.
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
    """Like :func:`outputs_pass`, but for the input of one module, which is its first argument."""

    def see(module: nn.Module, arguments: tuple[Any, ...]) -> Any:
        changed = change(arguments[0])
        return None if changed is None else (changed, *arguments[1:])

    handle = module.register_forward_pre_hook(see)
    try:
        yield
    finally:
        handle.remove()
