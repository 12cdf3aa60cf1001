"""Keys and values of a batch in memory that is set aside once and that forward passes share.

The library's dynamic cache is copied completely for every appended token, and has a row for each row that went in.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers.cache_utils import Cache, DynamicLayer


class BatchMemory:
    """Room for the keys and values of a batch: ``capacity`` tokens of each of its ``rows``.

    Every forward pass uses a separate view of it, which has its own write position; what a later pass
    writes at the same place takes the place of what was there.
    """

    def __init__(self, layers: int, rows: int, capacity: int) -> None:
        self.layers: list[tuple[Tensor, Tensor] | None] = [None] * layers
        self.rows, self.capacity = rows, capacity

    def cache(self, length: int, rows: slice = slice(None)) -> Cache:
        """The first ``length`` tokens of ``rows``, as a model continues them.

        What a single row continues with is written into all of them: what they have in common needs one row.
        """
        return Cache(layers=[_Layer(self, index, length, rows) for index in range(len(self.layers))])

    def layer(self, index: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Memory of one layer, [rows, heads, capacity, head size] each, for what has the sizes of the two."""
        memory = self.layers[index]
        if memory is None:
            keys, values = (x.new_empty((self.rows, x.shape[1], self.capacity, x.shape[3])) for x in (keys, values))
            memory = self.layers[index] = keys, values
        return memory


class _Layer(DynamicLayer):
    """One layer of a cache of :class:`BatchMemory`."""

    def __init__(self, memory: BatchMemory, index: int, length: int, rows: slice) -> None:
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
        """Keep only these rows, copied to new memory."""
        if self.own is not None:
            self.own = self.own[0][indices], self.own[1][indices]
