"""The checkpoints at which single items are read, and their effect on the test of the change between them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from inversion.analyse.moments import CROSS_FIT_VARIANCE, first_half
from inversion.analyse.trend import window_length, window_means
from inversion.stats import Floats, sign_flip_test


def flat(draws: int, checkpoints: int, rho: float, rng: np.random.Generator) -> Floats:
    """Mean curves of half of the clusters if the trend is flat: (draws, checkpoints)."""
    shocks = rng.standard_normal((draws, checkpoints))
    shocks[:, 1:] *= (1 - rho**2) ** 0.5
    return np.asarray(lfilter([1.0], [1.0, -rho], shocks, axis=1))


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("checkpoints", [3, 4, 6, 12, 21, 55, 100])
def test_the_variance_of_the_change_between_peak_and_end_is_as_documented(checkpoints: int, rho: float) -> None:
    rng, window = np.random.default_rng(0), window_length(checkpoints)
    means = [window_means(flat(10_000, checkpoints, rho, rng), window) for _ in range(2)]
    before_the_end = max(1, checkpoints - 2 * window + 1)
    peaks = [half[:, :before_the_end].argmax(axis=1) for half in means]
    changes = [half[:, -1] - half[np.arange(len(half)), peak] for half, peak in zip(means, peaks[::-1], strict=True)]
    ratio = sum(changes).var() / sum(change.var() for change in changes)
    # three standard errors of a ratio of variances from 10,000 draws
    assert 1.0 < ratio < CROSS_FIT_VARIANCE * 1.045


def test_the_half_of_a_cluster_does_not_depend_on_the_order() -> None:
    clusters = [f"c{i}" for i in range(20)]
    half = dict(zip(clusters, first_half(clusters, 0), strict=True))
    assert sum(half.values()) == 10
    assert half == dict(zip(clusters[::-1], first_half(clusters[::-1], 0), strict=True))


@pytest.mark.parametrize("scale", [1.0, 1 / 7])
def test_a_larger_variance_of_the_total_shrinks_what_is_compared(scale: float) -> None:
    sums = scale * np.array([3.0, 1.0, 2.0, -1.0, 2.0])  # the sum is 7 of at most 9, times scale
    assert sign_flip_test(sums) == pytest.approx(6 / 32)
    assert sign_flip_test(sums, variance_ratio=1.18) == pytest.approx(6 / 32)  # 7 / 1.086 is still above 5
    assert sign_flip_test(sums, variance_ratio=2.0) == pytest.approx(12 / 32)  # 7 / 1.41 is below 5
