from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np
import polars as pl
import pytest
from made_items import FLAT, RISE_AND_FALL, drawn, exact, table

from inversion.analyse.curves import curves
from inversion.analyse.inversions import inversions


@pytest.mark.parametrize("analysis", [curves, partial(inversions, bootstrap=50)])
def test_tables_are_deterministic_and_independent_of_row_order(analysis: Callable[..., pl.DataFrame]) -> None:
    rng = np.random.default_rng(0)
    frame = pl.concat(
        [
            table(drawn(RISE_AND_FALL, 30, 0), cluster_size=3, strata=2),
            table(drawn(FLAT, 30, 1), seed=1),
            table(drawn(FLAT, 30, 2), role="control", set_name="recall"),
        ]
    ).with_columns(pl.Series("context_logprob", -rng.random(900)))
    first = analysis(frame)
    for again in (frame, frame.sample(fraction=1.0, shuffle=True, seed=1), frame.reverse()):
        assert analysis(again).write_ipc(None).getvalue() == first.write_ipc(None).getvalue()


@pytest.mark.parametrize("analysis", [curves, partial(inversions, bootstrap=50)])
def test_faults_are_named(analysis: Callable[..., pl.DataFrame]) -> None:
    frame = table(exact(FLAT, 5))
    with pytest.raises(ValueError, match="'item0003' has 9 rows at 9 of 10 steps; delete"):
        analysis(frame.filter(~((pl.col("item_id") == "item0003") & (pl.col("step") == 50))))
    with pytest.raises(ValueError, match=r"llama/tulu/standard/seed0, set 'capitals'.*'item0000' has 11 rows"):
        analysis(pl.concat([frame, frame.head(1)]))
    with pytest.raises(ValueError, match="column 'logprob' is missing"):
        analysis(frame.drop("logprob"))


def test_a_conflict_item_without_an_answer_is_named() -> None:
    frame = table(exact(FLAT, 5)).with_columns(parametric_logprob=pl.lit(None, pl.Float64))
    with pytest.raises(ValueError, match="conflict item 'item0000' lacks the log-probability"):
        curves(frame)


def test_power_takes_seconds() -> None:
    steps = tuple(range(0, 200, 10))
    frames = [
        table(drawn((0.4,) * 20, 200, 0), steps=steps, seed=seed, set_name=name, role=role, strata=2)
        for seed in range(6)
        for name, role in (("a", "conflict"), ("b", "control"), ("c", "control"), ("d", "control"))
    ]
    frame = pl.concat(frames)
    start = time.process_time()
    curves(frame)
    inversions(frame, bootstrap=2000)
    assert time.process_time() - start < 10
