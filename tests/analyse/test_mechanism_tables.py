"""Where in the network answers are decided, by step."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from inversion.analyse.mechanism_tables import knockouts, lens, patching, rank_correlations, turning_depths
from inversion.config.run import Run
from inversion.records.frames import from_frame, to_frame
from inversion.records.mechanism import KnockedMargin, KnockoutPoint, LensPoint, LensReading, PatchedMargin, PatchPoint

RUN = Run("m", "d", "r", 3)

MARGINS = {0: (0.5, -1.0, -2.0), 10: (-0.5, 1.0, 3.0)}
"""Log-odds by depth at two steps."""


def reading(step: int, item: int, depth: int) -> LensReading:
    margin = MARGINS[step][depth] + 0.1 * item
    return LensReading(step, step / 10, "conflict", f"i{item}", f"c{item}", depth, margin - 2, -2.0)


@pytest.fixture
def readings() -> list[LensReading]:
    return [reading(step, item, depth) for step in MARGINS for item in range(6) for depth in range(3)]


def test_the_lens_is_the_mean_over_items_by_step_and_depth(readings) -> None:
    rows = from_frame(lens(RUN, to_frame(readings, LensReading), 200), LensPoint)
    found = {(row.step, row.measure, row.depth): row for row in rows}
    assert len(found) == len(rows) == 2 * (3 + 3 + 1)
    for step, margins in MARGINS.items():
        for depth, margin in enumerate(margins):
            assert found[step, "margin", depth].value == pytest.approx(margin + 0.25)
    # the items' log-odds at step 10 and depth 0 are -0.5 to 0
    assert found[10, "context", 0].value == 0
    assert found[10, "context", 2].value == 1
    assert found[0, "turn", None].value == 1, "from the first layer on all are on memory's side"
    assert found[10, "turn", None].value == 1
    for row in rows:
        assert (row.model, row.seed, row.set, row.epoch, row.n) == ("m", 3, "conflict", row.step / 10, 6)
        assert row.low - 1e-9 <= row.value <= row.high + 1e-9
    assert found[0, "margin", 1].high - found[0, "margin", 1].low > 0.1


def test_a_missing_depth_is_named_with_the_mend(readings) -> None:
    with pytest.raises(ValueError, match=r"m/d/r/seed3: .*'i5'.*delete the run's folder `probes`"):
        lens(RUN, to_frame(readings[:-1], LensReading), 50)


def test_an_item_turns_where_its_side_stays() -> None:
    margins = np.array([[1, 1, 1], [-1, 1, 1], [1, -1, 1], [-1, 1, -1], [1, 0, -1]], dtype=float)
    assert turning_depths(margins).tolist() == [0, 1, 2, 2, 1]


@given(st.lists(st.sampled_from([-2.0, -0.5, 0.5, 2.0]), min_size=1, max_size=6))
def test_before_the_turn_stands_the_other_side(margins) -> None:
    turn = int(turning_depths(np.array(margins)))
    sides = [margin > 0 for margin in margins]
    assert set(sides[turn:]) == {sides[-1]}
    assert turn == 0 or sides[turn - 1] != sides[-1]


def patched(item: int, receiver: str, donor: str, layer: int, moved: float) -> PatchedMargin:
    """The end is at -4 and the peak at 2, for every second item 2 apart from that."""
    apart = 2.0 * (item % 2)
    own, rival = (-4.0 - apart, 2.0) if receiver == "end" else (2.0, -4.0 - apart)
    steps = {"end": 20, "peak": 10, "start": 0}
    step, giving = steps[receiver], steps["peak" if receiver == "end" else "end"]
    margin = own + moved * (rival - own)
    return PatchedMargin(
        step, step / 10, receiver, donor, giving, "conflict", f"i{item}", f"c{item}", "mlp", layer, "last", margin, own,
        rival,
    )  # fmt: skip


def test_shares_are_of_the_difference_between_peak_and_end() -> None:
    rows = [
        patched(item, receiver, donor, layer, 0.0 if donor == "self" else 0.25 + 0.5 * layer)
        for item in range(6)
        for receiver in ("end", "peak")
        for donor in ("rival", "self")
        for layer in (0, 1)
    ]
    points = from_frame(patching(RUN, to_frame(rows, PatchedMargin), 200), PatchPoint)
    found = {(p.receiver, p.donor, p.layer, p.measure): p for p in points}
    assert len(found) == len(points) == 2 * 2 * 2 * 2
    for (receiver, donor, layer, measure), point in found.items():
        share = 0.0 if donor == "self" else 0.25 + 0.5 * layer
        gap = 7.0 if receiver == "end" else -7.0
        assert point.value == pytest.approx(share if measure == "share" else share * gap)
        assert point.low - 1e-9 <= point.value <= point.high + 1e-9
        assert (point.step, point.donor_step) == ((20, 10) if receiver == "end" else (10, 20))
    share, effect = (found["end", "rival", 1, measure] for measure in ("share", "effect"))
    assert share.high - share.low < 1e-9, "the same share of every item, however far apart"
    assert effect.high - effect.low > 0.1


def test_without_a_fall_there_is_no_share() -> None:
    rows = [
        dataclasses.replace(patched(item, "end", "rival", 0, 0.0), rival=-4.0, own=-4.0, margin=-3.0)
        for item in range(6)
    ]
    points = from_frame(patching(RUN, to_frame(rows, PatchedMargin), 50), PatchPoint)
    assert (points[0].measure, points[0].value) == ("effect", 1.0)
    assert not np.isfinite(points[1].value)


EFFECTS = {
    "start": (0, {(0, 0): -1.0, (0, 1): 0.0, (1, 0): 1.0}),
    "peak": (10, {(0, 0): -2.0, (0, 1): 0.5, (1, 0): 3.0}),
    "end": (20, {(0, 0): 2.0, (0, 1): 0.0, (1, 0): -1.0}),
}
"""What each head's loss does at each milestone."""


def test_heads_are_ranked_and_compared_between_milestones() -> None:
    rows = [
        KnockedMargin(
            step,
            step / 10,
            milestone,
            "conflict",
            f"i{item}",
            f"c{item}",
            layer,
            head,
            item + effect * (1 + item),
            item,
        )
        for milestone, (step, effects) in EFFECTS.items()
        for (layer, head), effect in effects.items()
        for item in range(6)
    ]
    points = from_frame(knockouts(RUN, to_frame(rows, KnockedMargin), 200), KnockoutPoint)
    assert len(points) == 3 * 3 + 3 * 2
    for point in points:
        step, effects = EFFECTS[point.milestone]
        assert (point.step, point.n) == (step, 6)
        assert point.low - 1e-9 <= point.value <= point.high + 1e-9
        if point.measure == "effect":
            effect = effects[point.layer, point.head]
            assert point.value == pytest.approx(3.5 * effect)
            assert point.rank == sorted(effects.values()).index(effect) + 1
    found = {(point.milestone, point.measure): point.value for point in points if point.measure != "effect"}
    assert found["start", "peak"] == found["peak", "start"] == pytest.approx(1)
    assert found["peak", "end"] == pytest.approx(-1)


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=3, max_size=9))
def test_rank_correlations_are_spearmans(pairs) -> None:
    one, other = np.array(pairs, dtype=float).T
    if len(set(one)) == 1 or len(set(other)) == 1:
        assert np.isnan(rank_correlations(one, other))
    else:
        assert rank_correlations(one, other) == pytest.approx(spearmanr(one, other).statistic)
        np.testing.assert_allclose(rank_correlations(np.stack([one, one]), np.stack([other, one]))[1], 1)
