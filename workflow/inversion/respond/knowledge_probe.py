"""The knowledge probe: asks a base model the questions of conflict items without context, in a plain format."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from inversion.models import stop_token_ids
from inversion.names import normalise
from inversion.records.answers import KnowledgeProbe
from inversion.records.data import ConflictItem
from inversion.respond.answers import Tokens, continue_prompts
from inversion.respond.batches import by_length

DISTRACTORS = 8
"""The maximum number of distractors per item."""


class PlainFormat(NamedTuple):
    """A text that a base model continues with its answer."""

    prompt: str
    end: str
    """The text that ends the answer."""


PLAIN = PlainFormat("Question: {question}\nAnswer:", "\n")
WORLD = PlainFormat("{question} answer", ".")
"""The format of questions in the invented world's documents (:data:`inversion.world.text.ANSWER`)."""


def can_probe(item: ConflictItem) -> bool:
    """Whether an item has a context that can be omitted, and both answers.

    Controls do not, nor do sets whose conflict is in the question (memo-trap).
    """
    return bool(item.role == "conflict" and item.context and item.context_answers and item.parametric_answers)


@torch.inference_mode()
def probe_knowledge(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    items: Sequence[ConflictItem],
    style: PlainFormat,
    max_new_tokens: int,
    batch_size: int,
) -> list[KnowledgeProbe]:
    """One probe per item, in order. Each item must satisfy :func:`can_probe`.

    The question is asked without context. An answer is scored by its mean log-probability per token, as the text after
    the prompt and a space.
    """
    prompts = [style.prompt.format(question=item.question_with_options) for item in items]
    others = distractors(items)
    # score each answer to a prompt only once, even if several items need it
    encoded_answers: dict[str, dict[str, Tokens]] = {}
    for item, prompt, names in zip(items, prompts, others, strict=True):
        encoded = encoded_answers.setdefault(prompt, {})
        for answer in (*item.context_answers, *item.parametric_answers, *names):
            if answer not in encoded:
                encoded[answer] = _encode(tokenizer, prompt, answer)
    stops = sorted(stop_token_ids(model, tokenizer))
    listed = [(prompt, tuple(tokenizer(prompt)["input_ids"])) for prompt in encoded_answers]
    texts: dict[str, str] = {}
    logprobs: dict[tuple[str, str], float] = {}
    for batch in by_length([len(ids) for _, ids in listed], batch_size):
        chosen = [listed[index] for index in batch]
        answers = [list(dict.fromkeys(encoded_answers[prompt].values())) for prompt, _ in chosen]
        continuations = continue_prompts(
            model, [ids for _, ids in chosen], answers, stops, tokenizer.pad_token_id, max_new_tokens
        )
        for (prompt, _), one in zip(chosen, continuations, strict=True):
            texts[prompt] = tokenizer.decode(one.tokens, skip_special_tokens=True).strip().split(style.end)[0].strip()
            for answer, tokens in encoded_answers[prompt].items():
                logprobs[prompt, answer] = sum(one.logprobs[tokens]) / len(tokens)
    return [
        KnowledgeProbe(
            set=item.set,
            item_id=item.item_id,
            text=texts[prompt],
            context_logprob=max(logprobs[prompt, answer] for answer in item.context_answers),
            parametric_logprob=max(logprobs[prompt, answer] for answer in item.parametric_answers),
            distractors=names,
            distractor_logprobs=[logprobs[prompt, name] for name in names],
        )
        for item, prompt, names in zip(items, prompts, others, strict=True)
    ]


def distractors(items: Sequence[ConflictItem]) -> list[list[str]]:
    """For each item, up to :data:`DISTRACTORS` parametric answers of other items of the same set and stratum.

    They are chosen by a hash of item and answer. None is an alias of the item's own answers.
    """
    pools: dict[tuple[str, str], dict[str, str]] = {}
    for item in items:
        pools.setdefault((item.set, item.stratum), {}).setdefault(
            normalise(item.parametric_answers[0]), item.parametric_answers[0]
        )
    chosen = []
    for item in items:
        own = {normalise(answer) for answer in (*item.context_answers, *item.parametric_answers)}
        pool = [name for key, name in pools[item.set, item.stratum].items() if key not in own]
        chosen.append(sorted(pool, key=lambda name: sha256(f"{item.item_id}:{name}".encode()).digest())[:DISTRACTORS])
    return chosen


def _encode(tokenizer: PreTrainedTokenizerBase, prompt: str, answer: str) -> Tokens:
    """The tokens of ``answer`` after ``prompt``.

    Raises :class:`ValueError` if the tokenizer merges the end of the prompt with the answer.
    """
    before, joint = tokenizer(prompt)["input_ids"], tokenizer(f"{prompt} {answer}")["input_ids"]
    if joint[: len(before)] != before or len(joint) == len(before):
        raise ValueError(f"the tokenizer does not separate the answer {answer!r} from the prompt {prompt!r}")
    return tuple(joint[len(before) :])
