"""From an example or a conflict item to the tokens that a model is trained on, asked with and scored on.

Nothing else in the library writes a role marker or an end of turn. A :class:`Style` is how one template
of the configuration does it; the functions below are what the rest of the library calls.
"""

from __future__ import annotations

import itertools
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from inversion.config.datasets import AlpacaTemplate, ChatTemplate, Template, TuluTemplate, ZephyrTemplate
from inversion.config.evaluation import Prompt
from inversion.records.data import ConflictItem, Example, Message

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


Order = Literal["context_first", "question_first"]


class TemplateError(ValueError):
    """A template that cannot be trained or scored on with this tokenizer; the message says which part is wrong."""


@dataclass(frozen=True, slots=True)
class EncodedConversation:
    """A conversation as token ids; both lists have one entry a token."""

    input_ids: list[int]
    label_mask: list[bool]
    """True where the loss counts: the assistant's tokens, end of turn included."""


class EncodedAnswer(NamedTuple):
    """A prompt and an answer to it; one after the other they are what training on that answer would show."""

    prompt_ids: list[int]
    answer_ids: list[int]
    """The answer's tokens, without the end of turn."""


class LocatedPrompt(NamedTuple):
    """A prompt's tokens, and what they are of. A token is of a text where it holds one of its characters."""

    prompt_ids: list[int]
    context: list[bool]
    """Which tokens are of the context."""
    subject: list[bool]
    """Which are of the subject, in the question: its mentions in the context are the context's."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, in the words of the user's turn and of the context."""

    text: str
    context: str | None
    order: Order = "context_first"
    """``context_first`` is as in training."""


@dataclass(frozen=True, slots=True)
class Between:
    """What stands between the end of one answer and the beginning of the next."""

    asked: Sequence[Message]
    """The turns in between."""
    context: str | None
    """Belongs to the first user turn."""
    eos: str
    """The tokenizer's end of sequence."""
    first: bool
    """Whether no answer stands before."""
    order: Order = "context_first"


_PLAIN = Prompt()
"""The template as in training."""


# --- what the rest of the library calls ---------------------------------------------------------


def encode_example(
    tokenizer: PreTrainedTokenizerBase, template: Template, example: Example, with_context: bool = True
) -> EncodedConversation:
    """The example's tokens, with the loss on every assistant turn. Nothing is truncated.

    The context, where wanted, stands in the first user turn. Raises :class:`TemplateError`, naming the
    example, where the tokenizer cannot write the template or the assistant's turns cannot be told apart.
    """
    context = example.context if with_context else None
    try:
        return style_of(template).encode(tokenizer, example.messages, context)
    except TemplateError as error:
        raise TemplateError(f"example {example.example_id!r}: {error}") from None


def encode_last_turn(
    tokenizer: PreTrainedTokenizerBase, template: Template, example: Example, with_context: bool = True
) -> EncodedConversation:
    """As :func:`encode_example`, with the loss on the assistant's last turn alone (:attr:`Example.answer`)."""
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

    Raises :class:`TemplateError` where the tokenizer lacks a word of the prompt's instruction.
    """
    return style_of(template).encode_prompt(tokenizer, _question(tokenizer, item, prompt))


def encode_answer(
    tokenizer: PreTrainedTokenizerBase, template: Template, item: ConflictItem, answer: str, prompt: Prompt = _PLAIN
) -> EncodedAnswer:
    """The prompt of ``item`` and the tokens of ``answer``, as training on that answer would show them.

    Tokenising the answer by itself would add or lose a space token (and has moved published results by
    points). Raises :class:`TemplateError`, naming the item, where the answer is blank or cannot be
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

    A subject is found in whole words, whatever its case. Raises :class:`TemplateError`, naming the item, where the
    template does not write context and question once each and as they are, and for a tokenizer that cannot say
    which characters a token stands for.
    """
    style, question = style_of(template), _question(tokenizer, item, prompt)
    try:
        prompt_ids = style.encode_prompt(tokenizer, question)
        text = style.prompt_text(tokenizer, question)
        ids, offsets = _with_offsets(tokenizer, text)
        begin = len(prompt_ids) - len(ids)
        if begin < 0 or prompt_ids[begin:] != ids:
            raise TemplateError("the prompt is not the tokens of its text")
        mark = _mark(text)
        marked = style.prompt_text(tokenizer, replace(question, context=mark))
        context_spans = [] if item.context is None else [_span(text, marked, mark, "context")]
        asked = _span(text, style.prompt_text(tokenizer, replace(question, text=mark)), mark, "question")
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
    """What begins another turn in text: a model that writes this has gone past the end of its own."""
    return style_of(template).stop_strings


# --- templates ----------------------------------------------------------------------------------


class Style(ABC):
    """How one template writes conversations as tokens.

    Whatever the template, the tokens of a prompt are the first tokens of every conversation that goes
    on from it: a model is asked exactly as it was trained.
    """

    stop_strings: ClassVar[tuple[str, ...]] = ()
    """What begins another turn in text."""

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
        """The text whose tokens end :meth:`encode_prompt`; only a beginning of sequence may stand before them."""

    @abstractmethod
    def encode_answer(self, tokenizer: PreTrainedTokenizerBase, question: Question, answer: str) -> EncodedAnswer:
        """A question and an answer (not blank, nothing but text at its ends)."""

    @abstractmethod
    def end_token_ids(self, tokenizer: PreTrainedTokenizerBase) -> set[int]:
        """The tokens that end the assistant's turn, and those that begin another's."""


def style_of(template: Template) -> Style:
    """The style that a study's template names."""
    return ChatStyle(template) if isinstance(template, ChatTemplate) else _TEXT_STYLES[type(template)]


class TextStyle(Style):
    """A template of fixed text, in which the tokenizer's end of sequence ends every answer.

    Prompts and answers become tokens apart, so that no token lies across the border between them, as it
    would for ``Response:`` and an answer that begins with a quotation mark. White space at the ends of
    every text is left out.
    """

    @abstractmethod
    def lead(self, between: Between) -> str:
        """The text from the end of the last answer, or from the start, to the beginning of the next."""

    def encode(
        self, tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], context: str | None
    ) -> EncodedConversation:
        """As :meth:`Style.encode`; the end of sequence behind every answer is labelled too."""
        eos, eos_id = _end_of_sequence(tokenizer)
        ids: list[int] = []
        mask: list[bool] = []
        for asked, answer in _exchanges(messages):
            lead = self.lead(Between(asked, None if ids else context, eos, first=not ids))
            before = _following_tokens(tokenizer, lead, eos) if ids else _first_tokens(tokenizer, lead)
            said = [*_answer_tokens(tokenizer, answer), eos_id]
            ids += [*before, *said]
            mask += [False] * len(before) + [True] * len(said)
        return EncodedConversation(ids, mask)

    def encode_prompt(self, tokenizer: PreTrainedTokenizerBase, question: Question) -> list[int]:
        """As :meth:`Style.encode_prompt`."""
        return _first_tokens(tokenizer, self.prompt_text(tokenizer, question))

    def prompt_text(self, tokenizer: PreTrainedTokenizerBase, question: Question) -> str:
        """As :meth:`Style.prompt_text`."""
        eos, _ = _end_of_sequence(tokenizer)
        return self.lead(Between([Message("user", question.text)], question.context, eos, True, question.order))

    def encode_answer(self, tokenizer: PreTrainedTokenizerBase, question: Question, answer: str) -> EncodedAnswer:
        """As :meth:`Style.encode_answer`."""
        return EncodedAnswer(self.encode_prompt(tokenizer, question), _answer_tokens(tokenizer, answer))

    def end_token_ids(self, tokenizer: PreTrainedTokenizerBase) -> set[int]:
        """The end of sequence, and the stop strings that this tokenizer has as one token."""
        vocabulary = tokenizer.get_vocab()
        return {_end_of_sequence(tokenizer)[1]} | {vocabulary[s] for s in self.stop_strings if s in vocabulary}


class AlpacaStyle(TextStyle):
    """Stanford Alpaca's two prompts, with and without an input.

    A system message takes the place of the opening sentences; further turns go on with ``### Instruction:``.
    The question is the instruction, which stands before the input in either order of a prompt.
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
        """What ends a turn that is not the assistant's."""
        return ""


class ZephyrStyle(TuluStyle):
    """Zephyr's format, as for UltraChat: TULU's, with the end of sequence behind every turn."""

    def _end(self, eos: str) -> str:
        return eos


_TEXT_STYLES: dict[type, TextStyle] = {
    AlpacaTemplate: AlpacaStyle(),
    TuluTemplate: TuluStyle(),
    ZephyrTemplate: ZephyrStyle(),
}


class ChatStyle(Style):
    """The tokenizer's own chat template, which must mark the assistant's text with ``{% generation %}``."""

    def __init__(self, template: ChatTemplate) -> None:
        self.template = template

    def user_turn(self, question: str, context: str | None, order: Order = "context_first") -> str:
        """The text of the user's turn. Only the two fields are filled; other braces stay as they are."""
        fields = {"question": question} if context is None else {"question": question, "context": context}
        with_context = self.template.with_context if order == "context_first" else self.template.question_first()
        wording = self.template.without_context if context is None else with_context
        return re.sub(r"\{(question|context)\}", lambda match: fields.get(match[1], match[0]), wording)

    def render(
        self, messages: Sequence[Message], context: str | None, order: Order = "context_first"
    ) -> list[dict[str, str]]:
        """The conversation as chat templates take it; the context stands in the first user turn."""
        first = next(index for index, message in enumerate(messages) if message.role == "user")
        return [
            {
                "role": message.role,
                "content": self.user_turn(message.content, context, order) if index == first else message.content,
            }
            for index, message in enumerate(messages)
        ]

    def encode(
        self, tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], context: str | None
    ) -> EncodedConversation:
        """As :meth:`Style.encode`.

        Raises :class:`TemplateError` unless the chat template marks each assistant turn with
        ``{% generation %}``, end of turn included: without the marks the library returns all-zero masks and
        no error, and with whitespace at their ends it drops turns or labels what follows them.
        """
        encoding = _apply(tokenizer, self.render(messages, context), return_assistant_tokens_mask=True)
        ids, mask = list(encoding["input_ids"]), [bool(flag) for flag in encoding["assistant_masks"]]
        turns = sum(message.role == "assistant" for message in messages)
        labelled = sum(flag for flag, _ in itertools.groupby(mask))
        if labelled < turns:
            raise TemplateError(
                f"the tokenizer's chat template labels {labelled} of {turns} assistant turns: it must put the "
                "assistant's text between {% generation %} and {% endgeneration %}, with no whitespace at either "
                "end of that block"
            )
        special = _special_ids(tokenizer)
        ends = [index for index in range(1, len(ids)) if mask[index - 1] and not mask[index]]
        if any(ids[end] in special and ids[end - 1] not in special for end in ends):
            raise TemplateError(
                "the tokenizer's chat template leaves the end of the assistant's turn unlabelled, so that a model "
                "would not learn to stop: move it before {% endgeneration %}"
            )
        return EncodedConversation(ids, mask)

    def encode_prompt(self, tokenizer: PreTrainedTokenizerBase, question: Question) -> list[int]:
        """As :meth:`Style.encode_prompt`."""
        prompt = self.render([Message("user", question.text)], question.context, question.order)
        return list(_apply(tokenizer, prompt, add_generation_prompt=True)["input_ids"])

    def prompt_text(self, tokenizer: PreTrainedTokenizerBase, question: Question) -> str:
        """As :meth:`Style.prompt_text`."""
        prompt = self.render([Message("user", question.text)], question.context, question.order)
        return str(tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True))

    def encode_answer(self, tokenizer: PreTrainedTokenizerBase, question: Question, answer: str) -> EncodedAnswer:
        """As :meth:`Style.encode_answer`: the whole conversation is rendered and split behind the prompt."""
        prompt_ids, behind = self._split(tokenizer, question, answer)
        return EncodedAnswer(prompt_ids, [token for token, is_answer in behind if is_answer])

    def end_token_ids(self, tokenizer: PreTrainedTokenizerBase) -> set[int]:
        """The first special token behind an answer, where there is one."""
        _, behind = self._split(tokenizer, Question("Yes?", None), "Yes")
        special = _special_ids(tokenizer)
        return set([token for token, is_answer in behind if not is_answer and token in special][:1])

    def _split(
        self, tokenizer: PreTrainedTokenizerBase, question: Question, answer: str
    ) -> tuple[list[int], list[tuple[int, bool]]]:
        """The prompt's tokens, and those behind it, each with whether it belongs to the answer."""
        prompt = self.render([Message("user", question.text)], question.context, question.order)
        messages = [*prompt, {"role": "assistant", "content": answer}]
        prompt_ids = self.encode_prompt(tokenizer, question)
        encoding = _apply(tokenizer, messages, tokenizer_kwargs={"return_offsets_mapping": True})
        ids = list(encoding["input_ids"])
        prompt_text = self.prompt_text(tokenizer, question)
        text = tokenizer.apply_chat_template(messages, tokenize=False)
        if ids[: len(prompt_ids)] != prompt_ids or not text.startswith(prompt_text):
            raise TemplateError(
                f"the prompt is not how its conversation with the answer {answer!r} begins: the generation prompt of "
                "the tokenizer's chat template must be what it writes before an assistant's text, and must not end "
                "within a token (a trailing space often does)"
            )
        start = text.find(answer, len(prompt_text))
        if start < 0:
            raise TemplateError(f"the tokenizer's chat template does not write the answer {answer!r} as it is")
        end = start + len(answer)
        behind = zip(ids[len(prompt_ids) :], encoding["offset_mapping"][len(prompt_ids) :], strict=True)
        return prompt_ids, [(token, begin < end) for token, (begin, _) in behind]


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
    """Each turn with its text; the context, where there is one, stands beside the user's."""
    for turn in between.asked:
        parts = [turn.content.strip()]
        if between.context is not None and turn.role == "user":
            parts.insert(0 if between.order == "context_first" else 1, f"Background: {between.context.strip()}")
        yield turn, "\n\n".join(parts)


def _question(tokenizer: PreTrainedTokenizerBase, item: ConflictItem, prompt: Prompt) -> Question:
    """The item's question behind the prompt's instruction.

    Raises :class:`TemplateError` for words that the tokenizer does not have, which would all be one unknown token.
    """
    if prompt.instruction is None:
        return Question(item.asked, item.context, prompt.order)
    if tokenizer.unk_token_id is not None and tokenizer.unk_token_id in _ids(tokenizer, prompt.instruction):
        raise TemplateError(
            f"the tokenizer lacks words of the instruction {prompt.instruction!r} of a prompt; use words that it knows"
        )
    return Question(f"{prompt.instruction} {item.asked}", item.context, prompt.order)


def _mark(text: str) -> str:
    """A character that ``text`` does not have, by which :func:`_span` finds where another text stands."""
    return next(character for character in map(chr, range(0xE000, 0xF900)) if character not in text)


def _span(text: str, marked: str, mark: str, what: str) -> tuple[int, int]:
    """Where in ``text`` stands that in whose place ``marked`` has the ``mark``."""
    before, found, behind = marked.partition(mark)
    span = len(before), len(text) - len(behind)
    once = found and mark not in behind and text.startswith(before) and text.endswith(behind)
    if not once or span[0] >= span[1]:
        raise TemplateError(f"the template does not write the {what} once and as it is")
    return span


# --- tokens -------------------------------------------------------------------------------------

_BORDERS = ("\n", ":")
"""Characters that tokenizers keep apart from the text that follows, the first before the second."""


def _first_tokens(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """The tokens of a text that begins a sequence, after the beginning of sequence where the tokenizer sets one."""
    start = tokenizer.bos_token_id
    begins = start is not None and start in _ids(tokenizer, "", add_special_tokens=True)
    return [*([start] if begins else []), *_ids(tokenizer, text)]


def _following_tokens(tokenizer: PreTrainedTokenizerBase, text: str, eos: str) -> list[int]:
    """The tokens of a text as they stand behind an end of sequence."""
    return _ids(tokenizer, eos + text)[1:]


def _answer_tokens(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """The tokens of a text that goes on from another, without the space token that some tokenizers put first.

    Such a token stands before a text of its own only, so the text is encoded behind a character with
    which it shares no token.
    """
    for border in _BORDERS:
        before, ids = _ids(tokenizer, border), _ids(tokenizer, border + text)
        if ids[: len(before)] == before:
            return ids[len(before) :]
    raise TemplateError(
        f"the tokenizer joins the text {text[:20]!r} with a line break or a colon before it into one token, so that no "
        "prompt can end before it; use another tokenizer"
    )


def _ids(tokenizer: PreTrainedTokenizerBase, text: str, add_special_tokens: bool = False) -> list[int]:
    # verbose=False: sequences beyond model_max_length are counted where examples are left out, not warned of here
    return list(tokenizer(text, add_special_tokens=add_special_tokens, verbose=False)["input_ids"])


def _with_offsets(tokenizer: PreTrainedTokenizerBase, text: str) -> tuple[list[int], list[tuple[int, int]]]:
    """The tokens of a text, and the characters that each stands for: the first, and the one behind the last."""
    if not tokenizer.is_fast:
        raise TemplateError("the tokenizer cannot say which characters a token stands for; give it a tokenizer.json")
    encoding = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    return list(encoding["input_ids"]), [(start, stop) for start, stop in encoding["offset_mapping"]]


def _end_of_sequence(tokenizer: PreTrainedTokenizerBase) -> tuple[str, int]:
    """The text and id of the end of sequence; raises :class:`TemplateError` where there is none."""
    if tokenizer.eos_token is None or tokenizer.eos_token_id is None:
        raise TemplateError("the tokenizer has no end of sequence; set eos_token in its tokenizer_config.json")
    return tokenizer.eos_token, tokenizer.eos_token_id


def _special_ids(tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """Every token that is no text, registered by name or not."""
    return {token_id for token_id, token in tokenizer.added_tokens_decoder.items() if token.special}


def _apply(tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, str]], **options: Any) -> Mapping[str, Any]:
    """The chat template's encoding; raises :class:`TemplateError` where the tokenizer has none."""
    if not tokenizer.chat_template:
        raise TemplateError(
            "the tokenizer has no chat template; choose the template alpaca, tulu or zephyr for the dataset, or add a "
            "chat_template.jinja with {% generation %} to the tokenizer's folder"
        )
    encoding: Mapping[str, Any] = tokenizer.apply_chat_template(messages, tokenize=True, return_dict=True, **options)
    return encoding
