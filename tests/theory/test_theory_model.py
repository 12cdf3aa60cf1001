"""The one-layer transformer: its construction is measured, and its gradients equal those of autograd (Lemma 1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from inversion.config import organism
from inversion.config.load import ConfigError, parse_config
from inversion.config.theory import Theory
from inversion.theory.claims import autograd
from inversion.theory.descent import descend
from inversion.theory.model import (
    AssumptionError,
    Setup,
    Transformer,
    attention_gradients,
    build,
    check,
    forward,
    join,
    m_c,
    value_gradient,
    with_values,
)

THEORY = Theory(k_s=10, k_a=20, context_critical=3, context_and_memory=2, shares=(2,))


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"delta_c": 0.05}, "the assumption delta_C > 3 / (K_A - 1) is violated: delta_c is 0.05 and 3 / (k_a - 1) is"),
        (
            {"delta_m": 0.4},
            "the assumption delta_M > 2 delta_C is violated: delta_m is 0.4 and 2 delta_c is 0.4; raise",
        ),
        ({"o_r": 0.5}, "the assumption o_r <= o_c is violated: o_r is 0.5 and o_c is 0; lower o_r"),
        ({"context_critical": 7}, "the assumption |D_C| >= |D_C+S| is violated: context_critical is 7 and context_and"),
        ({"k_s": 17}, "k_s is 17, but 16 points and 2 reserved ones need 18; raise k_s"),
        ({"k_a": 18}, "k_a is 18, but 16 points and 3 reserved ones need 19; raise k_a"),
        ({"shares": [8, 16]}, "shares lists 16 C points, but of 16 points at least one is a C+S point"),
        ({"learning_rates": [1.0, 0.1]}, "learning_rates is [1.0, 0.1]; write the lowest first"),
    ],
)
def test_parameters_that_violate_an_assumption_are_named(changed: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_config(organism.default().model_dump(mode="json") | {"theory": changed})
    assert str(error.value).startswith(f"configuration: theory: {line}")


def _stretched(model: Transformer) -> Transformer:
    return replace(model, embeddings=model.embeddings * 1.1)


def _leaning(model: Transformer) -> Transformer:
    embeddings = model.embeddings.copy()
    embeddings[:, 0] = (embeddings[:, 0] + 0.1 * embeddings[:, 1]) / np.linalg.norm(
        embeddings[:, 0] + 0.1 * embeddings[:, 1]
    )
    return replace(model, embeddings=embeddings)


def _crossed(model: Transformer) -> Transformer:
    """The model with two subjects whose own directions partly coincide; everything else is unchanged."""
    embeddings = model.embeddings.copy()
    embeddings[0, 1], embeddings[1, 1] = np.sqrt(0.5) * 0.6, np.sqrt(0.5) * 0.8
    return replace(model, embeddings=embeddings)


def _value(y: int, x: int, added: float) -> Callable[[Transformer], Transformer]:
    def change(model: Transformer) -> Transformer:
        values = model.values.copy()
        values[y, x] += added
        return replace(model, values=values)

    return change


def _attending(token: int) -> Callable[[Transformer], Transformer]:
    def change(model: Transformer) -> Transformer:
        return replace(model, w_kq=model.w_kq + np.outer(model.embeddings[:, token], model.phi_r))

    return change


@pytest.mark.parametrize(
    ("damage", "assumption"),
    [
        (_stretched, "embeddings are unit vectors"),
        (_leaning, r"phi\(s\) = sqrt\(1/2\) s~ \+ sqrt\(1/2\) theta_S"),
        (_crossed, "everything else is orthogonal"),
        (_value(12, 0, 0.1), r"v\(c', s\) = v\(c', c\) = o_c for wrong answers"),
        (_value(30, 4, 0.1), r"v\(r, .\) = o_r"),
        (_value(2, 4, 0.1), r"v\(s', .\) = 0"),
        (_value(12, 12, 0.1), r"softmax\(v\(c\)\)_c = delta_C"),
        (_value(13, 3, 0.1), r"softmax\(v\(s\)\)_c = delta_M for C\+S points"),
        (_attending(0), "equal attention on c and s"),
        (lambda model: replace(model, masks_relation=False), "sigma_r = 0"),
    ],
)
def test_a_model_that_violates_an_assumption_is_refused_with_its_name(
    damage: Callable[[Transformer], Transformer], assumption: str
) -> None:
    setup = build(THEORY)
    with pytest.raises(AssumptionError, match=f"the assumption {assumption} .*is violated: off by "):
        check(setup._replace(model=damage(setup.model)), THEORY)


def test_too_few_tokens_are_refused() -> None:
    with pytest.raises(ValueError, match="5 points need k_s of at least 7 and k_a of at least 8"):
        build(THEORY.model_copy(update={"k_s": 6}))


# --- the construction ---------------------------------------------------------------------------


@given(
    delta_c=st.floats(0.01, 0.9),
    delta_m=st.floats(0.01, 0.99),
    o_c=st.floats(-2, 2),
    o_r=st.floats(-2, 2),
    counts=st.tuples(st.integers(1, 4), st.integers(1, 3)),
    sigma_r=st.sampled_from([0.0, 0.1, 0.5]),
)
def test_any_parameters_give_the_model_that_they_describe(delta_c, delta_m, o_c, o_r, counts, sigma_r) -> None:
    changed = {"delta_c": delta_c, "delta_m": delta_m, "o_c": o_c, "o_r": o_r}
    changed |= {"context_critical": counts[0], "context_and_memory": counts[1]}
    setup = build(THEORY.model_copy(update=changed), sigma_r)  # measures everything that is assumed
    model = setup.model
    assert model.w_v.shape == model.w_kq.shape == (33, 33)
    np.testing.assert_allclose(model.embeddings.T @ model.w_v @ model.embeddings, model.values, atol=1e-12)
    memory = softmax(model.values[:, setup.conflict.tokens[0, 1]])
    assert memory[setup.memory] == pytest.approx(delta_m)
    assert setup.conflict.answers[0] != setup.memory
    assert not np.isin(setup.conflict.tokens[:, :2], setup.points.tokens).any()
    assert len(np.unique(np.append(setup.points.answers, setup.s.answers))) == sum(counts) + 1


def test_nothing_moves_attention_onto_a_masked_relation() -> None:
    setup = build(THEORY)
    for _, model in descend(setup, 1.0, 3):
        assert (forward(model, setup.points).attention[:, 2] == 0).all()


def test_the_ratio_before_training_is_that_of_the_values() -> None:
    # with equal attention, log-odds are half of those of delta_C and delta_M
    half_odds = 0.5 * (np.log(0.2 / 0.8) - np.log(0.5 / 0.5))
    setup = build(THEORY)
    assert m_c(setup.model, setup) == pytest.approx(1 / (1 + np.exp(-half_odds)))


# --- Lemma 1 ------------------------------------------------------------------------------------


def _everything(setup: Setup):
    return join(setup.points, setup.s, setup.conflict)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), sigma_r=st.sampled_from([0.0, 0.2]), size=st.sampled_from([0.0, 0.1, 1.0]))
def test_lemma_1_the_closed_form_is_the_gradient(seed: int, sigma_r: float, size: float) -> None:
    setup = build(THEORY, sigma_r)
    noise = np.random.default_rng(seed).normal(scale=size, size=(2, *setup.model.w_kq.shape))
    model = with_values(replace(setup.model, w_kq=setup.model.w_kq + noise[0]), setup.model.w_v + noise[1])
    points = _everything(setup)
    of_kq, of_v = autograd(model, points)
    closed = attention_gradients(model, points)[:, :, None] * model.phi_r
    np.testing.assert_allclose(closed, of_kq, atol=1e-10, rtol=0)
    np.testing.assert_allclose(value_gradient(model, points), of_v.sum(axis=0), atol=1e-10, rtol=0)
    assert np.abs(of_kq).max() > 1e-3
    for point, expected in enumerate(of_kq):
        np.testing.assert_allclose(_as_written(model, points, point), expected, atol=1e-10, rtol=0)


def _as_written(model: Transformer, points, i: int):
    """phi(x) [diag(sigma) - sigma sigma'] phi(x)' W_V' W_H (e_c - softmax(z)) phi(r)', exactly as in the paper."""
    made = forward(model, points)
    tokens = points.tokens[i] if points.has_context[i] else points.tokens[i, 1:]
    sigma = made.attention[i, -len(tokens) :]
    phi_x, w_h = model.embeddings[:, tokens], model.embeddings
    e_c = np.eye(w_h.shape[1])[points.answers[i]]
    inner = np.diag(sigma) - np.outer(sigma, sigma)
    left = phi_x @ inner @ phi_x.T @ model.w_v.T @ w_h @ (e_c - made.probabilities[i])
    return np.outer(left, model.phi_r)


def test_gradients_keep_their_sign_where_attention_is_nearly_one() -> None:
    # so far from the start that differences of products would be 0 or noise
    setup = build(THEORY)
    *_, (_, model) = descend(setup, 100.0, 1)
    for points, sign in ((setup.c, 1), (setup.cs, -1)):
        along = attention_gradients(model, points) @ model.theta_c
        assert (sign * along > 0).all()
        assert np.abs(along).max() < 1e-20
