"""Draw two disjoint samples from pools of responses, stratified by model, style and step.

.venv/bin/python benchmarks/labels/draw.py POOL.jsonl SAMPLE_A.jsonl SAMPLE_B.jsonl [SIZE]

``SIZE`` is the largest number of responses of a sample; the rest is omitted at random.
"""

from __future__ import annotations

import json
import random
import sys
from itertools import groupby
from pathlib import Path

KEYS = ("id", "question", "context", "context_answers", "parametric_answers", "response")


def main(pool: str, first: str, second: str, size: str = "1000000") -> None:
    rows = [json.loads(line) for line in Path(pool).read_text().splitlines()]
    drawn: tuple[list[dict], list[dict]] = ([], [])
    seen: set[tuple[str, str]] = set()

    def cell(row: dict) -> tuple:
        return row["model"], row["style"], row["step"]

    for _, group in groupby(sorted(rows, key=cell), key=cell):
        members = list(group)
        random.Random(str(cell(members[0]))).shuffle(members)
        for place, row in enumerate(members):
            if (row["id"], row["response"]) not in seen:  # the same answer to the same item would be read twice
                seen.add((row["id"], row["response"]))
                drawn[place % 2].append(row)
    for path, sample in zip((first, second), drawn, strict=True):
        random.Random(path.rpartition("/")[2]).shuffle(sample)
        with open(path, "w") as handle:
            for number, row in enumerate(sample[: int(size)]):
                name = f"{Path(path).stem}-{number:03d}"
                origin = {"item": row["id"], "model": row["model"], "style": row["style"], "step": row["step"]}
                kept = {key: row[key] for key in KEYS} | {"id": name, "origin": origin}
                handle.write(json.dumps(kept, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
