"""The tables ``flips`` and ``flip_overlap``: which items change between peak and end."""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import NamedTuple

import numpy as np
import polars as pl

from inversion.analyse.inversions import closing_steps, count, majority, peak_places
from inversion.analyse.panels import Bools, Panel, Strings, cluster_codes, panels
from inversion.config.run import Run
from inversion.records.frames import to_frame
from inversion.records.tables import Flip, FlipOverlap
from inversion.stats import fisher


def flips(items: pl.DataFrame, seed: int = 0) -> pl.DataFrame:
    """The table ``flips`` (:class:`~inversion.records.tables.Flip`): which items change, and which way.

    A row a run, conflict set, prompt, scorer and item whose label at the end is not that at the peak; both are read as
    in :func:`~inversion.analyse.inversions.inversions`, so ``context`` to ``parametric`` counts up to its
    ``to_parametric``.
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
        for peak, end in [_ends(panel, scorer, seed)]
        for i in np.flatnonzero(peak != end)
    ]
    return to_frame(rows, Flip)


def flip_overlap(items: pl.DataFrame, seed: int = 0) -> pl.DataFrame:
    """The table ``flip_overlap`` (:class:`~inversion.records.tables.FlipOverlap`): do two runs lose the same items?

    A row a pair of runs that were asked the same conflict set and prompt, by scorer, over the items that both
    answer with the context at the peak: those that have the parametric answer at the end. Others cannot flip, and
    would make two runs alike that follow the context on the same items. Items count singly, also of one cluster.
    """
    lost: dict[tuple[str, str, str], list[_Flipped]] = defaultdict(list)
    for panel in panels(items):
        if panel.role == "conflict":
            for scorer in panel.labels:
                peak, end = _ends(panel, scorer, seed)
                held = np.asarray(peak == "context")
                flipped = np.asarray(end == "parametric")[held]
                lost[panel.set, panel.prompt, scorer].append(_Flipped(panel.run, panel.items[held], flipped))
    rows = [
        _overlap(key, first, second)
        for key, runs in sorted(lost.items())
        for first, second in itertools.combinations(runs, 2)
    ]
    return to_frame(rows, FlipOverlap)


def _ends(panel: Panel, scorer: str, seed: int) -> tuple[Strings, Strings]:
    """Every item's label at the peak and at the end, as :func:`~inversion.analyse.inversions.inversions` reads them."""
    context, parametric = panel.gives(scorer, "context"), panel.gives(scorer, "parametric")
    codes, closing = cluster_codes(panel.clusters), closing_steps(panel.steps)
    at_peak = peak_places(panel, scorer, seed)
    peak = panel.labels[scorer][np.arange(len(codes)), at_peak]
    words = np.array([["other", "parametric"], ["context", "both"]], dtype=object)
    end = words[majority(context[:, -closing:]).astype(int), majority(parametric[:, -closing:]).astype(int)]
    return peak, end


class _Flipped(NamedTuple):
    """The items that a run answers with the context at its peak, and whether they flip."""

    run: Run
    items: Strings
    flips: Bools


def _overlap(key: tuple[str, str, str], first: _Flipped, second: _Flipped) -> FlipOverlap:
    """The row of two runs."""
    _, here, there = np.intersect1d(first.items.astype(str), second.items.astype(str), return_indices=True)
    flips_here, flips_there = first.flips[here], second.flips[there]
    both, neither = count(flips_here, flips_there), count(~flips_here, ~flips_there)
    only_first, only_second = count(flips_here, ~flips_there), count(~flips_here, flips_there)
    odds_ratio, p_value = fisher(both, only_first, only_second, neither)
    name, prompt, scorer = key
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
