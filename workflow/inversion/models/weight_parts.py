"""Assigns each weight of a transformer to a part, for all families of models."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import torch
from torch import Tensor

from inversion.models.folder_tokenizer import ModelError
from inversion.models.tuning import FUSED_QUERY_KEY_VALUE, head_size

_KINDS = {
    "q_proj": "query",
    "q_norm": "query",
    "k_proj": "key",
    "k_norm": "key",
    "v_proj": "value",
    "o_proj": "output",
    "dense": "output",
    "gate_proj": "gate",
    "up_proj": "up",
    "dense_h_to_4h": "up",
    "down_proj": "down",
    "dense_4h_to_h": "down",
}
"""Kinds of modules by name. Norms of single queries and keys (Qwen 3, Gemma 3) count with these."""
_FUSED = ("query", "key", "value")
"""The order of a fused projection's rows within each head."""


class WeightPart(NamedTuple):
    """One parameter of a model, or those of its rows that are of one kind."""

    name: str
    """The name of the parameter."""
    kind: str
    """One of the kinds in :data:`~inversion.records.mechanism.WEIGHT_GROUPS`."""
    layer: int | None
    """The index of the layer, beginning with 0 at the input; None outside the layers."""
    rows: Tensor | None = None
    """Which rows belong to the part: boolean [rows]. None means all rows."""

    def of(self, parameter: Tensor) -> Tensor:
        """The values of ``parameter`` that belong to this part."""
        return parameter if self.rows is None else parameter[self.rows]

    def put(self, into: Tensor, taken: Tensor) -> Tensor:
        """A copy of ``into`` in which this part is replaced by that of ``taken``."""
        if self.rows is None:
            return taken
        return torch.where(self.rows.view(-1, *[1] * (into.dim() - 1)), taken, into)


def weight_parts(model: Any) -> list[WeightPart]:
    """The parts of a causal language model whose adapters are merged; together they are all of its parameters.

    A fused projection of query, key and value (GPT-NeoX) is three parts. An output embedding that is the input
    embedding is listed once, as ``embedding``. Raises :class:`ModelError` for a module of unknown name, and for a fused
    projection of unknown layout.
    """
    outside = {model.get_input_embeddings(): "embedding", model.get_output_embeddings(): "head"}
    parts = []
    for name, parameter in model.named_parameters():
        owner = name.rpartition(".")[0]
        module, called = model.get_submodule(owner), owner.rpartition(".")[2]
        found = re.search(r"\blayers\.(\d+)\.", name)
        layer = int(found[1]) if found else None
        if called == FUSED_QUERY_KEY_VALUE:
            size = head_size(model)
            place = torch.arange(parameter.shape[0]) % (3 * size) // size
            parts += [WeightPart(name, kind, layer, place == index) for index, kind in enumerate(_FUSED)]
            continue
        kind = outside.get(module) or _KINDS.get(called)
        if kind is None and "norm" in type(module).__name__.lower():
            kind = "norm"
        if kind is None:
            raise ModelError(
                f"{type(model).__name__}: it is not known which part of the network {name} is, so its updates cannot "
                "be attributed; remove `weights` from `probes` for this model"
            )
        parts.append(WeightPart(name, kind, layer))
    return parts
