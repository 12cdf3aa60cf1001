"""Measures how long the main scorer takes for one answer, in milliseconds of CPU time.

    .venv/bin/python benchmarks/labels/speed.py

Every response of the blind samples is judged with its passage; the second pass counts, because the first one imports
libraries and compiles patterns.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from inversion.score import judge

HERE = Path(__file__).parent


def main() -> None:
    rows = [json.loads(line) for path in sorted(HERE.glob("sample_*.jsonl")) for line in path.read_text().splitlines()]
    for turn in ("first", "second"):
        start = time.process_time()
        for row in rows:
            # a text of its own each time, so that nothing is remembered from the pass before
            judge(f"{row['response']} ({turn})", row["context_answers"], row["parametric_answers"], row.get("context"))
        print(f"{turn} pass: {(time.process_time() - start) / len(rows) * 1e3:.2f} ms per answer ({len(rows)} answers)")


if __name__ == "__main__":
    main()
