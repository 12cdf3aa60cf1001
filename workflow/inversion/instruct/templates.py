"""From an example or a conflict item to chat messages, and on to tokens through the tokenizer's own chat template.

Nothing else in the library writes a role marker or an end of turn: what a model is trained on, asked
and scored on all passes through here.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from inversion.config import ChatTemplate
from inversion.records import ConflictItem, Example

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ChatMessage = dict[str, str]
"""A message as chat templates take it: ``role`` and ``content``."""


class TemplateError(ValueError):
    """A chat template that cannot be trained or scored on; the message says which part of it is wrong."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A conversation as token ids; both lists have one entry a token."""

    input_ids: list[int]
    label_mask: list[bool]
    """True where the loss counts: the assistant's tokens, end of turn included."""


class EncodedAnswer(NamedTuple):
    """A prompt and an answer to it; one after the other they are what training on that answer would show."""

    prompt_ids: list[int]
    answer_ids: list[int]
    """The answer's tokens, without the end of turn."""


def user_turn(template: ChatTemplate, question: str, context: str | None) -> str:
    """The text of the user's turn. Only the two fields are filled; other braces stay as they are."""
    fields = {"question": question} if context is None else {"question": question, "context": context}
    wording = template.without_context if context is None else template.with_context
    return re.sub(r"\{(question|context)\}", lambda match: fields.get(match[1], match[0]), wording)


def render_messages(template: ChatTemplate, example: Example, with_context: bool = True) -> list[ChatMessage]:
    """The example's conversation; its context, where wanted, stands in the first user turn."""
    context = example.context if with_context else None
    first = next(index for index, message in enumerate(example.messages) if message.role == "user")
    return [
        {
            "role": message.role,
            "content": user_turn(template, message.content, context) if index == first else message.content,
        }
        for index, message in enumerate(example.messages)
    ]


def render_prompt(template: ChatTemplate, item: ConflictItem) -> list[ChatMessage]:
    """The conversation that asks ``item``: one user turn."""
    return [{"role": "user", "content": user_turn(template, item.question, item.context)}]


def encode_example(
    tokenizer: PreTrainedTokenizerBase, template: ChatTemplate, example: Example, with_context: bool = True
) -> Encoded:
    """The example's tokens, with the loss on every assistant turn. Nothing is truncated.

    Raises :class:`TemplateError` unless the chat template marks each assistant turn with
    ``{% generation %}``: without the marks the library returns all-zero masks and no error, and with
    whitespace at their ends it drops turns or labels what follows them.
    """
    messages = render_messages(template, example, with_context)
    encoding = _apply(tokenizer, messages, return_assistant_tokens_mask=True)
    mask = [bool(flag) for flag in encoding["assistant_masks"]]
    turns = sum(message["role"] == "assistant" for message in messages)
    labelled = sum(flag for flag, _ in itertools.groupby(mask))
    if labelled < turns:
        raise TemplateError(
            f"the tokenizer's chat template labels {labelled} of {turns} assistant turns of example "
            f"{example.example_id!r}: it must put the assistant's text between {{% generation %}} and "
            "{% endgeneration %}, with no whitespace at either end of that block"
        )
    return Encoded(list(encoding["input_ids"]), mask)


def encode_last_turn(
    tokenizer: PreTrainedTokenizerBase, template: ChatTemplate, example: Example, with_context: bool = True
) -> Encoded:
    """As :func:`encode_example`, with the loss on the assistant's last turn alone (:attr:`Example.answer`)."""
    encoded = encode_example(tokenizer, template, example, with_context)
    last = len(encoded.label_mask)
    while not encoded.label_mask[last - 1]:
        last -= 1
    first = last
    while first and encoded.label_mask[first - 1]:
        first -= 1
    return Encoded(encoded.input_ids, [first <= index < last for index in range(len(encoded.label_mask))])


def encode_prompt(tokenizer: PreTrainedTokenizerBase, template: ChatTemplate, item: ConflictItem) -> list[int]:
    """The tokens that ask ``item``, up to where the assistant's answer begins."""
    return list(_apply(tokenizer, render_prompt(template, item), add_generation_prompt=True)["input_ids"])


def encode_answer(
    tokenizer: PreTrainedTokenizerBase, template: ChatTemplate, item: ConflictItem, answer: str
) -> EncodedAnswer:
    """The prompt of ``item`` and the tokens of ``answer``, as training on that answer would show them.

    The whole conversation is rendered and split behind the prompt; tokenising the answer by itself
    would add or lose a space token (and has moved published results by points).

    Raises :class:`TemplateError` where the prompt is not how the conversation begins, or the
    conversation does not hold the answer as it is.
    """
    prompt = render_prompt(template, item)
    messages = [*prompt, {"role": "assistant", "content": answer}]
    prompt_ids = encode_prompt(tokenizer, template, item)
    encoding = _apply(tokenizer, messages, tokenizer_kwargs={"return_offsets_mapping": True})
    ids = list(encoding["input_ids"])
    prompt_text = tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    if ids[: len(prompt_ids)] != prompt_ids or not text.startswith(prompt_text):
        raise TemplateError(
            f"the prompt of item {item.item_id!r} is not how its conversation with the answer {answer!r} begins: "
            "the generation prompt of the tokenizer's chat template must be what it writes before an assistant's "
            "text, and must not end within a token (a trailing space often does)"
        )
    start = text.find(answer.strip(), len(prompt_text)) if answer.strip() else -1
    if start < 0:
        raise TemplateError(f"the tokenizer's chat template does not write the answer {answer!r} as it is")
    end = start + len(answer.strip())
    behind = zip(ids[len(prompt_ids) :], encoding["offset_mapping"][len(prompt_ids) :], strict=True)
    return EncodedAnswer(prompt_ids, [token for token, (begin, _) in behind if begin < end])


def _apply(tokenizer: PreTrainedTokenizerBase, messages: list[ChatMessage], **options: Any) -> Mapping[str, list[Any]]:
    """The chat template's encoding; raises :class:`TemplateError` where the tokenizer has none."""
    if not tokenizer.chat_template:
        raise TemplateError("the tokenizer has no chat template; add one with {% generation %} to its folder")
    encoding: Mapping[str, list[Any]] = tokenizer.apply_chat_template(
        messages, tokenize=True, return_dict=True, **options
    )
    return encoding
