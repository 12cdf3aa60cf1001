"""Groups sequences of different lengths into batches, deterministically."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor

PADDING = 0.1
"""The largest share of padding in a batch of sequences that are read very often."""


def by_length(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Batches of at most ``size`` indices, the longest sequences first. Sequences of equal length keep their order.

    All batches have about the same number of sequences, because a small last batch takes nearly as long as a full one.
    """
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    count = -(-len(order) // size)
    for batch in range(count):
        yield order[len(order) * batch // count : len(order) * (batch + 1) // count]


def by_similar_length(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Batches of at most ``size`` indices, the longest sequences first, in which at most :data:`PADDING` of the tokens
    are padding. Sequences that are read very often are batched in this way."""
    batch: list[int] = []
    tokens = 0
    for index in sorted(range(len(lengths)), key=lambda index: (-lengths[index], index)):
        padded = lengths[batch[0] if batch else index] * (len(batch) + 1)
        if batch and (len(batch) == size or tokens + lengths[index] < (1 - PADDING) * padded):
            yield batch
            batch, tokens = [], 0
        batch.append(index)
        tokens += lengths[index]
    if batch:
        yield batch


def pad(
    rows: Sequence[Sequence[int]], value: int, side: Literal["left", "right"], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Token ids and attention mask [rows, longest row], padded with ``value`` on the ``left`` or ``right``."""
    width = max(map(len, rows))
    fill = [[value] * (width - len(row)) for row in rows]
    keep = [[0] * (width - len(row)) for row in rows]
    if side == "left":
        ids = [[*padding, *row] for padding, row in zip(fill, rows, strict=True)]
        mask = [[*zeros, *[1] * len(row)] for zeros, row in zip(keep, rows, strict=True)]
    else:
        ids = [[*row, *padding] for padding, row in zip(fill, rows, strict=True)]
        mask = [[*[1] * len(row), *zeros] for zeros, row in zip(keep, rows, strict=True)]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def positions(mask: Tensor) -> Tensor:
    """Position ids [rows, width] that start at 0 at the first real token of each row."""
    return (mask.cumsum(-1) - 1).clamp(min=0)
