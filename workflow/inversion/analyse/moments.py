"""Where single items are read: at the start, the peak and the end of their run's curve."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from inversion.analyse.panels import Panel, cluster_codes
from inversion.analyse.trend import window_length, window_means
from inversion.artifacts import sha256_bytes
from inversion.stats import Bools, Floats, Ints

CROSS_FIT_VARIANCE = 1.18
"""The variance of the change between peak and end, divided by what it would be if items were independent.

Each half of the clusters is read at the other half's peak. Where both halves have the same peak, both are high there,
and where they have different peaks, both are low: their changes are correlated, by 0.18 at most over 3 to 100 flat,
autocorrelated checkpoints (tests/analyse/test_moments.py).
"""

Moment = Literal["start", "peak", "end"]


@dataclass(frozen=True, slots=True)
class Moments:
    """The checkpoints at which each item of a panel is read: windows of equal length, but for the start."""

    window: int
    """Checkpoints."""
    peaks: Ints
    """The index of the first checkpoint of each item's peak."""
    checkpoints: int
    """How many the panel has; the last ``window`` of them are the end."""

    def read(self, given: Bools | Floats, moment: Moment) -> Floats:
        """The values of an array (items, checkpoints) at a moment: (items, window), or (items, 1) at the start."""
        if moment == "start":
            return np.asarray(given[:, :1], dtype=np.float64)
        first = self.peaks if moment == "peak" else np.full(len(given), self.checkpoints - self.window)
        return np.take_along_axis(given, first[:, None] + np.arange(self.window), axis=1).astype(np.float64)

    def mean(self, given: Bools | Floats, moment: Moment) -> Floats:
        """The mean of each item at a moment: (items,)."""
        return np.asarray(self.read(given, moment).mean(axis=1))

    def majority(self, given: Bools) -> tuple[Bools, Bools]:
        """Whether each item is given at more than half of the peak's checkpoints, and of the end's; a tie is settled
        by the checkpoint that is nearer to the end at the peak, and by the last at the end."""
        return tuple(_majority(self.read(given, moment)) for moment in ("peak", "end"))  # type: ignore[return-value]


def moments(panel: Panel, scorer: str, seed: int) -> Moments:
    """The checkpoints at which the items of a panel are read.

    The peak is the highest window that ends before the window of the end begins. Each half of the clusters is read at
    the peak of the other half, so that picking a maximum makes no change between peak and end: what is high in one half
    by the luck of its items is not so in the other.
    """
    context = panel.gives(scorer, "context")
    m, w = context.shape[1], window_length(context.shape[1])
    codes = cluster_codes(panel.clusters)
    half = first_half(np.unique(panel.clusters), seed)[codes]

    def highest(chosen: Bools) -> int:
        means = window_means(context[chosen].mean(axis=0), w) if chosen.any() else np.zeros(1)
        return int(means[: max(1, m - 2 * w + 1)].argmax())

    return Moments(w, np.where(half, highest(~half if not half.all() else half), highest(half)), m)


def first_half(clusters: Iterable[str], seed: int) -> Bools:
    """Whether each cluster is in the first half: every second one by the hash of seed and name."""
    hashes = np.array([sha256_bytes(f"{seed}:{cluster}".encode()) for cluster in clusters])
    rank = hashes.argsort(kind="stable").argsort(kind="stable")
    return np.asarray(rank % 2 == 0)


def flips_of(context: tuple[Bools, Bools], parametric: tuple[Bools, Bools]) -> tuple[int, int]:
    """How many items change from the context's answer to the parametric one between peak and end, and how many the
    other way: from whether each gives either answer at the peak and at the end."""
    (context_then, context_now), (parametric_then, parametric_now) = context, parametric
    return (
        int((context_then & ~parametric_then & ~context_now & parametric_now).sum()),
        int((~context_then & parametric_then & context_now & ~parametric_now).sum()),
    )


def _majority(given: Floats) -> Bools:
    share = given.mean(axis=1)
    return np.asarray((share > 0.5) | ((share == 0.5) & (given[:, -1] > 0)))
