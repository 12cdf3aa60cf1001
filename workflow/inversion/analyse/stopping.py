"""When context reliance has fallen far enough, statistically, to stop a training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from inversion.stats import fall_p_values

Bools = npt.NDArray[np.bool_]

PATIENCE = 2
"""Measurements in a row that must lie significantly below an earlier one to stop the training."""


def has_fallen(history: Bools, clusters: Sequence[str], planned: int, alpha: float = 0.05) -> bool:
    """Whether the last :data:`PATIENCE` measurements all lie significantly below the same earlier one.

    ``history`` is (measurements, items): which items were answered with the context. ``planned`` is the number of
    measurements that the whole training makes. Every pair of measurements is compared by an exact one-sided sign test
    over clusters at the level ``alpha`` divided by the number of pairs, so that on a plateau, where each item is as
    likely to be answered with the context at one measurement as at the other, the probability of ever stopping is at
    most ``alpha``.
    """
    planned = max(planned, len(history))
    codes = np.unique(np.asarray(clusters), return_inverse=True)[1]
    below = fall_p_values(history, codes) <= alpha / max(1, planned * (planned - 1) // 2)
    return bool(below[: max(0, len(history) - PATIENCE), -PATIENCE:].all(axis=1).any())
