"""The table and the figures of the organism studies, from invented tables of items."""

from __future__ import annotations

import polars as pl
import pytest
from analyse.made_items import RISE_AND_FALL, RISE_AND_STAY, STEPS, exact, table
from organism.summary import as_table, at_turns, differences, draw_ablation, draw_seeds, rates, verdicts, with_variant

from inversion.analyse.curves import curves
from inversion.analyse.inversions import inversions
from inversion.analyse.verdicts import VERDICTS
from inversion.config.scorers import MAIN


@pytest.fixture(scope="module")
def studied() -> tuple[pl.DataFrame, pl.DataFrame]:
    """For two models of one family: the rows of ``inversions`` with controls, and the points of the figure."""
    parts = []
    for name, course in (("neox-20", RISE_AND_FALL), ("neox-21", RISE_AND_STAY)):
        for set_name, role in (("conflict", "conflict"), ("new-facts", "new_facts"), ("recall", "recall")):
            labels = exact(course, 400)
            parts.append(table(labels, set_name=set_name, role=role).with_columns(model=pl.lit(name)))
        parts.append(
            table(exact([0.9] * 10, 400), set_name="matching", role="matching").with_columns(model=pl.lit(name))
        )
    items = pl.concat(parts).with_columns(pl.col("first_mention").alias(MAIN), recipe=pl.lit("standard"))
    points = rates(curves(items))
    return at_turns(verdicts(inversions(items, 200)), points), points


def test_one_row_per_group_with_every_verdict_counted(studied: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    head, _, *rows = as_table(studied[0], {"what": "model", "recipe": "recipe"}).splitlines()
    names = [cell.strip() for cell in head.strip("|").split("|")]
    (cells,) = [dict(zip(names, [cell.strip() for cell in row.strip("|").split("|")], strict=True)) for row in rows]
    assert (cells["model"], cells["recipe"], cells["runs"]) == ("neox", "standard", "2")
    counts = {name: int(cells[f"{verdict.symbol} {verdict.words}"]) for name, verdict in VERDICTS.items()}
    assert (sum(counts.values()), counts["inversion"]) == (2, 1)
    assert cells["fall"] == "20 (0 to 40)"
    assert cells["matching, peak to end"] == "90 to 90"


def test_differences_from_standard_are_paired_by_base_model() -> None:
    ends = {("a-1", "standard"): 0.1, ("a-2", "standard"): 0.3, ("a-1", "other"): 0.5, ("a-2", "other"): 0.5}
    found = pl.DataFrame(
        [
            {"what": "a", "model": model, "recipe": recipe, "end": end, "fall": 0.2}
            for (model, recipe), end in ends.items()
        ]
    )
    *_, row = differences(found).splitlines()
    half = 12.7062 * 10  # the t quantile with one degree of freedom, times the standard error
    assert row == f"| a | other | 2 | +30 ({30 - half:+.0f} to {30 + half:+.0f}) | 1 of 2 | +0 (+0 to +0) |"


def test_the_figures_show_all_runs(studied: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    found, points = studied
    figure = draw_seeds(points)
    lines = figure.axes[0].get_lines()
    assert sum(len(line.get_xdata()) == len(STEPS) for line in lines) >= 2
    varied = with_variant(found.with_columns(dataset=pl.lit("tulu-like")))
    assert [text.get_text() for text in draw_ablation(varied).axes[0].get_yticklabels()] == ["default"]
