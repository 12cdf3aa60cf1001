"""docs/evaluation.md names every scorer and every rule of the main label, in the library's own words."""

from __future__ import annotations

from pathlib import Path

import pytest

from inversion.score.judgement import RULES
from inversion.score.scorers import SCORERS

PAGE = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("scorer", SCORERS.values(), ids=lambda scorer: scorer.name)
def test_every_scorer_is_described(scorer) -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{scorer.name}` |"))
    assert scorer.summary in row


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_described(rule: str) -> None:
    assert f"| `{rule}` | {RULES[rule]} |" in PAGE
