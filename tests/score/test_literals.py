"""A pattern that is said to be unable to match a text never matches it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from inversion.score import cues
from inversion.score.literals import LiteralFinder, needed

_CUES = {name: value for name, value in vars(cues).items() if isinstance(value, re.Pattern)}


@pytest.mark.parametrize(
    ("pattern", "strings"),
    [
        (r"\bnot (?:the )?\w+", {"not ", "not the "}),
        (r"\bno (?:\w+ )?(?:evidence|proof)\b", {"evidence", "proof"}),
        (r"(?:is|was) wrong", {"is wrong", "was wrong"}),
        (r"(?:so )?the answer", {"the answer", "so the answer"}),
        (r"gr[ae]y", {"gray", "grey"}),
        (r"\w+|answer", set()),
        (r"(?:maybe)* \d", {" "}),
        (rf"{cues.A} or {cues.A}", {" or "}),
        (r"(?=.*never)a", {"a"}),
    ],
)
def test_needed(pattern: str, strings: set[str]) -> None:
    found = needed(pattern)
    assert found == strings or (strings and {s.strip() for s in found} == {s.strip() for s in strings})


def test_a_pattern_without_its_strings_never_matches() -> None:
    finder = LiteralFinder(_CUES.values())
    folder = Path(__file__).parents[2] / "benchmarks/labels"
    rows = [
        json.loads(line) for path in sorted(folder.glob("sample_*.jsonl")) for line in path.read_text().splitlines()
    ]
    for row in rows[::10]:
        text = row["response"].lower()
        for answers, sign in ((row["context_answers"], cues.C), (row["parametric_answers"], cues.P)):
            for answer in answers:
                text = text.replace(answer.lower(), sign)
        candidates = finder.candidates(text)
        missed = [n for n, cue in _CUES.items() if not finder.can_match(cue, candidates) and cue.search(text)]
        assert not missed, (missed, text)


def test_a_pattern_that_ignores_case_can_always_match() -> None:
    pattern = re.compile("never", re.IGNORECASE)
    finder = LiteralFinder([pattern])
    assert finder.can_match(pattern, finder.candidates("NEVER"))
