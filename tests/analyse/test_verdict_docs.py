"""docs/evaluation.md has the decision table in the library's own words, and README names every verdict."""

from __future__ import annotations

from pathlib import Path

import pytest

from inversion.analyse.verdicts import VERDICTS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")


def test_the_documented_decision_table_matches_the_library() -> None:
    table = PAGE.partition("| verdict | meaning | rule |\n| --- | --- | --- |\n")[2].partition("\n\n")[0]
    declared = [f"| `{name}` | {verdict.meaning} | {verdict.rule} |" for name, verdict in VERDICTS.items()]
    assert table.splitlines() == declared


@pytest.mark.parametrize("name", VERDICTS)
def test_the_readme_names_every_verdict(name: str) -> None:
    assert f"`{name}`" in (ROOT / "README.md").read_text(encoding="utf-8")
