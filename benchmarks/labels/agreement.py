"""Measures on the blind samples how often two readers agree with each other, and how often every text scorer agrees
with them.

    .venv/bin/python benchmarks/labels/agreement.py benchmarks/labels/sample_b.jsonl [--wrong]

The *consensus* is the label that all readers gave; responses on which they differ, or that a reader marked as unclear,
are counted but not scored. ``--wrong`` lists the responses that the main label gets wrong.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from inversion.score import containment, first_mention, judge
from inversion.stats import kappa

LABELS = ("context", "parametric", "both", "neither", "abstains")
READERS = ("first", "second")


def scored(row: dict) -> dict[str, str]:
    """Every text scorer's label, in the words of the main one."""
    answers = row["response"], row["context_answers"], row["parametric_answers"]
    plain = {"containment": containment(*answers).label, "first_mention": first_mention(*answers, row["question"])}
    judged = {
        "judge": judge(*answers, row.get("context"), row["question"]).label,
        "judge without the passage": judge(*answers).label,
    }
    return judged | {name: "neither" if label == "other" else label for name, label in plain.items()}


def main(path: str, *options: str) -> None:
    rows = [json.loads(line) for line in Path(path).read_text().splitlines()]
    readings = [[row[reader]["label"] for reader in READERS if reader in row] for row in rows]
    pairs = [labels for labels in readings if len(labels) == 2]
    table = np.zeros((len(LABELS), len(LABELS)))
    for one, other in pairs:
        table[LABELS.index(one), LABELS.index(other)] += 1
    print(f"{path}: {len(rows)} responses")
    print(f"readers agree on {np.trace(table):.0f} of {len(pairs)} (kappa {kappa(table):.2f})")
    clear = [
        (row, labels[0])
        for row, labels in zip(rows, readings, strict=True)
        if len(set(labels)) == 1 and not any(row[reader]["unclear"] for reader in READERS if reader in row)
    ]
    print(f"unambiguous: {len(clear)}")
    right: dict[str, Counter[str]] = {}
    for row, label in clear:
        for name, found in scored(row).items():
            right.setdefault(name, Counter())[label] += found == label
        if "--wrong" in options and (found := scored(row))["judge"] != label:
            print(f"  {row['id']}: {found['judge']}, not {label}: {row['response']!r}")
    of = Counter(label for _, label in clear)
    print(f"{'scorer':28}{'all':>14}" + "".join(f"{label:>14}" for label in LABELS))
    for name, counts in right.items():
        cells = [f"{counts.total()}/{len(clear)}"] + [f"{counts[label]}/{of[label]}" for label in LABELS]
        print(f"{name:28}" + "".join(f"{cell:>14}" for cell in cells))


if __name__ == "__main__":
    main(*sys.argv[1:])
