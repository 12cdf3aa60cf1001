"""A key-value cache that is allocated once for a batch and shared by forward passes.

The library's dynamic cache is copied completely for every appended token, and must have a row for each row of the
batch.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers.cache_utils import Cache, DynamicLayer


class PreallocatedKVCache:
    """Memory for the keys and values of a batch of ``rows`` rows with ``capacity`` tokens each.

    Every forward pass uses a separate view with its own write position. A later pass overwrites what an earlier one
    wrote at the same positions.
    """

    def __init__(self, layers: int, rows: int, capacity: int) -> None:
        self.layers: list[tuple[Tensor, Tensor] | None] = [None] * layers
        self.rows, self.capacity = rows, capacity

    def cache(self, length: int, rows: slice = slice(None)) -> Cache:
        """A view of the first ``length`` tokens of ``rows``, to which a model appends.

        If a forward pass has a single row, its keys and values are written to all ``rows``. A common prefix of all rows
        therefore needs to be computed only once.
        """
        return Cache(layers=[_Layer(self, index, length, rows) for index in range(len(self.layers))])

    def layer(self, index: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """The keys and values of one layer, [rows, heads, capacity, head size] each. They are allocated at the first
        call, with the sizes of ``keys`` and ``values``."""
        memory = self.layers[index]
        if memory is None:
            keys, values = (x.new_empty((self.rows, x.shape[1], self.capacity, x.shape[3])) for x in (keys, values))
            memory = self.layers[index] = keys, values
        return memory


class _Layer(DynamicLayer):
    """One layer of a view of :class:`PreallocatedKVCache`."""

    def __init__(self, memory: PreallocatedKVCache, index: int, length: int, rows: slice) -> None:
        super().__init__()
        self.memory, self.index, self.length, self.selected = memory, index, length, rows
        written = memory.layers[index]
        self.own = None if written is None else (written[0][rows], written[1][rows])
        self.is_initialized = True

    def get_seq_length(self) -> int:
        return self.length

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        begin, self.length = self.length, self.length + key_states.shape[-2]
        if self.own is None:
            keys, values = self.memory.layer(self.index, key_states, value_states)
            self.own = keys[self.selected], values[self.selected]
        for place, states in zip(self.own, (key_states, value_states), strict=True):
            place[:, :, begin : self.length] = states
        self.keys, self.values = (place[: len(key_states), :, : self.length] for place in self.own)
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        """Copy the given rows to new memory, and drop all others."""
        if self.own is not None:
            self.own = self.own[0][indices], self.own[1][indices]
