from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inversion.plot.panels import spread_apart, step_ticks


@given(st.lists(st.floats(0, 1), max_size=12), st.floats(0.001, 0.08))
def test_spread_keeps_order_gap_and_bounds(values: list[float], gap: float) -> None:
    placed = spread_apart(values, gap, 0.0, 1.0)
    order = sorted(range(len(values)), key=lambda i: (values[i], -i))
    assert all(placed[b] - placed[a] >= gap - 1e-9 for a, b in pairwise(order))
    assert all(-1e-9 <= place <= 1 + 1e-9 for place in placed)


def test_spread_moves_only_what_it_must_and_shares_the_move() -> None:
    assert spread_apart([0.9, 0.1, 0.5], 0.1, 0, 1) == pytest.approx([0.9, 0.1, 0.5])
    assert spread_apart([0.5, 0.5], 0.1, 0, 1) == pytest.approx([0.55, 0.45])
    assert spread_apart([0.99, 1.0], 0.1, 0, 1) == pytest.approx([0.9, 1.0])


@given(st.integers(1, 100_000), st.integers(3, 8))
def test_step_ticks_are_few_and_grow(last: int, at_most: int) -> None:
    ticks = step_ticks(last, at_most)
    assert ticks[0] == 0
    assert 2 <= len(ticks) <= at_most + 1
    assert ticks == sorted(set(ticks))
    assert ticks[-1] <= last
