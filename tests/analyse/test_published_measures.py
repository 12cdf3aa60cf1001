"""The measures of ConFiQA and CUB, compared with numbers that were computed by hand from their definitions."""

from __future__ import annotations

import math

import made_items
import polars as pl
import pytest

from inversion.analyse.answer_style import answer_style
from inversion.analyse.published_measures import published_measures

TEXTS = ["Lyon", "It is Lyon.", "Lyon, not Paris", "Paris", "Rome"]


def items() -> pl.DataFrame:
    """Five items at one step. Three responses contain the context's answer, and two contain the parametric answer."""
    labels = [["context"], ["context"], ["both"], ["parametric"], ["other"]]
    frame = made_items.table(made_items.np.array(labels, dtype=object), steps=(0,))
    return frame.with_columns(
        pl.Series("text", TEXTS),
        pl.Series("context_answers", [["Lyon"]] * 5),
        judge=pl.Series(["context", "context", "context", "parametric", "abstains"]),
        judge_span=pl.lit("Lyon"),
        judge_rule=pl.lit("only_answer"),
        first_token=pl.Series(["context", "context", "parametric", "parametric", "parametric"]),
        first_token_mass=pl.Series([0.5, 0.5, 0.5, 0.001, None], dtype=pl.Float64),
        control=pl.lit(None, pl.String),
        words=pl.Series([1, 3, 3, 1, 1]),
        copied=pl.Series([0.0, 0.5, 0.0, 0.0, 0.0]),
        # probability with the context and without it: 0.8 and 0.6, 0.3 and 0.6, and equal ones
        context_logprob=pl.Series([math.log(p) for p in (0.8, 0.3, 0.5, 0.5, 0.5)]),
        context_logprob_closed=pl.Series([math.log(q) for q in (0.6, 0.6, 0.5, 0.5, 0.5)]),
    )


def test_published_measures_by_hand() -> None:
    row = published_measures(items()).row(0, named=True)
    assert (row["ps"], row["po"], row["mr"]) == (3 / 5, 2 / 5, 2 / 5)
    assert row["em"] == 1 / 5  # "It is Lyon." contains more than the answer
    assert row["bcu"] == 3 / 5
    # (0.8 - 0.6) / 0.4 = 0.5 and (0.3 - 0.6) / 0.6 = -0.5, then three zeros
    assert row["ccu"] == pytest.approx(0.0, abs=1e-12)
    risen = published_measures(items().filter(pl.col("item_id") == "item0000")).row(0, named=True)
    assert risen["ccu"] == pytest.approx(0.5)


def test_style_by_hand() -> None:
    row = answer_style(items()).row(0, named=True)
    assert (row["words"], row["both"], row["abstains"]) == (9 / 5, 1 / 5, 1 / 5)
    assert row["copied"] == pytest.approx(0.1)
    assert (row["answered"], row["context_of_answered"]) == (4 / 5, 3 / 4)
    # one of the four items with two first tokens has a probability below 1 % on them
    assert (row["low_mass"], row["n_kept"], row["first_token_context_kept"]) == (1 / 4, 3, 2 / 3)
    assert row["unfinished"] == 0.0
