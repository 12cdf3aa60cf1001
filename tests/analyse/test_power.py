"""The smallest detectable fall depends on sample size and scatter as it should, and the verdicts detect it."""

import math

import numpy as np
import pytest

from inversion.analyse.power import POWER, detectable_fall
from inversion.analyse.trend import fit_curve


def test_more_items_seeds_and_fewer_tests_detect_smaller_falls_and_scatter_hides_them() -> None:
    usual = detectable_fall(400, 21, 3)
    assert detectable_fall(4000, 21, 3).run < usual.run < detectable_fall(50, 21, 3).run
    assert usual.run < detectable_fall(400, 21, 3, tests=30).run
    assert usual.run < detectable_fall(400, 21, 3, scatter=0.04).run
    assert detectable_fall(400, 21, 10).mean < usual.mean < detectable_fall(400, 21, 3, scatter=0.04).mean


def test_fewer_than_three_seeds_are_descriptive_and_a_handful_of_items_detects_nothing() -> None:
    assert math.isnan(detectable_fall(400, 12, 2).mean)
    assert all(map(math.isnan, detectable_fall(4, 21, 3)))


def test_the_verdicts_detect_the_fall_with_about_the_stated_power() -> None:
    items, checkpoints, scatter = 400, 21, 0.02
    fall = detectable_fall(items, checkpoints, 1, scatter=scatter).run
    trend = np.interp(np.linspace(0, 1, checkpoints), [0, 0.2, 1], [0.15, 0.75, 0.75 - fall])
    lags = np.abs(np.subtract.outer(np.arange(checkpoints), np.arange(checkpoints)))
    covariance = 0.75 * 0.25 / items * np.where(lags == 0, 1.0, 0.6)
    rng = np.random.default_rng(1)
    curves = rng.multivariate_normal(trend, covariance + scatter**2 * 0.3**lags, 100)
    found = sum(fit_curve(curve, covariance, items, 399, 0.05, scatter).fall.shown(0.05) for curve in curves)
    assert found / 100 == pytest.approx(POWER, abs=0.12)
