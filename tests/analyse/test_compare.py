"""The comparison of two runs on the items that both answered."""

import polars as pl
import pytest
from made_items import exact, table

from inversion.analyse.compare import as_text, compare

STEPS = (0, 10)


def run(rate, n=200, **keys):
    return table(exact((0.1, rate), n), steps=STEPS, **keys)


def test_the_last_steps_are_compared_with_an_interval():
    (context, parametric) = compare(run(0.5), run(0.3))
    assert (context.metric, parametric.metric) == ("context_rate", "parametric_rate")
    assert (context.first, context.second) == (0.5, 0.3)
    assert context.difference == pytest.approx(-0.2)
    assert context.low < -0.2 < context.high < 0
    assert context.p_value == pytest.approx(2 * 0.5**40)
    assert (context.items, context.only_one, context.clusters) == (200, 0, 200)
    assert parametric.difference == pytest.approx(0.2)


def test_a_run_does_not_differ_from_itself():
    for row in compare(run(0.5), run(0.5)):
        assert (row.difference, row.low, row.high, row.p_value) == (0, 0, 0, 1)


def test_a_cluster_counts_once():
    (context, _) = compare(run(0.5, cluster_size=200), run(0.3, cluster_size=200))
    assert context.p_value == 1
    assert context.clusters == 1


def test_items_that_only_one_run_answered_are_omitted_and_counted():
    second = run(0.3).filter(pl.col("item_id") < "item0150")
    (context, _) = compare(run(0.5), second)
    assert (context.items, context.only_one) == (150, 50)


def test_controls_have_an_accuracy_and_steps_can_be_chosen():
    (only,) = compare(run(0.5, role="control"), run(0.3, role="control"), steps=(0, 10))
    assert (only.metric, only.first) == ("accuracy", 1.0)


@pytest.mark.parametrize(
    ("second", "line"),
    [
        (run(0.3, set_name="other"), "share no item of the same set and prompt"),
        (run(0.3).with_columns(context_answers=pl.lit(["d"])), "item 'item0000' of set 'capitals' has other answers"),
        (run(0.3).drop("first_mention"), "the labels have no scorer 'first_mention'"),
    ],
)
def test_what_cannot_be_compared_is_refused(second, line):
    with pytest.raises(ValueError, match=line):
        compare(run(0.5), second)


def test_a_missing_step_is_refused():
    with pytest.raises(ValueError, match="there is no step 5; there are: 0, 10"):
        compare(run(0.5), run(0.3), steps=(5, None))


def test_the_text_is_a_table():
    lines = as_text(compare(run(0.5), run(0.3))).splitlines()
    assert len(lines) == 3
    assert lines[1].split()[:6] == ["capitals", "plain", "context_rate", "50.0%", "30.0%", "-20.0"]
