"""The smallest fall that a study can detect, before it is run."""

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
    falls,
    simulated_noise,
    window_length,
)
from inversion.stats import FEWEST_CLUSTERS, Floats

POWER = 0.8
RHO = 0.3
"""Autocorrelation of the scatter that is supposed, from one checkpoint to the next."""
LEVEL, RISE = 0.75, 0.6
"""Rate at the peak, and the rise to it, in the first fifth of the checkpoints; the fall from it is linear."""
PERSISTENCE = 0.6
"""Correlation of an item's answers at two checkpoints that is supposed."""
LARGEST = 0.7
"""No larger fall is considered."""
_CURVES = 24
_SMALLEST_DRAWS = 999


class Detectable(NamedTuple):
    """The smallest falls that are detected with a probability of :data:`POWER`; NaN if not even the largest is."""

    run: float
    """In one run: the verdict finds a fall."""
    mean: float
    """In the mean over the seeds: the 95 % t interval over seeds is above 0; NaN with fewer than three seeds."""


def detectable_fall(
    items: int, checkpoints: int, seeds: int, tests: int = 1, margin: float = MARGIN, scatter: float = SCATTER
) -> Detectable:
    """The smallest fall that is detected in curves with that many items and checkpoints.

    By simulation: curves rise to a peak and then fall linearly, their items persist, and their checkpoints scatter as a
    first-order autoregression of standard deviation ``scatter``. ``tests`` are those that Holm's method corrects
    together; the first of its steps is the strictest, and the one that is taken. The falls of seeds are taken to be
    alike but for the scatter: where training runs differ more, only larger falls are detected.
    """
    if items < FEWEST_CLUSTERS or checkpoints < 2:
        return Detectable(math.nan, math.nan)
    w = window_length(checkpoints)
    draws = max(_SMALLEST_DRAWS, 40 * tests - 1)
    covariance = _item_covariance(items, checkpoints)
    rng = np.random.default_rng(0)
    lags = np.abs(np.subtract.outer(np.arange(checkpoints), np.arange(checkpoints)))
    scattered = scatter**2 * RHO**lags
    noise = rng.multivariate_normal(np.zeros(checkpoints), covariance + scattered, 400, method="cholesky")
    # what must be exceeded hardly depends on the fall: it is found at one fall, in several simulated curves
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
    """The smallest fall, to a tenth of a point, that exceeds what it must often enough."""

    def power(fall: float) -> float:
        found = falls(_curve(checkpoints, fall) + noise, w)
        above = (found[:, None, :] > critical.T[:, :, None]).any(axis=0)
        return float((above & (found.max(axis=0) >= margin)).mean())

    low, high = 0.0, LARGEST
    if power(high) < POWER:
        return math.nan
    while high - low > 0.001:
        middle = (low + high) / 2
        low, high = (low, middle) if power(middle) >= POWER else (middle, high)
    return high


def _smallest_mean(checkpoints: int, seeds: int, scattered: Floats, w: int) -> float:
    """The smallest mean over seeds whose t interval excludes 0 often enough. The seeds answer the same items, so only
    the scatter of checkpoints differs; a linear fall is seen a little smaller between two windows than it is."""
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
