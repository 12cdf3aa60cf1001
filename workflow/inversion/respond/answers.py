"""Greedy answers and the log-probabilities of both answers, for one checkpoint and many items.

Each prompt goes through the model once; both answers and the greedy answer go on from its cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from transformers import DynamicCache, PreTrainedTokenizerBase

from inversion.config import Template
from inversion.instruct.templates import encode_answer, encode_prompt, end_token_ids, stop_strings
from inversion.models import stop_token_ids
from inversion.records import ConflictItem, Response
from inversion.respond.batches import by_length, pad

PLAIN_PROMPT = "plain"
"""Name of the prompt that is the dataset's own template and nothing else."""


@dataclass(frozen=True)
class Question:
    """A conflict item as token ids."""

    item: ConflictItem
    prompt: list[int]
    context_answer: list[int]
    """The preferred alias as the model would write it after the prompt; empty where there is none."""
    parametric_answer: list[int]


def encode_questions(
    items: Sequence[ConflictItem], tokenizer: PreTrainedTokenizerBase, template: Template
) -> list[Question]:
    """The items in the instruction template; done once for all checkpoints of a run."""

    def answer(item: ConflictItem, aliases: list[str]) -> list[int]:
        return encode_answer(tokenizer, template, item, aliases[0])[1] if aliases else []

    return [
        Question(
            item,
            encode_prompt(tokenizer, template, item),
            answer(item, item.context_answers),
            answer(item, item.parametric_answers),
        )
        for item in items
    ]


@torch.inference_mode()
def answer_questions(
    model: nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[Question],
    template: Template,
    step: int,
    max_new_tokens: int,
    batch_size: int,
) -> list[Response]:
    """One :class:`Response` a question, in the order of the questions, which ``template`` has encoded."""
    stops = sorted({*stop_token_ids(model, tokenizer), *end_token_ids(tokenizer, template)})
    answered: dict[int, Response] = {}
    for batch in by_length([len(question.prompt) for question in questions], batch_size):
        chosen = [questions[index] for index in batch]
        for index, response in zip(
            batch, _answer_batch(model, tokenizer, chosen, stops, step, max_new_tokens), strict=True
        ):
            answered[index] = _within_turn(response, stop_strings(template))
    return [answered[index] for index in range(len(questions))]


def _within_turn(response: Response, stops: Sequence[str]) -> Response:
    """``response`` up to where its text begins another turn, as models do that have not learnt to stop."""
    ends = [response.text.find(stop) for stop in stops if stop in response.text]
    return replace(response, text=response.text[: min(ends)].rstrip(), finished=True) if ends else response


def _answer_batch(
    model: nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[Question],
    stops: list[int],
    step: int,
    max_new_tokens: int,
) -> list[Response]:
    device = next(model.parameters()).device
    pad_id: int = tokenizer.pad_token_id
    # left padding: all prompts end at the same place, where their answers begin
    ids, mask = pad([question.prompt for question in questions], pad_id, "left", device)
    cache = DynamicCache()
    logits = model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=_positions(mask),
        past_key_values=cache,
        use_cache=True,
        # as an index: a slice leaves gaps in memory, for which torch multiplies with a copy of the output embedding
        # for each row, unless these weights are being trained (should_fold in LinearAlgebra.cpp)
        logits_to_keep=torch.tensor([ids.shape[1] - 1], device=device),
    ).logits[:, -1]
    context = _answer_logprobs(model, cache, mask, logits, [q.context_answer for q in questions], pad_id)
    parametric = _answer_logprobs(model, cache, mask, logits, [q.parametric_answer for q in questions], pad_id)
    tokens, finished = _greedy(model, cache, mask, logits, stops, pad_id, max_new_tokens)
    return [
        Response(
            step=step,
            set=question.item.set,
            item_id=question.item.item_id,
            prompt=PLAIN_PROMPT,
            text=tokenizer.decode(tokens[row], skip_special_tokens=True).strip(),
            finished=finished[row],
            context_logprob=context[row] if question.context_answer else None,
            context_tokens=len(question.context_answer),
            parametric_logprob=parametric[row] if question.parametric_answer else None,
            parametric_tokens=len(question.parametric_answer),
        )
        for row, question in enumerate(questions)
    ]


def _positions(mask: Tensor) -> Tensor:
    """Position ids [rows, width] that start at 0 with the first real token of each row."""
    return (mask.cumsum(-1) - 1).clamp(min=0)


def _answer_logprobs(
    model: nn.Module, cache: DynamicCache, mask: Tensor, first_logits: Tensor, answers: list[list[int]], pad_id: int
) -> list[float]:
    """Summed log-probability of each answer after its prompt; 0 for an empty one.

    ``cache`` holds the prompts and is left as it was.
    """
    if not any(answers):
        return [0.0] * len(answers)
    ids, kept = pad([answer or [pad_id] for answer in answers], pad_id, "right", mask.device)
    kept = kept * torch.tensor([[bool(answer)] for answer in answers], device=mask.device)
    logits = first_logits.unsqueeze(1)
    if ids.shape[1] > 1:
        fed = ids[:, :-1]
        full_mask = torch.cat([mask, kept[:, :-1]], dim=1)
        rest = model(
            input_ids=fed,
            attention_mask=full_mask,
            position_ids=_positions(full_mask)[:, -fed.shape[1] :],
            past_key_values=cache,
            use_cache=True,
        ).logits
        cache.crop(-fed.shape[1])
        logits = torch.cat([logits, rest], dim=1)
    logprobs = torch.log_softmax(logits.float(), dim=-1).gather(-1, ids.unsqueeze(-1)).squeeze(-1)
    summed: list[float] = (logprobs * kept).sum(dim=1).tolist()
    return summed


def _greedy(
    model: nn.Module,
    cache: DynamicCache,
    mask: Tensor,
    logits: Tensor,
    stops: list[int],
    pad_id: int,
    max_new_tokens: int,
) -> tuple[list[list[int]], list[bool]]:
    """Greedy tokens of each row up to its stop token (left out), and whether it stopped by itself."""
    stop = torch.tensor(stops, device=mask.device)
    running = torch.ones(mask.shape[0], dtype=torch.bool, device=mask.device)
    written: list[list[int]] = [[] for _ in range(mask.shape[0])]
    position = mask.sum(-1, keepdim=True)
    for count in range(1, max_new_tokens + 1):
        tokens = logits.argmax(-1)
        running &= ~torch.isin(tokens, stop)
        for row in running.nonzero().flatten().tolist():
            written[row].append(int(tokens[row]))
        if not running.any() or count == max_new_tokens:
            break
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
        logits = model(
            input_ids=torch.where(running, tokens, pad_id).unsqueeze(1),
            attention_mask=mask,
            position_ids=position,
            past_key_values=cache,
            use_cache=True,
        ).logits[:, -1]
        position = position + 1
    return written, (~running).tolist()
