from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from made_items import table

from inversion.analyse.agreement import agreement


def test_agreement_counted_by_hand() -> None:
    labels = np.array([["context"], ["parametric"], ["both"], ["other"], ["context"]], dtype=object)
    frame = table(labels, steps=(0,)).with_columns(
        first_mention=pl.Series(["context", "parametric", "context", "other", "other"])
    )
    control = table(labels, steps=(0,), set_name="recall", role="control")
    found = agreement(pl.concat([frame, control]))
    assert found.select("set", "first", "second").rows() == [
        ("capitals", "containment", "first_mention"),
        ("capitals", "containment", "logprob"),
        ("capitals", "first_mention", "logprob"),
    ]
    row = found.row(0, named=True)
    # three of five labels agree; by chance (2 x 2 + 1 x 1 + 1 x 2) / 25
    assert (row["n"], row["agreement"]) == (5, 0.6)
    assert row["kappa"] == pytest.approx((0.6 - 0.28) / (1 - 0.28))
    # of the three texts with one answer, the last has different labels
    assert (row["one_answer"], row["one_answer_disagree"]) == (3, 1)
