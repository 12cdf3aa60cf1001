"""Checks every claim of section 5 numerically: within its assumptions, at their boundary, and outside.

The *margin* of a claim is the smallest of the differences that have to be positive, so a claim holds if its margin is
above 0. For M_C, a ratio near 1, differences below :data:`RESOLUTION` count as 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import softmax

from inversion.config.theory import Theory
from inversion.records.theory import TheoryClaim
from inversion.theory.descent import descend, first_phase, of_shares, pushes, second_phase, step
from inversion.theory.model import (
    Floats,
    Points,
    Setup,
    Transformer,
    attention_gradients,
    build,
    join,
    m_c,
    value_gradient,
    with_values,
)

AUTOGRAD_TOLERANCE = 1e-10
"""The largest allowed difference between a closed form and autograd in any entry."""
RESOLUTION = 1e-12
"""The smallest change in a probability that is distinguished from rounding errors."""
ATTENTIONS_ON_R = (0.0, 1e-3, 0.1)
"""Values of sigma_r at t = 0: the paper's, and larger ones."""
_SCAN = 97
"""The number of learning rates in the scan, before the ends of an interval are refined."""


def check_claims(theory: Theory) -> list[TheoryClaim]:
    """One row per part of a claim and setting. The settings are those of ``theory`` and its :func:`variations`."""
    rows = lemma_1(theory)
    for setting in variations(theory):
        rows += proposition_1(setting) + proposition_3(setting) + theorem_1(setting)
    for sigma_r in ATTENTIONS_ON_R:
        rows += proposition_2(theory, sigma_r)
        if sigma_r > 0:
            rows += proposition_1(theory, sigma_r) + theorem_1(theory, sigma_r)
    return rows


def variations(theory: Theory) -> list[Theory]:
    """``theory`` itself, and settings with other shares, other deltas (within and outside the assumptions) and other
    logits."""
    least = 3 / (theory.k_a - 1)
    changes: list[dict[str, Any]] = [{}, {"context_critical": 1, "context_and_memory": 1}, {"o_c": theory.o_c + 1}]
    for delta_c in (0.5 * least, 1.05 * least, theory.delta_c):
        for delta_m in (1.5 * delta_c, 2.1 * delta_c, theory.delta_m, 0.9):
            changes.append({"delta_c": delta_c, "delta_m": delta_m})
    settings = [theory.model_copy(update=change) for change in changes] + of_shares(theory, list(theory.shares))
    unique = {setting.model_dump_json(): setting for setting in settings}
    return [setting for setting in unique.values() if max(setting.delta_c, setting.delta_m) < 1]


# --- the claims ---------------------------------------------------------------------------------


def lemma_1(theory: Theory) -> list[TheoryClaim]:
    """Compares the closed-form gradients with autograd on all kinds of points, at t = 0 and at random weights."""
    rows = []
    for name, sigma_r, spread in (("at t = 0", 0.0, 0.0), ("at random weights", ATTENTIONS_ON_R[-1], 0.3)):
        setup = build(theory, sigma_r)
        model = _disturbed(setup.model, spread)
        points = join(setup.points, setup.s, setup.conflict)
        attention, values = autograd(model, points)
        closed = np.einsum("nd,e->nde", attention_gradients(model, points), model.phi_r)
        of_kq, of_v = np.abs(attention - closed).max(), np.abs(values.sum(axis=0) - value_gradient(model, points)).max()
        part = f"closed form of the gradient of {{}} equals autograd, {name}"
        rows += [
            _row(theory, "Lemma 1", part.format("W_KQ"), AUTOGRAD_TOLERANCE - of_kq, sigma_r=sigma_r),
            _row(theory, "Proposition 3", part.format("W_V"), AUTOGRAD_TOLERANCE - of_v, sigma_r=sigma_r),
        ]
    return rows


def proposition_1(theory: Theory, sigma_r: float = 0.0) -> list[TheoryClaim]:
    """The signs of the gradient along theta_C and theta_S at t = 0 and t = 1, and the learning rates at which they flip
    at t = 1."""
    setup = build(theory, sigma_r)
    first = first_phase(setup.model, setup.points)

    def flip(learning_rate: float) -> float:
        return min(first, second_phase(step(setup.model, setup.points, learning_rate), setup.points))

    rate, claim = theory.learning_rate, "Proposition 1"
    return [
        _row(theory, claim, "t = 0: attention rises along theta_C and falls along theta_S", first, sigma_r=sigma_r),
        _row(theory, claim, "t = 1: both signs flip, at the learning rate set", flip(rate), rate, sigma_r=sigma_r),
        *_searched(theory, claim, "t = 1: both signs flip, learning rates searched", flip, sigma_r),
    ]


def proposition_2(theory: Theory, sigma_r: float = 0.0) -> list[TheoryClaim]:
    """The contribution of one more memorised S point to the gradient along theta_S and theta_C at t = 0."""
    setup = build(theory, sigma_r)
    old, new = pushes(setup.model, setup.points), pushes(setup.model, join(setup.points, setup.s))
    claim = "Proposition 2"
    return [
        _row(theory, claim, "an S point raises the gradient along theta_S", new[1] - old[1], sigma_r=sigma_r),
        _row(
            theory,
            claim,
            "an S point leaves the gradient along theta_C",
            RESOLUTION - abs(new[0] - old[0]),
            None,
            sigma_r,
        ),
    ]


def proposition_3(theory: Theory) -> list[TheoryClaim]:
    """The effect of a step on W_V on the probability of the answer of each C point in the value of its subject."""
    setup = build(theory)

    def gain(learning_rate: float) -> float:
        after = _memory_of_subjects(step(setup.model, setup.points, 0.0, learning_rate), setup)
        return float(np.min(after - before))

    before = _memory_of_subjects(setup.model, setup)
    rate, claim = theory.value_learning_rate, "Proposition 3"
    part = "a step on W_V makes subjects of C points more predictive"
    at_rate = _row(theory, claim, f"{part}, at the learning rate set", gain(rate) - RESOLUTION)
    searched = _searched(theory, claim, f"{part}, learning rates of W_V searched", lambda r: gain(r) - RESOLUTION, 0.0)
    return [
        replace(at_rate, value_learning_rate=rate),
        *(replace(row, value_learning_rate=None) for row in searched),
    ]


def theorem_1(theory: Theory, sigma_r: float = 0.0) -> list[TheoryClaim]:
    """Whether M_C(1) > M_C(0) and M_C(1) > M_C(2) on the conflict example, and for which learning rates."""
    setup = build(theory, sigma_r)

    def peak(learning_rate: float, value_learning_rate: float = 0.0) -> float:
        before, top, after = (m_c(m, setup) for _, m in descend(setup, learning_rate, 2, value_learning_rate))
        return min(top - before, top - after) - RESOLUTION

    def peak_too(learning_rate: float) -> float:
        return peak(learning_rate, theory.value_learning_rate)

    rate, claim, part = theory.learning_rate, "Theorem 1", "M_C(1) > M_C(0) and M_C(1) > M_C(2)"
    searched = f"{part}, learning rates searched"
    trained = _searched(theory, claim, f"{searched}, W_V trained too", peak_too, sigma_r)
    return [
        _row(theory, claim, f"{part}, at the learning rate set", peak(rate), rate, sigma_r),
        *_searched(theory, claim, searched, peak, sigma_r),
        *(replace(row, value_learning_rate=theory.value_learning_rate) for row in trained),
    ]


# --- numerical checks ---------------------------------------------------------------------------


def autograd(model: Transformer, points: Points) -> tuple[Floats, Floats]:
    """-grad of each point's loss with respect to W_KQ and W_V from torch's autograd, n x (N + 2) x (N + 2) each.

    The model is implemented again here, prompt by prompt as in the paper, and shares no code with
    :func:`~inversion.theory.model.forward`.
    """
    import torch  # importing it takes seconds, and only this check needs it

    w_h = torch.tensor(model.embeddings)
    phi_r = torch.tensor(model.phi_r)
    gradients = []
    for tokens, has_context, answer in zip(*points, strict=True):
        w_kq, w_v = (torch.tensor(w, requires_grad=True) for w in (model.w_kq, model.w_v))
        phi_x = w_h[:, torch.tensor(tokens if has_context else tokens[1:])]
        scores = phi_x.T @ w_kq @ phi_r
        if model.masks_relation:
            scores = torch.cat([scores[:-1], torch.full((1,), -torch.inf, dtype=torch.float64)])
        z = w_h.T @ w_v @ phi_x @ torch.softmax(scores, dim=0)
        gradients.append(torch.autograd.grad(torch.log_softmax(z, dim=0)[int(answer)], (w_kq, w_v)))
    of_kq, of_v = (np.stack([gradient.numpy() for gradient in each]) for each in zip(*gradients, strict=True))
    return of_kq, of_v


def intervals(margin: Callable[[float], float], low: float, high: float) -> list[tuple[float | None, float | None]]:
    """The intervals between ``low`` and ``high`` in which ``margin`` is above 0. None is an end of the scanned range.

    A logarithmic grid is scanned, and the ends are refined with Brent's method. Intervals that are narrower than the
    grid are missed.
    """
    grid = np.geomspace(low, high, _SCAN)
    holds = [margin(rate) > 0 for rate in grid]
    edges: list[float | None] = [None] if holds[0] else []
    for left, right, before, after in zip(grid, grid[1:], holds, holds[1:], strict=False):
        if before != after:
            edges.append(float(np.exp(brentq(lambda x: margin(np.exp(x)), np.log(left), np.log(right)))))
    edges += [None] if holds[-1] else []
    return list(zip(edges[::2], edges[1::2], strict=True))


def _searched(
    theory: Theory, claim: str, part: str, margin: Callable[[float], float], sigma_r: float
) -> list[TheoryClaim]:
    """One row per interval of learning rates in which a claim holds, or one failing row if there is none."""
    margin, (low, high) = cache(margin), theory.learning_rates
    best = max(margin(rate) for rate in np.geomspace(low, high, _SCAN))
    row = _row(theory, claim, part, best, sigma_r=sigma_r)
    return [replace(row, low=low, high=high) for low, high in intervals(margin, low, high)] or [row]


def _row(
    theory: Theory, claim: str, part: str, margin: float, learning_rate: float | None = None, sigma_r: float = 0.0
) -> TheoryClaim:
    beyond = ["sigma_r = 0"] if sigma_r > 0 else []
    return TheoryClaim(
        claim=claim,
        part=part,
        violated=list(theory.violations()) + beyond,
        holds=bool(margin > 0),
        margin=float(margin),
        low=None,
        high=None,
        learning_rate=learning_rate,
        value_learning_rate=0.0,
        context_critical=theory.context_critical,
        context_and_memory=theory.context_and_memory,
        delta_c=theory.delta_c,
        delta_m=theory.delta_m,
        o_c=theory.o_c,
        o_r=theory.o_r,
        k_a=theory.k_a,
        k_s=theory.k_s,
        sigma_r=sigma_r,
    )


def _memory_of_subjects(model: Transformer, setup: Setup) -> Floats:
    """softmax(v(s))_c of each C point."""
    of_subjects = softmax(model.values[:, setup.c.tokens[:, 1]], axis=0)
    return of_subjects[setup.c.answers, np.arange(len(setup.c.answers))]


def _disturbed(model: Transformer, spread: float) -> Transformer:
    """``model`` with Gaussian noise of standard deviation ``spread`` added to both weights."""
    noise = (
        np.random.default_rng(0).normal(scale=spread, size=(2, *model.w_kq.shape)) if spread else np.zeros((2, 1, 1))
    )
    return with_values(replace(model, w_kq=model.w_kq + noise[0]), model.w_v + noise[1])
