"""From an example or a conflict item to the tokens for training, prompting and scoring.

Nothing else in the library writes a role marker or an end of turn. A :class:`Style` is how one template
of the configuration does it; the functions below are what the rest of the library calls.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from inversion.config.datasets import AlpacaTemplate, ChatTemplate, Template, TuluTemplate, ZephyrTemplate
from inversion.config.evaluation import Prompt
from inversion.instruct.chat import ChatWriter, as_turns, chat_writer
from inversion.instruct.tokens import (
    CutTokens,
    TemplateError,
    continuation_tokens,
    control_strings,
    end_of_prompt,
    first_tokens,
    protect,
    restore,
    token_ids,
    with_offsets,
)
from inversion.records.data import ConflictItem, Example, Message

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


Order = Literal["context_first", "question_first"]


@dataclass(frozen=True, slots=True)
class EncodedConversation:
    """A conversation as token ids; both lists have one entry per token."""

    input_ids: list[int]
    label_mask: list[bool]
    """True where the loss counts: the assistant's tokens, end of turn included."""


class EncodedAnswer(NamedTuple):
    """A prompt and an answer to it; one after the other they are what training on that answer would show."""

    prompt_ids: list[int]
    answer_ids: list[int]
    """The answer's tokens, without the end of turn."""


class LocatedPrompt(NamedTuple):
    """A prompt's tokens, and the part of each. Tokens belong to a text if they have one of its characters."""

    prompt_ids: list[int]
    context: list[bool]
    """Which tokens are of the context."""
    subject: list[bool]
    """Which are of the subject, in the question: its mentions in the context are the context's."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question: the text of the user turn and of the context."""

    text: str
    context: str | None
    order: Order = "context_first"
    """``context_first`` is as in training."""


@dataclass(frozen=True, slots=True)
class Between:
    """The text between the end of one answer and the beginning of the next."""

    asked: Sequence[Message]
    """The turns in between."""
    context: str | None
    """Belongs to the first user turn."""
    eos: str
    """The tokenizer's end of sequence."""
    first: bool
    """Whether no answer precedes."""
    order: Order = "context_first"


_PLAIN = Prompt()
"""The template as in training."""


# --- public functions ---------------------------------------------------------------------------


def encode_example(
    tokenizer: PreTrainedTokenizerBase, template: Template, example: Example, with_context: bool = True
) -> EncodedConversation:
    """The example's tokens, with the loss on every assistant turn. Nothing is truncated.

    The context, where wanted, is in the first user turn. Raises :class:`TemplateError`, naming the example, if the
    tokenizer cannot write the template; as a :class:`~inversion.instruct.tokens.RowTextError` where only this example
    cannot be written.
    """
    context = example.context if with_context else None
    try:
        return style_of(template).encode(tokenizer, example.messages, context)
    except TemplateError as error:
        raise type(error)(f"example {example.example_id!r}: {error}") from None


def encode_last_turn(
    tokenizer: PreTrainedTokenizerBase, template: Template, example: Example, with_context: bool = True
) -> EncodedConversation:
    """As :func:`encode_example`, with the loss only on the assistant's last turn (:attr:`Example.answer`)."""
    encoded = encode_example(tokenizer, template, example, with_context)
    last = len(encoded.label_mask)
    while not encoded.label_mask[last - 1]:
        last -= 1
    first = last
    while first and encoded.label_mask[first - 1]:
        first -= 1
    return EncodedConversation(encoded.input_ids, [first <= index < last for index in range(len(encoded.label_mask))])


def encode_prompt(
    tokenizer: PreTrainedTokenizerBase, template: Template, item: ConflictItem, prompt: Prompt = _PLAIN
) -> list[int]:
    """The tokens that ask ``item`` as ``prompt`` says, up to where the assistant's answer begins.

    Raises :class:`TemplateError` if the tokenizer lacks a word of the prompt's instruction.
    """
    return style_of(template).encode_prompt(tokenizer, _question(tokenizer, item, prompt))


def encode_answer(
    tokenizer: PreTrainedTokenizerBase, template: Template, item: ConflictItem, answer: str, prompt: Prompt = _PLAIN
) -> EncodedAnswer:
    """The prompt of ``item`` and the tokens of ``answer``, as training on that answer would show them.

    Tokenising the answer by itself would add or lose a space token (and has moved published results by
    points). Raises :class:`TemplateError`, naming the item, if the answer is blank or cannot be
    written after the prompt.
    """
    try:
        if not answer.strip():
            raise TemplateError(f"the answer {answer!r} is blank")
        question = _question(tokenizer, item, prompt)
        return style_of(template).encode_answer(tokenizer, question, answer.strip())
    except TemplateError as error:
        raise TemplateError(f"item {item.item_id!r}: {error}") from None


def locate_in_prompt(
    tokenizer: PreTrainedTokenizerBase, template: Template, item: ConflictItem, prompt: Prompt = _PLAIN
) -> LocatedPrompt:
    """The prompt of :func:`encode_prompt`, and which of its tokens are of the item's context and of its subject.

    A subject is found as whole words, whatever its case. Raises :class:`TemplateError`, naming the item, if the
    template does not write context and question once each and unchanged, and for a tokenizer that cannot say
    which characters a token stands for.
    """
    style, question = style_of(template), _question(tokenizer, item, prompt)
    try:
        prompt_ids = style.encode_prompt(tokenizer, question)
        controls = style.controls(tokenizer)

        def written(question: Question) -> str:
            return restore(style.prompt_text(tokenizer, question), controls)

        ids, offsets = with_offsets(tokenizer, style.prompt_text(tokenizer, question), controls)
        text = written(question)
        begin = len(prompt_ids) - len(ids)
        if begin < 0 or prompt_ids[begin:] != ids:
            raise TemplateError("the prompt is not the tokens of its text")
        mark = _mark(text)
        marked = written(replace(question, context=mark))
        context_spans = [] if item.context is None else [_span(text, marked, mark, "context")]
        asked = _span(text, written(replace(question, text=mark)), mark, "question")
        name = re.compile(rf"(?<!\w){re.escape(item.subject)}(?!\w)", re.IGNORECASE) if item.subject else None
        subject_spans = [match.span() for match in name.finditer(text, *asked)] if name else []
    except TemplateError as error:
        raise TemplateError(f"item {item.item_id!r}: {error}") from None

    def within(spans: Sequence[tuple[int, int]]) -> list[bool]:
        # the tokens before the text (a beginning of sequence) are of nothing
        found = [any(start < last and first < stop for first, last in spans) for start, stop in offsets]
        return [False] * begin + found

    context = within(context_spans)
    # a token across the border of context and question is the context's
    subject = [here and not there for here, there in zip(within(subject_spans), context, strict=True)]
    return LocatedPrompt(prompt_ids, context, subject)


def end_token_ids(tokenizer: PreTrainedTokenizerBase, template: Template) -> set[int]:
    """The tokens that end the assistant's turn, and those that begin another's."""
    return style_of(template).end_token_ids(tokenizer)


def stop_strings(template: Template) -> tuple[str, ...]:
    """The text that begins another turn: a model that writes this has gone past the end of its own."""
    return style_of(template).stop_strings


# --- templates ----------------------------------------------------------------------------------


class Style(ABC):
    """How one template writes conversations as tokens.

    Whatever the template, the tokens of a prompt are the first tokens of every conversation that continues it, so that
    evaluation uses exactly the tokens of training.
    """

    stop_strings: ClassVar[tuple[str, ...]] = ()
    """The text that begins another turn."""

    @abstractmethod
    def encode(
        self, tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], context: str | None
    ) -> EncodedConversation:
        """A conversation that ends with the assistant, labelled on every turn of the assistant."""

    @abstractmethod
    def encode_prompt(self, tokenizer: PreTrainedTokenizerBase, question: Question) -> list[int]:
        """A question, up to where the answer begins."""

    @abstractmethod
    def prompt_text(self, tokenizer: PreTrainedTokenizerBase, question: Question) -> str:
        """The text whose tokens end :meth:`encode_prompt`; only a beginning of sequence may precede them.

        Control strings in the question are protected (:func:`~inversion.instruct.tokens.protect`).
        """

    @abstractmethod
    def encode_answer(self, tokenizer: PreTrainedTokenizerBase, question: Question, answer: str) -> EncodedAnswer:
        """A question and an answer (not blank, nothing but text at its ends)."""

    @abstractmethod
    def end_token_ids(self, tokenizer: PreTrainedTokenizerBase) -> set[int]:
        """The tokens that end the assistant's turn, and those that begin another's."""

    @abstractmethod
    def controls(self, tokenizer: PreTrainedTokenizerBase) -> frozenset[str]:
        """The tokens that only the template writes: the same characters in a text are text."""


def style_of(template: Template) -> Style:
    """The style that a study's template names."""
    return ChatStyle(template) if isinstance(template, ChatTemplate) else _TEXT_STYLES[type(template)]


class TextStyle(Style):
    """A template of fixed text, in which the tokenizer's end of sequence ends every answer.

    Prompts and answers become tokens apart, so that no token lies across the border between them, as it
    would for ``Response:`` and an answer that begins with a quotation mark. White space at the ends of
    every text is omitted.
    """

    @abstractmethod
    def lead(self, between: Between) -> str:
        """The text from the end of the last answer, or from the start, to the beginning of the next."""

    def encode(
        self, tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], context: str | None
    ) -> EncodedConversation:
        """As :meth:`Style.encode`; the end-of-sequence token after every answer is labelled too."""
        eos, eos_id = _end_of_sequence(tokenizer)
        controls = self.controls(tokenizer)
        context = _protect(context, controls)
        ids: list[int] = []
        mask: list[bool] = []
        for asked, answer in _exchanges(_protected(messages, controls)):
            lead = self.lead(Between(asked, None if ids else context, eos, first=not ids))
            before = (
                _following_tokens(tokenizer, lead, eos, controls) if ids else first_tokens(tokenizer, lead, controls)
            )
            said = [*continuation_tokens(tokenizer, answer, controls), eos_id]
            ids += [*before, *said]
            mask += [False] * len(before) + [True] * len(said)
        return EncodedConversation(ids, mask)

    def encode_prompt(self, tokenizer: PreTrainedTokenizerBase, question: Question) -> list[int]:
        """As :meth:`Style.encode_prompt`."""
        return first_tokens(tokenizer, self.prompt_text(tokenizer, question), self.controls(tokenizer))

    def prompt_text(self, tokenizer: PreTrainedTokenizerBase, question: Question) -> str:
        """As :meth:`Style.prompt_text`."""
        eos, _ = _end_of_sequence(tokenizer)
        controls = self.controls(tokenizer)
        asked = [Message("user", protect(question.text, controls))]
        return self.lead(Between(asked, _protect(question.context, controls), eos, True, question.order))

    def encode_answer(self, tokenizer: PreTrainedTokenizerBase, question: Question, answer: str) -> EncodedAnswer:
        """As :meth:`Style.encode_answer`."""
        controls = self.controls(tokenizer)
        said = continuation_tokens(tokenizer, protect(answer, controls), controls)
        return EncodedAnswer(self.encode_prompt(tokenizer, question), said)

    def controls(self, tokenizer: PreTrainedTokenizerBase) -> frozenset[str]:
        """As :meth:`Style.controls`."""
        return control_strings(tokenizer, frozenset({_end_of_sequence(tokenizer)[0], *self.stop_strings}))

    def end_token_ids(self, tokenizer: PreTrainedTokenizerBase) -> set[int]:
        """The end of sequence, and the stop strings that this tokenizer has as one token."""
        vocabulary = tokenizer.get_vocab()
        return {_end_of_sequence(tokenizer)[1]} | {vocabulary[s] for s in self.stop_strings if s in vocabulary}


class AlpacaStyle(TextStyle):
    """Stanford Alpaca's two prompts, with and without an input.

    A system message takes the place of the opening sentences; further turns continue with ``### Instruction:``.
    The question is the instruction, which precedes the input in either order of a prompt.
    """

    stop_strings = ("### Instruction:", "### Input:", "### Response:")
    WITH_INPUT = (
        "Below is an instruction that describes a task, paired with an input that provides further context. "
        "Write a response that appropriately completes the request."
    )
    WITHOUT_INPUT = (
        "Below is an instruction that describes a task. Write a response that appropriately completes the request."
    )

    def lead(self, between: Between) -> str:
        """As :meth:`TextStyle.lead`."""
        system = [turn.content.strip() for turn in between.asked if turn.role == "system"]
        opening = system or [self.WITHOUT_INPUT if between.context is None else self.WITH_INPUT]
        parts = [*opening] if between.first else [""]
        parts += [f"### Instruction:\n{turn.content.strip()}" for turn in between.asked if turn.role == "user"]
        parts += [] if between.context is None else [f"### Input:\n{between.context.strip()}"]
        return "\n\n".join([*parts, "### Response:"])


class TuluStyle(TextStyle):
    """TULU's format (open-instruct): ``<|role|>``, a line break and the text; only answers end the sequence."""

    stop_strings = ("<|user|>", "<|assistant|>", "<|system|>")

    def lead(self, between: Between) -> str:
        """As :meth:`TextStyle.lead`."""
        end = self._end(between.eos)
        turns = [f"<|{turn.role}|>\n{text}{end}\n" for turn, text in _with_background(between)]
        return ("" if between.first else "\n") + "".join(turns) + "<|assistant|>\n"

    def _end(self, eos: str) -> str:
        """The text that ends a turn other than the assistant's."""
        return ""


class ZephyrStyle(TuluStyle):
    """Zephyr's format, as for UltraChat: TULU's, with an end-of-sequence token after every turn."""

    def _end(self, eos: str) -> str:
        return eos


_TEXT_STYLES: dict[type, TextStyle] = {
    AlpacaTemplate: AlpacaStyle(),
    TuluTemplate: TuluStyle(),
    ZephyrTemplate: ZephyrStyle(),
}


class ChatStyle(Style):
    """The tokenizer's own chat template, or the one of a file (:mod:`inversion.instruct.chat`)."""

    def __init__(self, template: ChatTemplate) -> None:
        self.template = template
        self._key = template.model_dump_json()

    def user_turn(self, question: str, context: str | None, order: Order = "context_first") -> str:
        """The text of the user's turn. Only the two fields are filled; other braces are unchanged."""
        fields = {"question": question} if context is None else {"question": question, "context": context}
        with_context = self.template.with_context if order == "context_first" else self.template.question_first()
        wording = self.template.without_context if context is None else with_context
        return re.sub(r"\{(question|context)\}", lambda match: fields.get(match[1], match[0]), wording)

    def render(
        self, messages: Sequence[Message], context: str | None, order: Order = "context_first"
    ) -> list[dict[str, str]]:
        """The conversation as chat templates take it; the context is in the first user turn."""
        first = next(index for index, message in enumerate(messages) if message.role == "user")
        turn = replace(messages[first], content=self.user_turn(messages[first].content, context, order))
        return as_turns([*messages[:first], turn, *messages[first + 1 :]], self.template.system)

    def controls(self, tokenizer: PreTrainedTokenizerBase) -> frozenset[str]:
        """As :meth:`Style.controls`."""
        return self._writer(tokenizer).controls

    def encode(
        self, tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], context: str | None
    ) -> EncodedConversation:
        """As :meth:`Style.encode`; the loss falls on each answer and on its end of turn, and on nothing around them."""
        controls = self.controls(tokenizer)
        turns = self.render(_protected(messages, controls), _protect(context, controls))
        written = self._writer(tokenizer).write(turns)
        cuts = [
            cut for span in written.spans for cut in (end_of_prompt(tokenizer, written.text[: span.start]), span.stop)
        ]
        cut = CutTokens(tokenizer, written.text, cuts, controls)
        labelled = list(zip(cut.counts[::2], cut.counts[1::2], strict=True))
        mask = [any(first <= index < last for first, last in labelled) for index in range(len(cut.ids))]
        return EncodedConversation(cut.ids, mask)

    def encode_prompt(self, tokenizer: PreTrainedTokenizerBase, question: Question) -> list[int]:
        """As :meth:`Style.encode_prompt`."""
        return token_ids(tokenizer, self.prompt_text(tokenizer, question), self.controls(tokenizer))

    def prompt_text(self, tokenizer: PreTrainedTokenizerBase, question: Question) -> str:
        """As :meth:`Style.prompt_text`."""
        text = self._writer(tokenizer).prompt(self._asked(tokenizer, question))
        return text[: end_of_prompt(tokenizer, text)]

    def encode_answer(self, tokenizer: PreTrainedTokenizerBase, question: Question, answer: str) -> EncodedAnswer:
        """As :meth:`Style.encode_answer`: the whole conversation is written, and cut after the prompt."""
        controls = self.controls(tokenizer)
        begin = len(self.prompt_text(tokenizer, question))
        turns = [*self._asked(tokenizer, question), {"role": "assistant", "content": protect(answer, controls)}]
        written = self._writer(tokenizer).write(turns)
        (span,) = written.spans
        whole = CutTokens(tokenizer, written.text, [begin], controls)
        said = CutTokens(tokenizer, written.text[: span.end], [begin], controls).ids
        # a token that joins the answer's end with white space after it is the answer's
        end = next(
            (i for i, (one, other) in enumerate(zip(whole.ids, said, strict=False)) if one != other), len(said) - 1
        )
        return EncodedAnswer(whole.ids[: whole.counts[0]], whole.ids[whole.counts[0] : end + 1])

    def end_token_ids(self, tokenizer: PreTrainedTokenizerBase) -> set[int]:
        """The first control token after an answer, also where a turn of the user follows."""
        return {tokenizer.convert_tokens_to_ids(end) for end in self._writer(tokenizer).ends()}

    def _asked(self, tokenizer: PreTrainedTokenizerBase, question: Question) -> list[dict[str, str]]:
        controls = self.controls(tokenizer)
        turn = Message("user", protect(question.text, controls))
        return self.render([turn], _protect(question.context, controls), question.order)

    def _writer(self, tokenizer: PreTrainedTokenizerBase) -> ChatWriter:
        return chat_writer(tokenizer, self._key)


# --- text ---------------------------------------------------------------------------------------


def _exchanges(messages: Sequence[Message]) -> Iterator[tuple[list[Message], str]]:
    """Each assistant turn with the turns since the one before it."""
    asked: list[Message] = []
    for message in messages:
        if message.role == "assistant":
            yield asked, message.content.strip()
            asked = []
        else:
            asked.append(message)


def _with_background(between: Between) -> Iterator[tuple[Message, str]]:
    """Each turn with its text; the context, if there is one, stands next to the user's."""
    for turn in between.asked:
        parts = [turn.content.strip()]
        if between.context is not None and turn.role == "user":
            parts.insert(0 if between.order == "context_first" else 1, f"Background: {between.context.strip()}")
        yield turn, "\n\n".join(parts)


def _question(tokenizer: PreTrainedTokenizerBase, item: ConflictItem, prompt: Prompt) -> Question:
    """The item's question after the prompt's instruction.

    Raises :class:`TemplateError` for words that the tokenizer does not have, which would all be one unknown token.
    """
    if prompt.instruction is None:
        return Question(item.asked, item.context, prompt.order)
    if tokenizer.unk_token_id is not None and tokenizer.unk_token_id in token_ids(tokenizer, prompt.instruction):
        raise TemplateError(
            f"the tokenizer lacks words of the instruction {prompt.instruction!r} of a prompt; use words that it knows"
        )
    return Question(f"{prompt.instruction} {item.asked}", item.context, prompt.order)


def _mark(text: str) -> str:
    """A character that ``text`` does not contain, with which :func:`_span` finds the position of another text."""
    return next(character for character in map(chr, range(0xE000, 0xF900)) if character not in text)


def _span(text: str, marked: str, mark: str, what: str) -> tuple[int, int]:
    """The span of ``text`` that is replaced by ``mark`` in ``marked``."""
    before, found, behind = marked.partition(mark)
    span = len(before), len(text) - len(behind)
    once = found and mark not in behind and text.startswith(before) and text.endswith(behind)
    if not once or span[0] >= span[1]:
        raise TemplateError(f"the template does not write the {what} exactly once and unchanged")
    return span


# --- tokens -------------------------------------------------------------------------------------


def _end_of_sequence(tokenizer: PreTrainedTokenizerBase) -> tuple[str, int]:
    """The text and id of the end of sequence; raises :class:`TemplateError` if there is none."""
    if tokenizer.eos_token is None or tokenizer.eos_token_id is None:
        raise TemplateError("the tokenizer has no end of sequence; set eos_token in its tokenizer_config.json")
    return tokenizer.eos_token, tokenizer.eos_token_id


def _following_tokens(tokenizer: PreTrainedTokenizerBase, text: str, eos: str, controls: frozenset[str]) -> list[int]:
    """The tokens of a text as they are after an end of sequence."""
    return token_ids(tokenizer, eos + text, controls)[1:]


def _protected(messages: Sequence[Message], controls: frozenset[str]) -> list[Message]:
    """The messages with their control strings protected."""
    return [replace(message, content=protect(message.content, controls)) for message in messages]


def _protect(text: str | None, controls: frozenset[str]) -> str | None:
    return None if text is None else protect(text, controls)
