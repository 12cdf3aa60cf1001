from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from made_items import lost, table

from inversion.analyse.flips import flip_overlap, flips
from inversion.analyse.inversions import inversions


def test_flips_are_the_items_that_inversions_counts() -> None:
    frame = table(lost([1, 4]), steps=(0, 10, 20), known=(True, False))
    found = flips(frame).filter(scorer="logprob")
    assert found.select("item_id", "peak", "end", "known").rows() == [
        ("item0001", "context", "parametric", False),
        ("item0004", "context", "parametric", True),
    ]
    assert inversions(frame, bootstrap=5).filter(scorer="logprob", stratum="all")["to_parametric"].to_list() == [2]


def test_overlap_of_two_runs_counted_by_hand() -> None:
    one = table(lost([0, 1, 2, 3]), steps=(0, 10, 20))
    two = table(lost([1, 2, 3, 4]), steps=(0, 10, 20), seed=1)
    found = flip_overlap(pl.concat([one, two])).filter(scorer="first_mention").row(0, named=True)
    assert (found["first"], found["second"]) == ("llama/tulu/standard/seed0", "llama/tulu/standard/seed1")
    assert (found["both"], found["only_first"], found["only_second"], found["neither"]) == (3, 1, 1, 5)
    assert found["odds_ratio"] == 15.0
    # of 210 tables, 4 x 6 have three items in common, 1 has four, and C(6, 4) = 15 have none
    assert found["p_value"] == pytest.approx((24 + 1 + 15) / 210)
    assert flip_overlap(one).is_empty()


def test_items_that_cannot_flip_in_both_runs_do_not_count() -> None:
    """Both runs follow the context on the same items and lose different ones, so that no flip is common to both."""
    followed, never = lost([0, 1, 2]), lost([])
    never[:] = "parametric"
    other = lost([3, 4, 5])
    one, two = (np.concatenate([part, never, never]) for part in (followed, other))
    frames = [table(labels, steps=(0, 10, 20), seed=seed) for seed, labels in enumerate((one, two))]
    found = flip_overlap(pl.concat(frames)).filter(scorer="first_mention").row(0, named=True)
    assert (found["both"], found["only_first"], found["only_second"], found["neither"]) == (0, 3, 3, 4)
