"""Training rows without padding: what an optimizer step trains on, in which order, in which forward passes.

The order of the examples over all epochs is drawn once. Each optimizer step takes exactly ``batch_size`` of
them; forward passes see them joined end to end in one row, so that no time is spent on padding.
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
"""The target of a position whose next token the loss does not count."""

Batch = dict[str, Any]
"""The inputs of a model's forward pass."""


def training_order(examples: int, batch_size: int, steps: int, seed: int) -> Tensor:
    """Which examples each step trains on: int32 [steps, batch_size].

    Permutations of all examples follow each other, a fresh one an epoch, and are cut into batches; a
    batch may reach from one epoch into the next.
    """
    generator = torch.Generator().manual_seed(seed)
    epochs = -(-steps * batch_size // examples)
    stream = torch.cat([torch.randperm(examples, generator=generator) for _ in range(epochs)])
    return stream[: steps * batch_size].reshape(steps, batch_size).int()


@dataclass(frozen=True)
class PackedData:
    """Encoded examples end to end, and the order that they are trained in."""

    tokens: Tensor
    """Int32 [tokens]."""
    targets: Tensor
    """Int32 [tokens]: at each position the next token of the same example where the loss counts it,
    elsewhere :data:`IGNORED`."""
    starts: Tensor
    """Int64 [examples + 1]: where each example begins, and the end."""
    order: Tensor
    """Int32 [steps, batch_size]: the examples of each step."""

    @classmethod
    def of(cls, input_ids: Sequence[Sequence[int]], label_masks: Sequence[Sequence[bool]], order: Tensor) -> Self:
        """Pack token ids and masks of what the loss counts, both one list an example."""
        tokens, targets, lengths = [], [], []
        for ids, mask in zip(input_ids, label_masks, strict=True):
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
        """Write to a safetensors file."""
        save_file(asdict(self), path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """The data that :meth:`save` wrote, memory-mapped."""
        return cls(**load_file(path))

    @property
    def steps(self) -> int:
        """Optimizer steps."""
        return self.order.shape[0]

    @property
    def batch_size(self) -> int:
        """Examples an optimizer step."""
        return self.order.shape[1]

    @property
    def examples(self) -> int:
        """Distinct examples."""
        return len(self.starts) - 1

    def tokens_from(self, step: int) -> int:
        """How many tokens the steps after ``step`` train on."""
        return int(self.lengths[self.order[step:].long()].sum())

    @cached_property
    def lengths(self) -> Tensor:
        """Int64 [examples]: tokens of each example."""
        return self.starts.diff()

    @cached_property
    def labelled(self) -> Tensor:
        """Int64 [examples]: tokens of each example that the loss counts."""
        counted = torch.cat([torch.zeros(1, dtype=torch.int64), (self.targets != IGNORED).cumsum(0)])
        return counted[self.starts].diff()

    def step(self, index: int, most_tokens: int, processes: int = 1, process: int = 0) -> tuple[list[Batch], int]:
        """The forward passes of one process in the step ``index`` (from 0), and the labelled tokens of the whole step.

        See :func:`micro_batches`; what it says about the number of forward passes holds.
        """
        ids = self.order[index].long()
        parts = micro_batches(self.lengths[ids].tolist(), most_tokens, processes)[process]
        return [self._joined(ids[part].tolist()) for part in parts], int(self.labelled[ids].sum())

    def _joined(self, examples: list[int]) -> Batch:
        """One row without padding; positions begin again in each example, logits are asked only where they count."""
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
    """Places in ``lengths``, by process and forward pass, so that no forward pass has more than ``most_tokens``.

    All processes get equally many forward passes, as few as suffice and all of about the same number of
    tokens. An example that is longer by itself gets a forward pass of its own. Raises :class:`ValueError`
    if the examples cannot be dealt out evenly.
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
    """Deal places out to ``parts`` lists, the longest first, each to the list that is shortest so far."""
    sums = [0] * parts
    dealt: list[list[int]] = [[] for _ in range(parts)]
    for place in longest_first:
        least = min(range(parts), key=lambda part: (sums[part], len(dealt[part])))
        dealt[least].append(place)
        sums[least] += lengths[place]
    return [sorted(part) for part in dealt]


class Steps(torch.utils.data.Dataset[tuple[list[Batch], int]]):
    """The optimizer steps of one process, as a dataset: see :meth:`PackedData.step`."""

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
