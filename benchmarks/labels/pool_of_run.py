"""Adds the answers of a study's runs to a pool for the blind samples: a few conflict items of every set and step.

    make gemma
    .venv/bin/python benchmarks/labels/pool_of_run.py results gemma-3-270m 6 POOL.jsonl

The arguments are the results folder, the model, the number of answers per set and step, and the pool. The sets take
the place of styles. No scorer is imported here: answers are labelled by readers before any scorer sees them.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

from inversion.manifests import RESPONSES_FILE
from inversion.records.answers import Response
from inversion.records.data import ConflictItem
from inversion.records.frames import read_records


def main(results: str, model: str, count: str, pool: str) -> None:
    items = {
        (item.set, item.item_id): item
        for path in sorted(Path(results, "data/sets").glob("**/*.parquet"))
        for item in read_records(path, ConflictItem)
        if item.role == "conflict"
    }
    cells: dict[tuple[str, int], list[Response]] = {}
    for path in sorted(Path(results, "runs", model).glob(f"**/{RESPONSES_FILE}")):
        for row in read_records(path, Response):
            if (row.set, row.item_id) in items:
                cells.setdefault((row.set, row.step), []).append(row)
    with open(pool, "a") as handle:
        for (name, step), rows in sorted(cells.items()):
            for row in random.Random(f"{name} {step}").sample(rows, min(int(count), len(rows))):
                item = items[row.set, row.item_id]
                written = {
                    "model": model,
                    "step": step,
                    "style": name,
                    "id": f"{name}:{item.item_id}",
                    "question": item.question,
                    "context": item.context,
                    "context_answers": item.context_answers,
                    "parametric_answers": item.parametric_answers,
                    "response": row.text,
                }
                handle.write(json.dumps(written, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
