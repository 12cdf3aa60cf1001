"""Full-batch gradient descent on the one-layer transformer, and the quantities that are measured at every step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from inversion.config.theory import Theory
from inversion.records.theory import TheoryPhase, TheoryStep
from inversion.theory.model import (
    Floats,
    Points,
    Setup,
    Transformer,
    attention_gradients,
    build,
    forward,
    m_c,
    value_gradient,
    with_values,
)


def step(model: Transformer, points: Points, learning_rate: float, value_learning_rate: float = 0.0) -> Transformer:
    """The model after one step on the loss summed over ``points``. W_V is frozen if its learning rate is 0."""
    towards = attention_gradients(model, points).sum(axis=0)
    moved = replace(model, w_kq=model.w_kq + learning_rate * np.outer(towards, model.phi_r))
    if value_learning_rate == 0:
        return moved
    return with_values(moved, model.w_v + value_learning_rate * value_gradient(model, points))


def descend(
    setup: Setup, learning_rate: float, steps: int, value_learning_rate: float = 0.0
) -> Iterator[tuple[int, Transformer]]:
    """``(t, model after t steps)`` for t from 0 to ``steps``."""
    model = setup.model
    yield 0, model
    for t in range(1, steps + 1):
        model = step(model, setup.points, learning_rate, value_learning_rate)
        yield t, model


def pushes(model: Transformer, points: Points) -> tuple[float, float]:
    """theta_C' [-grad W_KQ] phi(r) and theta_S' [-grad W_KQ] phi(r) of the summed loss."""
    towards = attention_gradients(model, points).sum(axis=0)
    return float(model.theta_c @ towards), float(model.theta_s @ towards)


def trajectory(theory: Theory, value_learning_rate: float = 0.0) -> list[TheoryStep]:
    """All steps of gradient descent at the settings of ``theory``."""
    setup = build(theory)
    rows = []
    for t, model in descend(setup, theory.learning_rate, theory.steps, value_learning_rate):
        attended = model.w_kq @ model.phi_r
        rows.append(
            TheoryStep(
                context_critical=theory.context_critical,
                context_and_memory=theory.context_and_memory,
                learning_rate=theory.learning_rate,
                value_learning_rate=value_learning_rate,
                step=t,
                theta_c=float(model.theta_c @ attended),
                theta_s=float(model.theta_s @ attended),
                attention_c=_on_context(model, setup.c),
                attention_cs=_on_context(model, setup.cs),
                attention_conflict=_on_context(model, setup.conflict),
                m_c=m_c(model, setup),
                norm_c=_norm(attention_gradients(model, setup.c)),
                norm_cs=_norm(attention_gradients(model, setup.cs)),
            )
        )
    return rows


def trajectories(theory: Theory) -> list[TheoryStep]:
    """The trajectory at each share of ``theory``, with W_V frozen and with W_V trained."""
    return [
        row
        for setting in of_shares(theory, list(theory.shares))
        for value_learning_rate in (0.0, theory.value_learning_rate)
        for row in trajectory(setting, value_learning_rate)
    ]


def of_shares(theory: Theory, shares: list[int]) -> list[Theory]:
    """``theory`` with each of ``shares`` as its number of C points, and the same total number of points. The assumption
    |D_C| >= |D_C+S| can be violated."""
    # model_copy does not validate, so that settings outside the assumptions are possible
    return [theory.model_copy(update={"context_critical": n, "context_and_memory": theory.points - n}) for n in shares]


def phases(theory: Theory) -> list[TheoryPhase]:
    """The cells of both phase diagrams: shares and learning rate, and delta_C and delta_M."""
    low, high = theory.learning_rates
    learning_rates = np.geomspace(low, high, theory.grid).tolist()
    by_share = [
        setting.model_copy(update={"learning_rate": rate})
        for setting in of_shares(theory, list(range(1, theory.points)))
        for rate in learning_rates
    ]
    centres = ((np.arange(theory.grid) + 0.5) / theory.grid).tolist()
    by_delta = [
        theory.model_copy(update={"delta_c": delta_c, "delta_m": delta_m}) for delta_c in centres for delta_m in centres
    ]
    return [_phase("shares", setting) for setting in by_share] + [_phase("deltas", setting) for setting in by_delta]


def _phase(diagram: str, theory: Theory) -> TheoryPhase:
    """One cell: start, peak and end of M_C, and the margins of the claims about the first two steps."""
    setup = build(theory)
    first, second = (model for _, model in descend(setup, theory.learning_rate, 1))
    ratios = [m_c(model, setup) for _, model in descend(setup, theory.learning_rate, theory.steps)]
    peak_step = int(np.argmax(ratios))
    return TheoryPhase(
        diagram=diagram,
        context_critical=theory.context_critical,
        context_and_memory=theory.context_and_memory,
        learning_rate=theory.learning_rate,
        delta_c=theory.delta_c,
        delta_m=theory.delta_m,
        violated=list(theory.violations()),
        start=ratios[0],
        peak=ratios[peak_step],
        peak_step=peak_step,
        end=ratios[-1],
        first_phase=first_phase(first, setup.points),
        second_phase=second_phase(second, setup.points),
        theorem=min(ratios[1] - ratios[0], ratios[1] - ratios[2]),
    )


def first_phase(model: Transformer, points: Points) -> float:
    """Above 0 if the step raises attention along theta_C and lowers it along theta_S."""
    to_context, to_subject = pushes(model, points)
    return min(to_context, -to_subject)


def second_phase(model: Transformer, points: Points) -> float:
    """Above 0 if the step lowers attention along theta_C and raises it along theta_S."""
    to_context, to_subject = pushes(model, points)
    return min(-to_context, to_subject)


def _on_context(model: Transformer, points: Points) -> float:
    return float(forward(model, points).attention[:, 0].mean())


def _norm(gradients: Floats) -> float:
    """The Frobenius norm of the gradient of W_KQ. Its other factor, phi(r), is a unit vector."""
    return float(np.linalg.norm(gradients.sum(axis=0)))
