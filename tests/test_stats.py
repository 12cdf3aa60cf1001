from __future__ import annotations

from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from statsmodels.stats.proportion import proportion_confint

from inversion.stats import (
    cluster_association,
    cluster_bootstrap,
    cluster_influence,
    cluster_sums,
    cluster_weights,
    difference_interval,
    fisher,
    holm,
    interval,
    kappa,
    mcnemar,
    pareto_front,
    rate_interval,
    sign_flip_test,
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# --- bootstrap ----------------------------------------------------------------------------------


def test_weights_are_multinomial() -> None:
    weights = cluster_weights(10, 20000, rng())
    assert weights.shape == (20000, 10)
    assert (weights.sum(axis=1) == 10).all()
    assert weights.mean(axis=0) == pytest.approx(1.0, abs=0.03)
    assert weights.var(axis=0) == pytest.approx(0.9, abs=0.05)
    assert cluster_weights(0, 5, rng()).shape == (5, 0)


def test_bootstrap_equals_a_loop_with_the_same_weights() -> None:
    clusters = np.array([0, 0, 1, 2, 2, 2, 3])
    values = rng(1).random((7, 3, 2))
    samples = cluster_bootstrap(values, clusters, 50, rng(2))
    weights = cluster_weights(4, 50, rng(2)).astype(int)
    for sample, weight in zip(samples, weights, strict=True):
        drawn = [
            values[i]
            for cluster in range(4)
            for _ in range(weight[cluster])
            for i in np.flatnonzero(clusters == cluster)
        ]
        assert sample == pytest.approx(np.mean(drawn, axis=0))


def test_cluster_sums() -> None:
    sums = cluster_sums(np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), np.array([1, 0, 1]))
    assert sums.tolist() == [[3.0, 4.0], [6.0, 8.0]]
    assert cluster_sums(np.empty((0, 2)), np.empty(0, np.int64)).shape == (0, 2)


def test_bootstrap_of_a_mean_has_its_standard_error() -> None:
    values = rng().random(400)
    samples = cluster_bootstrap(values, np.arange(400), 4000, rng())
    assert samples.std() == pytest.approx(values.std() / 20, rel=0.06)


def test_bootstrap_depends_on_its_generator_only() -> None:
    values, clusters = rng().random(20), np.arange(20) // 2
    first = cluster_bootstrap(values, clusters, 30, rng(5))
    assert (cluster_bootstrap(values, clusters, 30, rng(5)) == first).all()
    assert (cluster_bootstrap(values, clusters, 30, rng(6)) != first).any()


@pytest.mark.parametrize("clusters", [[], [0, 0, 0]], ids=["none", "one"])
def test_fewer_than_two_clusters_give_nan(clusters: list[int]) -> None:
    samples = cluster_bootstrap(np.ones((len(clusters), 2)), np.array(clusters, np.int64), 10, rng())
    assert samples.shape == (10, 2)
    assert np.isnan(samples).all()
    assert np.isnan(interval(samples)).all()


def test_equal_values_have_no_width() -> None:
    low, high = interval(cluster_bootstrap(np.full(9, 0.25), np.arange(9), 40, rng()))
    assert (low, high) == (0.25, 0.25)


def test_interval_contains_the_middle() -> None:
    low, high = interval(np.linspace(0.0, 1.0, 1001)[:, None])
    assert (low[0], high[0]) == pytest.approx((0.025, 0.975))
    assert interval(np.linspace(0.0, 1.0, 101), level=0.5) == pytest.approx((0.25, 0.75))
    assert np.isnan(interval(np.empty((0, 3)))).all()


# --- tests --------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_is_the_binomial_formula(first: int, second: int) -> None:
    n = first + second
    tail = sum(comb(n, k) for k in range(min(first, second) + 1)) / 2**n
    assert mcnemar(first, second) == pytest.approx(min(1.0, 2 * tail))
    assert mcnemar(first, second) == pytest.approx(mcnemar(second, first))


def test_mcnemar_without_discordant_pairs() -> None:
    assert mcnemar(0, 0) == 1.0


def test_mcnemar_of_the_replication() -> None:
    # 76 items change to memory and none back: p = 3e-22 in the replication's report
    assert mcnemar(76, 0) == pytest.approx(2.6e-23, rel=0.03)


def test_holm_by_hand() -> None:
    # sorted, 0.01, 0.02, 0.03 and 0.5 are multiplied by 4, 3, 2 and 1, and then never decrease
    assert holm(np.array([0.03, 0.01, 0.5, 0.02])) == pytest.approx([0.06, 0.04, 0.5, 0.06])
    assert holm(np.array([0.9, 0.8])) == pytest.approx([1.0, 1.0])
    assert holm(np.array([0.2])) == pytest.approx([0.2])
    assert len(holm(np.array([]))) == 0


@settings(deadline=None, max_examples=20)  # statsmodels runs garbage collection in every call
@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=20))
def test_holm_never_lowers_and_keeps_the_order(p_values: list[float]) -> None:
    raw = np.array(p_values)
    adjusted = holm(raw)
    assert (adjusted >= raw).all()
    assert (adjusted <= 1.0).all()
    assert (np.diff(adjusted[np.argsort(raw, kind="stable")]) >= 0).all()


# --- agreement and overlap ----------------------------------------------------------------------


def test_kappa_of_a_table_counted_by_hand() -> None:
    # observed 35 / 50; by chance 25/50 x 30/50 + 25/50 x 20/50 = 0.5
    assert kappa(np.array([[20.0, 5.0], [10.0, 15.0]])) == pytest.approx(0.4)
    assert kappa(np.array([[3.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 0.0]])) == 1.0
    assert np.isnan(kappa(np.array([[7.0, 0.0], [0.0, 0.0]])))


def test_fishers_tea_experiment() -> None:
    # three of four cups of each kind are recognised: p = 2 x (16 + 1) / 70
    odds_ratio, p_value = fisher(3, 1, 1, 3)
    assert odds_ratio == 9.0
    assert p_value == pytest.approx(34 / 70)
    assert fisher(2, 0, 0, 3)[0] == np.inf
    nothing, certain = fisher(0, 0, 4, 5)
    assert np.isnan(nothing)
    assert certain == 1.0


# --- Pareto front -------------------------------------------------------------------------------

# few distinct values, so that ties are frequent
points = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=12)


def beats(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one != other and all(a >= b for a, b in zip(one, other, strict=True))


@given(points)
def test_the_front_is_undominated(found: list[tuple[int, int]]) -> None:
    front = pareto_front(np.array(found, dtype=np.float64))
    assert front.tolist() == [not any(beats(other, point) for other in found) for point in found]
    # every dominated point is dominated by a point of the front
    kept = [point for point, stays in zip(found, front, strict=True) if stays]
    assert all(any(beats(best, point) for best in kept) for point in set(found) - set(kept))


@given(points, st.permutations(range(12)))
def test_the_front_does_not_depend_on_the_order(found: list[tuple[int, int]], order: list[int]) -> None:
    order = [i for i in order if i < len(found)]
    values = np.array(found, dtype=np.float64)
    assert pareto_front(values[order]).tolist() == pareto_front(values)[order].tolist()


def test_rates_without_variance_get_the_interval_of_as_many_clusters() -> None:
    low, high = rate_interval(np.array([0.0, 1.0]), np.zeros((40, 2)))
    exact_high = proportion_confint(0, 40 * (1.959964 / 2.022691) ** 2, method="beta")[1]
    assert (low[0], high[0]) == pytest.approx((0.0, exact_high), rel=1e-4)
    assert (low[1], high[1]) == pytest.approx((1 - exact_high, 1.0), rel=1e-4)
    assert all(np.isnan(bound).all() for bound in rate_interval(np.array([0.5]), np.zeros((4, 1))))


@pytest.mark.parametrize("clusters", [5, 10, 20])
@pytest.mark.parametrize("rate", [0.02, 0.5, 0.9])
def test_intervals_cover_from_five_clusters_up(clusters: int, rate: float) -> None:
    """Items in a cluster are correlated, and clusters have one to eight items."""
    covered = 0
    for seed in range(200):
        draw = rng(seed)
        codes = np.repeat(np.arange(clusters), draw.integers(1, 9, clusters))
        hidden = 0.6 * draw.standard_normal(clusters)[codes] + 0.8 * draw.standard_normal(len(codes))
        given = (hidden < norm.ppf(rate)).astype(float)
        low, high = rate_interval(given.mean(axis=0), cluster_influence(given, codes), len(codes))
        covered += int(low <= rate <= high)
    assert covered >= 0.93 * 200


def test_a_difference_on_which_all_clusters_agree_has_wilsons_interval() -> None:
    low, high = difference_interval(np.array(0.0), np.zeros(40))
    assert (-low, high) == pytest.approx((proportion_confint(0, 40, method="wilson")[1],) * 2)


@given(st.integers(0, 30), st.integers(0, 30))
def test_sign_flips_of_single_items_are_mcnemars_test(up: int, down: int) -> None:
    sums = np.r_[np.ones(up), -np.ones(down), np.zeros(3)]
    assert sign_flip_test(sums) == pytest.approx(mcnemar(down, up), abs=1e-9)


@given(st.lists(st.integers(-5, 5), max_size=9))
def test_sign_flips_are_those_of_all_signs(sums: list[int]) -> None:
    total = abs(sum(sums))
    flipped = [
        abs(sum(s * x for s, x in zip(signs, sums, strict=True))) for signs in product((1, -1), repeat=len(sums))
    ]
    expected = sum(value >= total for value in flipped) / len(flipped)
    assert sign_flip_test(np.array(sums, dtype=float)) == pytest.approx(expected, abs=1e-9)
    # the same through the general branch, in which sums are not integers
    assert sign_flip_test(np.array(sums, dtype=float) / 7) == pytest.approx(expected, abs=1e-9)


def test_unrelated_clusters_are_rarely_associated() -> None:
    rejected = 0
    for seed in range(300):
        draw = rng(seed)
        codes = np.repeat(np.arange(40), 5)
        first, second = ((draw.random(40) < 0.4)[codes] ^ (draw.random(200) < 0.1) for _ in range(2))
        rejected += cluster_association(first, second, codes) < 0.05
    assert rejected <= 0.08 * 300
