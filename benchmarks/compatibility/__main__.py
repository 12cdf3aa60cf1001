"""Measure all cells and write docs/compatibility.md: `make compatibility`."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from compatibility.architectures import ARCHITECTURES
from compatibility.cells import be_quiet, cells_of
from compatibility.checks import CHECKS
from compatibility.page import Cell, page, prompts_part, read_page
from compatibility.prompts import ANSWERS, CONTEXTS, DAY, column, folders

PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"


def main(arguments: Sequence[str]) -> int:
    """Returns 1 if a cell is neither exact nor refused."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=[], help="architectures whose name begins so")
    parser.add_argument(
        "--checks",
        nargs="*",
        default=[],
        choices=list(CHECKS),
        help="measure these columns only, and keep everything else as it is on the page",
    )
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--output", type=Path, default=PAGE)
    options = parser.parse_args(arguments)
    chosen = [each for each in ARCHITECTURES if not options.only or each.name.startswith(tuple(options.only))]
    began = time.perf_counter()
    checks = options.checks or list(CHECKS)
    kept = read_page(PAGE.read_text(encoding="utf-8")) if options.checks else None
    rows: dict[str, dict[str, Cell]] = dict(kept.architectures) if kept else {}
    by_tokenizer: dict[str, dict[str, Cell]] = {}
    with (
        tempfile.TemporaryDirectory() as root,
        ProcessPoolExecutor(options.processes, get_context("spawn"), be_quiet) as pool,
    ):
        measured = pool.map(partial(cells_of, checks=checks), chosen)
        tokenizers = {} if options.only or kept else folders(Path(root))
        columns = pool.map(column, tokenizers.values())
        for architecture, cells in zip(chosen, measured, strict=True):
            rows[architecture.name] = rows.get(architecture.name, {}) | cells
            print(architecture.name, *(f"{name} {cell.short()}" for name, cell in cells.items()), sep="  ", flush=True)
        for name, cells in zip(tokenizers, columns, strict=True):
            by_tokenizer[name] = cells
            print(
                name, *(f"{template} {cell.short('exact')}" for template, cell in cells.items()), sep="  ", flush=True
            )
    by_template = {
        template: {name: cells[template] for name, cells in by_tokenizer.items()}
        for template in next(iter(by_tokenizer.values()), {})
    }
    minutes = kept.minutes if kept else (time.perf_counter() - began) / 60
    prompts = kept.prompts if kept else prompts_part(by_template, day=DAY, cases=len(ANSWERS) * len(CONTEXTS))
    options.output.write_text(page(rows, list(CHECKS), minutes, prompts), encoding="utf-8")
    return 0 if all(cell.sound for cells in (*rows.values(), *by_template.values()) for cell in cells.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
