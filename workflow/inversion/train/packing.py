"""Packs examples into rows without padding, and divides them into optimizer steps and forward passes.

The order of the examples over all epochs is drawn once. Each optimizer step trains on exactly ``batch_size`` examples.
A forward pass sees several examples joined end to end in one row, so that no time is spent on padding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

IGNORED = -100
"""The target of positions that have no loss."""

Batch = dict[str, Any]
"""The inputs of a model's forward pass."""


def training_order(examples: int, batch_size: int, steps: int, seed: int) -> Tensor:
    """The examples of each step: int32 [steps, batch_size].

    The examples are shuffled again for every epoch, and the concatenated epochs are cut into batches. A batch can span
    two epochs.
    """
    generator = torch.Generator().manual_seed(seed)
    epochs = -(-steps * batch_size // examples)
    stream = torch.cat([torch.randperm(examples, generator=generator) for _ in range(epochs)])
    return stream[: steps * batch_size].reshape(steps, batch_size).int()


@dataclass(frozen=True)
class PackedData:
    """Encoded examples end to end, and the order in which they are trained on."""

    tokens: Tensor
    """Int32 [tokens]."""
    targets: Tensor
    """Int32 [tokens]: the next token of the same example at positions that have a loss, otherwise :data:`IGNORED`."""
    starts: Tensor
    """Int64 [examples + 1]: the index of the first token of each example, and the end of the last."""
    order: Tensor
    """Int32 [steps, batch_size]: the examples of each step."""

    @classmethod
    def of(cls, input_ids: Sequence[Sequence[int]], loss_masks: Sequence[Sequence[bool]], order: Tensor) -> Self:
        """Pack token ids and loss masks, each given as one list per example."""
        tokens, targets, lengths = [], [], []
        for ids, mask in zip(input_ids, loss_masks, strict=True):
            row = torch.tensor(ids, dtype=torch.int32)
            tokens.append(row)
            following = row.roll(-1)
            following[~torch.tensor(mask, dtype=torch.bool).roll(-1)] = IGNORED
            following[-1] = IGNORED
            targets.append(following)
            lengths.append(len(ids))
        starts = torch.tensor([0, *lengths]).cumsum(0)
        return cls(torch.cat(tokens), torch.cat(targets), starts, order.contiguous())

    def save(self, path: Path) -> None:
        """Write the data to a safetensors file."""
        save_file(asdict(self), path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """The data that :meth:`save` wrote, memory-mapped."""
        return cls(**load_file(path))

    @property
    def steps(self) -> int:
        """Number of optimizer steps."""
        return self.order.shape[0]

    @property
    def batch_size(self) -> int:
        """Examples per optimizer step."""
        return self.order.shape[1]

    @property
    def examples(self) -> int:
        """Number of distinct examples."""
        return len(self.starts) - 1

    def tokens_from(self, step: int) -> int:
        """Number of tokens on which the steps after ``step`` train."""
        return int(self.lengths[self.order[step:].long()].sum())

    @cached_property
    def lengths(self) -> Tensor:
        """Number of tokens of each example: int64 [examples]."""
        return self.starts.diff()

    @cached_property
    def labelled(self) -> Tensor:
        """Number of tokens of each example that have a loss: int64 [examples]."""
        counted = torch.cat([torch.zeros(1, dtype=torch.int64), (self.targets != IGNORED).cumsum(0)])
        return counted[self.starts].diff()

    def step(self, index: int, most_tokens: int, processes: int = 1, process: int = 0) -> tuple[list[Batch], int]:
        """The forward passes of one process in the step ``index`` (from 0), and the number of tokens with a loss in the
        whole step.

        :func:`micro_batches` describes how the examples are divided.
        """
        ids = self.order[index].long()
        parts = micro_batches(self.lengths[ids].tolist(), most_tokens, processes)[process]
        return [self._joined(ids[part].tolist()) for part in parts], int(self.labelled[ids].sum())

    def _joined(self, examples: list[int]) -> Batch:
        """One row without padding. Positions restart in each example, and logits are computed only where there is a
        loss."""
        spans = [(int(self.starts[example]), int(self.starts[example + 1])) for example in examples]
        lengths = [stop - start for start, stop in spans]
        ends = torch.tensor([0, *lengths], dtype=torch.int32).cumsum(0, dtype=torch.int32)
        targets = torch.cat([self.targets[start:stop] for start, stop in spans]).long()
        kept = targets != IGNORED
        return {
            "input_ids": torch.cat([self.tokens[start:stop] for start, stop in spans]).long()[None],
            "position_ids": torch.cat([torch.arange(length) for length in lengths])[None],
            "cu_seq_lens_q": ends,
            "cu_seq_lens_k": ends,
            "max_length_q": max(lengths),
            "max_length_k": max(lengths),
            "logits_to_keep": kept[None],
            "labels": targets[kept],
            "shift_labels": targets[kept],
            "use_cache": False,
        }


def micro_batches(lengths: Sequence[int], most_tokens: int, processes: int = 1) -> list[list[list[int]]]:
    """Divides examples into forward passes of at most ``most_tokens`` tokens. Returns indices into ``lengths`` by
    process and forward pass.

    All processes get the same number of forward passes. There are as few as possible, with about the same number of
    tokens each. An example with more than ``most_tokens`` tokens gets a separate forward pass. Raises
    :class:`ValueError` if the examples cannot be divided evenly among the processes.
    """
    if len(lengths) % processes:
        raise ValueError(f"a batch of {len(lengths)} examples cannot be divided evenly among {processes} processes")
    longest_first = sorted(range(len(lengths)), key=lambda place: -lengths[place])
    fewest = max(1, -(-sum(lengths) // (most_tokens * processes)))
    for passes in range(min(fewest, len(lengths) // processes), len(lengths) // processes + 1):
        parts = _balanced(lengths, longest_first, passes * processes)
        if max(sum(lengths[place] for place in part) for part in parts) <= most_tokens:
            break
    return [parts[process::processes] for process in range(processes)]


def _balanced(lengths: Sequence[int], longest_first: Sequence[int], parts: int) -> list[list[int]]:
    """Distribute indices to ``parts`` lists, the longest example first, each to the list with the fewest tokens so
    far."""
    sums = [0] * parts
    dealt: list[list[int]] = [[] for _ in range(parts)]
    for place in longest_first:
        least = min(range(parts), key=lambda part: (sums[part], len(dealt[part])))
        dealt[least].append(place)
        sums[least] += lengths[place]
    return [sorted(part) for part in dealt]


class Steps(torch.utils.data.Dataset[tuple[list[Batch], int]]):
    """The optimizer steps of one process as a dataset. Its items are those of :meth:`PackedData.step`."""

    def __init__(self, data: PackedData, most_tokens: int, processes: int = 1, process: int = 0) -> None:
        self.data = data
        self.most_tokens = most_tokens
        self.processes = processes
        self.process = process

    def __len__(self) -> int:
        return self.data.steps

    def __getitem__(self, index: int) -> tuple[list[Batch], int]:
        return self.data.step(index, self.most_tokens, self.processes, self.process)

    def __iter__(self) -> Iterator[tuple[list[Batch], int]]:
        return (self[index] for index in range(len(self)))
