"""Converts examples and conflict items to tokens for training, prompting and scoring.

Only this module writes role markers and ends of turn. Each template of the configuration has a :class:`Style`. The rest
of the library calls the functions at the top.
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
    """A conversation as tokens. Both lists have one entry per token."""

    input_ids: list[int]
    loss_mask: list[bool]
    """True for tokens that have a loss: those of the assistant, including its ends of turn."""


class EncodedAnswer(NamedTuple):
    """A prompt and an answer to it. Together they are the tokens that training on this answer would use."""

    prompt_ids: list[int]
    answer_ids: list[int]
    """The tokens of the answer, without the end of turn."""


class LocatedPrompt(NamedTuple):
    """The tokens of a prompt, and which belong to the context and to the subject. A token belongs to a text if it
    contains one of its characters."""

    prompt_ids: list[int]
    context: list[bool]
    """Whether each token belongs to the context."""
    subject: list[bool]
    """Whether each token belongs to the subject in the question. Mentions of the subject in the context do not
    count."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its context, if it has one."""

    text: str
    context: str | None
    order: Order = "context_first"
    """Training uses ``context_first``."""


@dataclass(frozen=True, slots=True)
class TurnBoundary:
    """What a template writes between the end of one answer and the beginning of the next."""

    turns: Sequence[Message]
    """The system and user turns between the two answers."""
    context: str | None
    """The context of the first user turn."""
    eos: str
    """The tokenizer's end-of-sequence token."""
    first: bool
    """Whether this is the beginning of the conversation."""
    order: Order = "context_first"


_PLAIN = Prompt()
"""The prompt that equals the one in training."""


# --- public functions ---------------------------------------------------------------------------


def encode_example(
    tokenizer: PreTrainedTokenizerBase, template: Template, example: Example, with_context: bool = True
) -> EncodedConversation:
    """The tokens of an example, with a loss on every assistant turn. Nothing is truncated.

    ``with_context`` puts the context into the first user turn. Raises :class:`TemplateError`, naming the example, if
    the tokenizer cannot write the template, and its subclass :class:`~inversion.instruct.tokens.RowTextError` if only
    this example cannot be written.
    """
    context = example.context if with_context else None
    try:
        return style_of(template).encode(tokenizer, example.messages, context)
    except TemplateError as error:
        raise type(error)(f"example {example.example_id!r}: {error}") from None


def encode_last_turn(
    tokenizer: PreTrainedTokenizerBase, template: Template, example: Example, with_context: bool = True
) -> EncodedConversation:
    """Like :func:`encode_example`, but with a loss on the last assistant turn only (:attr:`Example.answer`)."""
    encoded = encode_example(tokenizer, template, example, with_context)
    last = len(encoded.loss_mask)
    while not encoded.loss_mask[last - 1]:
        last -= 1
    first = last
    while first and encoded.loss_mask[first - 1]:
        first -= 1
    return EncodedConversation(encoded.input_ids, [first <= index < last for index in range(len(encoded.loss_mask))])


def encode_prompt(
    tokenizer: PreTrainedTokenizerBase, template: Template, item: ConflictItem, prompt: Prompt = _PLAIN
) -> list[int]:
    """The tokens of the question of ``item`` under ``prompt``, up to the beginning of the assistant's answer.

    Raises :class:`TemplateError` if the tokenizer lacks a word of the prompt's instruction.
    """
    return style_of(template).encode_prompt(tokenizer, _question(tokenizer, item, prompt))


def encode_answer(
    tokenizer: PreTrainedTokenizerBase, template: Template, item: ConflictItem, answer: str, prompt: Prompt = _PLAIN
) -> EncodedAnswer:
    """The tokens of the prompt of ``item`` and of ``answer``, exactly as in training on this answer.

    Tokenising the answer separately would add or lose a space token, which has changed published results by percentage
    points. Raises :class:`TemplateError`, naming the item, if the answer is blank or cannot follow the prompt.
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
    """The tokens of :func:`encode_prompt`, and which of them belong to the item's context and to its subject.

    The subject is found as whole words, regardless of case. Raises :class:`TemplateError`, naming the item, if the
    template does not write the context and the question exactly once and unchanged, or if the tokenizer cannot map
    tokens to characters.
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
        question_span = _span(text, written(replace(question, text=mark)), mark, "question")
        name = re.compile(rf"(?<!\w){re.escape(item.subject)}(?!\w)", re.IGNORECASE) if item.subject else None
        subject_spans = [match.span() for match in name.finditer(text, *question_span)] if name else []
    except TemplateError as error:
        raise TemplateError(f"item {item.item_id!r}: {error}") from None

    def within(spans: Sequence[tuple[int, int]]) -> list[bool]:
        # the tokens before the text (a beginning of sequence) belong to nothing
        found = [any(start < last and first < stop for first, last in spans) for start, stop in offsets]
        return [False] * begin + found

    context = within(context_spans)
    # a token that spans context and question counts as context
    subject = [here and not there for here, there in zip(within(subject_spans), context, strict=True)]
    return LocatedPrompt(prompt_ids, context, subject)


def end_token_ids(tokenizer: PreTrainedTokenizerBase, template: Template) -> set[int]:
    """The tokens that end the assistant's turn or begin another turn."""
    return style_of(template).end_token_ids(tokenizer)


def stop_strings(template: Template) -> tuple[str, ...]:
    """The strings that begin another turn. A model that writes one has gone beyond the end of its own turn."""
    return style_of(template).stop_strings


# --- templates ----------------------------------------------------------------------------------


class Style(ABC):
    """Writes conversations as tokens in one template.

    The tokens of a prompt must be a prefix of the tokens of every conversation that continues it, so that evaluation
    uses exactly the tokens of training.
    """

    stop_strings: ClassVar[tuple[str, ...]] = ()
    """The strings that begin another turn."""

    @abstractmethod
    def encode(
        self, tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], context: str | None
    ) -> EncodedConversation:
        """Encode a conversation that ends with an assistant turn, with a loss on every assistant turn."""

    @abstractmethod
    def encode_prompt(self, tokenizer: PreTrainedTokenizerBase, question: Question) -> list[int]:
        """Encode a question up to the beginning of the answer."""

    @abstractmethod
    def prompt_text(self, tokenizer: PreTrainedTokenizerBase, question: Question) -> str:
        """The text of :meth:`encode_prompt`. Its tokens can only be preceded by a beginning of sequence.

        Control strings in the question are protected (:func:`~inversion.instruct.tokens.protect`).
        """

    @abstractmethod
    def encode_answer(self, tokenizer: PreTrainedTokenizerBase, question: Question, answer: str) -> EncodedAnswer:
        """Encode a question and an answer, which is not blank and has no white space at its ends."""

    @abstractmethod
    def end_token_ids(self, tokenizer: PreTrainedTokenizerBase) -> set[int]:
        """The tokens that end the assistant's turn or begin another turn."""

    @abstractmethod
    def controls(self, tokenizer: PreTrainedTokenizerBase) -> frozenset[str]:
        """The control tokens, which only the template writes. The same characters in a text are encoded as text."""


def style_of(template: Template) -> Style:
    """The style of a template."""
    return ChatStyle(template) if isinstance(template, ChatTemplate) else _TEXT_STYLES[type(template)]


class TextStyle(Style):
    """A template of fixed text, in which every answer ends with the tokenizer's end-of-sequence token.

    Prompts and answers are tokenised separately, so that no token spans both, as could happen for ``Response:`` and an
    answer that begins with a quotation mark. White space at the ends of texts is removed.
    """

    @abstractmethod
    def lead(self, boundary: TurnBoundary) -> str:
        """The text from the end of the previous answer, or from the start, to the beginning of the next answer."""

    def encode(
        self, tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], context: str | None
    ) -> EncodedConversation:
        """See :meth:`Style.encode`. The end-of-sequence token after every answer has a loss, too."""
        eos, eos_id = _end_of_sequence(tokenizer)
        controls = self.controls(tokenizer)
        context = _protect(context, controls)
        ids: list[int] = []
        mask: list[bool] = []
        for turns, answer in _exchanges(_protected(messages, controls)):
            lead = self.lead(TurnBoundary(turns, None if ids else context, eos, first=not ids))
            before = (
                _following_tokens(tokenizer, lead, eos, controls) if ids else first_tokens(tokenizer, lead, controls)
            )
            answer_ids = [*continuation_tokens(tokenizer, answer, controls), eos_id]
            ids += [*before, *answer_ids]
            mask += [False] * len(before) + [True] * len(answer_ids)
        return EncodedConversation(ids, mask)

    def encode_prompt(self, tokenizer: PreTrainedTokenizerBase, question: Question) -> list[int]:
        """See :meth:`Style.encode_prompt`."""
        return first_tokens(tokenizer, self.prompt_text(tokenizer, question), self.controls(tokenizer))

    def prompt_text(self, tokenizer: PreTrainedTokenizerBase, question: Question) -> str:
        """See :meth:`Style.prompt_text`."""
        eos, _ = _end_of_sequence(tokenizer)
        controls = self.controls(tokenizer)
        turns = [Message("user", protect(question.text, controls))]
        return self.lead(TurnBoundary(turns, _protect(question.context, controls), eos, True, question.order))

    def encode_answer(self, tokenizer: PreTrainedTokenizerBase, question: Question, answer: str) -> EncodedAnswer:
        """See :meth:`Style.encode_answer`."""
        controls = self.controls(tokenizer)
        answer_ids = continuation_tokens(tokenizer, protect(answer, controls), controls)
        return EncodedAnswer(self.encode_prompt(tokenizer, question), answer_ids)

    def controls(self, tokenizer: PreTrainedTokenizerBase) -> frozenset[str]:
        """See :meth:`Style.controls`."""
        return control_strings(tokenizer, frozenset({_end_of_sequence(tokenizer)[0], *self.stop_strings}))

    def end_token_ids(self, tokenizer: PreTrainedTokenizerBase) -> set[int]:
        """The end-of-sequence token, and the stop strings that are a single token of this tokenizer."""
        vocabulary = tokenizer.get_vocab()
        return {_end_of_sequence(tokenizer)[1]} | {vocabulary[s] for s in self.stop_strings if s in vocabulary}


class AlpacaStyle(TextStyle):
    """Stanford Alpaca's two prompts, with and without an input.

    A system message replaces the opening sentences. Further turns begin with ``### Instruction:``. The question is the
    instruction, which precedes the input whatever the order of the prompt.
    """

    stop_strings = ("### Instruction:", "### Input:", "### Response:")
    WITH_INPUT = (
        "Below is an instruction that describes a task, paired with an input that provides further context. "
        "Write a response that appropriately completes the request."
    )
    WITHOUT_INPUT = (
        "Below is an instruction that describes a task. Write a response that appropriately completes the request."
    )

    def lead(self, boundary: TurnBoundary) -> str:
        """See :meth:`TextStyle.lead`."""
        system = [turn.content.strip() for turn in boundary.turns if turn.role == "system"]
        opening = system or [self.WITHOUT_INPUT if boundary.context is None else self.WITH_INPUT]
        parts = [*opening] if boundary.first else [""]
        parts += [f"### Instruction:\n{turn.content.strip()}" for turn in boundary.turns if turn.role == "user"]
        parts += [] if boundary.context is None else [f"### Input:\n{boundary.context.strip()}"]
        return "\n\n".join([*parts, "### Response:"])


class TuluStyle(TextStyle):
    """TULU's format (open-instruct): ``<|role|>``, a line break and the text. Only answers end with the end-of-sequence
    token."""

    stop_strings = ("<|user|>", "<|assistant|>", "<|system|>")

    def lead(self, boundary: TurnBoundary) -> str:
        """See :meth:`TextStyle.lead`."""
        end = self._end(boundary.eos)
        turns = [f"<|{turn.role}|>\n{text}{end}\n" for turn, text in _with_background(boundary)]
        return ("" if boundary.first else "\n") + "".join(turns) + "<|assistant|>\n"

    def _end(self, eos: str) -> str:
        """The text that ends a turn other than the assistant's."""
        return ""


class ZephyrStyle(TuluStyle):
    """Zephyr's format for UltraChat: like TULU's, but with an end-of-sequence token after every turn."""

    def _end(self, eos: str) -> str:
        return eos


_TEXT_STYLES: dict[type, TextStyle] = {
    AlpacaTemplate: AlpacaStyle(),
    TuluTemplate: TuluStyle(),
    ZephyrTemplate: ZephyrStyle(),
}


class ChatStyle(Style):
    """A chat template from the tokenizer or from a file (:mod:`inversion.instruct.chat`)."""

    def __init__(self, template: ChatTemplate) -> None:
        self.template = template
        self._key = template.model_dump_json()

    def user_turn(self, question: str, context: str | None, order: Order = "context_first") -> str:
        """The text of the user turn. Only the two fields are filled in; other braces are kept."""
        fields = {"question": question} if context is None else {"question": question, "context": context}
        with_context = self.template.with_context if order == "context_first" else self.template.question_first()
        wording = self.template.without_context if context is None else with_context
        return re.sub(r"\{(question|context)\}", lambda match: fields.get(match[1], match[0]), wording)

    def render(
        self, messages: Sequence[Message], context: str | None, order: Order = "context_first"
    ) -> list[dict[str, str]]:
        """The conversation in the form that chat templates accept, with the context in the first user turn."""
        first = next(index for index, message in enumerate(messages) if message.role == "user")
        turn = replace(messages[first], content=self.user_turn(messages[first].content, context, order))
        return as_turns([*messages[:first], turn, *messages[first + 1 :]], self.template.system)

    def controls(self, tokenizer: PreTrainedTokenizerBase) -> frozenset[str]:
        """See :meth:`Style.controls`."""
        return self._writer(tokenizer).controls

    def encode(
        self, tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], context: str | None
    ) -> EncodedConversation:
        """See :meth:`Style.encode`. Only answers and their ends of turn have a loss."""
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
        """See :meth:`Style.encode_prompt`."""
        return token_ids(tokenizer, self.prompt_text(tokenizer, question), self.controls(tokenizer))

    def prompt_text(self, tokenizer: PreTrainedTokenizerBase, question: Question) -> str:
        """See :meth:`Style.prompt_text`."""
        text = self._writer(tokenizer).prompt(self._turns(tokenizer, question))
        return text[: end_of_prompt(tokenizer, text)]

    def encode_answer(self, tokenizer: PreTrainedTokenizerBase, question: Question, answer: str) -> EncodedAnswer:
        """See :meth:`Style.encode_answer`. The whole conversation is rendered and split after the prompt."""
        controls = self.controls(tokenizer)
        begin = len(self.prompt_text(tokenizer, question))
        turns = [*self._turns(tokenizer, question), {"role": "assistant", "content": protect(answer, controls)}]
        written = self._writer(tokenizer).write(turns)
        (span,) = written.spans
        whole = CutTokens(tokenizer, written.text, [begin], controls)
        cut_ids = CutTokens(tokenizer, written.text[: span.end], [begin], controls).ids
        # a token that spans the end of the answer and the white space after it belongs to the answer
        end = next(
            (i for i, (one, other) in enumerate(zip(whole.ids, cut_ids, strict=False)) if one != other),
            len(cut_ids) - 1,
        )
        return EncodedAnswer(whole.ids[: whole.counts[0]], whole.ids[whole.counts[0] : end + 1])

    def end_token_ids(self, tokenizer: PreTrainedTokenizerBase) -> set[int]:
        """The first control token after the last answer, and after an answer that is followed by a user turn."""
        return {tokenizer.convert_tokens_to_ids(end) for end in self._writer(tokenizer).ends()}

    def _turns(self, tokenizer: PreTrainedTokenizerBase, question: Question) -> list[dict[str, str]]:
        controls = self.controls(tokenizer)
        turn = Message("user", protect(question.text, controls))
        return self.render([turn], _protect(question.context, controls), question.order)

    def _writer(self, tokenizer: PreTrainedTokenizerBase) -> ChatWriter:
        return chat_writer(tokenizer, self._key)


# --- text ---------------------------------------------------------------------------------------


def _exchanges(messages: Sequence[Message]) -> Iterator[tuple[list[Message], str]]:
    """The text of each assistant turn, with the turns since the previous one."""
    turns: list[Message] = []
    for message in messages:
        if message.role == "assistant":
            yield turns, message.content.strip()
            turns = []
        else:
            turns.append(message)


def _with_background(boundary: TurnBoundary) -> Iterator[tuple[Message, str]]:
    """Each turn with its text. The context, if there is one, is added to the user turn."""
    for turn in boundary.turns:
        parts = [turn.content.strip()]
        if boundary.context is not None and turn.role == "user":
            parts.insert(0 if boundary.order == "context_first" else 1, f"Background: {boundary.context.strip()}")
        yield turn, "\n\n".join(parts)


def _question(tokenizer: PreTrainedTokenizerBase, item: ConflictItem, prompt: Prompt) -> Question:
    """The prompt's instruction followed by the item's question.

    Raises :class:`TemplateError` for words that the tokenizer does not have, because they would become unknown tokens.
    """
    if prompt.instruction is None:
        return Question(item.question_with_options, item.context, prompt.order)
    if tokenizer.unk_token_id is not None and tokenizer.unk_token_id in token_ids(tokenizer, prompt.instruction):
        raise TemplateError(
            f"the tokenizer lacks words of the instruction {prompt.instruction!r} of a prompt; use words that it knows"
        )
    return Question(f"{prompt.instruction} {item.question_with_options}", item.context, prompt.order)


def _mark(text: str) -> str:
    """A character that ``text`` does not contain. :func:`_span` uses it to find the position of another text."""
    return next(character for character in map(chr, range(0xE000, 0xF900)) if character not in text)


def _span(text: str, marked: str, mark: str, what: str) -> tuple[int, int]:
    """The span of ``text`` that ``mark`` replaces in ``marked``."""
    before, found, behind = marked.partition(mark)
    span = len(before), len(text) - len(behind)
    once = found and mark not in behind and text.startswith(before) and text.endswith(behind)
    if not once or span[0] >= span[1]:
        raise TemplateError(f"the template does not write the {what} exactly once and unchanged")
    return span


# --- tokens -------------------------------------------------------------------------------------


def _end_of_sequence(tokenizer: PreTrainedTokenizerBase) -> tuple[str, int]:
    """The text and id of the end-of-sequence token. Raises :class:`TemplateError` if there is none."""
    if tokenizer.eos_token is None or tokenizer.eos_token_id is None:
        raise TemplateError("the tokenizer has no end of sequence; set eos_token in its tokenizer_config.json")
    return tokenizer.eos_token, tokenizer.eos_token_id


def _following_tokens(tokenizer: PreTrainedTokenizerBase, text: str, eos: str, controls: frozenset[str]) -> list[int]:
    """The tokens of a text that follows an end-of-sequence token."""
    return token_ids(tokenizer, eos + text, controls)[1:]


def _protected(messages: Sequence[Message], controls: frozenset[str]) -> list[Message]:
    """The messages with their control strings protected."""
    return [replace(message, content=protect(message.content, controls)) for message in messages]


def _protect(text: str | None, controls: frozenset[str]) -> str | None:
    return None if text is None else protect(text, controls)
