"""Measures how much the base model needs the context of each training example (section 4.3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from inversion.config.datasets import Template
from inversion.instruct.templates import EncodedConversation, encode_last_turn
from inversion.models import exact_window
from inversion.records.data import ContextNeed, Example
from inversion.respond.batches import pad, positions

_TOKENS = 16_384
"""The maximum number of tokens in a batch, including padding."""
_LOGITS = 2**27
"""The maximum number of logits in a batch: 512 MiB in float32."""


@torch.inference_mode()
def context_need(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: Sequence[Example],
    template: Template,
    batch_size: int,
) -> list[ContextNeed]:
    """The loss of each example's last answer with and without its context, in the order of the examples.

    A low loss without the context (a low target perplexity) means that the model knows the answer from memory, so the
    example is not context-critical. The loss is the mean over the answer's tokens, in nats. A conversation that is
    longer than the model's window is truncated at its beginning.
    """
    bare = [encode_last_turn(tokenizer, template, example, with_context=False) for example in examples]
    full = [encode_last_turn(tokenizer, template, example) if example.context else None for example in examples]
    losses = answer_losses(model, [*bare, *filter(None, full)], tokenizer.pad_token_id, batch_size)
    without, with_context = losses[: len(bare)], iter(losses[len(bare) :])
    return [
        ContextNeed(
            example_id=example.example_id,
            loss_without_context=loss,
            loss_with_context=loss if row is None else next(with_context),
            tokens=sum(plain.loss_mask),
        )
        for example, plain, row, loss in zip(examples, bare, full, without, strict=True)
    ]


@torch.inference_mode()
def answer_losses(
    model: PreTrainedModel, rows: Sequence[EncodedConversation], pad_id: int, batch_size: int
) -> list[float]:
    """The mean loss (nats per token) over the tokens of each row that have a loss, in the order of the rows.

    These tokens must be at the end of a row, and logits are computed for them only. Batches have at most ``batch_size``
    rows and a limited number of tokens and logits.
    """
    window = exact_window(model.config) or max(len(row.input_ids) for row in rows)
    ids = [row.input_ids[-window:] for row in rows]
    labels = [[int(label) for label in row.loss_mask[-window:]] for row in rows]
    # from the token before the first one with a loss, which predicts it, to the end
    tails = [len(row) - max(row.index(1) - 1, 0) for row in labels]
    losses = [0.0] * len(rows)
    for batch in _batches(list(map(len, ids)), tails, model.config.get_text_config().vocab_size, batch_size):
        # with left padding all answers end at the same position
        inputs, mask = pad([ids[i] for i in batch], pad_id, "left", model.device)
        wanted, _ = pad([labels[i] for i in batch], 0, "left", model.device)
        tail = max(tails[i] for i in batch)
        logits = model(
            input_ids=inputs,
            attention_mask=mask,
            position_ids=positions(mask),
            use_cache=False,
            logits_to_keep=tail,
        ).logits[:, :-1]
        targets, wanted = inputs[:, 1 - tail :], wanted[:, 1 - tail :].bool()
        nats = torch.zeros(wanted.shape, device=model.device)
        nats[wanted] = nn.functional.cross_entropy(logits[wanted].float(), targets[wanted], reduction="none")
        means = nats.sum(-1) / wanted.sum(-1)
        for index, mean in zip(batch, means.tolist(), strict=True):
            losses[index] = mean
    return losses


def _batches(lengths: Sequence[int], tails: Sequence[int], vocabulary: int, size: int) -> Iterator[list[int]]:
    """Batches of indices with at most ``size`` rows, ``_TOKENS`` tokens and ``_LOGITS`` logits, the longest rows
    first."""
    batch: list[int] = []
    longest = tail = 0
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], -tails[i], i)):
        longest, tail = max(longest, lengths[index]), max(tail, tails[index])
        rows = len(batch) + 1
        if batch and (rows > size or rows * longest > _TOKENS or rows * tail * vocabulary > _LOGITS):
            yield batch
            batch, longest, tail = [], lengths[index], tails[index]
        batch.append(index)
    if batch:
        yield batch
