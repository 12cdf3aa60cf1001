"""Computes greedy answers, and the log-probabilities of both answers, for one checkpoint and many items.

Each prompt goes through the model once. The greedy answer and all aliases of both answers continue from its cache.
Items that only differ in their contexts share the prompt without context.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.cache_utils import Cache, DynamicCache, LinearAttentionCacheLayerMixin

from inversion.config.datasets import Template
from inversion.config.evaluation import Prompt
from inversion.instruct.templates import encode_answer, encode_prompt, end_token_ids, stop_strings
from inversion.models import stop_token_ids
from inversion.models.transformer_modules import plain
from inversion.records.answers import Response
from inversion.records.data import ConflictItem
from inversion.respond.batches import by_length, pad, positions
from inversion.respond.kv_cache import PreallocatedKVCache

Tokens = tuple[int, ...]
"""A text as token ids."""

_TOKENS = 4096
"""The number of prompt tokens that go through the model together. More are slower on a CPU and not faster on a GPU."""


@dataclass(frozen=True)
class PromptAndAnswers:
    """A prompt and its answers as tokens. Each alias has the tokens that it would have after the prompt in training."""

    prompt: Tokens
    context_answers: tuple[Tokens, ...]
    parametric_answers: tuple[Tokens, ...]

    @property
    def answers(self) -> tuple[Tokens, ...]:
        """All aliases of both answers."""
        return self.context_answers + self.parametric_answers

    def first_difference(self) -> int | None:
        """The index of the token at which the preferred forms of both answers first differ; None if one ends before
        it."""
        if not (self.context_answers and self.parametric_answers):
            return None
        pairs = zip(self.context_answers[0], self.parametric_answers[0], strict=False)
        return next((place for place, (one, other) in enumerate(pairs) if one != other), None)


@dataclass(frozen=True)
class EncodedQuestion:
    """A conflict item as token ids."""

    item: ConflictItem
    prompt: str
    """The name of the prompt."""
    with_context: PromptAndAnswers
    without_context: PromptAndAnswers | None
    """The prompt and answers without the context; None if the item has no context."""


@dataclass(frozen=True)
class Continuation:
    """What a model generates after one prompt, and the log-probabilities of given answers."""

    tokens: list[int]
    """The greedy answer, without the token that ended it. Empty if none was requested."""
    finished: bool
    logprobs: dict[Tokens, list[float]]
    """The log-probability of each token of the requested answers."""


def encode_questions(
    items: Sequence[ConflictItem],
    tokenizer: PreTrainedTokenizerBase,
    template: Template,
    prompts: Mapping[str, Prompt],
) -> list[EncodedQuestion]:
    """The items in the template, under each of the named prompts. This is done once for all checkpoints of a run."""

    def encoded(item: ConflictItem, prompt: Prompt) -> PromptAndAnswers:
        context, parametric = (
            tuple(tuple(encode_answer(tokenizer, template, item, alias, prompt).answer_ids) for alias in aliases)
            for aliases in (item.context_answers, item.parametric_answers)
        )
        return PromptAndAnswers(tuple(encode_prompt(tokenizer, template, item, prompt)), context, parametric)

    return [
        EncodedQuestion(
            item,
            name,
            encoded(item, prompt),
            None if item.context is None else encoded(replace(item, context=None), prompt),
        )
        for name, prompt in prompts.items()
        for item in items
    ]


def refuse_long(questions: Sequence[EncodedQuestion], window: int, max_new_tokens: int) -> None:
    """Raises :class:`ValueError` if a prompt and its answer do not fit the model's ``window`` (tokens).

    The message says how many items of the first such set do not fit, and names the longest.
    """
    lengths = {
        (question.item.set, question.item.item_id): len(question.with_context.prompt)
        + max(max_new_tokens, *(len(answer) for answer in question.with_context.answers), 0)
        for question in questions
    }
    _refuse_beyond(window, lengths)


def refuse_long_contexts(
    items: Sequence[ConflictItem], tokenizer: PreTrainedTokenizerBase, window: int, max_new_tokens: int
) -> None:
    """Raises :class:`ValueError` if context and question, even without a template, leave no room for an answer.

    It is for stages before finetuning, which have no template.
    """
    with_context = [item for item in items if item.context]
    if not with_context:
        return
    texts = [f"{item.context}\n{item.question_with_options}" for item in with_context]
    ids = tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
    _refuse_beyond(
        window,
        {(item.set, item.item_id): len(one) + max_new_tokens for item, one in zip(with_context, ids, strict=True)},
    )


def _refuse_beyond(window: int, lengths: Mapping[tuple[str, str], int]) -> None:
    """Raises :class:`ValueError` if one of ``lengths``, which are by set and item, is above ``window``."""
    long = {key: length for key, length in lengths.items() if length > window}
    if long:
        name = next(iter(long))[0]
        of_set = {item: length for (owner, item), length in long.items() if owner == name}
        longest = max(of_set, key=lambda item: of_set[item])
        raise ValueError(
            f"sets.{name}: {len(of_set)} of {sum(owner == name for owner, _ in lengths)} items do not fit the model's "
            f"window of {window} tokens (the longest, {longest}, takes {of_set[longest]} with its answer); leave them "
            "out with max_context_words, or use a model with a longer window"
        )


@torch.no_grad()  # not inference_mode, because a model in training can keep tensors that are computed here
def answer_questions(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[EncodedQuestion],
    template: Template,
    step: int,
    max_new_tokens: int,
    batch_size: int,
) -> list[Response]:
    """One :class:`Response` per question, in order. ``template`` is the one with which the questions were encoded."""
    stops = sorted({*stop_token_ids(model, tokenizer), *end_token_ids(tokenizer, template)})
    # dictionaries keep the order of the questions, so batches are always composed in the same way
    with_context: dict[Tokens, dict[Tokens, None]] = {}
    without_context: dict[Tokens, dict[Tokens, None]] = {}
    for question in questions:
        with_context.setdefault(question.with_context.prompt, {}).update(dict.fromkeys(question.with_context.answers))
    for question in questions:
        if question.without_context:
            prompts = with_context if question.without_context.prompt in with_context else without_context
            prompts.setdefault(question.without_context.prompt, {}).update(
                dict.fromkeys(question.without_context.answers)
            )
    continuations: dict[Tokens, Continuation] = {}
    for prompts, new_tokens in ((with_context, max_new_tokens), (without_context, 0)):
        listed = list(prompts)
        for batch in by_length(list(map(len, listed)), batch_size):
            chosen = [listed[index] for index in batch]
            answers = [list(prompts[prompt]) for prompt in chosen]
            continuations.update(
                zip(
                    chosen,
                    continue_prompts(model, chosen, answers, stops, tokenizer.pad_token_id, new_tokens),
                    strict=True,
                )
            )
    return [response(question, continuations, tokenizer, stop_strings(template), step) for question in questions]


# --- from continuations to rows -----------------------------------------------------------------


def response(
    question: EncodedQuestion,
    continuations: dict[Tokens, Continuation],
    tokenizer: PreTrainedTokenizerBase,
    stops: Sequence[str],
    step: int,
) -> Response:
    """The response row of one question."""
    encoded, without_context = question.with_context, question.without_context
    continuation = continuations[encoded.prompt]
    text, finished = _text(tokenizer, continuation.tokens, stops)
    context, parametric = (
        _likeliest(continuation, answers) for answers in (encoded.context_answers, encoded.parametric_answers)
    )

    def logprob(index: int | None, prompt: PromptAndAnswers | None, answers: str) -> float | None:
        if index is None or prompt is None:
            return None
        return sum(continuations[prompt.prompt].logprobs[getattr(prompt, answers)[index]])

    context_first, parametric_first = _first_difference(continuation, encoded)
    return Response(
        step=step,
        set=question.item.set,
        item_id=question.item.item_id,
        prompt=question.prompt,
        text=text,
        finished=finished or continuation.finished,
        context_logprob=logprob(context, encoded, "context_answers"),
        context_tokens=0 if context is None else len(encoded.context_answers[context]),
        parametric_logprob=logprob(parametric, encoded, "parametric_answers"),
        parametric_tokens=0 if parametric is None else len(encoded.parametric_answers[parametric]),
        context_first_logprob=context_first,
        parametric_first_logprob=parametric_first,
        context_logprob_closed=logprob(context, without_context, "context_answers"),
        parametric_logprob_closed=logprob(parametric, without_context, "parametric_answers"),
    )


def _likeliest(continuation: Continuation, answers: Sequence[Tokens]) -> int | None:
    """The index of the answer that is likeliest per token (the first in a tie); None if there are no answers."""
    means = [sum(continuation.logprobs[answer]) / len(answer) for answer in answers]
    return max(range(len(means)), key=means.__getitem__) if means else None


def _first_difference(continuation: Continuation, encoded: PromptAndAnswers) -> tuple[float, float] | tuple[None, None]:
    """The log-probabilities of the tokens at which the preferred answers first differ; None if one ends before it."""
    place = encoded.first_difference()
    if place is None:
        return None, None
    context, parametric = encoded.context_answers[0], encoded.parametric_answers[0]
    return continuation.logprobs[context][place], continuation.logprobs[parametric][place]


def _text(tokenizer: PreTrainedTokenizerBase, tokens: Sequence[int], stops: Sequence[str]) -> tuple[str, bool]:
    """The text of an answer up to the beginning of another turn, and whether there was one. Models that have not
    learned to stop begin other turns."""
    text = tokenizer.decode(tokens, skip_special_tokens=True).strip()
    ends = [text.find(stop) for stop in stops if stop in text]
    return (text[: min(ends)].rstrip(), True) if ends else (text, False)


@torch.no_grad()
def answer_texts(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Sequence[int]],
    template: Template,
    max_new_tokens: int,
    reading: AbstractContextManager[None] | None = None,
) -> list[str]:
    """The greedy answer to each prompt of one batch, up to the end of its turn.

    The prompts are left-padded and go through the model in one forward pass, within the context ``reading``. The
    answers are generated outside of it, from the keys and values of that pass.
    """
    stops = sorted({*stop_token_ids(model, tokenizer), *end_token_ids(tokenizer, template)})
    ids, mask = pad(prompts, tokenizer.pad_token_id, "left", next(model.parameters()).device)
    layers = model.config.get_text_config().num_hidden_layers
    memory = PreallocatedKVCache(layers, len(prompts), ids.shape[1] + max_new_tokens)
    with reading or nullcontext():
        logits = model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions(mask),
            past_key_values=memory.cache(0),
            use_cache=True,
            logits_to_keep=torch.tensor([-1], device=ids.device),
        ).logits[:, -1]
    written, _ = _greedy(model, memory.cache(ids.shape[1]), mask, logits, stops, tokenizer.pad_token_id, max_new_tokens)
    return [_text(tokenizer, tokens, stop_strings(template))[0] for tokens in written]


# --- forward passes -----------------------------------------------------------------------------


def continue_prompts(
    model: PreTrainedModel,
    prompts: Sequence[Tokens],
    answers: Sequence[Sequence[Tokens]],
    stops: list[int],
    pad_id: int,
    max_new_tokens: int,
) -> list[Continuation]:
    """The model's greedy answer to each prompt of one batch, and the log-probabilities of its answers.

    The common prefix of all prompts goes through the model once, and the rest a few rows at a time. Models whose layers
    have other states than keys and values (state spaces, convolutions) read every row again for each token.
    """
    if not keeps_keys_only(model):
        return continue_uncached(model, prompts, answers, stops, max_new_tokens)
    device = next(model.parameters()).device
    width = max(map(len, prompts))
    capacity = width + max(max_new_tokens, *(len(answer) for row in answers for answer in row), 0)
    memory = PreallocatedKVCache(model.config.get_text_config().num_hidden_layers, len(prompts), capacity)
    shared = _shared_beginning(prompts, capacity, model)
    # an index instead of a slice, because for a non-contiguous slice torch copies the output embedding for every row,
    # unless its weights are being trained (should_fold in LinearAlgebra.cpp)
    last = torch.tensor([-1], device=device)
    if shared:
        beginning = torch.tensor([prompts[0][:shared]], device=device)
        model(input_ids=beginning, past_key_values=memory.cache(0), use_cache=True, logits_to_keep=last)
    # with left padding all prompts end at the same position, where their answers begin
    ids, kept = pad([prompt[shared:] for prompt in prompts], pad_id, "left", device)
    mask = torch.cat([kept.new_ones(len(prompts), shared), kept], dim=1)
    logits = torch.cat(
        [
            model(
                input_ids=ids[rows],
                attention_mask=mask[rows],
                position_ids=positions(mask[rows])[:, shared:],
                past_key_values=memory.cache(shared, rows),
                use_cache=True,
                logits_to_keep=last,
            ).logits[:, -1]
            for rows in _slices(len(prompts), max(1, _TOKENS // ids.shape[1]))
        ]
    )
    logprobs: list[dict[Tokens, list[float]]] = [{} for _ in prompts]
    for together in rounds(answers):
        for row, found in enumerate(_answer_logprobs(model, memory.cache(width), mask, logits, together, pad_id)):
            if together[row]:
                logprobs[row][together[row]] = found
    tokens, finished = _greedy(model, memory.cache(width), mask, logits, stops, pad_id, max_new_tokens)
    return [Continuation(*row) for row in zip(tokens, finished, logprobs, strict=True)]


def keeps_keys_only(model: Any) -> bool:
    """Whether keys and values of attention are the only states that a model keeps of previous tokens."""
    whole = plain(model)
    if whole._is_stateful:
        return False
    return not any(
        isinstance(layer, LinearAttentionCacheLayerMixin) for layer in DynamicCache(config=whole.config).layers
    )


def continue_uncached(
    model: Any,
    prompts: Sequence[Tokens],
    answers: Sequence[Sequence[Tokens]],
    stops: Sequence[int],
    max_new_tokens: int,
) -> list[Continuation]:
    """Like :func:`continue_prompts`, but without a cache and without padding. Rows of the same length are batched."""
    pairs = [(row, answer) for row, of_row in enumerate(answers) for answer in dict.fromkeys(of_row)]
    logprobs: list[dict[Tokens, list[float]]] = [{} for _ in prompts]
    for same in _equally_long([(len(prompts[row]), len(answer)) for row, answer in pairs]):
        chosen = [pairs[index] for index in same]
        read = [prompts[row] + answer[:-1] for row, answer in chosen]
        logits = _last_logits(model, read, len(chosen[0][1])).log_softmax(-1)
        for (row, answer), one in zip(chosen, logits, strict=True):
            target = torch.tensor(answer, device=one.device)
            logprobs[row][answer] = one.gather(-1, target[:, None])[:, 0].tolist()
    written: list[list[int]] = [[] for _ in prompts]
    going = list(range(len(prompts))) if max_new_tokens else []
    for _ in range(max_new_tokens):
        ended = set()
        for same in _equally_long([(len(prompts[row]) + len(written[row]),) for row in going]):
            rows = [going[index] for index in same]
            after = _last_logits(model, [(*prompts[row], *written[row]) for row in rows], 1)[:, -1]
            for row, token in zip(rows, after.argmax(-1).tolist(), strict=True):
                if token in stops:
                    ended.add(row)
                else:
                    written[row].append(token)
        going = [row for row in going if row not in ended]
    unfinished = set(going) if max_new_tokens else set()
    return [
        Continuation(tokens, row not in unfinished, of_row)
        for row, (tokens, of_row) in enumerate(zip(written, logprobs, strict=True))
    ]


def _equally_long(sizes: Sequence[tuple[int, ...]]) -> Iterator[list[int]]:
    """Batches of indices with equal ``sizes``, whose first entry is the number of tokens, of at most ``_TOKENS``
    tokens."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for index, size in enumerate(sizes):
        groups.setdefault(size, []).append(index)
    for size, indices in groups.items():
        yield from (indices[rows] for rows in _slices(len(indices), max(1, _TOKENS // size[0])))


def _last_logits(model: Any, rows: Sequence[Tokens], count: int) -> Tensor:
    """The logits at the last ``count`` tokens of rows of equal length: float32 [rows, count, vocabulary]."""
    ids = torch.tensor(list(map(list, rows)), device=next(model.parameters()).device)
    logits: Tensor = model(input_ids=ids, use_cache=False, logits_to_keep=count).logits
    return logits[:, -count:].float()


def _shared_beginning(prompts: Sequence[Tokens], longest: int, model: PreTrainedModel) -> int:
    """The number of tokens in the common prefix of all ``prompts``, which is shorter than every prompt.

    It is 0 if a sliding window is narrower than the ``longest`` row, because the padding of shorter rows comes after
    the prefix and would count towards the window. It is also 0 for models that do not use the library's attention,
    because these count distances with the padding (MPT, GPT-Neo).
    """
    window = getattr(model.config.get_text_config(), "sliding_window", None)
    crossed = window is not None and window < longest
    if len(prompts) == 1 or crossed or not plain(model)._supports_attention_backend:
        return 0
    first, last = min(prompts), max(prompts)  # a common prefix of these two is a common prefix of all
    pairs = enumerate(zip(first, last, strict=False))
    return next((index for index, (one, other) in pairs if one != other), len(first) - 1)


def _slices(rows: int, size: int) -> Iterator[slice]:
    """Slices over ``rows`` rows, of at most ``size`` rows each."""
    return (slice(start, start + size) for start in range(0, rows, size))


def rounds(answers: Sequence[Sequence[Tokens]]) -> Iterator[list[Tokens]]:
    """One answer per row at a time, empty for rows without further answers. Long answers are grouped with long ones."""
    sorted_rows = [sorted(row, key=lambda answer: -len(answer)) for row in answers]
    for index in range(max(map(len, sorted_rows))):
        yield [row[index] if index < len(row) else () for row in sorted_rows]


def _answer_logprobs(
    model: PreTrainedModel, cache: Cache, mask: Tensor, first_logits: Tensor, answers: Sequence[Tokens], pad_id: int
) -> list[list[float]]:
    """The log-probability of every token of each answer after its prompt, with at most one answer per row.

    ``cache`` contains the prompts; the answers are written after them.
    """
    ids, kept = pad([answer or (pad_id,) for answer in answers], pad_id, "right", mask.device)
    logits = first_logits.unsqueeze(1)
    if ids.shape[1] > 1:
        fed = ids[:, :-1]
        full_mask = torch.cat([mask, kept[:, :-1]], dim=1)
        rest = model(
            input_ids=fed,
            attention_mask=full_mask,
            position_ids=positions(full_mask)[:, -fed.shape[1] :],
            past_key_values=cache,
            use_cache=True,
        ).logits
        logits = torch.cat([logits, rest], dim=1)
    logits = logits.float()
    logprobs = logits.gather(-1, ids.unsqueeze(-1)).squeeze(-1) - logits.logsumexp(-1)
    return [row[: len(answer)] for row, answer in zip(logprobs.tolist(), answers, strict=True)]


def _greedy(
    model: PreTrainedModel,
    cache: Cache,
    mask: Tensor,
    logits: Tensor,
    stops: list[int],
    pad_id: int,
    max_new_tokens: int,
) -> tuple[list[list[int]], list[bool]]:
    """The greedy tokens of each row up to its stop token, which is omitted, and whether it stopped by itself.

    Finished rows are removed from the batch once they are half of it.
    """
    stop = torch.tensor(stops, device=mask.device)
    written: list[list[int]] = [[] for _ in range(mask.shape[0])]
    rows = torch.arange(mask.shape[0], device=mask.device)
    ended = torch.zeros(mask.shape[0], dtype=torch.bool, device=mask.device)
    position = mask.sum(-1, keepdim=True)
    for count in range(1, max_new_tokens + 1):
        tokens = logits.argmax(-1)
        ended |= torch.isin(tokens, stop)
        for row, token, over in zip(rows.tolist(), tokens.tolist(), ended.tolist(), strict=True):
            if not over:
                written[row].append(token)
        if ended.all() or count == max_new_tokens:
            break
        if ended.sum() * 2 >= len(ended):
            going = (~ended).nonzero().flatten()
            cache.batch_select_indices(going)
            rows, ended, tokens, mask, position = (x[going] for x in (rows, ended, tokens, mask, position))
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
        logits = model(
            input_ids=torch.where(ended, pad_id, tokens).unsqueeze(1),
            attention_mask=mask,
            position_ids=position,
            past_key_values=cache,
            use_cache=True,
        ).logits[:, -1]
        position = position + 1
    unfinished = set(rows[~ended].tolist())
    return written, [row not in unfinished for row in range(len(written))]
