"""Every case of bad input ends in the line that docs/errors.md lists."""

from collections import Counter
from pathlib import Path

import pytest
from errors.all_cases import SECTIONS
from errors.cases import Case, NotRefusedError, outcome
from errors.page import PAGE, page, row

COMMITTED = (Path(__file__).parents[2] / PAGE).read_text(encoding="utf-8")
ROWS = COMMITTED.splitlines()
CASES = [case for section in SECTIONS for case in section.cases]
AGAIN = "write the page again: make errors"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_the_error_is_the_one_on_the_page(case):
    assert row(case.what, outcome(case)) in ROWS, AGAIN


def test_the_page_has_exactly_these_cases():
    """The rows are compared one by one above; this test compares the rest of the page."""
    found = {line.split(" | ")[0].removeprefix("| "): line for line in ROWS if line.startswith("| ")}
    assert set(found) == {"what happened", "-", *(case.what for case in CASES)}, AGAIN
    made = page(SECTIONS, _Rows(found)).splitlines()
    assert [line for line in made if not line.startswith("| ")] == [line for line in ROWS if not line.startswith("| ")]


class _Rows(dict):
    """A stand-in for outcomes whose rows are not read."""

    def __getitem__(self, what):
        from errors.cases import Outcome

        return Outcome("a line", "a fix")


def test_each_case_has_a_unique_name():
    assert [what for what, count in Counter(case.what for case in CASES).items() if count > 1] == []


@pytest.mark.parametrize("cause", [lambda: None, lambda: {}["a"], lambda: int(None)], ids=["taken", "key", "type"])
def test_only_refusals_with_a_documented_error_are_cases(cause):
    with pytest.raises(NotRefusedError):
        outcome(Case("x", cause, "fix"))
