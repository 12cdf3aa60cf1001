"""Estimates the trend of a curve over training: how far it rises, falls and recovers, with bounds and p-values.

A curve has two sources of noise. *Items*: a different sample of items would give a different curve. Items of a cluster
vary together, and their noise persists from checkpoint to checkpoint. *Checkpoints*: each checkpoint deviates from the
trend on all items together, and these deviations, the *scatter*, are autocorrelated. More items reduce the first source
but not the second.

The estimates are means over windows of :func:`window_length` checkpoints at the peak, the trough and the end. Every
bound comes from simulated curves: a null curve without the tested effect, plus item noise with the covariance of the
clusters over the checkpoints, plus autoregressive scatter. The null curves are isotonic regressions (Barlow et al.
1972), and the method is the parametric bootstrap of Davison and Hinkley (1997, chapter 4). A dozen checkpoints say
little about the size and autocorrelation of the scatter, so the simulation draws both from their posterior, which
widens the bounds accordingly (:func:`scatter_posterior`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.optimize import isotonic_regression
from scipy.signal import lfilter

from inversion.stats import FEWEST_CLUSTERS, Floats, cluster_covariance

MARGIN = 0.05
"""A change smaller than this is negligible."""
SCATTER = 0.02
"""The standard deviation of checkpoints around their trend that is expected a priori."""
ERROR = 0.05
"""The probability that a one-sided bound is wrong."""

_SPREAD_BELOW, _SPREAD_ABOVE = 0.3, 0.6
"""Prior standard deviations of the logarithm of the scatter, below and above its expected size. The prior is narrower
below, so a scatter that looks small in a few checkpoints is discounted more than one that looks large."""
_SIZES = np.geomspace(0.1, 4.0, 13)
"""The sizes of the scatter that are considered, as multiples of the expected size."""
_AUTOCORRELATIONS = np.array([0.0, 0.15, 0.3, 0.45, 0.6, 0.7, 0.8, 0.9])
"""The autocorrelations from one checkpoint to the next that are considered. A priori all are equally likely."""
_BENDS = 0.58 * np.array([0.0, 1.0, 2.0, 4.0, 8.0])
"""Standard deviations of the change in a trend's slope from one checkpoint to the next. A priori all are equally
likely. They are scaled by the number of checkpoints to the power of 1.5, so that a trend is as likely with many
checkpoints as with few. 0 is a straight line."""
_BLOCK = 100
"""The most checkpoints in one block of the scatter's likelihood. It only limits the cost."""


class Effect(NamedTuple):
    """A change in the trend, with one-sided 95 % bounds and the p-value of the hypothesis that there is none."""

    value: float
    low: float
    high: float
    p_value: float

    def shown(self, margin: float) -> bool:
        """Whether the change is significantly above 0 and at least as large as the margin."""
        return self.low > 0 and self.value >= margin

    def excluded(self, margin: float) -> bool:
        """Whether a change as large as the margin can be excluded."""
        return self.high < margin


@dataclass(frozen=True, slots=True)
class Trend:
    """The shape of a curve over training. Windows are slices of checkpoint indices."""

    start: float
    peak: float
    trough: float
    end: float
    peak_window: slice
    trough_window: slice
    end_window: slice
    rise: Effect
    """Start to peak."""
    fall: Effect
    """Peak to trough."""
    recovery: Effect
    """Trough to end."""
    net: Effect
    """Start to end, of either sign; its p-value is two-sided."""


def window_length(checkpoints: int) -> int:
    """The number of checkpoints in a window: a fifth of all checkpoints, but at least 1 and at most 10."""
    return min(10, max(1, round(checkpoints / 5)))


def middle(window: slice) -> int:
    """The index of the middle checkpoint of a window; the earlier one if there are two."""
    return int(window.start + window.stop - 1) // 2


def fit_trend(
    sums: Floats, sizes: Floats, draws: int, margin: float = MARGIN, scatter: float = SCATTER, seed: int = 0
) -> Trend:
    """The trend of the share of items that are answered with the context.

    ``sums`` (clusters, checkpoints) counts the items of each cluster that are answered with the context, ``sizes``
    (clusters,) all items of each cluster. ``draws`` is the number of simulated curves. The bounds are NaN with fewer
    than 2 checkpoints or :data:`~inversion.stats.FEWEST_CLUSTERS` clusters.

    Three falls are tested: from the highest window to the lowest one after it; the largest that is regained by the end;
    and from the first checkpoint, the base model. The fall with the smallest p-value is reported. If no fall is shown,
    the peak is the highest window of all, and the trough the lowest one after it.
    """
    curve = sums.sum(axis=0) / sizes.sum()
    return fit_curve(curve, cluster_covariance(sums, sizes), len(sizes), draws, margin, scatter, seed)


def fit_curve(
    curve: Floats,
    covariance: Floats,
    clusters: int,
    draws: int,
    margin: float = MARGIN,
    scatter: float = SCATTER,
    seed: int = 0,
) -> Trend:
    """:func:`fit_trend` from a curve (checkpoints,) and its covariance due to the sampling of clusters."""
    m, w = len(curve), window_length(len(curve))
    ends = slice(m - w, m)
    if m < 2 or clusters < FEWEST_CLUSTERS:
        peak, trough = _peak_and_trough(curve, w)
        return _trend(curve, peak, trough, ends, *[_unknown_effect()] * 4)
    noise = simulated_noise(curve, covariance, clusters, draws, margin, scatter, seed)
    fall, peak, trough = _test_fall(curve, noise, w, margin)
    unseen = _unseen_change(clusters)
    if not fall.shown(margin):
        peak, trough = _peak_and_trough(curve, w)
        value = float(curve[peak].mean() - curve[trough].mean())
        fall = fall._replace(value=value, low=min(fall.low, value), high=max(fall.high, value))
    rise = _test_rise(curve, noise, w, peak, margin)
    return _trend(
        curve,
        peak,
        trough,
        ends,
        rise._replace(high=max(rise.high, unseen)),
        fall._replace(high=max(fall.high, unseen)),
        _test_recovery(curve, noise, w, trough),
        _test_net(curve, noise, ends),
    )


def scatter_posterior(curve: Floats, covariance: Floats, margin: float, scatter: float) -> Floats:
    """The posterior probability of each size and autocorrelation of the scatter: (sizes, autocorrelations), sums to 1.

    It is computed from the second differences of the curve, which are 0 for a straight trend. The model takes them to
    be normal, with a covariance of three parts: the noise of the items, a first-order autoregression (the scatter), and
    independent changes of the trend's slope of unknown size (:data:`_BENDS`), that is, an integrated random walk as in
    a smoothing spline (Wahba 1978). The likelihood is averaged over the sizes of the slope changes. The steep part of a
    rise is omitted, which is everything before the curve first comes within two margins of its highest point. The prior
    of the size is log-normal on either side of ``scatter``; that of the autocorrelation is flat up to 0.9.
    """
    sizes = _SIZES * scatter
    spread = np.where(_SIZES < 1, _SPREAD_BELOW, _SPREAD_ABOVE)
    log_weight = -0.5 * (np.log(_SIZES) / spread)[:, None] ** 2 + np.zeros(len(_AUTOCORRELATIONS))
    places = np.arange(int(np.argmax(curve >= curve.max() - 2 * margin)), len(curve))
    bends = (_BENDS / len(places) ** 1.5) ** 2
    log_likelihood = np.zeros((len(_SIZES), len(_AUTOCORRELATIONS), len(_BENDS)))
    for block in np.array_split(places, math.ceil(len(places) / _BLOCK)):
        if len(block) < 3:
            continue
        differences, whiteners = _second_differences(len(block))
        items = differences @ covariance[np.ix_(block, block)] @ differences.T
        known = items + bends[:, None, None] * np.eye(len(items))
        # in a basis where the scatter is white and the rest is diagonal, all sizes cost one division each
        values, vectors = np.linalg.eigh(whiteners[:, None] @ known @ whiteners.swapaxes(-1, -2)[:, None])
        found = (whiteners @ (differences @ curve[block]))[:, None, None, :] @ vectors
        total = sizes[:, None, None, None] ** 2 + values.clip(min=0.0)
        log_likelihood -= 0.5 * (found[..., 0, :] ** 2 / total + np.log(total)).sum(axis=-1)
        log_likelihood += np.log(np.diagonal(whiteners, axis1=-2, axis2=-1)).sum(axis=-1)[:, None]
    log_weight = log_weight + np.logaddexp.reduce(log_likelihood, axis=-1)
    weight = np.exp(log_weight - log_weight.max())
    return np.asarray(weight / weight.sum())


def largest_fall(curves: Floats, window: int) -> Floats:
    """The largest fall from a window of checkpoints to a later one that does not overlap it: (...) from (...,
    checkpoints). 0 if there is no later window."""
    highest, later = _before_and_after(window_means(curves, window), window)
    return np.asarray((highest - later).max(axis=-1))


def _before_and_after(means: Floats, w: int) -> tuple[Floats, Floats]:
    """For each later window, the highest mean of a window that ends before it, and its own mean: two arrays (..., later
    windows)."""
    if means.shape[-1] <= w:
        return means[..., -1:], means[..., -1:]
    return np.maximum.accumulate(means[..., :-w], axis=-1), means[..., w:]


def window_means(curves: Floats, window: int) -> Floats:
    """Means over every ``window`` consecutive checkpoints: (..., checkpoints - window + 1)."""
    sums = np.cumsum(curves, axis=-1)
    means = sums[..., window - 1 :].copy()
    means[..., 1:] -= sums[..., :-window]
    return means / window


def simulated_noise(
    curve: Floats, covariance: Floats, clusters: int, draws: int, margin: float, scatter: float, seed: int
) -> Floats:
    """Simulated noise of a curve, from items and checkpoints: (draws, checkpoints)."""
    m = len(curve)
    weights = scatter_posterior(curve, covariance, margin, scatter)
    normal, autoregressive, scales = _standard_draws(m, draws, clusters, seed)
    place = np.searchsorted(np.cumsum(weights.ravel()), (np.arange(draws) + 0.5) / draws).clip(max=weights.size - 1)
    # draws are sorted by size of the scatter; the autoregressions do not depend on it
    size, rho = np.unravel_index(place, weights.shape)
    checkpoints = (_SIZES[size] * scatter)[:, None] * autoregressive[rho, np.arange(draws)]
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(values.clip(min=0.0))
    return np.asarray(checkpoints + (normal @ root.T) * scales[:, None])


@lru_cache(maxsize=8)
def _standard_draws(m: int, draws: int, clusters: int, seed: int) -> tuple[Floats, Floats, Floats]:
    """Standard normal draws (draws, checkpoints), autoregressions of unit variance (autocorrelations, draws,
    checkpoints), and scales (draws,) that turn normal draws into draws from a t distribution with clusters - 1 degrees
    of freedom."""
    normal, autoregressive = _gaussian_draws(m, draws, seed)
    rng = np.random.default_rng([seed, clusters, draws])
    return normal, autoregressive, np.sqrt((clusters - 1) / rng.chisquare(clusters - 1, draws))


@lru_cache(maxsize=4)
def _gaussian_draws(m: int, draws: int, seed: int) -> tuple[Floats, Floats]:
    rng = np.random.default_rng([seed, m, draws])
    normal, shocks = rng.standard_normal((2, draws, m))
    series = []
    for rho in _AUTOCORRELATIONS:
        scaled = shocks * math.sqrt(1 - rho**2)
        scaled[:, 0] = shocks[:, 0]
        series.append(lfilter([1.0], [1.0, -rho], scaled, axis=1))
    return normal, np.stack(series)


@lru_cache(maxsize=256)
def _second_differences(n: int) -> tuple[Floats, Floats]:
    """The matrix of second differences of ``n`` checkpoints (n - 2, n), and the triangular matrices that whiten the
    second differences of a unit scatter with each autocorrelation (autocorrelations, n - 2, n - 2)."""
    matrix = np.diff(np.eye(n), n=2, axis=0)
    lags = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    covariances = np.stack([matrix @ (rho**lags) @ matrix.T for rho in _AUTOCORRELATIONS])
    return matrix, np.asarray(np.linalg.inv(np.linalg.cholesky(covariances)))


def _flatten_top(fit: Floats, margin: float) -> Floats:
    """A monotone fit, made flat where it is within the margin of its maximum: among curves that do not fall, a flat
    curve shows the largest falls by chance."""
    top = fit >= fit.max() - margin
    return np.where(top, fit[top].mean(), fit)


def _monotone(curve: Floats, margin: float, *, increasing: bool) -> Floats:
    """The best-fitting curve that never falls (``increasing``) or never rises."""
    return _flatten_top(isotonic_regression(curve, increasing=increasing).x, margin)


def _test_fall(curve: Floats, noise: Floats, w: int, margin: float) -> tuple[Effect, slice, slice]:
    """The fall and the windows of its peak and trough, by the statistic of :func:`fall_statistics` with the smallest
    p-value.

    The p-value returned is that of this minimum, so that choosing among the three statistics is accounted for.
    """
    found, simulated = fall_statistics(curve, w), fall_statistics(_monotone(curve, margin, increasing=True) + noise, w)
    draws = len(noise)
    p_values = np.array(
        [(1 + int((many >= one).sum())) / (draws + 1) for one, many in zip(found, simulated, strict=True)]
    )
    ordered = np.sort(simulated, axis=1)
    smallest = _smallest_p_values(simulated, ordered)
    p_value = (1 + int((smallest <= p_values.min() - 0.5 / (draws + 1)).sum())) / (draws + 1)
    critical = _critical(ordered, smallest, ERROR)
    best = int(np.lexsort((-found, p_values))[0])
    peak, trough = _extreme_windows(curve, w, best)
    value = float(curve[peak].mean() - curve[trough].mean())
    spread = _quantile(noise[:, trough].mean(axis=1) - noise[:, peak].mean(axis=1))
    high = max(value + spread, float(largest_fall(curve, 1)))
    low = min(value, float(np.max(found - critical)))
    return Effect(value, low, high, min(1.0, p_value)), peak, trough


def _smallest_p_values(simulated: Floats, ordered: Floats) -> Floats:
    """The smallest p-value over the statistics, for each simulated curve: (draws,). ``simulated`` and ``ordered`` are
    (statistics, draws), the latter sorted by draw."""
    return np.asarray(
        np.min(
            [
                1 - np.searchsorted(many, one, side="left") / simulated.shape[1]
                for many, one in zip(ordered, simulated, strict=True)
            ],
            axis=0,
        )
    )


def _critical(ordered: Floats, smallest: Floats, error: float) -> Floats:
    """The thresholds of the statistics. With probability ``error`` at least one is exceeded by chance."""
    draws = ordered.shape[1]
    level = float(np.sort(smallest)[max(0, math.floor(error * (draws + 1)) - 1)])
    return np.array([many[min(draws - 1, math.ceil((1 - level) * draws))] for many in ordered])


def critical_falls(null: Floats, window: int, error: float = ERROR) -> Floats:
    """The thresholds above which the statistics of :func:`fall_statistics` show a fall, from simulated curves that do
    not fall (draws, checkpoints)."""
    simulated = fall_statistics(null, window)
    ordered = np.sort(simulated, axis=1)
    return _critical(ordered, _smallest_p_values(simulated, ordered), error)


def fall_statistics(curves: Floats, w: int) -> Floats:
    """Three statistics of a fall: (3, ...) from (..., checkpoints).

    They are how far the end is below the highest window before it; the largest fall that is fully regained by the end;
    and how far the end is below the first checkpoint.
    """
    means = window_means(curves, w)
    highest, later = _before_and_after(means, w)
    last = means[..., -1]
    regained = np.minimum(highest - later, last[..., None] - later).max(axis=-1)
    return np.stack([highest[..., -1] - last, regained, curves[..., 0] - last])


def _extreme_windows(curve: Floats, w: int, statistic: int) -> tuple[slice, slice]:
    """The windows of the peak and the trough under one of the statistics of :func:`fall_statistics`."""
    means = window_means(curve, w)
    if statistic == 2:
        return slice(0, 1), _window(min(1 + int(means[1:].argmin()), len(means) - 1), w)
    if len(means) <= w:
        return _window(0, w), _window(len(means) - 1, w)
    highest, later = _before_and_after(means, w)
    if statistic == 1:
        lowest = int(np.minimum(highest - later, means[-1] - later).argmax())
        return _window(int(means[: lowest + 1].argmax()), w), _window(w + lowest, w)
    peak = int(means[:-w].argmax())
    return _window(peak, w), _window(peak + w + int(means[peak + w :].argmin()), w)


def _test_rise(curve: Floats, noise: Floats, w: int, peak: slice, margin: float) -> Effect:
    """The rise from the first checkpoint to the peak."""
    null = _monotone(curve, margin, increasing=False) + noise
    value = float(curve[peak].mean() - curve[0])
    low, p_value = _lower_bound(value, window_means(null, w).max(axis=1) - null[:, 0], ERROR)
    # a peak at the start does not bound how far another window is above it, so the last window's noise is used instead
    place = peak if peak.start else slice(len(curve) - w, len(curve))
    spread = _quantile(noise[:, 0] - noise[:, place].mean(axis=1))
    return Effect(value, min(low, value), max(value + spread, float(curve.max() - curve[0])), p_value)


def _test_recovery(curve: Floats, noise: Floats, w: int, trough: slice) -> Effect:
    """The recovery from the trough to the end. The uncertainty of where the trough is is not included."""
    value = float(curve[-w:].mean() - curve[trough].mean())
    change = noise[:, -w:].mean(axis=1) - noise[:, trough].mean(axis=1)
    low, p_value = _lower_bound(value, change, ERROR)
    return Effect(value, low, value + _quantile(-change), p_value)


def _test_net(curve: Floats, noise: Floats, ends: slice) -> Effect:
    """The change from the first checkpoint to the end, which can have either sign."""
    value = float(curve[ends].mean() - curve[0])
    change = noise[:, ends].mean(axis=1) - noise[:, 0]
    p_value = (1 + int((np.abs(change) >= abs(value)).sum())) / (len(change) + 1)
    return Effect(value, value - _quantile(change), value + _quantile(-change), p_value)


def _lower_bound(value: float, simulated: Floats, error: float) -> tuple[float, float]:
    """The value minus the threshold that chance exceeds with a probability of ``error``, and the one-sided p-value. The
    former is above 0 exactly if the latter is at most ``error``."""
    n = len(simulated)
    exceeding = max(1, math.floor(error * (n + 1)))
    critical = float(np.partition(simulated, n - exceeding)[n - exceeding])
    return value - critical, (1 + int((simulated >= value).sum())) / (n + 1)


def _quantile(values: Floats) -> float:
    return float(np.quantile(values, 1 - ERROR))


def _peak_and_trough(curve: Floats, w: int) -> tuple[slice, slice]:
    """The highest window, and the lowest window after it (the last window if none follows)."""
    means = window_means(curve, w)
    peak = int(means.argmax())
    after = means[peak + w :]
    trough = peak + w + int(after.argmin()) if len(after) else len(means) - 1
    return _window(peak, w), _window(trough, w)


def _window(first: int, w: int) -> slice:
    return slice(first, first + w)


def _unseen_change(clusters: int) -> float:
    """The largest share of all clusters that can change although none of a sample of ``clusters`` does, with a
    probability of :data:`ERROR` (the rule of three). Items that never change have no variance, so simulated noise alone
    would exclude a change however few items there are."""
    return float(1 - ERROR ** (1 / clusters))


def _unknown_effect() -> Effect:
    return Effect(*[math.nan] * 4)


def _trend(curve: Floats, peak: slice, trough: slice, ends: slice, *effects: Effect) -> Trend:
    start, *levels = float(curve[0]), *(float(curve[window].mean()) for window in (peak, trough, ends))
    top, bottom, last = levels
    values = (top - start, top - bottom, last - bottom, last - start)
    rise, fall, recovery, net = (effect._replace(value=value) for effect, value in zip(effects, values, strict=True))
    return Trend(start, top, bottom, last, peak, trough, ends, rise, fall, recovery, net)
