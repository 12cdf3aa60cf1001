"""Means, ratios and shares over base models, from invented values."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from organism.mechanism import exchanged, mean, ratio
from scipy.stats import ttest_1samp

from inversion.records.frames import to_frame
from inversion.records.mechanism import WeightPoint


def test_the_interval_of_a_mean_is_that_of_a_t_test() -> None:
    values = np.array([0.2, 0.5, 0.9, 1.4])
    low, high = ttest_1samp(values, 0).confidence_interval()
    assert mean(values) == pytest.approx((values.mean(), low, high))


def test_a_ratio_of_proportional_samples_is_exact() -> None:
    changes = np.array([-4.0, -2.0, -0.5])
    assert ratio(0.25 * changes, changes) == pytest.approx((0.25, 0.25, 0.25))


def test_the_interval_of_a_ratio_holds_the_true_ratio() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        changes = rng.normal(-5, 1, 10)
        found = ratio(0.6 * changes + rng.normal(0, 0.8, 10), changes)
        held += found.low <= 0.6 <= found.high
    assert held / 400 == pytest.approx(0.95, abs=0.035)


def test_shares_are_of_the_mean_change_over_the_base_models_of_a_family() -> None:
    def point(model: str, part: str, measure: str, value: float) -> WeightPoint:
        return WeightPoint(
            model, "mixture", "standard", 0, "fall", 15, 300, part, None, "conflict", measure, value, None, None, 50
        )

    rows = [
        point(model, part, measure, value * change)
        for model, change in (("neox-20", -6.0), ("neox-21", -2.0))
        for part, measure, value in (
            *((part, "insert", 0.5) for part in ("query_key", "value_output", "mlp")),
            *((part, "leave_out", 0.25) for part in ("query_key", "value_output", "mlp")),
            ("all", "change", 1.0),
        )
    ]
    rise = [WeightPoint(**{**{f: getattr(row, f) for f in WeightPoint.__slots__}, "interval": "rise"}) for row in rows]
    found = exchanged(to_frame([*rows, *rise], WeightPoint)).filter(pl.col("interval") == "fall")
    assert found["family"].unique().to_list() == ["GPT-NeoX"]
    assert found.filter(direction="insert")["value"].to_list() == pytest.approx([0.5] * 3)
    assert found.filter(direction="leave_out")["value"].to_list() == pytest.approx([0.25] * 3)
