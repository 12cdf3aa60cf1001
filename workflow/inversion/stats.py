"""Intervals, paired tests and corrections: pure functions on arrays."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.stats import beta, binom, binomtest, fisher_exact, norm, t

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

FEWEST_CLUSTERS = 5
"""With fewer clusters no interval is given, because their variation is not known well enough."""
_Z = float(norm.ppf(0.975))
_SIGN_FLIPS = 9_999


def cluster_weights(clusters: int, resamples: int, rng: np.random.Generator) -> Floats:
    """How often each cluster is drawn in each bootstrap resample: ``(resamples, clusters)`` counts.

    Every row is a multinomial draw with equal probabilities and sums to ``clusters``.
    """
    draws = rng.integers(clusters, size=(resamples, clusters)) if clusters else np.empty((resamples, 0), np.int64)
    cells = draws + clusters * np.arange(resamples)[:, None]
    return np.bincount(cells.ravel(), minlength=resamples * clusters).reshape(resamples, clusters).astype(np.float64)


def cluster_sums(values: Floats, clusters: Ints) -> Floats:
    """Sums of ``values`` over the items of each cluster: ``(clusters, ...)`` from ``(items, ...)``.

    ``clusters`` has the index of each item's cluster, beginning at 0.
    """
    sums = np.zeros((int(clusters.max(initial=-1)) + 1, *values.shape[1:]))
    np.add.at(sums, clusters, values)
    return sums


def cluster_bootstrap(values: Floats, clusters: Ints, resamples: int, rng: np.random.Generator) -> Floats:
    """Means of ``values`` over the items of resampled clusters: ``(resamples, ...)`` from ``(items, ...)``.

    Items of a cluster are drawn together. With fewer than two clusters all means are NaN, because their spread is
    unknown.
    """
    sums = cluster_sums(values, clusters)
    if len(sums) < 2:
        return np.full((resamples, *values.shape[1:]), np.nan)
    weights = cluster_weights(len(sums), resamples, rng)
    items = weights @ np.bincount(clusters).astype(np.float64)
    means = (weights @ sums.reshape(len(sums), -1)) / items[:, None]
    return means.reshape(resamples, *values.shape[1:])


def cluster_covariance(sums: Floats, sizes: Floats) -> Floats:
    """The covariance of several rates over the same items, due to the sampling of clusters: (rates, rates).

    ``sums`` (clusters, rates) is the number of items of each cluster that count for a rate, and ``sizes`` (clusters,)
    the number of all items. The covariance is linearised, as usual for ratios (Cochran 1977, chapter 6). A rate at or
    near 0 or 1, whose observed variance is too small, gets the variance that half a cluster more on either side would
    give.
    """
    clusters = len(sizes)
    rates = sums.sum(axis=0) / sizes.sum()
    deviations = (sums - sizes[:, None] * rates) / sizes.sum()
    covariance = deviations.T @ deviations * clusters / max(clusters - 1, 1)
    nearer = (rates * clusters + 0.5) / (clusters + 1)
    lacking = nearer * (1 - nearer) / (clusters + 1) - rates * (1 - rates) / clusters
    return np.asarray(covariance + np.diag(lacking.clip(min=0.0)))


def interval(samples: Floats, level: float = 0.95) -> tuple[Floats, Floats]:
    """The percentile interval (low, high) over the first axis. NaN if a sample is NaN or there is none."""
    if not len(samples):
        nothing = np.full(samples.shape[1:], np.nan)
        return nothing, nothing
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(samples, [tail, 1.0 - tail], axis=0)
    return low, high


def cluster_influence(values: Floats, clusters: Ints) -> Floats:
    """The influence of each cluster on the mean of ``values`` over the items: (clusters, ...) from (items, ...).

    The sum of their outer products, times G / (G - 1) for G clusters, is the usual linearised covariance of the mean
    (Cochran 1977, chapter 6). The influence on a combination of means is the same combination of their influences.
    """
    sizes = np.bincount(clusters).astype(np.float64).reshape(-1, *[1] * (values.ndim - 1))
    return np.asarray((cluster_sums(values, clusters) - sizes * values.mean(axis=0)) / len(values))


def rate_interval(rates: Floats, influence: Floats, items: int | None = None) -> tuple[Floats, Floats]:
    """The 95 % interval (low, high) of rates between 0 and 1, from the clusters' influence (clusters, ...).

    It is that of Korn and Graubard (1998): the Clopper-Pearson interval for the effective sample size, which is the
    size of a simple random sample with the same variance, reduced for the t distribution with G - 1 degrees of freedom
    for G clusters. The effective sample size is at most ``items``, if given, and is G if the variance is 0. NaN with
    fewer than :data:`FEWEST_CLUSTERS` clusters.
    """
    clusters = len(influence)
    if clusters < FEWEST_CLUSTERS:
        return np.full(rates.shape, np.nan), np.full(rates.shape, np.nan)
    variance = (influence**2).sum(axis=0) * clusters / (clusters - 1)
    binomial = rates * (1 - rates)
    known = (variance > 1e-15) & (binomial > 1e-15)
    size = np.where(known, binomial / np.where(known, variance, 1.0), clusters)
    if items is not None:
        size = np.minimum(size, items)
    size = size * (_Z / float(t.ppf(0.975, clusters - 1))) ** 2
    hits = rates * size
    none, every = rates < 1e-12, rates > 1 - 1e-12
    low = beta.ppf(0.025, np.where(none, 1.0, hits), size - hits + 1)
    high = beta.ppf(0.975, hits + 1, np.where(every, 1.0, size - hits))
    return np.where(none, 0.0, low), np.where(every, 1.0, high)


def difference_interval(differences: Floats, influence: Floats) -> tuple[Floats, Floats]:
    """The 95 % t interval (low, high) of differences of rates, limited to -1 and 1, from the clusters' influence.

    If all clusters agree, so that the variance is 0, the interval has the width of Wilson's interval for that many
    agreeing clusters, because other clusters could still differ. NaN with fewer than :data:`FEWEST_CLUSTERS` clusters.
    """
    clusters = len(influence)
    if clusters < FEWEST_CLUSTERS:
        return np.full(differences.shape, np.nan), np.full(differences.shape, np.nan)
    variance = (influence**2).sum(axis=0) * clusters / (clusters - 1)
    reach = np.where(
        variance > 1e-15, float(t.ppf(0.975, clusters - 1)) * np.sqrt(variance), _Z**2 / (clusters + _Z**2)
    )
    return np.maximum(differences - reach, -1.0), np.minimum(differences + reach, 1.0)


def mean_interval(values: Floats) -> tuple[float, float]:
    """The 95 % t interval (low, high) of the mean of independent values; NaN with fewer than three."""
    if len(values) < 3:
        return float("nan"), float("nan")
    reach = float(t.ppf(0.975, len(values) - 1)) * float(values.std(ddof=1)) / len(values) ** 0.5
    return float(values.mean()) - reach, float(values.mean()) + reach


def sign_flip_test(sums: Floats, seed: int = 0, variance_ratio: float = 1.0) -> float:
    """Two-sided p-value of paired differences that are symmetric around 0, by flipping the sign of each cluster's sum.

    The p-value is exact if the sums are integers, or if at most 12 of them are not 0. Otherwise 9,999 random flips are
    used. For clusters of single items that change by 1 or -1 this is McNemar's test. Without a change it is 1.

    ``variance_ratio`` is the variance of the total relative to that under independent signs. It is above 1 if clusters
    are not independent.
    """
    moved = np.abs(sums[np.abs(sums) > 1e-12])
    total = abs(float(sums.sum())) / variance_ratio**0.5
    if not len(moved):
        return 1.0
    if np.array_equal(moved, np.rint(moved)):
        return _flipped_counts(moved.astype(np.int64), math.ceil(total - 1e-9))
    if len(moved) <= 12:
        signs = 1.0 - 2.0 * (np.arange(2 ** len(moved))[:, None] >> np.arange(len(moved)) & 1)
        return float((np.abs(signs @ moved) >= total - 1e-9).mean())
    rng = np.random.default_rng([seed, len(moved)])
    reached = 0
    for _ in range(9):
        signs = 1.0 - 2.0 * rng.integers(2, size=(_SIGN_FLIPS // 9, len(moved)))
        reached += int((np.abs(signs @ moved) >= total - 1e-9).sum())
    return (1 + reached) / (1 + _SIGN_FLIPS)


def _flipped_counts(moved: Ints, total: int) -> float:
    """The two-sided p-value of ``total`` under the exact distribution of a sum of integers with random signs, which is
    computed from its characteristic function."""
    reach = int(moved.sum())
    period = 2 * reach + 1
    angles = 2 * np.pi * np.arange(reach + 1) / period
    sizes, counts = np.unique(moved, return_counts=True)
    transform = np.prod([np.cos(size * angles) ** count for size, count in zip(sizes, counts, strict=True)], axis=0)
    chances = np.fft.irfft(transform, period).clip(min=0.0)  # of 0, 1, ..., reach, -reach, ..., -1
    tail = chances[total : reach + 1].sum()
    return float(min(1.0, max(2 * tail, 2.0 ** (1 - len(moved))) if total else 1.0))


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided exact McNemar p-value from the discordant pairs, which is a binomial test of 1/2.

    ``only_first`` pairs are true first and false second, ``only_second`` pairs the reverse. 1 without discordant pairs.
    """
    discordant = only_first + only_second
    return float(binomtest(only_first, discordant, 0.5).pvalue) if discordant else 1.0


@lru_cache(maxsize=65536)
def fisher(both: int, only_first: int, only_second: int, neither: int) -> tuple[float, float]:
    """The odds ratio of a two-by-two table, and its two-sided p-value from Fisher's exact test.

    The ratio is ``both * neither / (only_first * only_second)``. It is infinite if only the denominator is 0, and NaN
    (with a p-value of 1) if a row or column of the table is empty.
    """
    odds_ratio, p_value = fisher_exact(np.array([[both, only_first], [only_second, neither]]))
    return float(odds_ratio), float(p_value)


def cluster_association(first: Bools, second: Bools, clusters: Ints) -> float:
    """Two-sided p-value of the hypothesis that two properties of items are unrelated, if items of a cluster are
    dependent.

    It is the Cochran-Mantel-Haenszel test of correlation between the numbers of items of each cluster that have either
    property, stratified by cluster size. 1 if the numbers cannot vary.
    """
    sizes = np.bincount(clusters)
    totals = [cluster_sums(given.astype(np.float64), clusters) for given in (first, second)]
    excess = variance = 0.0
    for size in np.unique(sizes):
        a, b = (total[sizes == size] - total[sizes == size].mean() for total in totals)
        excess += float(a @ b)
        variance += float(a @ a) * float(b @ b) / max(len(a) - 1, 1)
    return float(2 * norm.sf(abs(excess) / variance**0.5)) if variance > 1e-12 else 1.0


def kappa(table: Floats) -> float:
    """Cohen's kappa from the counts (labels, labels) of two raters. NaN if both always give the same single label."""
    # imported here because it imports pandas, which most jobs that use this module do not need
    from statsmodels.stats.inter_rater import cohens_kappa

    if np.count_nonzero(table.sum(axis=0) + table.sum(axis=1)) < 2:
        return float("nan")
    return float(cohens_kappa(table, return_results=False))


def holm(p_values: Floats) -> Floats:
    """p-values corrected by Holm's step-down method, in the given order. They are at most 1."""
    # imported here, as in :func:`kappa`
    from statsmodels.stats.multitest import multipletests

    return np.asarray(multipletests(p_values, method="holm")[1], dtype=np.float64) if len(p_values) else np.empty(0)


def pareto_front(values: Floats) -> npt.NDArray[np.bool_]:
    """Which rows of ``values`` (points, aims) no other row beats. Higher values are better.

    A row beats another if none of its values is lower and at least one is higher. Equal rows do not beat each other.
    """
    no_lower = (values[:, None] >= values).all(axis=-1)
    higher = (values[:, None] > values).any(axis=-1)
    return np.asarray(~(no_lower & higher).any(axis=0))


def fall_p_values(history: npt.NDArray[np.bool_], clusters: Ints) -> Floats:
    """One-sided exact sign tests over clusters between all pairs of measurements: (then, now).

    ``history`` is (measurements, items), and ``clusters`` has the index of each item's cluster. An entry tests, for two
    measurements, the hypothesis that as many clusters rise as fall against the alternative that more fall. A cluster
    rises if its number of true items does; clusters without a change do not count.
    """
    sums = cluster_sums(history.T.astype(np.float64), clusters).T
    change = sums[:, None, :] - sums[None, :, :]
    fallen, risen = (change > 0).sum(axis=-1), (change < 0).sum(axis=-1)
    return np.asarray(binom.sf(fallen - 1, fallen + risen, 0.5), dtype=np.float64)
