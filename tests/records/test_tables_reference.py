"""docs/tables.md describes every table and column with the docstrings of the records."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from inversion.config.probes import PROBES
from inversion.config.scorers import SCORERS
from inversion.records.reference import PATH, TABLES, columns, tables_reference

ROOT = Path(__file__).parents[2]


def test_the_page_is_current() -> None:
    assert (ROOT / PATH).read_text(encoding="utf-8") == tables_reference(), "run `make config`"


def test_every_table_of_the_workflow_is_described() -> None:
    rules = (ROOT / "workflow/rules/common.smk").read_text(encoding="utf-8")
    (listed,) = re.findall(r"^TABLES = \[(.*?)\]", rules, re.MULTILINE | re.DOTALL)
    written = {*re.findall(r'"(\w+)"', listed), *PROBES, "series", "theory"}
    assert set(TABLES) == written


@pytest.mark.parametrize("name", TABLES)
def test_every_column_has_a_meaning(name: str) -> None:
    for column, (kind, meaning) in columns(TABLES[name]).items():
        assert len(meaning) > 5, column
        assert kind
        assert not re.search(r":\w+:|``|\n", meaning), column


def test_the_page_has_every_scorer_and_no_reference_to_code() -> None:
    page = tables_reference()
    chapter = page.partition("\n## items\n")[2].partition("\n## ")[0]
    for scorer in SCORERS:
        assert f"| `{scorer}` | text |" in chapter
    assert "| `peak` | number | Context rate at the peak. |" in page
    assert "| `fall_low` | number | Lower bound of `fall`. |" in page
    assert "| `judge_span` | text or null |" in page
