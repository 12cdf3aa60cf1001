"""Instruction data and their templates."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from inversion.config.base import (
    ARGUMENT,
    FileSource,
    Fraction,
    NonNegativeInt,
    PositiveInt,
    Seed,
    Source,
    Strict,
    commit,
    day,
    hub_id,
    local_path,
    require_shares,
)


class Passages(Strict):
    """The form of the passages that precede a question."""

    other_statements: tuple[NonNegativeInt, NonNegativeInt] = (0, 2)
    """Minimum and maximum number of statements about other relations, in addition to the one that answers the
    question."""
    same_relation: Fraction = 0.3
    """Share of passages that also state the relation of the question for another subject, which makes them
    ambiguous."""

    @model_validator(mode="after")
    def _order(self) -> Passages:
        fewest, most = self.other_statements
        if fewest > most:
            raise ValueError(f"other_statements is [{fewest}, {most}]; write the fewest first, then the most")
        return self


class DatasetSource(Source):
    """Where instruction data come from, and the properties that rules need."""

    has_kinds: ClassVar[bool] = False
    """Whether the kind of every example is known: C, C+S or S."""

    @property
    def may_have_contexts(self) -> bool:
        """Whether examples may have a context; False only if none can."""
        return True


class WorldDataset(DatasetSource):
    """An instruction mixture that is generated from the invented world."""

    from_world: ClassVar[bool] = True
    has_kinds: ClassVar[bool] = True
    source: Literal["world"]
    examples: PositiveInt = 4800
    seed: Seed = 0
    context_critical: Fraction = 0.70
    """Share of C examples: the subject is new, and only the passage gives the answer."""
    context_and_memory: Fraction = 0.15
    """Share of C+S examples: the subject is known, and the passage agrees with what the model knows. The remaining
    examples are S examples: the subject is known, and the question is answered from memory."""
    irrelevant_passages: Fraction = 0.5
    """Share of the S examples that follow a passage about other subjects; the rest have no passage."""
    passages: Passages = Passages(same_relation=0.6)

    @model_validator(mode="after")
    def _shares(self) -> WorldDataset:
        require_shares(self, "context_critical", "context_and_memory")
        return self

    @property
    def may_have_contexts(self) -> bool:
        """Whether the mixture has C or C+S examples."""
        return self.context_critical + self.context_and_memory > 0


class AlpacaTemplate(Strict):
    """The prompt of Stanford Alpaca: the question is its instruction, and the context is its input."""

    style: Literal["alpaca"] = "alpaca"


class TuluTemplate(Strict):
    """The chat format of TULU (open-instruct): a line with the role, then the text. The context precedes the question
    as "Background: ..."."""

    style: Literal["tulu"] = "tulu"


class ZephyrTemplate(Strict):
    """The chat format of Zephyr, which was finetuned on UltraChat: TULU's format with an end-of-sequence token after
    every turn."""

    style: Literal["zephyr"] = "zephyr"


Argument = Annotated[str, StringConstraints(pattern=ARGUMENT)]
"""The name of a variable in a Jinja template."""
_RESERVED = {
    *("messages", "conversation", "chat_template", "add_generation_prompt", "continue_final_message", "tokenize"),
    *("tools", "documents", "padding", "truncation", "max_length", "return_tensors", "return_dict"),
    *("return_assistant_tokens_mask", "tokenizer_kwargs"),
}
"""Arguments of the library's function that renders chat templates."""


def _is_none(value: object) -> bool:
    return value is None


def _is_empty(value: object) -> bool:
    return not value


def _is_omit(value: object) -> bool:
    return value == "omit"


def _is_keep(value: object) -> bool:
    return value == "keep"


class ChatTemplate(Strict):
    """The model's own chat template, or one in a file, in which a question and its context are one user turn."""

    style: Literal["chat"] = "chat"
    with_context: str = "Background: {context}\n\n{question}"
    """The user turn if there is a context."""
    without_context: str = "{question}"
    """The user turn if there is no context."""
    # keys at their defaults are not hashed, so that studies from before they existed keep their results
    file: Annotated[str, AfterValidator(local_path)] | None = Field(default=None, exclude_if=_is_none)
    """A Jinja file with a chat template to use instead of the model's own, such as ``chat_template.jinja``. Jobs rerun
    if its content changes, not if its name changes."""
    text: str | None = Field(default=None, exclude_if=_is_none)
    """The Jinja source of such a template, instead of ``file``."""
    arguments: dict[Argument, bool | int | float | str] = Field(default={}, exclude_if=_is_empty)
    """Arguments of the chat template, as in ``enable_thinking: false``."""
    date: Annotated[str, AfterValidator(day)] | None = Field(default=None, exclude_if=_is_none)
    """The date, such as ``2024-07-26``, for a chat template that prints today's date (Llama 3.2, gpt-oss). Such a
    template is refused if no date is set."""
    system: Literal["keep", "user", "drop"] = Field(default="keep", exclude_if=_is_keep)
    """How to handle a system turn: ``keep`` it, put its text before the first ``user`` turn, or ``drop`` it. Some
    chat templates (Gemma 1 and 2) accept none."""

    @model_validator(mode="after")
    def _source(self) -> ChatTemplate:
        if self.file is not None and self.text is not None:
            raise ValueError("both `file` and `text` are set, but a template has one source; remove one of them")
        taken = sorted(self.arguments.keys() & _RESERVED)
        if taken:
            raise ValueError(f"arguments.{taken[0]} is set by the pipeline itself; remove it")
        return self

    @model_validator(mode="after")
    def _fields(self) -> ChatTemplate:
        if "{context}" not in self.with_context or "{question}" not in self.with_context:
            raise ValueError("with_context must name both {context} and {question}")
        if "{question}" not in self.without_context:
            raise ValueError("without_context must name {question}")
        return self

    def question_first(self) -> str:
        """``with_context`` with the question before the context: the part up to the first white space after the
        context changes places with the rest.

        Raises :class:`ValueError` if there is no white space between them.
        """
        if self.with_context.index("{question}") < self.with_context.index("{context}"):
            return self.with_context
        halves = re.fullmatch(r"(.*?\{context\}\S*?)(\s+)(.*\{question\}.*)", self.with_context, re.DOTALL)
        if halves is None:
            raise ValueError("with_context needs white space between {context} and {question} to swap them")
        return halves[3] + halves[2] + halves[1]


Template = Annotated[AlpacaTemplate | TuluTemplate | ZephyrTemplate | ChatTemplate, Field(discriminator="style")]
"""How conversations become tokens, in training and in evaluation alike."""
WORLD_TEMPLATE = ChatTemplate(with_context="context : {context} {question}")
"""How questions are written in the invented world, which has few words."""
RowFormat = Literal["alpaca", "messages", "sharegpt", "preference", "squad", "prompt_completion"]


class FileDataset(FileSource, DatasetSource):
    """Instruction data in a JSON, JSON Lines or Parquet file."""

    format: RowFormat
    """The columns of the rows; see docs/data.md. ``alpaca``: instruction, input, output. ``messages``: a list of role
    and content. ``sharegpt``: conversations, a list of from and value. ``preference``: chosen and prompt; the chosen
    answer is trained on. ``squad``: context, question, answers. ``prompt_completion``: prompt, completion."""
    max_bad_rows: Fraction = 0.01
    """Share of malformed rows above which the run stops."""
    placeholders: Literal["omit", "keep"] = Field(default="omit", exclude_if=_is_omit)
    """How to handle an input in the format ``alpaca`` that is only a placeholder (``<noinput>``, ``N/A``; docs/data.md
    lists them): ``omit`` it, so that the example has no context, or ``keep`` it as context."""
    template: Template | None = None
    """How examples and questions are formatted; by default ``alpaca`` for the formats alpaca and squad, ``tulu``
    for the others."""


class HubDataset(DatasetSource):
    """Instruction data on the Hugging Face Hub, downloaded once by a separate rule."""

    fetched: ClassVar[bool] = True
    source: Literal["hub"]
    id: Annotated[str, AfterValidator(hub_id)]
    """The repository, as in ``tatsu-lab/alpaca``."""
    revision: Annotated[str, AfterValidator(commit)]
    """The commit, all 40 hexadecimal digits (on the Hub under "Files", "History"): branches and tags move."""
    name: str | None = None
    """The configuration within the repository, if it has several."""
    split: str = "train"
    """The split; slices such as ``train[:1000]`` are allowed."""
    format: RowFormat
    """The columns of the rows, as for files."""
    max_bad_rows: Fraction = 0.01
    """Share of malformed rows above which the run stops."""
    placeholders: Literal["omit", "keep"] = Field(default="omit", exclude_if=_is_omit)
    """How to handle an input in the format ``alpaca`` that is only a placeholder (``<noinput>``, ``N/A``; docs/data.md
    lists them): ``omit`` it, so that the example has no context, or ``keep`` it as context."""
    template: Template | None = None
    """How examples and questions are formatted, as for files."""


Dataset = Annotated[WorldDataset | FileDataset | HubDataset, Field(discriminator="source")]
