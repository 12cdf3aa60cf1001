"""The checkpoints at which single items are compared: the start, the peak and the end of a run's curve."""

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
"""The variance of the change between peak and end, relative to what it would be if items were independent.

Each half of the clusters is read at the other half's peak. If both halves have the same peak, both are high there; if
their peaks differ, both are low. Their changes are therefore correlated, by at most 0.18 over 3 to 100 flat,
autocorrelated checkpoints (tests/analyse/test_moments.py).
"""

Moment = Literal["start", "peak", "end"]


@dataclass(frozen=True, slots=True)
class Moments:
    """The checkpoints at which each item of a panel is read. The start is one checkpoint; peak and end are windows."""

    window: int
    """Number of checkpoints in a window."""
    peaks: Ints
    """For each item, the index of the first checkpoint of its peak."""
    checkpoints: int
    """Number of checkpoints in the panel. The last ``window`` of them are the end."""

    def read(self, given: Bools | Floats, moment: Moment) -> Floats:
        """The columns of ``given`` (items, checkpoints) at a moment: (items, window), or (items, 1) for the start."""
        if moment == "start":
            return np.asarray(given[:, :1], dtype=np.float64)
        first = self.peaks if moment == "peak" else np.full(len(given), self.checkpoints - self.window)
        return np.take_along_axis(given, first[:, None] + np.arange(self.window), axis=1).astype(np.float64)

    def mean(self, given: Bools | Floats, moment: Moment) -> Floats:
        """The mean of each item at a moment: (items,)."""
        return np.asarray(self.read(given, moment).mean(axis=1))

    def majority(self, given: Bools) -> tuple[Bools, Bools]:
        """Whether ``given`` is true at more than half of the checkpoints of the peak, and of the end: two arrays
        (items,). In a tie the last checkpoint of the window decides."""
        return tuple(_majority(self.read(given, moment)) for moment in ("peak", "end"))  # type: ignore[return-value]


def moments(panel: Panel, scorer: str, seed: int) -> Moments:
    """The checkpoints at which the items of a panel are read.

    The peak is the highest window that ends before the window of the end begins. Each half of the clusters is read at
    the peak of the other half. Choosing the maximum therefore creates no spurious change between peak and end: a window
    that is high in one half by chance is not expected to be high in the other.
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
    """Whether each cluster is in the first half: every second cluster when sorted by a hash of seed and name."""
    hashes = np.array([sha256_bytes(f"{seed}:{cluster}".encode()) for cluster in clusters])
    rank = hashes.argsort(kind="stable").argsort(kind="stable")
    return np.asarray(rank % 2 == 0)


def count_flips(context: tuple[Bools, Bools], parametric: tuple[Bools, Bools]) -> tuple[int, int]:
    """How many items change from the context answer to the parametric one between peak and end, and how many change the
    other way. ``context`` and ``parametric`` say whether each item gives that answer at the peak, and at the end."""
    (context_then, context_now), (parametric_then, parametric_now) = context, parametric
    return (
        int((context_then & ~parametric_then & ~context_now & parametric_now).sum()),
        int((~context_then & parametric_then & context_now & ~parametric_now).sum()),
    )


def _majority(given: Floats) -> Bools:
    share = given.mean(axis=1)
    return np.asarray((share > 0.5) | ((share == 0.5) & (given[:, -1] > 0)))
