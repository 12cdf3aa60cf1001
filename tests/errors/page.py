"""The text of docs/errors.md, from the lines in which the cases end."""

from __future__ import annotations

from errors.cases import Outcome, Section

PAGE = "docs/errors.md"
_HEAD = """\
# Errors

Every error is one line that begins with `error:` and names the file, the row or the key, and how to fix
it. If possible it appears before anything expensive starts. A job writes the line to Snakemake's output and, with
the traceback, to its log (`results/logs/{rule}/...`). To find a message here, search the page
for a part of it that names no file or value of yours.

Every line below was printed by the code that a study runs: the cases are in `tests/errors`, and a test compares them
with this page. `make errors` regenerates it.
"""


def page(sections: list[Section], outcomes: dict[str, Outcome]) -> str:
    """The text of the page. ``outcomes`` contains the results of the cases, by ``what``."""
    cases = sum(len(section.cases) for section in sections)
    parts = [_HEAD, f"{cases} cases: {', '.join(map(_link, sections))}."]
    for section in sections:
        rows = [row(case.what, outcomes[case.what]) for case in section.cases]
        parts.append("\n".join([f"\n## {section.title}\n\n{section.says}\n", *_TABLE, *rows]))
    return "\n".join(parts) + "\n"


_TABLE = ["| what happened | the line | the fix |", "| - | - | - |"]


def row(what: str, outcome: Outcome) -> str:
    """One row of a table."""
    line = outcome.line.replace("|", "\\|")
    fix = outcome.fix.replace("|", "\\|")
    return f"| {what} | `` {line} `` | {fix[0].upper()}{fix[1:]} |"


def _link(section: Section) -> str:
    return f"[{section.title[0].lower()}{section.title[1:]}](#{section.title.lower().replace(' ', '-')})"
