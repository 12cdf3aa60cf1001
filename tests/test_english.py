"""Prose is plain English: none of the phrases in :data:`BANNED` occurs in pages, messages, docstrings or comments."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

_THING = "row|file|job|line|panel|entry|mark|cell|column|module|figure|table|record|bar"
_OWNER = (
    "run|set|item|model|step|checkpoint|row|job|experiment|recipe|family|kind|figure|stage|section|prompt|example|"
    "question|level|factor|seed|layer|curve|series|relation|scorer|group|answer|document|sequence|token|cluster|depth"
)
_COUNTED = (
    "tokens|seconds|nats|examples|prompts|items|bytes|sequences|rows|jobs|checkpoints|questions|likelier|likeliest"
)
_PLACE = "in|on|at|under|before|behind|there|above|below"

BANNED = {
    r"\bmends?\b": "fix, how to fix it",
    r"\bbeside\b": "next to, besides, in addition to",
    r"\banew\b": "again",
    r"(?<!there\s)(?<!that\s)\bis no (?:commit|folder|file|number|text|list|table|valid|multiple)\b": "is not a ...",
    rf"\b(?:one|an?) (?:{_THING}) an? (?:{_OWNER})\b": "one ... per ...",
    rf"\b(?:{_COUNTED}) an? (?:token|second|step|row|item|job|prompt|batch|question)\b": "... per ...",
    r"\bevery so many(?:th)?\b|\bhow manieth\b": "every n-th, the attempt number",
    r"\bso many (?:steps|items|rows|tokens|examples|words|checkpoints|bytes)\b": "n ..., that many ...",
    rf"\bstands? (?:{_PLACE})\b(?! for\b)": "is in, precedes, follows",
    rf"\blies? (?:{_PLACE})\b": "is in, is at",
    r"(?<!by\s)\bhands? (?:it |them |on |over )?to\b": "passes to",
    r"\basked (?:alone|anew)\b": "only the new part is evaluated",
    r"\bground floor\b|\bof the house\b|\brooms? (?:above|below)\b": "packages in dependency order, architecture",
    r"\bgo(?:es)? on (?:where|from|at)\b": "resumes, continues",
    r"\bnobody looked at\b": "held out",
    r"\b(?:says|tells) of\b": "describes, reports",
    r"\bat hand\b": "available",
    r"\bas (?:it is|they are)(?=[.,;:)]|$)": "unchanged",
    r"\b(?:leave|leaves|left|leaving) out\b": "omit, skip",
    r"\bcounts? as whole\b": "is complete",
    r"\bwhere unset\b": "if unset, by default",
    r"\b[Rr]aises? :class:`[^`]+` where\b": "raises ... if",
    r"\blearnt\b": "learned",
    r"\bbut for (?!the (?:input|output)s?\b)": "except for",
    r"\bof equals\b": "in a tie",
    r"\bsound (?:rows?|files?|checkpoints?)\b": "valid, intact",
    r"\bin whole words\b": "as whole words",
    r"(?<![\w/.-])the hub\b(?![:/-])": "the Hub",
    r"\bis no more\b|\bthat goes on reads\b": "no longer",
    r"\AOf (?:the|a|an|its|their|all|both|each)\b": "a docstring that names the thing: the ... of",
    r"\AAs :meth:": "See :meth:",
    r"\ABy (?:name|reason|step|(?:example|item) id),": "the ..., by name",
    r"\b(?:is|are|was|were) asked (?:of|as|through)\b": "is required of, is evaluated as",
    r"\bof one's own\b": "your own, a separate",
    r"\bin small(?=[.,;:)]|$)": "small versions of",
    r"\bthat there is(?=[.,;:)]|$)|\bwhat there is\b": "existing",
    r"\bwhat (?:becomes|became|has become) of\b": "the outcome of",
    r"\bgoes over (?:from|to|with)\b": "is carried over, has an effect on",
    r"\b(?:is|are|not) looked at\b": "is checked, is read",
    r"\bwhat is (?:whole|there|missing) stays\b": "complete files are kept",
    r"\bmakes? sense\b(?=[;,.])": "is allowed, is valid",
}
"""Regular expressions of phrases that nobody writes in English, each with what to write in its place."""

PAGES = ("*.md", "docs/*.md", "config/*.md", "benchmarks/*.md", "workflow/report/*.rst", "workflow/report/*.j2")
COMMENTED = (
    "Makefile",
    "config/*.yaml",
    "profiles/*/*.yaml",
    "workflow/rules/*.smk",
    "Snakefile",
    "workflow/Snakefile",
)
SOURCES = ("workflow/**/*.py", "benchmarks/**/*.py", "examples/*.py", "tests/**/*.py")


def tracked(*patterns: str) -> list[str]:
    """The files of the repository that match, without links."""
    globs = [f":(glob){pattern}" for pattern in patterns]
    listed = subprocess.run(["git", "ls-files", "-s", *globs], cwd=ROOT, capture_output=True, text=True, check=True)
    rows = [line.split(maxsplit=3) for line in listed.stdout.splitlines()]
    return [name for mode, _, _, name in rows if mode != "120000" and (ROOT / name) != Path(__file__)]


def source_prose(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of every docstring and comment of a Python file, and of every message that it raises."""
    tree = ast.parse(source)
    raised = (part for node in ast.walk(tree) if isinstance(node, ast.Raise) for part in ast.walk(node))
    documented = (node.value for node in ast.walk(tree) if isinstance(node, ast.Expr))
    for node in (*raised, *documented):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def prose(name: str) -> Iterator[tuple[int, str]]:
    """Line and text of the prose of a file."""
    text = (ROOT / name).read_text(encoding="utf-8")
    if name.endswith(".py"):
        yield from source_prose(text)
    elif name.endswith((".md", ".rst", ".j2")):
        yield 1, text
    else:
        yield from ((number, line) for number, line in enumerate(text.splitlines(), 1) if "#" in line or '"""' in line)


def offences(text: str) -> Iterator[tuple[int, str, str]]:
    """Line (from 0), phrase and replacement of every banned phrase in a text, whatever its line breaks."""
    for phrase, instead in BANNED.items():
        for match in re.finditer(phrase.replace(" ", r"\s+"), text):
            yield text.count("\n", 0, match.start()), " ".join(match[0].split()), instead


@pytest.mark.parametrize("patterns", [PAGES, COMMENTED, SOURCES], ids=["pages", "comments", "sources"])
def test_prose_is_plain_english(patterns: tuple[str, ...]) -> None:
    names = tracked(*patterns)
    assert names
    found = [
        f"{name}:{line + offset}: {phrase!r}: write {instead}"
        for name in names
        for line, text in prose(name)
        for offset, phrase, instead in offences(text)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("It has one row a run.", "one row a run"),
        ("It stands\nbehind the question.", "stands behind"),
        ("x = 1  # left out where unset", "left out"),
        ("Of the receiver, in nats.", "Of the"),
        ("The whole prompt but for its last token.", "but for"),
        ('"""Raises :class:`ValueError` where it is blank."""', "Raises :class:`ValueError` where"),
    ],
)
def test_a_banned_phrase_is_found(text: str, phrase: str) -> None:
    assert phrase in {found for _, found, _ in offences(text)}
