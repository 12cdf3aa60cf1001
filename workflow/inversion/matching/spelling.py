"""How different two spellings are."""

from __future__ import annotations


def edit_distance(one: str, other: str) -> int:
    """How many letters must be added, removed or replaced to turn one word into another."""
    row = list(range(len(other) + 1))
    for n, letter in enumerate(one, 1):
        above, row = row, [n]
        for m, right in enumerate(other):
            row.append(min(above[m + 1] + 1, row[m] + 1, above[m] + (letter != right)))
    return row[-1]
