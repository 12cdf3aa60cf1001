import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from inversion.config import ContextCriticalSelection, RandomSelection
from inversion.instruct.rows import DataError
from inversion.instruct.selections import drop_count, select
from inversion.records import ContextNeed, Example, Message


def examples(count):
    messages = [Message("user", "q"), Message("assistant", "a")]
    return [Example(f"e{i}", messages, None, None, None, None) for i in range(count)]


def scores(losses):
    return {f"e{i}": ContextNeed(f"e{i}", loss, 1) for i, loss in enumerate(losses)}


def kept(*arguments):
    return [example.example_id for example in select(*arguments)]


def by_need(drop):
    return ContextCriticalSelection(by="context_need", drop=drop)


def at_random(drop):
    return RandomSelection(by="random", drop=drop)


def test_no_selection_keeps_all():
    assert kept(examples(3), None, 0) == ["e0", "e1", "e2"]


def test_the_lowest_losses_go_and_the_order_stays():
    assert kept(examples(4), by_need(0.5), 0, scores([3.0, 0.1, 2.0, 0.2])) == ["e0", "e2"]


def test_ties_go_by_id():
    assert kept(examples(4)[::-1], by_need(0.5), 0, scores([1.0] * 4)) == ["e3", "e2"]


@given(losses=st.lists(st.floats(0, 20), min_size=1, max_size=30), drop=st.floats(0, 0.99))
def test_nothing_kept_has_a_lower_loss_than_anything_dropped(losses, drop):
    names = kept(examples(len(losses)), by_need(drop), 0, scores(losses))
    assert len(names) == len(losses) - drop_count(by_need(drop), len(losses))
    inside = [loss for i, loss in enumerate(losses) if f"e{i}" in names]
    outside = [loss for i, loss in enumerate(losses) if f"e{i}" not in names]
    assert max(outside, default=0.0) <= min(inside)


@given(count=st.integers(1, 40), drop=st.floats(0, 0.99), seed=st.integers(0, 9))
def test_as_many_go_at_random_and_the_order_stays(count, drop, seed):
    names = kept(examples(count), at_random(drop), seed)
    assert len(names) == count - drop_count(by_need(drop), count)
    assert names == sorted(names, key=lambda name: int(name[1:]))
    assert names == kept(examples(count), at_random(drop), seed)


def test_another_seed_drops_others():
    assert kept(examples(40), at_random(0.5), 0) != kept(examples(40), at_random(0.5), 1)


def test_the_count_has_no_rounding_error():
    assert 0.29 * 100 < 29  # what a plain product would give
    assert drop_count(at_random(0.29), 100) == 29


@pytest.mark.parametrize("selection", [by_need, at_random])
def test_a_selection_of_everything_is_no_selection(selection):
    with pytest.raises(ValidationError, match="less than 1"):
        selection(1.0)


@pytest.mark.parametrize("selection", [by_need(0.5), at_random(0.5)])
def test_an_empty_dataset_stops_before_scores_are_asked_for(selection):
    with pytest.raises(DataError, match="leaves none of 0 examples"):
        select([], selection, 0)


@pytest.mark.parametrize("need", [None, scores([1.0]), scores([1.0, float("nan")])])
def test_a_missing_score_stops(need):
    with pytest.raises(DataError, match=r"'e[01]' has no score"):
        select(examples(2), by_need(0.0), 0, need)
