"""Computes the smallest fall that a study can detect, before the study is run."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.stats import nct, t

from inversion.analyse.trend import (
    ERROR,
    MARGIN,
    SCATTER,
    critical_falls,
    fall_statistics,
    simulated_noise,
    window_length,
)
from inversion.stats import FEWEST_CLUSTERS, Floats

POWER = 0.8
AUTOCORRELATION = 0.3
"""Assumed autocorrelation of the scatter from one checkpoint to the next."""
LEVEL, RISE = 0.75, 0.6
"""Assumed rate at the peak, and the rise to it over the first fifth of the checkpoints. The fall after it is linear."""
PERSISTENCE = 0.6
"""Assumed correlation of an item's answers at two checkpoints."""
LARGEST_FALL = 0.7
"""The largest fall that is considered."""
_CURVES = 24
_SMALLEST_DRAWS = 999


class Detectable(NamedTuple):
    """The smallest falls that are detected with a probability of at least :data:`POWER`; NaN if there are none."""

    run: float
    """The fall in one run that its verdict detects."""
    mean: float
    """The mean fall over the seeds whose 95 % t interval is above 0; NaN with fewer than three seeds."""


def detectable_fall(
    items: int, checkpoints: int, seeds: int, tests: int = 1, margin: float = MARGIN, scatter: float = SCATTER
) -> Detectable:
    """The smallest fall that is detected in curves with ``items`` items and ``checkpoints`` checkpoints.

    It is found by simulation. Curves rise to a peak and then fall linearly, an item's answers are correlated over
    checkpoints, and checkpoints scatter as a first-order autoregression with standard deviation ``scatter``. ``tests``
    is the number of tests that Holm's method corrects together; its first step, the strictest, is applied. Seeds are
    assumed to differ by this scatter only. If training runs differ more, only larger falls are detected.
    """
    if items < FEWEST_CLUSTERS or checkpoints < 2:
        return Detectable(math.nan, math.nan)
    w = window_length(checkpoints)
    draws = max(_SMALLEST_DRAWS, 40 * tests - 1)
    covariance = _item_covariance(items, checkpoints)
    rng = np.random.default_rng(0)
    lags = np.abs(np.subtract.outer(np.arange(checkpoints), np.arange(checkpoints)))
    scattered = scatter**2 * AUTOCORRELATION**lags
    noise = rng.multivariate_normal(np.zeros(checkpoints), covariance + scattered, 400, method="cholesky")
    # the critical values hardly depend on the size of the fall, so they are computed for one fall, in several curves
    supposed = _curve(checkpoints, 0.15)
    critical = []
    for own in noise[:_CURVES]:
        null = np.maximum.accumulate(supposed)
        chance = simulated_noise(supposed + own, covariance, items, draws, margin, scatter, 0)
        critical.append(critical_falls(null + chance, w, ERROR / tests))
    return Detectable(
        _smallest(checkpoints, noise, np.array(critical), w, margin),
        _smallest_mean(checkpoints, seeds, scattered, w),
    )


def _curve(checkpoints: int, fall: float) -> Floats:
    shares = np.linspace(0, 1, checkpoints)
    return np.interp(shares, [0, 0.2, 1], [LEVEL - RISE, LEVEL, LEVEL - fall])


def _item_covariance(items: int, checkpoints: int) -> Floats:
    shared = np.full((checkpoints, checkpoints), PERSISTENCE)
    np.fill_diagonal(shared, 1.0)
    return LEVEL * (1 - LEVEL) / items * shared


def _smallest(checkpoints: int, noise: Floats, critical: Floats, w: int, margin: float) -> float:
    """The smallest fall in one run, to 0.1 percentage points, that is detected with a probability of :data:`POWER`."""

    def power(fall: float) -> float:
        found = fall_statistics(_curve(checkpoints, fall) + noise, w)
        above = (found[:, None, :] > critical.T[:, :, None]).any(axis=0)
        return float((above & (found.max(axis=0) >= margin)).mean())

    low, high = 0.0, LARGEST_FALL
    if power(high) < POWER:
        return math.nan
    while high - low > 0.001:
        middle = (low + high) / 2
        low, high = (low, middle) if power(middle) >= POWER else (middle, high)
    return high


def _smallest_mean(checkpoints: int, seeds: int, scattered: Floats, w: int) -> float:
    """The smallest mean fall whose t interval over seeds excludes 0 with a probability of :data:`POWER`.

    All seeds answer the same items, so they differ by the scatter of checkpoints only. Between two windows a linear
    fall appears slightly smaller than it is, which is taken into account.
    """
    if seeds < 3:
        return math.nan
    contrast = np.zeros(checkpoints)
    peak = min(round((checkpoints - 1) * 0.2), checkpoints - w)
    contrast[peak : peak + w] += 1 / w
    contrast[-w:] -= 1 / w
    error = math.sqrt(float(contrast @ scattered @ contrast) / seeds)
    seen = float(contrast @ _curve(checkpoints, 0.1)) / 0.1
    if error == 0 or seen <= 0:
        return math.nan
    critical = float(t.ppf(0.975, seeds - 1))
    low, high = 0.0, 1.0
    while high - low > 0.001:
        middle = (low + high) / 2
        enough = float(nct.sf(critical, seeds - 1, middle * seen / error)) >= POWER
        low, high = (low, middle) if enough else (middle, high)
    return high
