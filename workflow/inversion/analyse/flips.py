"""The tables ``flips`` and ``flip_overlap``: which items change between peak and end."""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import NamedTuple

import numpy as np
import polars as pl

from inversion.analyse.moments import moments
from inversion.analyse.panels import Panel, Strings, panels
from inversion.config.run import Run
from inversion.records.frames import to_frame
from inversion.records.tables import Flip, FlipOverlap
from inversion.stats import Bools, cluster_association, fisher


def flips(items: pl.DataFrame, seed: int = 0) -> pl.DataFrame:
    """The table ``flips`` (:class:`~inversion.records.tables.Flip`).

    It has one row per run, conflict set, prompt, scorer and item whose majority label at the end differs from that at
    the peak. Peak and end are those of :func:`~inversion.analyse.moments.moments`. The number of rows from ``context``
    to ``parametric`` is ``to_parametric`` in the table ``inversions``.
    """
    rows = [
        Flip(
            **panel.run._asdict(),
            set=panel.set,
            prompt=panel.prompt,
            scorer=scorer,
            item_id=panel.items[i],
            known=panel.known[i],
            peak=peak[i],
            end=end[i],
        )
        for panel in panels(items)
        if panel.role == "conflict"
        for scorer in panel.labels
        for peak, end in [_majorities(panel, scorer, seed)]
        for i in np.flatnonzero(peak != end)
    ]
    return to_frame(rows, Flip)


def flip_overlap(items: pl.DataFrame, seed: int = 0) -> pl.DataFrame:
    """The table ``flip_overlap`` (:class:`~inversion.records.tables.FlipOverlap`): whether two runs lose the same
    items.

    It has one row per pair of runs, conflict set, prompt and scorer. It counts the items that both runs answer with
    the context at the peak and that have the parametric answer at the end. Other items cannot flip; counting them would
    make two runs look alike merely because they follow the context on the same items. If clusters have several items,
    the test compares the number of flips per cluster (:func:`~inversion.stats.cluster_association`); otherwise it is
    Fisher's exact test.
    """
    lost: dict[tuple[str, str, str], list[_FlippedItems]] = defaultdict(list)
    for panel in panels(items):
        if panel.role == "conflict":
            for scorer in panel.labels:
                peak, end = _majorities(panel, scorer, seed)
                held = np.asarray(peak == "context")
                flipped = np.asarray(end == "parametric")[held]
                lost[panel.set, panel.prompt, scorer].append(
                    _FlippedItems(panel.run, panel.items[held], panel.clusters[held], flipped)
                )
    rows = [
        _overlap(key, first, second)
        for key, runs in sorted(lost.items())
        for first, second in itertools.combinations(runs, 2)
    ]
    return to_frame(rows, FlipOverlap)


def _majorities(panel: Panel, scorer: str, seed: int) -> tuple[Strings, Strings]:
    """The majority label of each item over the checkpoints of the peak and over those of the end."""
    read = moments(panel, scorer, seed)
    words = np.array([["other", "parametric"], ["context", "both"]], dtype=object)
    context = read.majority(panel.gives(scorer, "context"))
    parametric = read.majority(panel.gives(scorer, "parametric"))
    peak, end = (
        words[follows.astype(int), recalls.astype(int)] for follows, recalls in zip(context, parametric, strict=True)
    )
    return peak, end


class _FlippedItems(NamedTuple):
    """The items that a run answers with the context at its peak, and whether each flips."""

    run: Run
    items: Strings
    clusters: Strings
    flips: Bools


def _overlap(key: tuple[str, str, str], first: _FlippedItems, second: _FlippedItems) -> FlipOverlap:
    """The row of two runs."""
    _, here, there = np.intersect1d(first.items.astype(str), second.items.astype(str), return_indices=True)
    flips_here, flips_there = first.flips[here], second.flips[there]
    table = [
        int((flips_here == in_first).astype(int) @ (flips_there == in_second).astype(int))
        for in_first in (True, False)
        for in_second in (True, False)
    ]
    odds_ratio, p_value = fisher(*table)
    names, codes = np.unique(first.clusters[here].astype(str), return_inverse=True)
    if len(names) < len(codes):
        p_value = cluster_association(flips_here, flips_there, codes.astype(np.int64))
    name, prompt, scorer = key
    both, only_first, only_second, neither = table
    return FlipOverlap(
        set=name,
        prompt=prompt,
        scorer=scorer,
        first=first.run.path,
        second=second.run.path,
        both=both,
        only_first=only_first,
        only_second=only_second,
        neither=neither,
        odds_ratio=odds_ratio,
        p_value=p_value,
    )
