"""Decides from the measurements so far whether context reliance has fallen significantly, so that training can stop."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from inversion.stats import fall_p_values

Bools = npt.NDArray[np.bool_]

PATIENCE = 2
"""The number of consecutive measurements that must be significantly below an earlier one to stop training."""


def has_fallen(history: Bools, clusters: Sequence[str], planned: int, alpha: float = 0.05) -> bool:
    """Whether the last :data:`PATIENCE` measurements are all significantly below the same earlier one.

    ``history`` (measurements, items) says which items were answered with the context. ``planned`` is the number of
    measurements in the whole training. Every pair of measurements is compared by an exact one-sided sign test over
    clusters, at the level ``alpha`` divided by the number of pairs. On a plateau, where an item is equally likely to be
    answered with the context at any two measurements, the probability of ever stopping is therefore at most ``alpha``.
    """
    planned = max(planned, len(history))
    codes = np.unique(np.asarray(clusters), return_inverse=True)[1]
    below = fall_p_values(history, codes) <= alpha / max(1, planned * (planned - 1) // 2)
    return bool(below[: max(0, len(history) - PATIENCE), -PATIENCE:].all(axis=1).any())
