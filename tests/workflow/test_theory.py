"""The target ``theory``: a table and figures without any model or data."""

import polars as pl
import pytest

pytestmark = pytest.mark.workflow

SMALL = {"context_critical": 2, "context_and_memory": 2, "shares": [1, 3], "grid": 3, "steps": 5, "k_s": 8}


def test_theory_writes_only_its_table_and_figures(checkout):
    checkout.study(lambda study: study.update(theory=SMALL))
    checkout.run("theory")
    table = pl.read_parquet(checkout.result("tables/theory.parquet"))
    assert table.height == pl.read_csv(checkout.result("tables/theory.csv")).height > 50
    assert set(table["claim"]) == {"Lemma 1", "Proposition 1", "Proposition 2", "Proposition 3", "Theorem 1"}
    figures = {file.name for file in checkout.result("figures").iterdir()}
    assert figures == {
        f"theory-{name}.{k}" for name in ("attention", "gradients", "phases") for k in ("svg", "pdf", "png")
    }
    assert not checkout.result("models").exists()
    assert not checkout.result("runs").exists()
