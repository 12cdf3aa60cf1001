"""The settings in which Propositions 1 to 3 and Theorem 1 hold, and those in which they do not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from inversion.config.theory import Theory
from inversion.records.frames import from_frame, to_frame
from inversion.records.theory import TheoryClaim, TheoryPhase, TheoryStep
from inversion.theory.claims import check_claims, intervals, proposition_1, proposition_2, proposition_3, theorem_1
from inversion.theory.descent import descend, first_phase, phases, second_phase, step, trajectories, trajectory
from inversion.theory.model import build, m_c

THEORY = Theory()


def having(**changed: Any) -> Theory:
    return THEORY.model_copy(update=changed)


def interval(rows: list[TheoryClaim], part: str) -> tuple[float, float | None]:
    (found,) = (row for row in rows if part in row.part and row.part.endswith("searched"))
    assert found.holds
    assert found.low is not None
    return found.low, found.high


# --- the course ---------------------------------------------------------------------------------


def scalar_course(theory: Theory) -> list[float]:
    """M_C by step, computed from three numbers. By symmetry all C points are equal, and so are all C+S points.

    For each prompt only the difference between the scores of c and s matters. It is the sum of a part that is common to
    all prompts and a part from the directions of its own kind. A gradient g adds g to both parts.
    """
    others = (theory.k_a - 1) * math.exp(theory.o_c) + math.exp(theory.o_r) + theory.k_s
    of_context, of_memory = (math.log(others * delta / (1 - delta)) for delta in (theory.delta_c, theory.delta_m))
    common = own_c = own_cs = 0.0
    ratios = []
    for _ in range(theory.steps + 1):
        on_c, on_cs, on_test = (expit(x) for x in (common + own_c, common + own_cs, common))
        odds = on_test * (of_context - theory.o_c) - (1 - on_test) * (of_memory - theory.o_c)
        ratios.append(float(expit(odds)))

        def residual(z: float) -> float:
            return float(others / (others + math.exp(z)))

        z_c = on_c * of_context + (1 - on_c) * theory.o_c
        z_cs = on_cs * of_context + (1 - on_cs) * of_memory
        g_c = on_c * (1 - on_c) * (of_context - theory.o_c) * residual(z_c)
        g_cs = on_cs * (1 - on_cs) * (of_context - of_memory) * residual(z_cs)
        common += theory.learning_rate * (theory.context_critical * g_c + theory.context_and_memory * g_cs)
        own_c, own_cs = own_c + theory.learning_rate * g_c, own_cs + theory.learning_rate * g_cs
    return ratios


@pytest.mark.parametrize(
    "changed",
    [{}, {"learning_rate": 2.0}, {"context_critical": 5, "context_and_memory": 11}, {"o_c": 1.0, "o_r": -1.0}],
)
def test_the_trajectory_equals_the_scalar_recursion(changed: dict[str, Any]) -> None:
    theory = having(steps=60, **changed)
    np.testing.assert_allclose([row.m_c for row in trajectory(theory)], scalar_course(theory), atol=1e-9)


def test_attention_turns_where_the_ratio_peaks() -> None:
    rows = trajectory(THEORY)
    peak = max(range(len(rows)), key=lambda t: rows[t].m_c)
    assert 10 < peak < 100
    assert peak == max(range(len(rows)), key=lambda t: rows[t].theta_c)
    np.testing.assert_allclose([row.theta_s for row in rows], [-row.theta_c for row in rows], atol=1e-12)
    assert rows[-1].m_c < rows[peak].m_c - 0.2
    # by then the C points keep their attention by directions of their own, while the shared direction has turned
    assert rows[-1].attention_c > 0.9 > 0.5 > rows[-1].attention_cs
    crossing = next(row.step for row in rows if row.norm_cs > row.norm_c)
    assert abs(crossing - peak) <= 2


def test_few_context_and_memory_points_do_not_reverse_it() -> None:
    rows = trajectory(having(context_critical=12, context_and_memory=4))
    assert rows[-1].m_c == max(row.m_c for row in rows)


def test_training_the_values_delays_the_fall() -> None:
    frozen, trained = trajectory(THEORY), trajectory(THEORY, THEORY.value_learning_rate)
    assert frozen[0].m_c == trained[0].m_c
    assert max(frozen, key=lambda row: row.m_c).step < max(trained, key=lambda row: row.m_c).step
    assert frozen[-1].m_c < trained[-1].m_c


# --- Proposition 1 and Theorem 1 ----------------------------------------------------------------


def test_proposition_1_the_signs_flip_within_the_interval_found() -> None:
    low, high = interval(proposition_1(THEORY), "both signs flip")
    assert 0.8 < low < 1.0
    assert high is None
    setup = build(THEORY)
    assert first_phase(setup.model, setup.points) > 0
    for rate, flipped in ((0.99 * low, False), (1.01 * low, True), (THEORY.learning_rates[1], True)):
        assert (second_phase(step(setup.model, setup.points, rate), setup.points) > 0) is flipped


def test_theorem_1_holds_within_the_interval_found() -> None:
    low, high = interval(theorem_1(THEORY), "M_C(1) > M_C(0)")
    setup = build(THEORY)
    for rate, holds in ((0.99 * low, False), (1.01 * low, True), (0.5 * (low + high), True)):
        before, top, after = (m_c(model, setup) for _, model in descend(setup, rate, 2))
        assert top > before
        assert (top > after) is holds


def test_theorem_1_needs_the_flip_of_proposition_1() -> None:
    theory = having(delta_m=0.9)
    assert interval(theorem_1(theory), "M_C(1)")[0] == pytest.approx(interval(proposition_1(theory), "flip")[0])


def test_too_small_a_learning_rate_only_delays_the_turn() -> None:
    at_rate = theorem_1(THEORY)[0]
    assert at_rate.learning_rate == 0.1
    assert not at_rate.violated
    assert not at_rate.holds
    assert trajectory(THEORY)[-1].m_c < max(row.m_c for row in trajectory(THEORY)) - 0.2


@pytest.mark.parametrize(
    ("changed", "violated"),
    [
        ({"context_critical": 2, "context_and_memory": 14}, ["|D_C| >= |D_C+S|"]),
        ({"delta_c": 0.04}, ["delta_C > 3 / (K_A - 1)"]),
        # all assumptions hold, but the first phase needs more than they state
        ({"delta_c": 0.081, "delta_m": 0.9}, []),
    ],
)
def test_the_first_phase_fails(changed: dict[str, Any], violated: list[str]) -> None:
    for row in proposition_1(having(**changed)):
        assert row.violated == violated
        assert not row.holds
        assert row.margin < -0.1
        assert row.low is row.high is None


def test_claims_hold_beyond_some_assumptions() -> None:
    rows = proposition_1(having(delta_m=0.3)) + theorem_1(having(context_critical=6, context_and_memory=10))
    assert {tuple(row.violated) for row in rows} == {("delta_M > 2 delta_C",), ("|D_C| >= |D_C+S|",)}
    assert all(row.holds for row in rows if "searched" in row.part)


# --- Propositions 2 and 3 -----------------------------------------------------------------------


def test_proposition_2_needs_some_attention_on_the_relation() -> None:
    for sigma_r in (1e-6, 0.1):
        raises, leaves = proposition_2(THEORY, sigma_r)
        assert raises.holds
        assert raises.margin > 0.1 * sigma_r
        assert leaves.holds
    raises, leaves = proposition_2(THEORY)  # with sigma_r = 0 all attention in [s, r] is on s and cannot change
    assert (raises.holds, raises.margin) == (False, 0)
    assert leaves.holds


@pytest.mark.parametrize("changed", [{}, {"context_critical": 1, "context_and_memory": 15}, {"delta_m": 0.95}])
def test_proposition_3_subjects_of_c_points_are_memorised(changed: dict[str, Any]) -> None:
    at_rate, searched = proposition_3(having(**changed))
    assert at_rate.holds
    assert at_rate.value_learning_rate == THEORY.value_learning_rate
    assert (searched.holds, searched.low, searched.high) == (True, None, None)
    assert searched.margin > at_rate.margin


# --- the tables ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_table_has_every_claim_and_round_trips() -> None:
    rows = check_claims(Theory(k_s=6, k_a=20, context_critical=2, context_and_memory=2, shares=(1,)))
    assert {row.claim for row in rows} == {"Lemma 1", *(f"Proposition {i}" for i in (1, 2, 3)), "Theorem 1"}
    assert all(row.holds for row in rows if row.claim == "Lemma 1")
    assert all(row.holds == (row.margin > 0) for row in rows)
    assert any(row.violated for row in rows)
    assert from_frame(to_frame(rows, TheoryClaim), TheoryClaim) == rows


def test_phase_diagrams_have_a_cell_per_setting() -> None:
    theory = Theory(k_s=10, k_a=20, context_critical=2, context_and_memory=2, shares=(2,), grid=3, steps=4)
    rows = phases(theory)
    assert from_frame(to_frame(rows, TheoryPhase), TheoryPhase) == rows
    shares = [row for row in rows if row.diagram == "shares"]
    assert {row.context_critical for row in shares} == {1, 2, 3}
    assert [row.learning_rate for row in shares[:3]] == pytest.approx([0.01, 10**-0.5, 10])
    deltas = [row for row in rows if row.diagram == "deltas"]
    assert len(deltas) == 9
    assert {row.learning_rate for row in deltas} == {0.1}
    for row in rows:
        expected = scalar_course(
            theory.model_copy(
                update={name: getattr(row, name) for name in type(theory).model_fields if hasattr(row, name)}
            )
        )
        assert (row.start, row.end) == pytest.approx((expected[0], expected[-1]))
        assert row.peak == pytest.approx(max(expected))
        assert row.theorem == pytest.approx(min(expected[1] - expected[0], expected[1] - expected[2]))


def test_every_share_has_a_frozen_and_a_trained_trajectory() -> None:
    theory = Theory(steps=3, shares=(2, 8))
    rows = trajectories(theory)
    assert from_frame(to_frame(rows, TheoryStep), TheoryStep) == rows
    assert len({(row.context_critical, row.value_learning_rate) for row in rows}) == 4
    assert len(rows) == 16


def test_intervals_are_found_with_their_ends() -> None:
    found = intervals(lambda x: math.sin(math.log(x)), 1.01, math.exp(8.0))
    assert [(a, b and pytest.approx(b)) for a, b in found] == [
        (None, pytest.approx(math.exp(math.pi))),
        (pytest.approx(math.exp(2 * math.pi)), None),
    ]
    assert intervals(lambda x: -1.0, 1, 10) == []
    assert intervals(lambda x: 1.0, 1, 10) == [(None, None)]
