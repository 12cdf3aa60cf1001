"""Where in the network answers are decided, by step."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from inversion.analyse.mechanism_tables import (
    knockouts,
    lens,
    patching,
    rank_correlations,
    shuffled_within,
    turning_depths,
    weights,
)
from inversion.config.run import Run
from inversion.records.data import ConflictItem
from inversion.records.frames import from_frame, to_frame
from inversion.records.mechanism import (
    DIRECTIONS,
    KnockoutMargin,
    KnockoutPoint,
    LensPoint,
    LensReading,
    PatchedMargin,
    PatchPoint,
    WeightFact,
    WeightPoint,
)

RUN = Run("m", "d", "r", 3)

MARGINS = {0: (0.5, -1.0, -2.0), 10: (-0.5, 1.0, 3.0)}
"""Log-odds by depth at two steps."""


def reading(step: int, item: int, depth: int) -> LensReading:
    margin = MARGINS[step][depth] + 0.1 * item
    return LensReading(
        step, step / 10, "conflict", f"i{item}", f"c{item}", "logit", "last", depth, margin - 2, -2.0, 2.0 - depth
    )


@pytest.fixture
def readings() -> list[LensReading]:
    return [reading(step, item, depth) for step in MARGINS for item in range(6) for depth in range(3)]


def test_the_lens_is_the_mean_over_items_by_step_and_depth(readings) -> None:
    rows = from_frame(lens(RUN, to_frame(readings, LensReading), 200), LensPoint)
    found = {(row.step, row.measure, row.depth): row for row in rows}
    assert len(found) == len(rows) == 2 * (3 + 3 + 3 + 1)
    for step, margins in MARGINS.items():
        for depth, margin in enumerate(margins):
            assert found[step, "margin", depth].value == pytest.approx(margin + 0.25)
            assert found[step, "divergence", depth].value == pytest.approx(2 - depth)
    # the items' log-odds at step 10 and depth 0 are -0.5 to 0
    assert found[10, "context", 0].value == 0
    assert found[10, "context", 2].value == 1
    assert found[0, "turn", None].value == 1, "from the first layer on all are on memory's side"
    assert found[10, "turn", None].value == 1
    for row in rows:
        assert (row.model, row.seed, row.set, row.epoch, row.n) == ("m", 3, "conflict", row.step / 10, 6)
        assert row.low - 1e-9 <= row.value <= row.high + 1e-9
    assert found[0, "margin", 1].high - found[0, "margin", 1].low > 0.1


def test_lenses_and_tokens_are_apart_and_items_may_lack_a_subject(readings) -> None:
    added = [
        dataclasses.replace(row, lens=lens, position=position, context_logprob=-1.0 - weight, parametric_logprob=-1.0)
        for row in readings
        for lens, position, weight in (("tuned", "last", 1), ("logit", "subject", 2))
        if position == "last" or row.item_id in ("i1", "i4")
    ]
    rows = from_frame(lens(RUN, to_frame([*added, *readings], LensReading), 50), LensPoint)
    found = {
        (row.lens, row.position): row for row in rows if row.measure == "margin" and not row.depth and not row.step
    }
    assert {key: (row.value, row.n) for key, row in found.items()} == {
        ("logit", "last"): (pytest.approx(0.75), 6),
        ("tuned", "last"): (-1, 6),
        ("logit", "subject"): (-2, 2),
    }


def test_a_missing_depth_is_named_with_the_fix(readings) -> None:
    with pytest.raises(ValueError, match=r"m/d/r/seed3: .*'i5'.*delete the run's folder `probes`"):
        lens(RUN, to_frame(readings[:-1], LensReading), 50)


def test_turning_depth_is_the_depth_from_which_the_side_stays() -> None:
    margins = np.array([[1, 1, 1], [-1, 1, 1], [1, -1, 1], [-1, 1, -1], [1, 0, -1]], dtype=float)
    assert turning_depths(margins).tolist() == [0, 1, 2, 2, 1]


@given(st.lists(st.sampled_from([-2.0, -0.5, 0.5, 2.0]), min_size=1, max_size=6))
def test_below_the_turning_depth_is_the_other_side(margins) -> None:
    turn = int(turning_depths(np.array(margins)))
    sides = [margin > 0 for margin in margins]
    assert set(sides[turn:]) == {sides[-1]}
    assert turn == 0 or sides[turn - 1] != sides[-1]


def patched(item: int, receiver: str, donor: str, layer: int, moved: float) -> PatchedMargin:
    """The end is at -4 and the peak at 2, for every second item 2 apart from that."""
    apart = 2.0 * (item % 2)
    own, rival = (-4.0 - apart, 2.0) if receiver == "end" else (2.0, -4.0 - apart)
    steps = {"end": 20, "peak": 10, "start": 0}
    step, giving = steps[receiver], steps["peak" if receiver == "end" else "end"]
    margin = own + moved * (rival - own)
    return PatchedMargin(
        step, step / 10, receiver, donor, giving, "conflict", f"i{item}", f"c{item}", "mlp", layer, None, "last",
        margin, own, rival,
    )  # fmt: skip


def test_shares_are_of_the_difference_between_peak_and_end() -> None:
    rows = [
        patched(item, receiver, donor, layer, 0.0 if donor == "self" else 0.25 + 0.5 * layer)
        for item in range(6)
        for receiver in ("end", "peak")
        for donor in ("rival", "self")
        for layer in (0, 1)
    ]
    points = from_frame(patching(RUN, to_frame(rows, PatchedMargin), 200), PatchPoint)
    found = {(p.receiver, p.donor, p.layer, p.measure): p for p in points}
    assert len(found) == len(points) == 2 * 2 * 2 * 2
    for (receiver, donor, layer, measure), point in found.items():
        share = 0.0 if donor == "self" else 0.25 + 0.5 * layer
        gap = 7.0 if receiver == "end" else -7.0
        assert point.value == pytest.approx(share if measure == "share" else share * gap)
        assert point.low - 1e-9 <= point.value <= point.high + 1e-9
        assert (point.step, point.donor_step) == ((20, 10) if receiver == "end" else (10, 20))
    share, effect = (found["end", "rival", 1, measure] for measure in ("share", "effect"))
    assert share.high - share.low < 1e-9, "the same share of every item, however far apart"
    assert effect.high - effect.low > 0.1


ITEM = ConflictItem("i", "conflict", "conflict", "What is the capital?", "It is Lyon.", ["Lyon"], ["Paris"], "c", "s")


def answered(item: int, layer: int, text: str, own: str = "Paris", rival: str = "Lyon") -> PatchedMargin:
    row = dataclasses.replace(patched(item, "end", "rival", layer, 0.5), component="head", head=1)
    return dataclasses.replace(
        row, text=text, own_text=own, rival_text=rival, item=json.dumps(dataclasses.asdict(ITEM))
    )


def test_generated_answers_are_labelled_and_their_change_is_a_share_of_the_rivals() -> None:
    """Of six items, the receiver answers all from memory and the rival four from the context. The patch makes the
    first answer from the context, and the second something else."""
    rows = [
        answered(i, 1, ("Lyon", "Rome", "Paris", "Paris", "Paris", "Paris")[i], rival="Lyon" if i < 4 else "Paris")
        for i in range(6)
    ]
    # a layer without answers, and items that lack tokens of another group
    rows += [patched(i, "end", "rival", 0, 0.25) for i in range(6)]
    rows += [dataclasses.replace(patched(i, "end", "rival", 0, 1.0), positions="subject") for i in range(2)]
    points = from_frame(patching(RUN, to_frame(rows, PatchedMargin), 500), PatchPoint)
    found = {(p.measure, p.component, p.head, p.positions): p for p in points}
    assert len(found) == len(points) == 3 * 2 + 3
    head = ("head", 1, "last")
    assert found["context_answers", *head].value == pytest.approx(1 / 6)
    assert found["memory_answers", *head].value == pytest.approx(4 / 6)
    assert found["context_share", *head].value == pytest.approx(1 / 4)
    assert found["share", *head].value == pytest.approx(0.5)
    assert found["share", "mlp", None, "last"].n == 6
    assert (found["share", "mlp", None, "subject"].value, found["share", "mlp", None, "subject"].n) == (1, 2)
    assert found["context_share", *head].low <= 1 / 4 <= found["context_share", *head].high


def test_without_a_fall_there_is_no_share() -> None:
    rows = [
        dataclasses.replace(patched(item, "end", "rival", 0, 0.0), rival=-4.0, own=-4.0, margin=-3.0)
        for item in range(6)
    ]
    points = from_frame(patching(RUN, to_frame(rows, PatchedMargin), 50), PatchPoint)
    assert (points[0].measure, points[0].value) == ("effect", 1.0)
    assert not np.isfinite(points[1].value)


EFFECTS = {
    "start": (0, {(0, 0): -1.0, (0, 1): 0.0, (1, 0): 1.0}),
    "peak": (10, {(0, 0): -2.0, (0, 1): 0.5, (1, 0): 3.0}),
    "end": (20, {(0, 0): 2.0, (0, 1): 0.0, (1, 0): -1.0}),
}
"""What each head's loss does at each milestone."""


def test_heads_are_ranked_and_compared_between_milestones() -> None:
    rows = [
        KnockoutMargin(
            step,
            step / 10,
            milestone,
            "conflict",
            f"i{item}",
            f"c{item}",
            scale,
            "one",
            layer,
            head,
            None,
            item + (-effect if scale > 1 else effect) * (1 + item),
            item,
        )
        for scale in (0.0, 2.0)
        for milestone, (step, effects) in EFFECTS.items()
        for (layer, head), effect in effects.items()
        for item in range(6)
    ]
    points = from_frame(knockouts(RUN, to_frame(rows, KnockoutMargin), 200), KnockoutPoint)
    assert len(points) == 2 * (3 * 3 + 3 * 2)
    for point in points:
        step, effects = EFFECTS[point.milestone]
        assert (point.step, point.n) == (step, 6)
        assert point.low - 1e-9 <= point.value <= point.high + 1e-9
        if point.measure == "effect":
            effect = effects[point.layer, point.head]
            assert point.value == pytest.approx(3.5 * effect * (1 if point.scale == 0 else -1))
            assert point.rank == sorted(effects.values()).index(effect) + 1, "the head that brings the context answer"
            assert point.null_low is None
    for scale in (0.0, 2.0):
        found = {(p.milestone, p.measure): p for p in points if p.measure != "effect" and p.scale == scale}
        assert found["start", "peak"].value == found["peak", "start"].value == pytest.approx(1)
        assert found["peak", "end"].value == pytest.approx(-1)
        # the two heads of the first layer can only change places, the one of the second stays
        assert (found["start", "peak"].null_low, found["start", "peak"].null_high) == pytest.approx((0.5, 1))


def test_heads_together_are_next_to_random_ones() -> None:
    rows = [
        KnockoutMargin(0, 0.0, "peak", "conflict", f"i{item}", f"c{item}", 0.0, heads, layer, None, draw, margin, 1.0)
        for item in range(6)
        for heads, layer, draw, margin in (
            ("one", 0, None, 0.0), ("top", None, None, -3.0 - item), ("random", None, 0, 0.5),
            ("random", None, 1, -0.5),
        )
    ]  # fmt: skip
    rows = [dataclasses.replace(row, head=0) if row.heads == "one" else row for row in rows]
    points = from_frame(knockouts(RUN, to_frame(rows, KnockoutMargin), 200), KnockoutPoint)
    found = {point.measure: point for point in points}
    assert {measure: point.value for measure, point in found.items()} == {"effect": -1, "top": -6.5, "random": -1}
    for measure in ("top", "random"):
        assert (found[measure].null_low, found[measure].null_high) == (-1.5, -0.5)
        assert found[measure].layer is found[measure].rank is None
    assert found["top"].high - found["top"].low > 0.1


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(-3, 3)), min_size=1, max_size=9))
def test_shuffled_values_stay_in_their_group(pairs) -> None:
    groups, values = np.array(pairs).T
    found = shuffled_within(values.astype(float), groups, 20, np.random.default_rng(0))
    assert found.shape == (20, len(values))
    for row in found:
        assert sorted(zip(groups, row, strict=True)) == sorted(zip(groups, values, strict=True))


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=3, max_size=9))
def test_rank_correlations_are_spearmans(pairs) -> None:
    one, other = np.array(pairs, dtype=float).T
    if len(set(one)) == 1 or len(set(other)) == 1:
        assert np.isnan(rank_correlations(one, other))
    else:
        assert rank_correlations(one, other) == pytest.approx(spearmanr(one, other).statistic)
        np.testing.assert_allclose(rank_correlations(np.stack([one, one]), np.stack([other, one]))[1], 1)


UPDATES = {
    ("query", 0): ([3.0, 4.0], [1.0, 0.0], [-1.0, 1.0]),
    ("key", 0): ([0.0, 5.0], [0.0, 2.0], [0.0, 2.0]),
    ("query", 1): ([1.0, 1.0], [0.0, 0.0], [0.0, 1.0]),
    ("norm", None): ([2.0, 0.0], [0.5, 0.0], [-0.5, 0.0]),
}
"""The weights at the start and their updates up to the peak and after it, by kind and layer."""


def update_facts() -> list[WeightFact]:
    facts = []
    for (kind, layer), vectors in UPDATES.items():
        start, rise, fall = map(np.array, vectors)
        for interval, own, other in (("rise", rise, fall), ("fall", fall, rise)):
            norms = [float(np.linalg.norm(x)) for x in (start, own, other, rise + fall)]
            group = "rest" if kind == "norm" else "query_key"
            step, since = (10, 0) if interval == "rise" else (20, 10)
            facts.append(
                WeightFact(
                    step, step / 10, since, interval, group, kind, layer, *norms, own @ other, own @ (rise + fall)
                )
            )
    return facts


def exchange_facts() -> list[WeightFact]:
    """A rise of 4 nats and a fall of 8, for every second item half as large; of both the MLP carries three quarters, or
    half if it alone is not updated."""
    return [
        WeightFact(
            step, step / 10, since, interval, group, set="conflict", item_id=f"i{item}", cluster=f"c{item}",
            direction=direction, before=before, after=before + change,
            margin=before + (share if direction == "insert" else 1 - share) * change,
        )
        for interval, since, step, before, height in (("rise", 0, 10, -2.0, 4.0), ("fall", 10, 20, 2.0, -8.0))
        for item in range(6)
        for change in [height / (1 + item % 2)]
        for group in ("mlp", "rest")
        for direction, share in zip(DIRECTIONS, (0.75, 0.5) if group == "mlp" else (0.0, 0.0), strict=True)
    ]  # fmt: skip


def test_updates_of_a_part_are_combined_as_one_vector() -> None:
    points = from_frame(weights(RUN, to_frame([*update_facts(), *exchange_facts()], WeightFact), 50), WeightPoint)
    found = {(p.interval, p.part, p.layer, p.measure): p for p in points if p.set is None}
    members = {
        ("query", 0): [("query", 0)],
        ("query", None): [("query", 0), ("query", 1)],
        ("query_key", 0): [("query", 0), ("key", 0)],
        ("rest", None): [("norm", None)],
        ("all", None): list(UPDATES),
    }
    for (part, layer), keys in members.items():
        start, rise, fall = (np.concatenate([UPDATES[key][index] for key in keys]) for index in range(3))
        for interval, own, other in (("rise", rise, fall), ("fall", fall, rise)):
            point = found[interval, part, layer, "norm"]
            assert (point.since, point.step) == ((0, 10) if interval == "rise" else (10, 20))
            assert (point.low, point.high, point.n) == (None, None, None)
            assert point.value == pytest.approx(np.linalg.norm(own) / np.linalg.norm(start))
            for measure, with_ in (("cosine", other), ("cosine_whole", rise + fall)):
                value, sizes = found[interval, part, layer, measure].value, np.linalg.norm(own) * np.linalg.norm(with_)
                assert value == (pytest.approx(own @ with_ / sizes) if sizes else pytest.approx(np.nan, nan_ok=True))
    assert ("rise", "norm", 0, "norm") not in found
    assert np.isnan(found["rise", "query", 1, "norm"].value * found["rise", "query", 1, "cosine"].value)


def test_shares_of_groups_are_of_the_rise_and_of_the_fall() -> None:
    points = from_frame(weights(RUN, to_frame([*update_facts(), *exchange_facts()], WeightFact), 200), WeightPoint)
    found = {(p.interval, p.part, p.measure): p for p in points if p.set == "conflict"}
    assert len(found) == 2 * (1 + 2 * 2 * 2)
    for interval, change in (("rise", 3.0), ("fall", -6.0)):
        assert found[interval, "all", "change"].value == pytest.approx(change)
        for direction, share in zip(DIRECTIONS, (0.75, 0.5), strict=True):
            assert found[interval, "mlp", direction].value == pytest.approx(share * change)
            point = found[interval, "mlp", f"{direction}_share"]
            assert (point.value, point.low, point.high, point.n) == (pytest.approx(share),) * 3 + (6,)
            assert found[interval, "rest", f"{direction}_share"].value == pytest.approx(0)
        point = found[interval, "mlp", "insert"]
        assert point.high - point.low > 0.1
        assert point.low <= point.value <= point.high


def test_no_change_gives_no_share_of_a_group() -> None:
    still = [dataclasses.replace(fact, after=fact.before, margin=fact.before) for fact in exchange_facts()]
    points = from_frame(weights(RUN, to_frame([*update_facts(), *still], WeightFact), 50), WeightPoint)
    found = [p for p in points if p.measure.endswith("_share")]
    assert found
    assert all(np.isnan(point.value) for point in found)
