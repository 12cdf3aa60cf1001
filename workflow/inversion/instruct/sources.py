"""Loads instruction data from the invented world, a local file, or rows downloaded from the Hub.

Every row is converted to messages and, if there is one, a separate context.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from inversion.config.base import nearest
from inversion.config.datasets import Dataset, FileDataset, HubDataset, RowFormat, WorldDataset
from inversion.instruct.contexts import split_context
from inversion.instruct.rows import DataError, Row, checked_text, read_questions, read_rows, text_field
from inversion.instruct.world_mixture import world_examples
from inversion.records.data import Example, Message
from inversion.world.facts import InventedWorld

log = logging.getLogger(__name__)

Parsed = tuple[list[Message], str | None]
"""The messages and the context of one row."""

_COLUMNS = {
    "alpaca": ("instruction", "input", "output"),
    "messages": ("messages",),
    "sharegpt": ("conversations",),
    "preference": ("chosen",),
    "squad": ("context", "question", "answers"),
    "prompt_completion": ("prompt", "completion"),
}
_FAULTS_SHOWN = 3

NO_INPUT = frozenset(
    {
        *("noinput", "noinputs", "noinputprovided", "noinputgiven", "noinputneeded", "noinputrequired"),
        *(
            "noinputnecessary",
            "nocontext",
            "inputnotneeded",
            "inputnotrequired",
            "notapplicable",
            "n/a",
            "none",
            "empty",
        ),
    }
)
"""Placeholders for a missing input, with everything but letters and slashes removed."""
_LONGEST_NO_INPUT = 40
_SHAREGPT_ROLES = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "assistant": "assistant",
    "model": "assistant",
    "system": "system",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "function_response": "tool",
    "function_call": "call",
}
"""Maps ShareGPT's names of speakers to roles."""


def load_examples(
    spec: Dataset, name: str, world: InventedWorld | None = None, fetched: str | Path | None = None
) -> list[Example]:
    """The examples of the dataset ``name``, in the order of the source.

    ``fetched`` is the file with the downloaded rows of a Hub dataset (:mod:`inversion.instruct.hub_rows`). Malformed
    rows are omitted, and their number is logged as a warning.

    Raises :class:`~inversion.instruct.rows.DataError` if a file is missing or empty, lacks a column, or has a larger
    share of malformed rows than ``max_bad_rows``.
    """
    if isinstance(spec, WorldDataset):
        if world is None:
            raise DataError(f"dataset {name!r} is made from the invented world, but no world was given")
        return world_examples(world, spec, name)
    path = spec.path if isinstance(spec, FileDataset) else fetched
    if path is None:
        raise DataError(f"dataset {name!r} comes from the Hub, but the file with its rows was not given")
    return _row_examples(spec, path, name)


def _row_examples(spec: FileDataset | HubDataset, path: str | Path, name: str) -> list[Example]:
    examples: list[Example] = []
    faults: list[str] = []
    omitted: list[int] = []
    columns: set[str] = set()
    rows: Iterator[Row] = read_questions(path) if spec.format == "squad" else read_rows(path)
    for row in rows:
        columns.update(row.value)
        try:
            if row.fault:
                raise ValueError(row.fault)
            messages, context = PARSERS[spec.format](row.value)
        except ValueError as error:
            faults.append(f"row {row.number}: {error}")
            continue
        if spec.format == "alpaca" and spec.placeholders == "omit" and is_placeholder_input(context):
            omitted.append(row.number)
            context = None
        examples.append(Example(f"{name}-{row.number:06d}", messages, context, None, None, None))
    _require_columns(spec.format, path, columns)
    _require_few_faults(faults, len(examples), path, spec.max_bad_rows)
    if omitted:
        shown = ", ".join(map(str, omitted[:_FAULTS_SHOWN]))
        log.info("%s: the inputs of %d rows are placeholders and are omitted: rows %s", path, len(omitted), shown)
    return examples


def is_placeholder_input(text: str | None) -> bool:
    """Whether an input is only a placeholder for a missing input ("N/A", "<noinput>"), in any spelling."""
    return text is not None and re.sub(r"[^a-z/]", "", text.lower()) in NO_INPUT and len(text) <= _LONGEST_NO_INPUT


def _require_columns(form: str, path: str | Path, columns: set[str]) -> None:
    if not columns:
        return  # no row is an object, which is reported as malformed rows
    found = sorted(columns)
    for column in _COLUMNS[form]:
        if column not in columns:
            fitting = [other for other, needed in _COLUMNS.items() if columns.issuperset(needed)]
            fix = f"; they fit format {fitting[0]!r}" if fitting else nearest(column, found)
            raise DataError(
                f"{path}: no row has the column {column!r} of format {form!r}; found {', '.join(found)}{fix}"
            )


def _require_few_faults(faults: list[str], good: int, path: str | Path, max_bad_rows: float) -> None:
    """Raises :class:`DataError` for too many malformed rows, and logs a few."""
    total = good + len(faults)
    shown = "; ".join(faults[:_FAULTS_SHOWN])
    if not good or len(faults) > max_bad_rows * total:
        raise DataError(
            f"{path}: {len(faults)} of {total} rows are malformed, more than max_bad_rows = "
            f"{max_bad_rows:g} allows; {shown}"
        )
    if faults:
        log.warning("%s: omitted %d of %d rows, which are malformed; %s", path, len(faults), total, shown)


def _alpaca(row: Mapping[str, Any]) -> Parsed:
    """One user turn from ``instruction``, the context from ``input`` unless it is blank, and the answer from
    ``output``."""
    messages = [Message("user", text_field(row, "instruction")), Message("assistant", text_field(row, "output"))]
    given = row.get("input")
    blank = given is None or given == "" or str(given).isspace() or (isinstance(given, float) and math.isnan(given))
    return messages, None if blank else text_field(row, "input")


def _messages(row: Mapping[str, Any]) -> Parsed:
    """The turns under ``messages``: an optional system turn, then user and assistant alternately, ending with the
    assistant.

    The context of the first user turn is separated if it is recognised (:mod:`inversion.instruct.contexts`). Results of
    tools are context, too. Turns with tool calls and results are removed; the results of the first exchange become its
    context, and later results become a part of their user turn.
    """
    turns = row.get("messages")
    if not isinstance(turns, list) or not turns:
        raise ValueError("'messages' is missing or empty" if not turns else "'messages' is not a list")
    return _conversation(turns)


def _sharegpt(row: Mapping[str, Any]) -> Parsed:
    """The turns under ``conversations``, each with ``from`` and ``value``, and the text under ``system`` if there is
    one."""
    turns = row.get("conversations")
    if not isinstance(turns, list) or not turns:
        raise ValueError("'conversations' is missing or empty" if not turns else "'conversations' is not a list")
    named: list[Any] = []
    for number, turn in enumerate(turns, start=1):
        if not isinstance(turn, dict):
            raise ValueError(f"turn {number} is not an object but {type(turn).__name__}")
        speaker = turn.get("from")
        role = _SHAREGPT_ROLES.get(speaker) if isinstance(speaker, str) else None
        if role == "call":
            named.append({"role": "assistant", "content": None, "tool_calls": [turn.get("value")]})
        else:
            named.append({"role": role or speaker, "content": turn.get("value")})
    if row.get("system") and not (isinstance(named[0], dict) and named[0]["role"] == "system"):
        named.insert(0, {"role": "system", "content": row["system"]})
    return _conversation(named)


def _preference(row: Mapping[str, Any]) -> Parsed:
    """The chosen answer of a preference pair. ``chosen`` is a whole conversation, or the answer to ``prompt``, which is
    a text or the turns before the answer."""
    chosen, prompt = row.get("chosen"), row.get("prompt")
    if isinstance(chosen, str):
        chosen = [{"role": "assistant", "content": chosen}]
    if not isinstance(chosen, list) or not chosen:
        raise ValueError("'chosen' is missing or empty" if not chosen else "'chosen' is neither text nor a list")
    if isinstance(chosen[0], dict) and chosen[0].get("role") == "assistant":
        if isinstance(prompt, str):
            prompt = [{"role": "user", "content": prompt}]
        if not isinstance(prompt, list) or not prompt:
            raise ValueError("'prompt' is missing, and 'chosen' contains only an answer")
        chosen = [*prompt, *chosen]
    return _conversation(chosen)


def _conversation(turns: list[Any]) -> Parsed:
    """Turns with ``role`` and ``content`` as messages and a context."""
    turns, results = _without_tools(_without_blank_system(turns))
    if not turns:
        raise ValueError("the conversation has only an empty system turn")
    messages = [_turn(turn, number) for number, turn in enumerate(turns, start=1)]
    dialogue = messages[1:] if messages[0].role == "system" else messages
    for position, message in enumerate(dialogue):
        expected = ("user", "assistant")[position % 2]
        if message.role != expected:
            turn_number = position + 1 + len(messages) - len(dialogue)
            raise ValueError(f"turn {turn_number} is the {message.role}'s, not the {expected}'s")
    if messages[-1].role != "assistant":
        raise ValueError(f"the last turn is the {messages[-1].role}'s, not the assistant's")
    messages, context = _separate_context(messages)
    first = next(index for index, message in enumerate(messages) if message.role == "user")
    for place, texts in results.items():
        if place == first and context is None:
            context = "\n\n".join(texts)
        else:
            messages[place] = Message("user", "\n\n".join([messages[place].content, *texts]))
    return messages, context


def _without_blank_system(turns: list[Any]) -> list[Any]:
    """The turns without a blank system turn, which TULU v2 and other datasets have."""
    first = turns[0]
    if isinstance(first, dict) and first.get("role") == "system":
        content = first.get("content")
        if content is None or (isinstance(content, str) and not content.strip()) or content == []:
            return turns[1:]
    return turns


def _without_tools(turns: list[Any]) -> tuple[list[Any], dict[int, list[str]]]:
    """The turns without tool calls and results, and the results by the index of the user turn before them."""
    kept: list[Any] = []
    results: dict[int, list[str]] = {}
    for number, turn in enumerate(turns, start=1):
        role = turn.get("role") if isinstance(turn, dict) else None
        if role in ("tool", "function"):
            if not kept or kept[-1].get("role") != "user":
                raise ValueError(f"turn {number} is a tool's, but no assistant call precedes it")
            results.setdefault(len(kept) - 1, []).append(
                checked_text(_text(turn.get("content"), number), f"turn {number}")
            )
        elif role == "assistant" and turn.get("tool_calls") and not _text(turn.get("content") or "", number).strip():
            continue
        else:
            kept.append(turn)
    return kept, results


def _turn(turn: Any, number: int) -> Message:
    if not isinstance(turn, dict):
        raise ValueError(f"turn {number} is not an object but {type(turn).__name__}")
    role = turn.get("role")
    if role not in ("system", "user", "assistant"):
        raise ValueError(f"turn {number} has the unknown role {role!r}")
    return Message(role, checked_text(_text(turn.get("content"), number), f"turn {number}"))


def _text(content: Any, number: int) -> Any:
    """The content of a turn. Typed parts are joined."""
    return "".join(_part(part, number) for part in content) if isinstance(content, list) else content


def _part(part: Any, number: int) -> str:
    """The text of one typed part: ``{"type": "text", "text" or "value": ...}``."""
    if not isinstance(part, dict) or part.get("type") != "text":
        raise ValueError(f"turn {number} has a part that is not text")
    text = part.get("text") if part.get("text") is not None else part.get("value")
    if not isinstance(text, str):
        raise ValueError(f"turn {number} has a text part without text")
    return text


def _squad(row: Mapping[str, Any]) -> Parsed:
    """The question, the passage as context, and the first answer. ``answers`` is ``{"text": [...]}`` or
    ``[{"text": ...}, ...]``."""
    answers = row.get("answers")
    texts = answers.get("text") if isinstance(answers, Mapping) else answers
    if not isinstance(texts, list) or not texts:
        raise ValueError("'answers' is missing or empty")
    first = texts[0].get("text") if isinstance(texts[0], Mapping) else texts[0]
    messages = [
        Message("user", text_field(row, "question")),
        Message("assistant", checked_text(first, "the first answer")),
    ]
    return messages, text_field(row, "context")


def _prompt_completion(row: Mapping[str, Any]) -> Parsed:
    """One user turn from ``prompt`` and the answer from ``completion``. A context is separated if it is recognised."""
    return _separate_context(
        [Message("user", text_field(row, "prompt")), Message("assistant", text_field(row, "completion"))]
    )


def _separate_context(messages: list[Message]) -> Parsed:
    """A conversation, and the context of its first user turn if one is recognised."""
    first = next(index for index, message in enumerate(messages) if message.role == "user")
    split = split_context(messages[first].content)
    if split is None:
        return messages, None
    return [*messages[:first], Message("user", split.question), *messages[first + 1 :]], split.context


PARSERS: dict[RowFormat, Callable[[Mapping[str, Any]], Parsed]] = {
    "alpaca": _alpaca,
    "messages": _messages,
    "sharegpt": _sharegpt,
    "preference": _preference,
    "squad": _squad,
    "prompt_completion": _prompt_completion,
}
"""For each format, the function that converts a row to messages and context. It raises :class:`ValueError` with what is
wrong."""
