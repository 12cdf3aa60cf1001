"""How much the base model needs the context of each training example (section 4.3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from inversion.config import Template
from inversion.instruct.templates import encode_last_turn
from inversion.records import ContextNeed, Example
from inversion.respond.batches import by_length, pad


@torch.inference_mode()
def context_need(
    model: nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    examples: Sequence[Example],
    template: Template,
    batch_size: int,
) -> list[ContextNeed]:
    """The loss of each example's last answer *without* its context, in the order of the examples.

    Low loss (low target perplexity): the model knows the answer from memory, and the example is not
    context-critical.
    """
    device = next(model.parameters()).device
    rows = [encode_last_turn(tokenizer, template, example, with_context=False) for example in examples]
    scored: dict[int, ContextNeed] = {}
    for batch in by_length([len(row.input_ids) for row in rows], batch_size):
        ids, mask = pad([rows[i].input_ids for i in batch], tokenizer.pad_token_id, "right", device)
        labelled, _ = pad([[int(label) for label in rows[i].label_mask] for i in batch], 0, "right", device)
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, :-1]
        losses = nn.functional.cross_entropy(logits.float().transpose(1, 2), ids[:, 1:], reduction="none")
        counts = labelled[:, 1:].sum(-1)
        means = (losses * labelled[:, 1:]).sum(-1) / counts
        for index, mean, count in zip(batch, means.tolist(), counts.tolist(), strict=True):
            scored[index] = ContextNeed(examples[index].example_id, mean, count)
    return [scored[index] for index in range(len(examples))]
