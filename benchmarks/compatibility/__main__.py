"""Measure all cells and write docs/compatibility.md: `make compatibility`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from compatibility.architectures import ARCHITECTURES
from compatibility.cells import be_quiet, cells_of
from compatibility.checks import CHECKS
from compatibility.page import Cell, architecture_page

PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"


def main(arguments: Sequence[str]) -> int:
    """Returns 1 if a cell is neither exact nor refused."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=[], help="architectures whose name begins so")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--output", type=Path, default=PAGE)
    options = parser.parse_args(arguments)
    chosen = [each for each in ARCHITECTURES if not options.only or each.name.startswith(tuple(options.only))]
    began = time.perf_counter()
    rows: dict[str, dict[str, Cell]] = {}
    with ProcessPoolExecutor(options.processes, get_context("spawn"), be_quiet) as pool:
        for architecture, cells in zip(chosen, pool.map(cells_of, chosen), strict=True):
            rows[architecture.name] = cells
            print(architecture.name, *(f"{name} {cell.short()}" for name, cell in cells.items()), sep="  ", flush=True)
    minutes = (time.perf_counter() - began) / 60
    options.output.write_text(architecture_page(rows, list(CHECKS), minutes), encoding="utf-8")
    return 0 if all(cell.sound for cells in rows.values() for cell in cells.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
