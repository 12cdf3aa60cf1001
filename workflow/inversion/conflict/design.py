"""Chooses the items that every checkpoint answers if a study does not evaluate all of them (``evaluation.design``)."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from inversion.config.evaluation import Design
from inversion.records.data import ConflictItem, conflict_set_of
from inversion.stats import Ints


def chosen_items(items: Sequence[ConflictItem], design: Design | None) -> list[ConflictItem]:
    """The ``items`` of all sets that ``design`` evaluates, in their order; all of them without a design.

    Each set contributes the first ``design.items`` of its :func:`balanced_order`. The controls ``x+...`` of a set ``x``
    are those of its chosen items.
    """
    if design is None:
        return list(items)
    sets: dict[str, list[ConflictItem]] = {}
    for item in items:
        sets.setdefault(item.set, []).append(item)
    chosen = {
        (name, of_set[place].item_id)
        for name, of_set in sets.items()
        if conflict_set_of(name) not in sets
        for place in balanced_order(of_set, design.items, design.seed)
    }
    return [item for item in items if (_owner(item.set, sets), item.item_id) in chosen]


def balanced_order(items: Sequence[ConflictItem], count: int, seed: int) -> list[int]:
    """The indices of ``count`` of the ``items`` of one set (all if there are fewer), in the order of choice.

    Every choice is the item whose cluster, stratum and factor levels are most under-represented so far, relative to
    their shares in the whole set. The seed decides between equals. The order does not depend on ``count``, so a smaller
    sample is the beginning of a larger one.
    """
    levels = _levels(items)
    n = len(items)
    shares = [np.bincount(codes) / n for codes in levels]
    counts = [np.zeros(len(share)) for share in shares]
    rng = np.random.default_rng([seed, zlib.crc32(items[0].set.encode())])
    tie_break = 1e-6 * rng.random(n)
    left = np.ones(n, dtype=bool)
    order: list[int] = []
    for chosen in range(1, min(count, n) + 1):
        deficit = tie_break.copy()
        for codes, share, present in zip(levels, shares, counts, strict=True):
            deficit += (chosen * share - present)[codes]
        best = int(np.where(left, deficit, -np.inf).argmax())
        order.append(best)
        left[best] = False
        for codes, present in zip(levels, counts, strict=True):
            present[codes[best]] += 1
    return order


def _owner(name: str, sets: dict[str, list[ConflictItem]]) -> str:
    """The set whose choice decides over the items of the set ``name``: for controls that of their conflicts."""
    owner = conflict_set_of(name)
    return owner if owner is not None and owner in sets else name


def _levels(items: Sequence[ConflictItem]) -> list[Ints]:
    """For the cluster, the stratum and each factor: the index of every item's level."""
    names = sorted({factor.partition("=")[0] for item in items for factor in item.factors})
    factors = [{factor.partition("=")[0]: factor for factor in item.factors} for item in items]
    columns = [[item.cluster for item in items], [item.stratum for item in items]]
    columns += [[own.get(name, "") for own in factors] for name in names]
    return [np.unique(column, return_inverse=True)[1] for column in columns]
