"""The pages explain the verdicts in the words of the library, and evaluation.md has its decision table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from inversion.analyse.verdicts import VERDICTS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")


def test_the_documented_decision_table_matches_the_library() -> None:
    table = PAGE.partition("| verdict | meaning | criterion |\n| --- | --- | --- |\n")[2].partition("\n\n")[0]
    declared = [f"| `{name}` | {verdict.meaning} | {verdict.rule} |" for name, verdict in VERDICTS.items()]
    assert table.splitlines() == declared


@pytest.mark.parametrize("name", VERDICTS)
def test_the_readme_names_every_verdict(name: str) -> None:
    assert f"`{name}`" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", ["docs/results.md", "docs/tutorial-checkpoints.md"])
@pytest.mark.parametrize("name", VERDICTS)
def test_every_page_explains_a_verdict_in_the_same_words(page: str, name: str) -> None:
    text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
    meaning = re.escape(VERDICTS[name].meaning)
    assert re.search(rf"`{name}`(: | \(){meaning}", text)
