"""The one-layer, one-head transformer, its training points, and its gradients in closed form.

Tokens are numbered: first K_S subjects, then K_A answers (which are also the contexts), then the relation r. All arrays
are float64. The N = K_S + K_A + 1 tokens are embedded in N + 2 dimensions, so that there is a direction for every token
and one each for theta_S and theta_C.

The paper does not specify three things. Here softmax(v(x)) runs over all tokens; the value of the relation is
uninformative (o_c for every answer); and sigma_r = 0 is exact, because the relation is masked, so attention can never
move to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, softmax

from inversion.config.theory import Theory

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TOLERANCE = 1e-12
"""The largest deviation of a built model from an exact assumption."""


class AssumptionError(ValueError):
    """A model violates an assumption of appendix B. The message names the assumption."""


@dataclass(frozen=True)
class Transformer:
    """The weights of the model. The embeddings are also W_H, and are never trained."""

    k_s: int
    embeddings: Floats
    """phi: one column per token, (N + 2) x N."""
    w_kq: Floats
    w_v: Floats
    values: Floats
    """v(y, x) = phi(y)' W_V phi(x), the logit of y in the value of x: N x N. It is stored because it is expensive to
    compute from W_V."""
    masks_relation: bool
    """Whether the relation is masked, so that sigma_r = 0."""

    @property
    def relation(self) -> int:
        """The number of the token r, the last one."""
        return int(self.embeddings.shape[1]) - 1

    @property
    def phi_r(self) -> Floats:
        """phi(r), the query of every prompt."""
        return self.embeddings[:, self.relation]

    @property
    def theta_s(self) -> Floats:
        """The direction that all subjects share."""
        return _unit(len(self.embeddings), -2)

    @property
    def theta_c(self) -> Floats:
        """The direction that all contexts share."""
        return _unit(len(self.embeddings), -1)


class Points(NamedTuple):
    """n prompts with their answers."""

    tokens: Ints
    """The tokens [c, s, r] of each prompt: n x 3. Without a context, the first has no meaning."""
    has_context: NDArray[np.bool_]
    answers: Ints
    """The token that each prompt is trained to answer."""


class Setup(NamedTuple):
    """A model before training, with its training and test points."""

    model: Transformer
    c: Points
    """D_C: the subject is uninformative about the answer."""
    cs: Points
    """D_C+S: the subject was memorised with the answer that the context gives."""
    s: Points
    """One memorised S point [s, r], for Proposition 2."""
    conflict: Points
    """One prompt whose context contradicts the memorised answer of its subject. It is never trained on."""
    memory: int
    """The answer memorised for the subject of ``conflict``."""

    @property
    def points(self) -> Points:
        """The training set: the C points, then the C+S points."""
        return join(self.c, self.cs)


class Forward(NamedTuple):
    """The model's outputs for n prompts."""

    attention: Floats
    """sigma on c, s and r: n x 3."""
    logits: Floats
    """z: n x N."""
    probabilities: Floats
    """softmax(z): n x N."""


# --- building -----------------------------------------------------------------------------------


def build(theory: Theory, sigma_r: float = 0.0) -> Setup:
    """The model of ``theory`` at t = 0 and its points. The construction is checked (:func:`check`).

    ``sigma_r`` is the attention to the relation in [c, s, r], which is 0 in the paper. Inequalities between the
    parameters (:meth:`Theory.violations`) are not checked, so that settings outside the assumptions are possible.
    Raises :class:`ValueError` if there are too few tokens for the points.
    """
    n_c, n_cs = theory.context_critical, theory.context_and_memory
    n = n_c + n_cs
    if theory.k_s < n + 2 or theory.k_a < n + 3:
        raise ValueError(f"{n} points need k_s of at least {n + 2} and k_a of at least {n + 3}; raise them")
    # each point has its own subject and answer; the S point and the conflict come last
    answers = theory.k_s + np.arange(n + 1)
    memory, other = theory.k_s + n + 1, theory.k_s + n + 2
    memorised = {subject: int(answers[subject]) for subject in range(n_c, n + 1)} | {n + 1: memory}
    model = _transformer(theory, memorised, sigma_r)
    r = model.relation
    setup = Setup(
        model=model,
        c=_points(answers[:n_c], range(n_c), answers[:n_c], r),
        cs=_points(answers[n_c:n], range(n_c, n), answers[n_c:n], r),
        s=_points(answers[n:], [n], answers[n:], r)._replace(has_context=np.array([False])),
        conflict=_points([other], [n + 1], [other], r),
        memory=memory,
    )
    check(setup, theory, sigma_r)
    return setup


def _transformer(theory: Theory, memorised: dict[int, int], sigma_r: float) -> Transformer:
    """The model at t = 0, which has memorised the answer of each subject in ``memorised``."""
    k_s, k_a = theory.k_s, theory.k_a
    n = k_s + k_a + 1
    embeddings = np.eye(n + 2, n)
    embeddings[:, : n - 1] *= np.sqrt(0.5)
    embeddings[-2, :k_s] = embeddings[-1, k_s:-1] = np.sqrt(0.5)

    values = np.zeros((n, n))
    values[k_s:-1] = theory.o_c
    values[-1] = theory.o_r
    others = (k_a - 1) * np.exp(theory.o_c) + np.exp(theory.o_r) + k_s
    contexts = np.arange(k_s, n - 1)
    values[contexts, contexts] = np.log(others) + logit(theory.delta_c)
    for subject, answer in memorised.items():
        values[answer, subject] = np.log(others) + logit(theory.delta_m)

    # phi' W_V phi = values has a solution, because the embeddings are linearly independent
    inverse = np.linalg.pinv(embeddings)
    w_kq = np.zeros((n + 2, n + 2))
    if sigma_r > 0:
        w_kq += (np.log(2) + logit(sigma_r)) * np.outer(embeddings[:, -1], embeddings[:, -1])
    return with_values(
        Transformer(k_s, embeddings, w_kq, np.empty(0), np.empty(0), masks_relation=sigma_r == 0),
        inverse.T @ values @ inverse,
    )


def with_values(model: Transformer, w_v: Floats) -> Transformer:
    """``model`` with another W_V."""
    return replace(model, w_v=w_v, values=model.embeddings.T @ w_v @ model.embeddings)


def _points(contexts: Sequence[int] | Ints, subjects: Sequence[int], answers: Sequence[int] | Ints, r: int) -> Points:
    """Prompts [c, s, r]."""
    tokens = np.column_stack([contexts, subjects, np.full(len(answers), r)])
    return Points(tokens.astype(np.int64), np.ones(len(answers), dtype=bool), np.asarray(answers, dtype=np.int64))


def join(*parts: Points) -> Points:
    """The points of all ``parts``, in order."""
    return Points(*(np.concatenate(fields) for fields in zip(*parts, strict=True)))


def check(setup: Setup, theory: Theory, sigma_r: float = 0.0) -> None:
    """Check the assumptions of appendix B about the weights at t = 0 on the built weights.

    Raises :class:`AssumptionError`, naming the violated assumption and the size of the deviation.
    """
    model, k_s = setup.model, setup.model.k_s
    phi, values, everyone = model.embeddings, softmax(model.values, axis=0), join(setup.c, setup.cs, setup.conflict)
    attention = forward(model, everyone).attention
    subjects, answers = slice(0, k_s), slice(k_s, -1)
    own = phi - np.outer(model.theta_s, model.theta_s @ phi) - np.outer(model.theta_c, model.theta_c @ phi)
    crossed = own.T @ own * (1 - np.eye(own.shape[1]))
    contexts = np.arange(k_s, model.relation)
    wrong = ~_correct_entries(setup)[answers, :-1]
    measured = {
        "embeddings are unit vectors": np.linalg.norm(phi, axis=0) - 1,
        "phi(s) = sqrt(1/2) s~ + sqrt(1/2) theta_S": model.theta_s @ phi[:, subjects] - np.sqrt(0.5),
        "phi(c) = sqrt(1/2) c~ + sqrt(1/2) theta_C": model.theta_c @ phi[:, answers] - np.sqrt(0.5),
        "everything else is orthogonal": np.concatenate(
            [crossed, model.theta_s @ phi[:, k_s:], model.theta_c @ phi[:, subjects], [model.theta_c @ model.phi_r]],
            axis=None,
        ),
        "v(c', s) = v(c', c) = o_c for wrong answers c'": model.values[answers, :-1][wrong] - theory.o_c,
        "v(r, .) = o_r": model.values[-1] - theory.o_r,
        "v(s', .) = 0": model.values[subjects],
        "softmax(v(c))_c = delta_C": values[contexts, contexts] - theory.delta_c,
        "softmax(v(s))_c = delta_M for C+S points": values[setup.cs.answers, setup.cs.tokens[:, 1]] - theory.delta_m,
        "softmax(v(s)) is uniform over answers for C points": np.ptp(values[answers, setup.c.tokens[:, 1]], axis=0),
        "sigma_r = 0": attention[:, 2] - sigma_r,
        "equal attention on c and s": attention[:, 0] - attention[:, 1],
    }
    for assumption, deviations in measured.items():
        worst = float(np.max(np.abs(deviations)))
        if not worst <= TOLERANCE:
            raise AssumptionError(f"the assumption {assumption} is violated: off by {worst:.3g} in the built model")


def _correct_entries(setup: Setup) -> NDArray[np.bool_]:
    """Which entries (y, x) of the values are correct answers. For a context it is the context itself, for a subject the
    memorised answer."""
    right = np.zeros_like(setup.model.values, dtype=bool)
    contexts = np.arange(setup.model.k_s, setup.model.relation)
    right[contexts, contexts] = True
    for points in (setup.cs, setup.s):
        right[points.answers, points.tokens[:, 1]] = True
    right[setup.memory, setup.conflict.tokens[:, 1]] = True
    return right


# --- the model ----------------------------------------------------------------------------------


def forward(model: Transformer, points: Points) -> Forward:
    """Attention, logits and probabilities at r.

    z = sigma_c W_H' W_V phi(c) + sigma_s W_H' W_V phi(s) + sigma_r W_H' W_V phi(r), with sigma the softmax of
    phi(x)' W_KQ phi(r).
    """
    scores = (model.embeddings.T @ (model.w_kq @ model.phi_r))[points.tokens]
    scores[~points.has_context, 0] = -np.inf
    if model.masks_relation:
        scores[:, 2] = -np.inf
    attention = softmax(scores, axis=1)
    logits = np.einsum("ynk,nk->ny", model.values[:, points.tokens], attention)
    return Forward(attention, logits, softmax(logits, axis=1))


def m_c(model: Transformer, setup: Setup) -> float:
    """M_C = p(context answer) / (p(context answer) + p(parametric answer)) on the conflict example."""
    (logits,) = forward(model, setup.conflict).logits
    return float(expit(logits[setup.conflict.answers[0]] - logits[setup.memory]))


# --- gradients in closed form -------------------------------------------------------------------


def attention_gradients(model: Transformer, points: Points) -> Floats:
    """-grad W_KQ phi(r) of the loss -log softmax(z)_c of each point, n x (N + 2).

    Lemma 1: -grad W_KQ = phi(x) [diag(sigma) - sigma sigma'] phi(x)' W_V' W_H (e_c - softmax(z)) phi(r)'. The gradient
    is an outer product with the unit vector phi(r), so only its first factor is returned.
    """
    attention, _, probabilities = forward(model, points)
    pull = np.einsum("ynk,ny->nk", model.values[:, points.tokens], _residuals(probabilities, points))
    # [diag(sigma) - sigma sigma'] as differences, which stays accurate if nearly all attention is on one token
    differences = pull[:, :, None] - pull[:, None, :]
    weights = attention * np.einsum("nk,njk->nj", attention, differences)
    gradients: Floats = np.einsum("dnk,nk->nd", model.embeddings[:, points.tokens], weights)
    return gradients


def value_gradient(model: Transformer, points: Points) -> Floats:
    """-grad W_V of the loss summed over the points: sum of W_H (e_c - softmax(z)) (phi(x) sigma)'."""
    attention, _, probabilities = forward(model, points)
    attended = np.einsum("dnk,nk->nd", model.embeddings[:, points.tokens], attention)
    gradient: Floats = model.embeddings @ _residuals(probabilities, points).T @ attended
    return gradient


def _residuals(probabilities: Floats, points: Points) -> Floats:
    """e_c - softmax(z), n x N."""
    residuals = -probabilities
    residuals[np.arange(len(points.answers)), points.answers] += 1
    return residuals


def _unit(size: int, index: int) -> Floats:
    vector = np.zeros(size)
    vector[index] = 1
    return vector
