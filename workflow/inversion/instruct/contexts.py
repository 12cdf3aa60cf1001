"""Which part of a chat message is context: a heuristic, made to be right where it speaks rather than complete.

Chat data has no field for the material that a question is about. It is recognised in four layouts: under a
label ("Passage: ..."), behind a line or a clause that announces it ("Summarise this article: ..."), and
before a question or instruction that comes last. What looks like several examples in one message is left
alone. The measured precision is in docs/data.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

FEWEST_WORDS = 4
"""Shorter material is no context: a word or a name to work on."""
FEWEST_PASSAGE_WORDS = 30
"""The fewest words of an unannounced context before a question."""
MOST_QUESTION_WORDS = 60


class Split(NamedTuple):
    """A message taken apart."""

    question: str
    context: str


def split_context(text: str) -> Split | None:
    """The question and the context of a user's message; none if no context is recognised."""
    text = _ANSWER_CUE.sub("", text.strip())
    if _holds_examples(_sections(text)):
        return None
    for rule in _RULES:
        split = rule(text)
        if split is not None:
            question, context = split.question.strip(), split.context.strip()
            sound = 0 < _words(question) <= MOST_QUESTION_WORDS and _words(context) >= FEWEST_WORDS
            return Split(question, context) if sound else None
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
"""In a line that announces material: that it begins in the line already."""
_QUESTION = re.compile(r"\b(?:following|this|these)\s+(?:question|problem|task|prompt|instruction)", re.I)
_REFERS = re.compile(rf"\b(?:above|this|these|the)\b(?:\W+\w+){{0,2}}?\W+(?:{_MATERIAL})\b", re.I)


def _sections(text: str) -> list[tuple[str, str]]:
    """Each labelled part of a text, by its kind of label, after what precedes the first (kind "")."""
    marks = list(_LABELS.finditer(text))
    starts = [mark.start() for mark in marks] + [len(text)]
    bodies = [(str(mark.lastgroup), text[mark.end() : end]) for mark, end in zip(marks, starts[1:], strict=True)]
    return [(kind, body.strip()) for kind, body in [("", text[: starts[0]]), *bodies]]


def _holds_examples(sections: list[tuple[str, str]]) -> bool:
    contexts = sum(kind == "context" for kind, _ in sections)
    return contexts > 1 or any(kind == "answer" and body for kind, body in sections)


def _labelled(text: str) -> Split | None:
    """Material under a label; the question before it, under a label of its own, or last."""
    sections = _sections(text)
    contexts = [body for kind, body in sections if kind == "context"]
    if not contexts:
        return None
    question = "\n\n".join(body for kind, body in sections if kind in ("", "question") and body)
    return Split(question, contexts[0]) if question else _passage_first(contexts[0])


def _announced_line(text: str) -> Split | None:
    """A first line that announces material, which is all the rest."""
    first, _, rest = text.partition("\n")
    whole = _ANNOUNCED.search(first) and not _BEGUN.search(first) and not _asks(_last_line(rest))
    return Split(first, rest) if whole and rest.strip() else None


def _announced_clause(text: str) -> Split | None:
    """A clause that announces material after its colon, up to the end of the message."""
    clause, colon, rest = text.partition(":")
    announces = _ANNOUNCED.search(clause) and not _QUESTION.search(clause)
    return Split(clause, rest) if colon and "\n" not in text and announces else None


def _passage_first(text: str) -> Split | None:
    """A passage, then a line that asks, or that refers to the passage."""
    passage, _, last = text.rpartition("\n")
    asks = _asks(last) or _REFERS.search(last)
    return Split(last, passage) if asks and _words(passage) >= FEWEST_PASSAGE_WORDS and not _asks(passage) else None


_RULES: tuple[Callable[[str], Split | None], ...] = (_labelled, _announced_line, _announced_clause, _passage_first)


def _asks(text: str) -> bool:
    return text.rstrip().endswith("?")


def _last_line(text: str) -> str:
    return text.rstrip().rpartition("\n")[2]


def _words(text: str) -> int:
    return len(text.split())
