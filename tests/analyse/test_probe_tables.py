"""The tables of attention and gradients by step."""

from __future__ import annotations

import dataclasses

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inversion.analyse.probe_tables import attention, gradients, overtakes
from inversion.config.run import Run
from inversion.records.frames import from_frame, to_frame
from inversion.records.measurements import AttentionMass, AttentionPoint, ExampleGradient, GradientPoint

RUN = Run("m", "d", "r", 3)


def mass(step: int, item: int, layer: int, context: float, subject: float | None, **changed: object) -> AttentionMass:
    row = AttentionMass(
        step=step,
        epoch=step / 10,
        set="conflict",
        item_id=f"i{item}",
        cluster=f"c{item // 2}",
        layer=layer,
        query="answer",
        context=context,
        subject=subject,
        rest=1 - context - (subject or 0),
        tokens=20,
        context_tokens=8,
        subject_tokens=0 if subject is None else 1,
    )
    return dataclasses.replace(row, **changed)


@pytest.fixture
def masses() -> list[AttentionMass]:
    """Attention on six items at two steps and two layers; the last item has no subject."""
    return [
        mass(step, item, layer, 0.1 + 0.01 * item + 0.2 * layer + 0.03 * step, None if item == 5 else 0.1 * layer)
        for step in (0, 10)
        for item in range(6)
        for layer in (0, 1)
    ]


def test_attention_is_the_mean_over_items_by_layer_and_over_layers(masses) -> None:
    rows = from_frame(attention(RUN, to_frame(masses, AttentionMass), 200), AttentionPoint)
    found = {(row.step, row.layer, row.part): row for row in rows}
    assert len(found) == len(rows) == 2 * 3 * 3
    for step in (0, 10):
        for layer in (0, 1):
            expected = 0.1 + 0.025 + 0.2 * layer + 0.03 * step
            assert found[step, layer, "context"].value == pytest.approx(expected)
        assert found[step, None, "context"].value == pytest.approx(0.1 + 0.025 + 0.1 + 0.03 * step)
        assert found[step, None, "subject"].value == pytest.approx(0.05)
        assert (found[step, None, "subject"].n, found[step, None, "rest"].n) == (5, 6)
    for row in rows:
        assert (row.model, row.seed, row.set, row.query, row.epoch) == ("m", 3, "conflict", "answer", row.step / 10)
        assert row.low <= row.value + 1e-9
        assert row.high >= row.value - 1e-9
    wide = found[0, 0, "context"]
    assert wide.high - wide.low > 0.01
    assert attention(RUN, to_frame(masses[::-1], AttentionMass), 200).equals(
        attention(RUN, to_frame(masses, AttentionMass), 200)
    ), "the order of rows makes no difference"


def test_items_of_a_cluster_are_resampled_together(masses) -> None:
    alone = [dataclasses.replace(row, cluster="one") for row in masses]
    table = attention(RUN, to_frame(alone, AttentionMass), 50)
    assert table["low"].is_nan().all()


def test_a_missing_step_is_named_with_the_fix(masses) -> None:
    with pytest.raises(ValueError, match=r"m/d/r/seed3: .*'i5'.*delete the run's folder `probes`"):
        attention(RUN, to_frame(masses[:-1], AttentionMass), 50)
    with pytest.raises(ValueError, match=r"attention masses: column 'rest' is missing"):
        attention(RUN, to_frame(masses, AttentionMass).drop("rest"), 50)


def norm(step: int, example: int, kind: str, value: float, along: float, weights: str = "all") -> ExampleGradient:
    share = {"C": 0.4, "C+S": 0.6}[kind]
    return ExampleGradient(
        step, step / 10, f"e{example}", f"f{example}", kind, share, weights, 2 * value, value, along, -along
    )


def test_gradients_have_five_measures_by_kind_and_weights() -> None:
    rows = [
        norm(step, example, kind, size * (1 + 0.1 * example), size * 0.5, weights)
        for step in (0, 10)
        for kind, size in (("C", 1.0 + step), ("C+S", 2.0))
        for weights in ("all", "query_key")
        for example in range(5)
    ]
    points = from_frame(gradients(RUN, to_frame(rows, ExampleGradient), 200), GradientPoint)
    found = {(p.step, p.kind, p.weights, p.measure): p for p in points}
    assert len(found) == len(points) == 2 * 2 * 2 * 5
    for (step, kind, _, measure), point in found.items():
        size, share = (1.0 + step, 0.4) if kind == "C" else (2.0, 0.6)
        part = share * size / 2
        expected = {"example": size * 1.2, "mean": size / 2, "batch": part, "pull": -part, "loss": 2 * size * 1.2}
        assert point.value == pytest.approx(expected[measure])
        assert point.low <= point.value + 1e-9
        assert point.high >= point.value - 1e-9
        assert point.n == 5
    with pytest.raises(ValueError, match="m/d/r/seed3"):
        gradients(RUN, to_frame(rows[:-1], ExampleGradient), 50)


def test_overtakes_are_where_lines_cross_upwards() -> None:
    assert overtakes([0, 10, 20, 40], [2, 2, 2, 2], [1, 3, 1, 2.5]) == pytest.approx([5, 20 + 20 * 1 / 1.5])
    assert overtakes([0, 10], [1, 1], [2, 3]) == []
    assert overtakes([0, 10], [1, 1], [1, 3]) == [0.0]


# if two lines touch and then part, one overtakes the other where they part
@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)).filter(lambda pair: pair[0] != pair[1]), min_size=2))
def test_overtakes_of_two_series_alternate(pairs) -> None:
    steps = list(range(len(pairs)))
    first, second = zip(*pairs, strict=True)
    ups, downs = overtakes(steps, first, second), overtakes(steps, second, first)
    assert abs(len(ups) - len(downs)) <= 1
    assert all(0 <= step <= steps[-1] for step in ups)


def test_no_runs_give_no_points() -> None:
    assert attention(RUN, to_frame([], AttentionMass), 10).is_empty()
    assert isinstance(gradients(RUN, to_frame([], ExampleGradient), 10), pl.DataFrame)
