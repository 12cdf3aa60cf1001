"""Measures the time and memory for reading a large conflict set, and writes benchmarks/results/sets.md.

    .venv/bin/python benchmarks/sets.py

Rows are invented, in the keys of ConFiQA, with passages of about a thousand characters. Each file is read in a process
of its own, whose peak memory is the kernel's (``ru_maxrss``).
"""

import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))
ROWS = 100_000
SYLLABLES = [first + last for first in "bdkln" for last in "aeio"]


def name(number: int) -> str:
    """An invented name of letters, another one for each number below 160,000."""
    parts = [SYLLABLES[number // 20**place % 20] for place in range(4)]
    return f"{parts[0].title()}{parts[1]} {parts[2].title()}{parts[3]}"


def row(number: int, numeric: bool = False) -> dict[str, object]:
    new, old = (f"{number + shift} km" if numeric else name(number + shift) for shift in (7, 50_000))
    passage = " ".join(f"Sentence {place} says little about town {number}." for place in range(24))
    return {
        "question": f"Who leads town {number}?",
        "orig_path": f"[('Q{number}', 'P6', 'Q0')]",
        "orig_answer": old,
        "orig_alias": [f"The {old}"],
        "cf_answer": new,
        "cf_alias": [f"Old {new}"],
        "orig_context": f"{passage} {old} leads it.",
        "cf_context": f"{passage} {new} leads it.",
    }


def write(path: Path) -> None:
    rows = [row(number, "numbers" in path.name) for number in range(ROWS)]
    if path.suffix == ".parquet":
        import polars as pl

        pl.DataFrame(rows).write_parquet(path)
    elif path.suffix == ".csv":
        with open(path, "w", newline="", encoding="utf-8") as handle:
            writer = csv.DictWriter(handle, list(rows[0]))
            writer.writeheader()
            writer.writerows({k: v if isinstance(v, str) else json.dumps(v) for k, v in one.items()} for one in rows)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows), encoding="utf-8")
    else:
        path.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")


def read(path: str) -> None:
    from inversion.config.sets import FileSet
    from inversion.conflict.files import read_source

    spec = FileSet(source="file", path=path, format="confiqa")
    started, cpu = time.perf_counter(), time.process_time()
    items = read_source(spec, "large").items
    seconds, spent = time.perf_counter() - started, time.process_time() - cpu
    assert len(items) == ROWS
    print(json.dumps([seconds, spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20]))


def main() -> None:
    lines = [
        "# Reading a large conflict set",
        "",
        f"`benchmarks/sets.py`: {ROWS:,} invented rows in the keys of ConFiQA, a thousand characters per passage, on",
        "two cores without other work. Answers are names, in `numbers` quantities,",
        "whose spellings take longer to compare.",
        "",
        "| file | size, MB | seconds | processor seconds | peak memory, GiB |",
        "| --- | --- | --- | --- | --- |",
    ]
    with tempfile.TemporaryDirectory() as folder:
        for file in ("rows.jsonl", "rows.json", "rows.csv", "rows.parquet", "numbers.jsonl"):
            path = Path(folder) / file
            subprocess.run([sys.executable, __file__, "write", str(path)], check=True)
            done = subprocess.run([sys.executable, __file__, "read", str(path)], check=True, capture_output=True)
            seconds, spent, memory = json.loads(done.stdout.splitlines()[-1])
            lines.append(f"| {file} | {path.stat().st_size / 1e6:.0f} | {seconds:.1f} | {spent:.1f} | {memory:.2f} |")
    (ROOT / "benchmarks" / "results" / "sets.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["read", path]:
            read(path)
        case ["write", path]:
            write(Path(path))
        case _:
            main()
