"""A heuristic that finds the context in a chat message. It favours precision over recall.

Chat data has no field for the material that a question is about. It is recognised in four layouts: under a label
("Passage: ..."), after a line or a clause that announces it ("Summarise this article: ..."), and before a question or
instruction that comes last. A message that seems to contain several examples is not split. The measured precision is in
docs/data.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

FEWEST_WORDS = 4
"""Shorter material does not count as context, because it is usually a word or a name to work on."""
FEWEST_PASSAGE_WORDS = 30
"""The fewest words of an unannounced context before a question."""
MOST_QUESTION_WORDS = 60


class SplitMessage(NamedTuple):
    """A message split into question and context."""

    question: str
    context: str


def split_context(text: str) -> SplitMessage | None:
    """The question and the context of a user message, or None if no context is recognised."""
    text = _ANSWER_CUE.sub("", text.strip())
    if _holds_examples(_sections(text)):
        return None
    for rule in _RULES:
        split = rule(text)
        if split is not None:
            question, context = split.question.strip(), split.context.strip()
            sound = 0 < _words(question) <= MOST_QUESTION_WORDS and _words(context) >= FEWEST_WORDS
            return SplitMessage(question, context) if sound else None
    return None


# --- layouts ------------------------------------------------------------------------------------

_CONTEXT_LABEL = "(?:additional )?(?:background|context|passage|paragraph|article|document|excerpt|story|text|input)"
_QUESTION_LABEL = "question|instructions?|task"
_ANSWER_LABEL = "answer|output|response"
_LABELS = re.compile(
    rf"^[#*]*[ ]?(?:(?P<context>{_CONTEXT_LABEL})|(?P<question>{_QUESTION_LABEL})|(?P<answer>{_ANSWER_LABEL}))"
    r"[ ]?:[*]*",
    re.IGNORECASE | re.MULTILINE,
)
_ANSWER_CUE = re.compile(rf"\n+[#* ]*(?:{_ANSWER_LABEL})\s*:\s*$", re.IGNORECASE)
_MATERIAL = (
    "sentences?|passages?|texts?|paragraphs?|articles?|stor(?:y|ies)|poems?|phrases?|statements?|quotes?|quotations?|"
    "e-?mails?|reviews?|letters?|dialogues?|conversations?|documents?|excerpts?|speech|tweets?|posts?|code|data|table|"
    "lists?|array|information|details|context|description|scenario|report|abstract|transcript|recipe|lyrics|input"
)
_ANNOUNCED = re.compile(
    rf"\b(?:following|this|these|given|provided|below)\b(?:\W+\w+){{0,3}}?\W+(?:{_MATERIAL})\b", re.I
)
_BEGUN = re.compile(r"[.!?]\w|:\s*\S")
"""Matches an announcing line in which the material itself already begins."""
_QUESTION = re.compile(r"\b(?:following|this|these)\s+(?:question|problem|task|prompt|instruction)", re.I)
_REFERS = re.compile(rf"\b(?:above|this|these|the)\b(?:\W+\w+){{0,2}}?\W+(?:{_MATERIAL})\b", re.I)


def _sections(text: str) -> list[tuple[str, str]]:
    """The labelled parts of a text with the kind of their label. Text before the first label has the kind ""."""
    marks = list(_LABELS.finditer(text))
    starts = [mark.start() for mark in marks] + [len(text)]
    bodies = [(str(mark.lastgroup), text[mark.end() : end]) for mark, end in zip(marks, starts[1:], strict=True)]
    return [(kind, body.strip()) for kind, body in [("", text[: starts[0]]), *bodies]]


def _holds_examples(sections: list[tuple[str, str]]) -> bool:
    contexts = sum(kind == "context" for kind, _ in sections)
    return contexts > 1 or any(kind == "answer" and body for kind, body in sections)


def _labelled(text: str) -> SplitMessage | None:
    """Material under a label. The question is before it, under its own label, or in the last line."""
    sections = _sections(text)
    contexts = [body for kind, body in sections if kind == "context"]
    if not contexts:
        return None
    question = "\n\n".join(body for kind, body in sections if kind in ("", "question") and body)
    return SplitMessage(question, contexts[0]) if question else _last_line_asks(contexts[0])


def _announced_line(text: str) -> SplitMessage | None:
    """A first line that announces material. All other lines are the material."""
    first, _, rest = text.partition("\n")
    whole = _ANNOUNCED.search(first) and not _BEGUN.search(first) and not _is_question(_last_line(rest))
    return SplitMessage(first, rest) if whole and rest.strip() else None


def _announced_clause(text: str) -> SplitMessage | None:
    """A clause that announces material. Everything after its colon is the material."""
    clause, colon, rest = text.partition(":")
    announces = _ANNOUNCED.search(clause) and not _QUESTION.search(clause)
    return SplitMessage(clause, rest) if colon and "\n" not in text and announces else None


def _passage_first(text: str) -> SplitMessage | None:
    """A passage without a label, then a line that asks a question or refers to the passage."""
    split = _last_line_asks(text)
    return split if split and _words(split.context) >= FEWEST_PASSAGE_WORDS else None


def _last_line_asks(text: str) -> SplitMessage | None:
    """Material, then a line that asks a question or refers to the material."""
    material, _, last = text.rpartition("\n")
    is_question = _is_question(last) or _REFERS.search(last)
    return SplitMessage(last, material) if is_question and not _is_question(material) else None


_RULES: tuple[Callable[[str], SplitMessage | None], ...] = (
    _labelled,
    _announced_line,
    _announced_clause,
    _passage_first,
)


def _is_question(text: str) -> bool:
    return text.rstrip().endswith("?")


def _last_line(text: str) -> str:
    return text.rstrip().rpartition("\n")[2]


def _words(text: str) -> int:
    return len(text.split())
