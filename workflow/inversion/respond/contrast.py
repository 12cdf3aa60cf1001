"""Contrastive decoding: compares a model's next-token distributions with and without the context.

Both distributions follow the same answer tokens. The contrasted distribution of the next token is

    softmax((1 + alpha) logit(y | context, question) - alpha logit(y | question))

where ``alpha`` is fixed (context-aware decoding, Shi et al., arXiv 2305.14739), or at every token the Jensen-Shannon
divergence of the two distributions (AdaCAD, Wang et al., arXiv 2409.07394). Decoding is greedy. The two prompts of a
question are two rows of one batch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.cache_utils import Cache

from inversion.config.datasets import Template
from inversion.config.evaluation import ContextAwareDecoding, Decoding, Prompt
from inversion.instruct.templates import end_token_ids, stop_strings
from inversion.models import ModelError, stop_token_ids
from inversion.models.transformer_modules import plain
from inversion.records.answers import Response
from inversion.respond.answers import (
    Continuation,
    EncodedQuestion,
    PromptAndAnswers,
    Tokens,
    answer_questions,
    keeps_keys_only,
    response,
    rounds,
)
from inversion.respond.batches import by_length, pad, positions
from inversion.respond.kv_cache import PreallocatedKVCache

_ROWS = 32
"""The number of rows whose distributions are in memory at once. Vocabularies have up to 262,000 entries."""


def answer_decoded(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[EncodedQuestion],
    prompts: Mapping[str, Prompt],
    template: Template,
    step: int,
    max_new_tokens: int,
    batch_size: int,
) -> list[Response]:
    """One :class:`Response` per question, in order, with the decoding method of its prompt.

    Questions without a context have nothing to contrast, and use greedy decoding.
    """
    groups: dict[Decoding | None, list[int]] = {}
    for place, question in enumerate(questions):
        groups.setdefault(prompts[question.prompt].decoding if question.without_context else None, []).append(place)
    answered: dict[int, Response] = {}
    for decoding, places in groups.items():
        chosen = [questions[place] for place in places]
        found = (
            answer_questions(model, tokenizer, chosen, template, step, max_new_tokens, batch_size)
            if decoding is None
            else answer_contrasted(model, tokenizer, chosen, decoding, template, step, max_new_tokens, batch_size)
        )
        answered |= dict(zip(places, found, strict=True))
    return [answered[place] for place in range(len(questions))]


@torch.inference_mode()
def answer_contrasted(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[EncodedQuestion],
    decoding: Decoding,
    template: Template,
    step: int,
    max_new_tokens: int,
    batch_size: int,
) -> list[Response]:
    """One :class:`Response` per question, in order, from the contrasted distribution.

    Log-probabilities without the context (``..._closed``) are not contrasted. Raises :class:`ValueError` for a question
    without a context.
    """
    stops = sorted({*stop_token_ids(model, tokenizer), *end_token_ids(tokenizer, template)})
    answered: dict[int, Response] = {}
    # two rows per question
    for batch in by_length([len(question.with_context.prompt) for question in questions], max(1, batch_size // 2)):
        chosen = [questions[place] for place in batch]
        continuations = continue_contrasted(model, chosen, decoding, stops, tokenizer.pad_token_id, max_new_tokens)
        for place, question, (contrasted, without_context) in zip(batch, chosen, continuations, strict=True):
            by_prompt = {question.with_context.prompt: contrasted, _without_context(question).prompt: without_context}
            answered[place] = response(question, by_prompt, tokenizer, stop_strings(template), step)
    return [answered[place] for place in range(len(questions))]


def continue_contrasted(
    model: PreTrainedModel,
    questions: Sequence[EncodedQuestion],
    decoding: Decoding,
    stops: list[int],
    pad_id: int,
    max_new_tokens: int,
) -> list[tuple[Continuation, Continuation]]:
    """For each question of one batch, two continuations of its prompt: the contrasted one, and the one without context.

    The continuation without context has log-probabilities only, and they are not contrasted.
    """
    check_contrast(model)
    longest = max(
        max_new_tokens, *(len(answer) for question in questions for answer in question.with_context.answers), 0
    )
    pairs = _PromptPairs.read(model, questions, pad_id, longest)
    contrasted, without_context = _answer_logprobs(pairs, questions, decoding, pad_id)
    written, finished = _greedy(pairs, decoding, stops, pad_id, max_new_tokens)
    return [
        (Continuation(tokens, ended, logprobs), Continuation([], False, _rekeyed(question, without)))
        for question, tokens, ended, logprobs, without in zip(
            questions, written, finished, contrasted, without_context, strict=True
        )
    ]


def check_contrast(model: PreTrainedModel) -> None:
    """Raise :class:`~inversion.models.ModelError` for a model whose layers remember more than keys and values, so that
    two prompts cannot continue as two rows of one batch."""
    if not keeps_keys_only(model):
        raise ModelError(
            f"models of type {plain(model).config.model_type} have layers with a memory of their own (state spaces or "
            "convolutions), for which contrastive decoding is not implemented; remove `decoding` from the prompts, or "
            "choose another model"
        )


@dataclass(frozen=True)
class _PromptPairs:
    """The prompts of one batch in a cache: first all questions with context, then all questions without context."""

    model: PreTrainedModel
    mask: Tensor
    memory: PreallocatedKVCache
    first: Tensor
    """The logits after the prompts: [2 x questions, 1, vocabulary]."""

    @classmethod
    def read(
        cls, model: PreTrainedModel, questions: Sequence[EncodedQuestion], pad_id: int, longest: int
    ) -> _PromptPairs:
        """Read the prompts of ``questions``, and leave space for ``longest`` tokens after each."""
        device = next(model.parameters()).device
        prompts = [each.with_context.prompt for each in questions] + [
            _without_context(each).prompt for each in questions
        ]
        # with left padding all prompts end at the same position, where their answers begin
        ids, mask = pad(prompts, pad_id, "left", device)
        width = ids.shape[1]
        memory = PreallocatedKVCache(model.config.get_text_config().num_hidden_layers, len(prompts), width + longest)
        first = model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions(mask),
            past_key_values=memory.cache(0),
            use_cache=True,
            logits_to_keep=torch.tensor([width - 1], device=device),
        ).logits
        return cls(model, mask, memory, first)

    def cache(self) -> Cache:
        """A cache that contains the prompts."""
        return self.memory.cache(self.mask.shape[1])

    def extend(self, cache: Cache, tokens: Tensor, mask: Tensor) -> Tensor:
        """The logits [2 x questions, width, vocabulary] after appending ``tokens`` [questions, width] to both prompts.

        ``mask`` covers the prompts and everything that was appended since.
        """
        logits: Tensor = self.model(
            input_ids=tokens.repeat(2, 1),
            attention_mask=mask,
            position_ids=positions(mask)[:, -tokens.shape[1] :],
            past_key_values=cache,
            use_cache=True,
        ).logits
        return logits


_Logprobs = list[dict[Tokens, list[float]]]
"""For each question and each of its answers, the log-probability of every token."""


def _answer_logprobs(
    pairs: _PromptPairs, questions: Sequence[EncodedQuestion], decoding: Decoding, pad_id: int
) -> tuple[_Logprobs, _Logprobs]:
    """The log-probabilities of the questions' answers: contrasted, and without context (not contrasted)."""
    count = len(questions)
    contrasted: _Logprobs = [{} for _ in questions]
    without_context: _Logprobs = [{} for _ in questions]
    for together in rounds([question.with_context.answers for question in questions]):
        answers, kept = pad([answer or (pad_id,) for answer in together], pad_id, "right", pairs.mask.device)
        logits, fed = pairs.first, answers[:, :-1]
        if fed.shape[1]:
            mask = torch.cat([pairs.mask, kept[:, :-1].repeat(2, 1)], dim=1)
            logits = torch.cat([logits, pairs.extend(pairs.cache(), fed, mask)], dim=1)
        for row, answer in enumerate(together):
            if answer:
                with_context, without = logits[row, : len(answer)], logits[count + row, : len(answer)]
                target = answers[row, : len(answer), None]
                found = contrast(with_context, without, decoding).gather(-1, target)
                contrasted[row][answer] = found.squeeze(-1).tolist()
                plain = torch.log_softmax(without.float(), -1).gather(-1, target)
                without_context[row][answer] = plain.squeeze(-1).tolist()
    return contrasted, without_context


def _greedy(
    pairs: _PromptPairs, decoding: Decoding, stops: list[int], pad_id: int, max_new_tokens: int
) -> tuple[list[list[int]], list[bool]]:
    """The greedy tokens of each question under the contrasted distribution, up to a stop token, and whether it
    stopped."""
    count = len(pairs.mask) // 2
    stop = torch.tensor(stops, device=pairs.mask.device)
    running = torch.ones(count, dtype=torch.bool, device=pairs.mask.device)
    written: list[list[int]] = [[] for _ in range(count)]
    logits, mask, cache = pairs.first, pairs.mask, pairs.cache()
    for number in range(1, max_new_tokens + 1):
        tokens = _likeliest(logits[:count, -1], logits[count:, -1], decoding)
        running &= ~torch.isin(tokens, stop)
        for row in running.nonzero().flatten().tolist():
            written[row].append(int(tokens[row]))
        if not running.any() or number == max_new_tokens:
            break
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
        logits = pairs.extend(cache, torch.where(running, tokens, pad_id).unsqueeze(1), mask)
    return written, [not goes_on for goes_on in running.tolist()]


def contrast(with_context: Tensor, without: Tensor, decoding: Decoding) -> Tensor:
    """The contrasted log-probabilities [..., vocabulary], from the logits with and without context."""
    context, memory = torch.log_softmax(with_context.float(), -1), torch.log_softmax(without.float(), -1)
    if isinstance(decoding, ContextAwareDecoding):
        return torch.log_softmax((1 + decoding.alpha) * context - decoding.alpha * memory, -1)
    alpha = jensen_shannon(context, memory).unsqueeze(-1)
    return torch.log_softmax((1 + alpha) * context - alpha * memory, -1)


def jensen_shannon(one: Tensor, other: Tensor) -> Tensor:
    """The Jensen-Shannon divergence of two distributions, given as log-probabilities [..., vocabulary].

    It is in nats, between 0 and log 2, as in the code of AdaCAD's authors.
    """
    middle = torch.logaddexp(one, other) - math.log(2)
    return ((one.exp() * (one - middle)).sum(-1) + (other.exp() * (other - middle)).sum(-1)) / 2


def _likeliest(with_context: Tensor, without: Tensor, decoding: Decoding) -> Tensor:
    """The likeliest token of each row."""
    pairs = zip(torch.split(with_context, _ROWS), torch.split(without, _ROWS), strict=True)
    return torch.cat([contrast(context, memory, decoding).argmax(-1) for context, memory in pairs])


def _without_context(question: EncodedQuestion) -> PromptAndAnswers:
    """The prompt and answers of a question without its context."""
    if question.without_context is None:
        raise ValueError(f"item {question.item.item_id!r} has no context to contrast with; decode it without contrast")
    return question.without_context


def _rekeyed(question: EncodedQuestion, logprobs: Mapping[Tokens, list[float]]) -> dict[Tokens, list[float]]:
    """Log-probabilities, with the tokens of the answers replaced by those that follow the prompt without context."""
    pairs = zip(question.with_context.answers, _without_context(question).answers, strict=True)
    return {without_context: logprobs[with_context] for with_context, without_context in pairs}
