from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.signal import lfilter

from inversion.analyse.trend import (
    Trend,
    _lower_bound,
    fit_curve,
    fit_trend,
    largest_fall,
    scatter_posterior,
    window_means,
)
from inversion.analyse.verdicts import decide
from inversion.stats import Floats

RATES = arrays(np.float64, st.integers(2, 14), elements=st.floats(0, 1))


def scattered(trend: Floats, scatter: float, rho: float, seed: int) -> Floats:
    shocks = np.random.default_rng(seed).standard_normal(len(trend)) * np.sqrt(1 - rho**2)
    shocks[0] /= np.sqrt(1 - rho**2)
    return trend + scatter * lfilter([1.0], [1.0, -rho], shocks)


def fitted(trend: Floats, scatter: float, rho: float, runs: int) -> list[Trend]:
    items = np.eye(len(trend)) * 0.01**2
    return [fit_curve(scattered(trend, scatter, rho, seed), items, 400, 399) for seed in range(runs)]


@given(RATES, st.integers(1, 4))
def test_the_largest_fall_is_that_of_all_pairs_of_windows(curve: Floats, w: int) -> None:
    if len(curve) < 2 * w:
        return
    means = [curve[i : i + w].mean() for i in range(len(curve) - w + 1)]
    expected = max(means[i] - means[j] for i in range(len(means)) for j in range(i + w, len(means)))
    assert largest_fall(curve, w) == pytest.approx(expected, abs=1e-12)
    np.testing.assert_allclose(window_means(curve, w), means, atol=1e-12)


@given(arrays(np.float64, 39, elements=st.floats(-1, 1)), st.floats(-1, 1))
def test_a_bound_is_above_0_exactly_if_the_p_value_is_small(simulated: Floats, value: float) -> None:
    low, p_value = _lower_bound(value, simulated, 0.05)
    assert (low > 0) == (p_value <= 0.05)


@given(RATES)
def test_levels_and_effects_agree(curve: Floats) -> None:
    trend = fit_curve(curve, np.eye(len(curve)) * 1e-4, 50, 39)
    assert trend.rise.value == pytest.approx(trend.peak - trend.start)
    assert trend.fall.value == pytest.approx(trend.peak - trend.trough)
    assert trend.net.value == pytest.approx(trend.rise.value - trend.fall.value + trend.recovery.value)
    for effect in (trend.rise, trend.fall, trend.recovery, trend.net):
        assert effect.low <= effect.value + 1e-9
        assert effect.value <= effect.high + 1e-9


@pytest.mark.slow
def test_the_posterior_follows_the_scatter() -> None:
    flat = np.full(100, 0.5)
    means = [
        scatter_posterior(scattered(flat, scatter, 0.3, 1), np.zeros((100, 100)), 0.05, 0.03).sum(axis=1)
        @ np.arange(13)
        for scatter in (0.01, 0.03, 0.09)
    ]
    assert means == sorted(means)
    assert means[2] - means[0] > 3


def test_a_plateau_is_rarely_a_fall_and_a_gradual_fall_usually_is() -> None:
    """The scatter is 3 points; benchmarks/verdicts.py measures all cases."""
    plateau = np.r_[np.linspace(0.1, 0.6, 5), np.full(16, 0.6)]
    assert sum(trend.fall.p_value <= 0.05 for trend in fitted(plateau, 0.03, 0.5, 100)) <= 10
    falling = np.r_[np.linspace(0.1, 0.8, 5), np.linspace(0.8, 0.5, 17)[1:]]
    assert sum(trend.fall.shown(0.05) for trend in fitted(falling, 0.03, 0.3, 40)) >= 38


@pytest.mark.parametrize(("items", "verdict"), [(8, "inconclusive"), (57, "inconclusive"), (60, "no_rise")])
def test_a_few_items_that_never_change_exclude_nothing(items: int, verdict: str) -> None:
    answers = np.repeat(np.arange(items)[:, None] % 2, 8, axis=1).astype(float)
    trend = fit_trend(answers, np.ones(items), 199)
    assert decide(trend) == verdict
    assert trend.rise.high >= 1 - 0.05 ** (1 / items)
