"""Where in the network answers are decided, by step."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inversion.analyse.mechanism_tables import lens, turning_depths
from inversion.config.run import Run
from inversion.records.frames import from_frame, to_frame
from inversion.records.mechanism import LensPoint, LensReading

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
