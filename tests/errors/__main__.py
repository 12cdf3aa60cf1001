"""Writes docs/errors.md (`make errors`)."""

import sys
from pathlib import Path

from errors.all_cases import SECTIONS
from errors.cases import NotRefusedError, Outcome, outcome
from errors.page import PAGE, page

outcomes: dict[str, Outcome] = {}
faults: list[str] = []
for case in (case for section in SECTIONS for case in section.cases):
    try:
        outcomes[case.what] = outcome(case)
    except NotRefusedError as error:
        faults.append(str(error))
if faults:
    sys.exit("\n".join(faults))
(Path(__file__).parents[2] / PAGE).write_text(page(SECTIONS, outcomes), encoding="utf-8")
