"""Locates answers in conversations that are rendered with a model's own chat template.

Where an answer begins and ends is derived by rendering. A conversation is rendered twice, once unchanged and once with
a marker in place of every answer, and the results must be equal except for the answers. ``{% generation %}`` markers in
the template are ignored, because they often include a role header or text after the turn.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from inversion.config.datasets import ChatTemplate
from inversion.instruct.resource_limits import ResourceLimitError, resource_limits
from inversion.instruct.tokens import RowTextError, TemplateError, control_strings, restore
from inversion.records.data import Message

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SECONDS = 20.0
"""CPU time that a template can take to render one conversation. Normal templates take milliseconds."""
MEMORY = 2**30
"""Additional memory that a template can use to render one conversation, in bytes."""
MAX_ADDED_CHARACTERS = 10**6
"""Characters that a template can add to a conversation."""
MAX_COPIES = 10
"""How often a template can repeat the text of a conversation."""
_CLOCK = "this template prints today's date"
_OPENED_REASONING = re.compile(r"<(think|thinking|reasoning)>\s*$")
_REASONING = re.compile(r"</?(think|thinking|reasoning)>")
_DIRECTIVES = ("%-d", "%-m", "%Y", "%y", "%m", "%d", "%B", "%b", "%A", "%a", "%j", "%e", "%H", "%I", "%M", "%S", "%p")
_QUESTION, _ANSWER = "What is it?", "It is so."


@dataclass(frozen=True, slots=True)
class AnswerSpan:
    """The position of an answer in the text of a conversation, in characters."""

    start: int
    """The first character of the answer."""
    end: int
    """One past the last character of the answer."""
    stop: int
    """One past the last character of the end of turn."""


@dataclass(frozen=True, slots=True)
class RenderedConversation:
    """A conversation rendered with a chat template."""

    text: str
    spans: list[AnswerSpan]
    """One per assistant turn."""


class EndlessTemplateError(TemplateError):
    """A chat template exceeds the limits of time, memory or length."""


class ChatWriter:
    """Renders conversations with a chat template and one tokenizer's special tokens.

    Every method raises :class:`TemplateError` if the template fails, does not write texts unchanged, or reads the clock
    although the study sets no ``date``.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, template: ChatTemplate) -> None:
        self.tokenizer = tokenizer
        self.template = template
        self.source = _source(tokenizer, template)
        self._added = _added_tokens(tokenizer)

    @functools.cached_property
    def structure(self) -> frozenset[str]:
        """The added tokens that the template writes around turns, except those around reasoning."""
        written = self._render([_turn("user", _QUESTION), _turn("assistant", _ANSWER)])
        found = self._added.findall(written) if self._added else []
        return frozenset(token for token in found if not _REASONING.fullmatch(token))

    @functools.cached_property
    def controls(self) -> frozenset[str]:
        """The control tokens, which only the template writes (:mod:`inversion.instruct.tokens`)."""
        return control_strings(self.tokenizer, self.structure)

    @functools.cached_property
    def end_of_turn(self) -> str:
        """The white space and control tokens that the template writes directly after the last answer.

        Raises :class:`TemplateError` if there is no control token.
        """
        (tail,) = self._parts([_turn("user", _QUESTION), _turn("assistant", _ANSWER)])[1:]
        end = self._controls_after_answer(tail)
        if not end:
            raise TemplateError(
                f"the chat template does not end the turn after an answer ({tail[:20]!r} follows it), so that a model "
                "would not learn to stop; set `file` in the dataset's template to one that ends the turn"
            )
        return end

    def ends(self) -> set[str]:
        """The first control token after the last answer, and after an answer that is followed by a user turn."""
        turns = [_turn("user", _QUESTION), _turn("assistant", _ANSWER)]
        tails = [self.end_of_turn]
        with contextlib.suppress(TemplateError):  # some templates support a single turn only
            tails.append(self._parts([*turns, *turns])[1])
        runs = [self._first_control(tail) for tail in tails]
        return {run for run in runs if run}

    def write(self, turns: Sequence[dict[str, Any]]) -> RenderedConversation:
        """Render a conversation and locate its answers. Each of ``turns`` has ``role`` and ``content``.

        Raises :class:`RowTextError` unless the template writes every text exactly once and unchanged, except for white
        space at its ends.
        """
        text = self._render(turns)
        for turn in turns:
            if turn["role"] != "assistant" and turn["content"].strip() not in text:
                raise self._missing_turn_error(turn)
        parts = self._parts(turns)
        answers = [turn["content"] for turn in turns if turn["role"] == "assistant"]
        for trimmed in (str, str.strip, str.lstrip, str.rstrip):
            answers_written = [trimmed(answer) for answer in answers]
            if text == "".join(a + b for a, b in zip(parts, [*answers_written, ""], strict=True)):
                break
        else:
            shown = restore(answers[-1], self.controls)[:40]
            raise RowTextError(f"the chat template does not write the answer {shown!r} unchanged")
        spans, place = [], 0
        for before, answer, tail in zip(parts, answers_written, parts[1:], strict=False):
            start = place + len(before)
            place = start + len(answer)
            spans.append(AnswerSpan(start, place, place + len(self._end_of_turn(tail))))
        return RenderedConversation(text, spans)

    def prompt(self, turns: Sequence[dict[str, Any]]) -> str:
        """The text up to the beginning of the answer to ``turns``.

        It includes everything that the template writes before an answer in training, even if its generation prompt ends
        earlier, such as an empty reasoning block (Qwen3) or the header of a channel (gpt-oss). Raises
        :class:`TemplateError` if the generation prompt differs in any other way.
        """
        before = self._parts([*turns, _turn("assistant", _ANSWER)])[0]
        generation_prompt = self._render(turns, add_generation_prompt=True)
        # for reasoning models the generation prompt opens a reasoning block that finished turns do not have
        if not before.startswith(_OPENED_REASONING.sub("", generation_prompt)):
            raise TemplateError(
                "the conversation with an answer does not begin with the prompt: the generation prompt of the chat "
                f"template ends in {generation_prompt[-30:]!r}, and before an answer it writes {before[-30:]!r}; set "
                "`arguments` or `file` in the dataset's template so that both agree"
            )
        return before

    def _parts(self, turns: Sequence[dict[str, Any]]) -> list[str]:
        """The text that the template writes before, between and after the answers."""
        text = "".join(turn["content"] for turn in turns) + self.source
        unused = (character for character in map(chr, range(0xE000, 0xF900)) if character not in text)
        marked, marks = [], []
        for turn in turns:
            if turn["role"] == "assistant":
                marks.append(next(unused))
                turn = {**turn, "content": marks[-1]}
            marked.append(turn)
        rest, parts = self._render(marked), []
        for mark in marks:
            before, found, rest = rest.partition(mark)
            if not found or mark in rest:
                raise TemplateError("the chat template does not write every answer once")
            parts.append(before)
        return [*parts, rest]

    def _end_of_turn(self, tail: str) -> str:
        """The end of turn at the beginning of ``tail``, the text after an answer."""
        run, usual = self._controls_after_answer(tail), self.end_of_turn
        if run.startswith(usual):
            return usual
        first = self._first_control(tail)
        if first is None:
            raise TemplateError(f"the chat template does not end the turn after an answer but writes {tail[:20]!r}")
        return tail[: tail.index(first) + len(first)]

    def _controls_after_answer(self, tail: str) -> str:
        """The white space and consecutive control tokens at the beginning of ``tail``."""
        if self._added is None:
            return ""
        found = re.match(rf"\s*(?:{self._added.pattern})+", tail)
        return found[0] if found else ""

    def _first_control(self, tail: str) -> str | None:
        found = self._added.match(tail.lstrip()) if self._added else None
        return found[0] if found else None

    def _missing_turn_error(self, turn: dict[str, Any]) -> RowTextError:
        text = restore(turn["content"], self.controls)[:40]
        if turn["role"] == "system":
            return RowTextError(f"the chat template does not write the system turn {text!r}; {_SYSTEM_CHOICE}")
        return RowTextError(f"the chat template does not write the {turn['role']}'s turn {text!r} unchanged")

    # --- rendering ------------------------------------------------------------------------------

    @functools.cached_property
    def _typed(self) -> bool:
        """Whether the template only accepts contents as lists of typed parts, as templates of vision models do."""
        turns = [_turn("user", "\ue000"), _turn("assistant", "\ue001")]
        for typed in (False, True):
            try:
                written = self._apply(turns, typed)
            except EndlessTemplateError:
                raise
            except TemplateError:
                if typed:
                    break
                continue
            if "\ue000" in written and "\ue001" in written:
                return typed
        return False

    def _render(self, turns: Sequence[dict[str, Any]], add_generation_prompt: bool = False) -> str:
        try:
            return self._apply(turns, self._typed, add_generation_prompt)
        except TemplateError as error:
            system = [turn for turn in turns if turn["role"] == "system"]
            if system and not (str(error).startswith(_CLOCK_FOUND) or isinstance(error, EndlessTemplateError)):
                try:
                    self._apply([turn for turn in turns if turn not in system], self._typed, add_generation_prompt)
                except TemplateError:
                    raise error from None
                raise TemplateError(f"{error}: it does not accept a system turn; {_SYSTEM_CHOICE}") from None
            raise

    def _apply(self, turns: Sequence[dict[str, Any]], typed: bool, add_generation_prompt: bool = False) -> str:
        if typed:
            turns = [{**turn, "content": [{"type": "text", "text": turn["content"]}]} for turn in turns]
        try:
            with resource_limits(SECONDS, MEMORY):
                written = str(
                    self.tokenizer.apply_chat_template(
                        list(turns),
                        chat_template=self.source,
                        tokenize=False,
                        add_generation_prompt=add_generation_prompt,
                        **self.template.arguments,
                    )
                )
        except ResourceLimitError as error:
            raise EndlessTemplateError(f"the chat template does not end: {error}; {_ENDLESS_FIX}") from None
        except Exception as error:  # a template is a program and can raise anything
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            if _CLOCK in reason:
                raise TemplateError(
                    f"{_CLOCK_FOUND}, so losses and answers would change from day to day; set `date` in the "
                    "dataset's template to a fixed day, such as `date: 2024-07-26`"
                ) from None
            raise TemplateError(f"the chat template fails ({type(error).__name__}: {reason})") from None
        given = sum(len(str(turn["content"])) for turn in turns)
        if len(written) > MAX_ADDED_CHARACTERS + MAX_COPIES * given:
            raise EndlessTemplateError(
                f"the chat template writes {len(written)} characters around {given} of the conversation; {_ENDLESS_FIX}"
            )
        return written


_ENDLESS_FIX = "correct its loops, or set `file` in the dataset's template to another"
_CLOCK_FOUND = "the chat template writes today's date"
_SYSTEM_CHOICE = (
    "set `system: user` in the dataset's template to put its text before the first user's turn, or `system: drop`"
)


def as_turns(messages: Sequence[Message], system: str = "keep") -> list[dict[str, Any]]:
    """Messages in the form that chat templates accept. ``system`` is :attr:`ChatTemplate.system`."""
    turns = [_turn(message.role, message.content) for message in messages]
    if system == "keep":
        return turns
    background = [turn["content"] for turn in turns if turn["role"] == "system"]
    turns = [turn for turn in turns if turn["role"] != "system"]
    if system == "user" and background:
        turns[0] = {**turns[0], "content": "\n\n".join([*background, turns[0]["content"]])}
    return turns


@functools.lru_cache(maxsize=16)
def chat_writer(tokenizer: PreTrainedTokenizerBase, key: str) -> ChatWriter:
    """The cached writer of a tokenizer and the :class:`ChatTemplate` whose JSON is ``key``."""
    return ChatWriter(tokenizer, ChatTemplate.model_validate_json(key))


def _turn(role: str, content: str) -> dict[str, Any]:
    return {"role": role, "content": content}


def _source(tokenizer: PreTrainedTokenizerBase, template: ChatTemplate) -> str:
    """The template's Jinja source, in which the clock returns the study's ``date``, or fails if it is not set."""
    source = template.text if template.text is not None else _own_source(tokenizer)
    for name in template.arguments:
        if not re.search(rf"\b{re.escape(name)}\b", source):
            raise TemplateError(f"the chat template has no argument {name!r}; remove it from `arguments`")
    if "strftime_now" not in source:
        return source
    if template.date is None:
        body = f"raise_exception({_CLOCK!r})"
    else:
        day = date.fromisoformat(template.date)
        body = "format" + "".join(f" | replace({d!r}, {_strftime(day, d)!r})" for d in _DIRECTIVES)
    # the empty expression preserves a line break at the beginning of the template
    return f"{{% macro strftime_now(format) %}}{{{{ {body} }}}}{{% endmacro %}}{{{{ '' }}}}{source}"


def _strftime(day: date, directive: str) -> str:
    return day.strftime(directive)


def _own_source(tokenizer: PreTrainedTokenizerBase) -> str:
    try:
        return str(tokenizer.get_chat_template())
    except (ValueError, KeyError):
        raise TemplateError(
            "the tokenizer has no chat template; choose the template alpaca, tulu or zephyr for the dataset, or set "
            "`file` in its template to a Jinja file"
        ) from None


def _added_tokens(tokenizer: PreTrainedTokenizerBase) -> re.Pattern[str] | None:
    """A pattern that matches any added token that is not white space, the longest first."""
    contents = {token.content for token in tokenizer.added_tokens_decoder.values() if token.content.strip()}
    if not contents:
        return None
    return re.compile("|".join(map(re.escape, sorted(contents, key=lambda c: (-len(c), c)))))
