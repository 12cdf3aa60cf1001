from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inversion.config.evaluation import Design
from inversion.config.sets import FactSet
from inversion.conflict.controls import control_items
from inversion.conflict.design import balanced_order, chosen_items
from inversion.conflict.fact_sets import fact_items
from inversion.records.data import ConflictItem


def item(number: int, cluster: str, stratum: str = "", factors: tuple[str, ...] = ()) -> ConflictItem:
    return ConflictItem(
        f"i{number:04d}", "conflict", "conflict", f"question {number}", f"passage {number} says new",
        ["new"], ["old"], cluster, stratum, factors=list(factors),
    )  # fmt: skip


ITEMS = [
    item(n, f"fact {n // 5}", f"relation {n % 3}", (f"length={'short' if n % 4 else 'long'}", f"tense={n % 2}"))
    for n in range(400)
]


def test_without_a_design_all_items_are_evaluated() -> None:
    assert chosen_items(ITEMS, None) == ITEMS


def test_a_larger_sample_contains_the_smaller_one() -> None:
    small, large = (balanced_order(ITEMS, count, 3) for count in (40, 133))
    assert large[:40] == small
    assert len(set(large)) == 133


def test_more_items_than_there_are_is_all_of_them() -> None:
    assert chosen_items(ITEMS, Design(items=1000)) == ITEMS


@pytest.mark.parametrize("count", [10, 40, 80, 133, 200, 399])
def test_every_level_is_represented_in_proportion(count: int) -> None:
    chosen = [ITEMS[place] for place in balanced_order(ITEMS, count, 0)]
    for level_of in (
        lambda one: one.cluster,
        lambda one: one.stratum,
        lambda one: one.factors[0],
        lambda one: one.factors[1],
    ):
        whole, sample = (Counter(map(level_of, some)) for some in (ITEMS, chosen))
        for level, of_all in whole.items():
            assert abs(sample[level] - of_all * count / len(ITEMS)) < 2


def test_every_cluster_is_asked_before_any_is_asked_twice() -> None:
    items = [item(n, f"fact {n // 5}") for n in range(100)]
    chosen = Counter(items[place].cluster for place in balanced_order(items, 20, 0))
    assert set(chosen.values()) == {1}
    assert len(chosen) == 20


def test_the_seed_decides_between_equals_and_nothing_else_does() -> None:
    same, other = balanced_order(ITEMS, 50, 0), balanced_order(ITEMS, 50, 1)
    assert balanced_order(ITEMS, 50, 0) == same
    assert set(same) != set(other)


def test_controls_are_those_of_the_chosen_items() -> None:
    items = [*ITEMS, *control_items(ITEMS, ["matching", "no_context"])]
    chosen = chosen_items(items, Design(items=30))
    by_set = {name: [one.item_id for one in chosen if one.set == name] for name in {one.set for one in chosen}}
    assert set(by_set) == {"conflict", "conflict+matching", "conflict+no_context"}
    assert all(len(ids) == 30 for ids in by_set.values())
    assert len({tuple(sorted(ids)) for ids in by_set.values()}) == 1


def test_every_set_has_a_choice_of_its_own() -> None:
    recall = [replace(one, set="recall", role="control", context=None, context_answers=[]) for one in ITEMS[:60]]
    chosen = chosen_items([*ITEMS, *recall], Design(items=50))
    assert Counter(one.set for one in chosen) == {"conflict": 50, "recall": 50}


def test_the_sample_of_a_set_does_not_depend_on_the_other_sets() -> None:
    other = [replace(one, set="other") for one in ITEMS]
    alone = chosen_items(ITEMS, Design(items=25))
    assert [one for one in chosen_items([*other, *ITEMS], Design(items=25)) if one.set == "conflict"] == alone


def test_the_facts_stay_balanced() -> None:
    items = fact_items(FactSet(source="facts", limit=288), "facts")
    chosen = chosen_items(items, Design(items=96))
    for factor in {level.partition("=")[0] for one in items for level in one.factors}:
        counts = Counter(level for one in chosen for level in one.factors if level.startswith(factor))
        assert max(counts.values()) - min(counts.values()) <= 4


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 2)), min_size=1, max_size=60), st.integers(1, 70))
def test_any_set_gives_distinct_items(levels: list[tuple[int, int]], count: int) -> None:
    items = [item(n, f"c{cluster}", f"s{stratum}") for n, (cluster, stratum) in enumerate(levels)]
    order = balanced_order(items, count, 0)
    assert len(order) == len(set(order)) == min(count, len(items))
