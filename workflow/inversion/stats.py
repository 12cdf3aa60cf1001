"""Intervals, paired tests and corrections: pure functions on arrays."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest, fisher_exact, norm
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.multitest import multipletests

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_Z = float(norm.ppf(0.975))


def cluster_weights(clusters: int, resamples: int, rng: np.random.Generator) -> Floats:
    """How often each cluster is drawn in each bootstrap resample: ``(resamples, clusters)`` counts.

    Every row is a multinomial draw of ``clusters`` clusters with equal probabilities and sums to
    ``clusters``.
    """
    draws = rng.integers(clusters, size=(resamples, clusters)) if clusters else np.empty((resamples, 0), np.int64)
    cells = draws + clusters * np.arange(resamples)[:, None]
    return np.bincount(cells.ravel(), minlength=resamples * clusters).reshape(resamples, clusters).astype(np.float64)


def cluster_sums(values: Floats, clusters: Ints) -> Floats:
    """Sums of ``values`` over the items of each cluster: ``(clusters, ...)`` from ``(items, ...)``.

    ``clusters`` holds a code from 0 on for each item.
    """
    sums = np.zeros((int(clusters.max(initial=-1)) + 1, *values.shape[1:]))
    np.add.at(sums, clusters, values)
    return sums


def cluster_bootstrap(values: Floats, clusters: Ints, resamples: int, rng: np.random.Generator) -> Floats:
    """Means of ``values`` over the items of resampled clusters: ``(resamples, ...)`` from ``(items, ...)``.

    Items of a cluster are drawn together. With fewer than two clusters nothing is known about their
    spread and all means are NaN.
    """
    sums = cluster_sums(values, clusters)
    if len(sums) < 2:
        return np.full((resamples, *values.shape[1:]), np.nan)
    weights = cluster_weights(len(sums), resamples, rng)
    items = weights @ np.bincount(clusters).astype(np.float64)
    means = (weights @ sums.reshape(len(sums), -1)) / items[:, None]
    return means.reshape(resamples, *values.shape[1:])


def interval(samples: Floats, level: float = 0.95) -> tuple[Floats, Floats]:
    """The percentile interval (low, high) over the first axis; NaN where there is a NaN or no sample."""
    if not len(samples):
        nothing = np.full(samples.shape[1:], np.nan)
        return nothing, nothing
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(samples, [tail, 1.0 - tail], axis=0)
    return low, high


def agreeing(bounds: tuple[Floats, Floats], items: int) -> tuple[float, float]:
    """Bounds of a difference of two rates as they are; where they are equal, since all ``items`` agree, Wilson's for
    so many, within -1 and 1.

    Of 40 items that all say the same, others may still differ: Wilson's interval for 40 of 40 begins at 91 %.
    """
    low, high = (float(bound) for bound in bounds)
    reach = _Z**2 / (items + _Z**2) if low == high else 0.0
    return (max(low - reach, -1.0), min(high + reach, 1.0)) if reach else (low, high)


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided exact McNemar p-value from the discordant pairs: a binomial test of 1/2.

    ``only_first`` pairs are true at first and false then, ``only_second`` the reverse; 1 without any.
    """
    discordant = only_first + only_second
    return float(binomtest(only_first, discordant, 0.5).pvalue) if discordant else 1.0


@lru_cache(maxsize=65536)
def fisher(both: int, only_first: int, only_second: int, neither: int) -> tuple[float, float]:
    """The odds ratio of a table of two by two and its two-sided p-value by Fisher's exact test.

    The ratio is ``both * neither / (only_first * only_second)``: infinite where only its denominator is 0, NaN (and
    p 1) where a row or column of the table is empty.
    """
    odds_ratio, p_value = fisher_exact(np.array([[both, only_first], [only_second, neither]]))
    return float(odds_ratio), float(p_value)


def kappa(table: Floats) -> float:
    """Cohen's kappa from the counts (labels, labels) of two raters; NaN where both know one label only."""
    if np.count_nonzero(table.sum(axis=0) + table.sum(axis=1)) < 2:
        return float("nan")
    return float(cohens_kappa(table, return_results=False))


def holm(p_values: Floats) -> Floats:
    """p-values corrected by Holm's step-down method, in the given order; at most 1."""
    if not len(p_values):
        return np.empty(0)
    return np.asarray(multipletests(p_values, method="holm")[1], dtype=np.float64)


def pareto_front(values: Floats) -> npt.NDArray[np.bool_]:
    """Which rows of ``values`` (points, aims), more being better, no other row beats.

    A row is beaten by one that is nowhere lower and somewhere higher; equal rows do not beat each other.
    """
    no_lower = (values[:, None] >= values).all(axis=-1)
    higher = (values[:, None] > values).any(axis=-1)
    return np.asarray(~(no_lower & higher).any(axis=0))
