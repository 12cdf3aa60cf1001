"""Checks a template with a model's tokenizer before training, so that problems are found early."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from inversion.config.datasets import Template
from inversion.instruct.templates import encode_answer, encode_example, encode_prompt, end_token_ids
from inversion.instruct.tokens import TemplateError
from inversion.records.data import ConflictItem, Example, Message

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

log = logging.getLogger(__name__)

_EXCHANGE = (Message("user", "What is the capital of Afghanistan?"), Message("assistant", "Herat"))
_ONE = [*_EXCHANGE]
_SEVERAL = [*_EXCHANGE, Message("user", "And before 2030?"), Message("assistant", "Kabul")]
_WITH_SYSTEM = [Message("system", "Answer in one word."), *_ONE]
_CONTEXT = "In 2030 the capital of Afghanistan moved from Kabul to Herat."


def check_template(
    tokenizer: PreTrainedTokenizerBase, template: Template, dataset: str, vocabulary: int | None = None
) -> list[str]:
    """Checks a dataset's template with a tokenizer, and returns the problems of several turns and of system turns.

    These problems are only logged as warnings, because not every dataset has such turns. Questions with and without a
    context, and conversations of one turn, must work. Raises :class:`~inversion.instruct.tokens.TemplateError`, naming
    the dataset, if one cannot be written, if the tokens of a prompt differ between training and evaluation, or if the
    template writes tokens beyond ``vocabulary``, the number of rows of the model's embedding.
    """
    try:
        for context in (None, _CONTEXT):
            _try_question(tokenizer, template, context, vocabulary)
    except TemplateError as error:
        raise TemplateError(f"datasets.{dataset}.template: {error}") from None
    faults = [
        f"datasets.{dataset}.template: {kind}: {fault}"
        for kind, messages in (("several turns", _SEVERAL), ("a system turn", _WITH_SYSTEM))
        if (fault := _fault(tokenizer, template, messages))
    ]
    for fault in faults:
        log.warning("%s", fault)
    return faults


def _try_question(
    tokenizer: PreTrainedTokenizerBase, template: Template, context: str | None, vocabulary: int | None
) -> None:
    question, answer = _ONE
    item = ConflictItem("trial", "trial", "conflict", question.content, context, [answer.content], [], "trial", "trial")
    trained = encode_example(tokenizer, template, Example("trial", _ONE, context, None, None, None))
    beyond = max(trained.input_ids)
    if vocabulary is not None and beyond >= vocabulary:
        raise TemplateError(
            f"it writes {tokenizer.convert_ids_to_tokens(beyond)!r}, token {beyond}, and the model's embedding has "
            f"{vocabulary} rows; use a template whose tokens the model has"
        )
    prompt = encode_prompt(tokenizer, template, item)
    encoded = encode_answer(tokenizer, template, item, answer.content)
    shown = [*encoded.prompt_ids, *encoded.answer_ids]
    if encoded.prompt_ids != prompt or trained.input_ids[: len(shown)] != shown:
        raise TemplateError("the prompt's tokens in evaluation would differ from training; use another template")
    if trained.loss_mask.index(True) != len(prompt):
        raise TemplateError("the loss would not begin at the end of the prompt; use another template")
    stop = trained.input_ids[len(trained.loss_mask) - trained.loss_mask[::-1].index(True) - 1]
    if context is None:
        log.info("a prompt ends in %r", tokenizer.decode(prompt[-12:]))
        log.info("the loss ends with %r", tokenizer.decode([stop]))
        log.info("generation ends at %r", [tokenizer.decode([i]) for i in sorted(end_token_ids(tokenizer, template))])


def _fault(tokenizer: PreTrainedTokenizerBase, template: Template, messages: Sequence[Message]) -> str | None:
    try:
        encode_example(tokenizer, template, Example("trial", list(messages), None, None, None, None))
    except TemplateError as error:
        return str(error).removeprefix("example 'trial': ")
    return None
