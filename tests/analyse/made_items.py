"""Invented tables ``items`` with known curves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from inversion.records.answers import Item
from inversion.records.frames import schema_of

STEPS = (0, 10, 20, 30, 40, 50, 60, 80, 90, 100)
Labels = npt.NDArray[np.object_]


def table(
    labels: Labels,
    *,
    steps: Sequence[int] = STEPS,
    set_name: str = "capitals",
    role: str = "conflict",
    cluster_size: int = 1,
    strata: int = 1,
    seed: int = 0,
    context_logprob: float = -1.0,
    parametric_logprob: float = -1.0,
    known: Sequence[bool | None] = (None,),
    crossed: Sequence[list[str]] = ([],),
) -> pl.DataFrame:
    """The table ``items`` of one run and set, from labels of shape (items, steps)."""
    n, m = labels.shape
    index = np.repeat(np.arange(n), m)
    step = np.tile(np.asarray(steps), n)
    label = labels.ravel()
    committed = np.where(label == "both", "context", label).astype(object)
    varying = {
        "step": step,
        "epoch": step / 50,
        "item_id": [f"item{i:04d}" for i in index],
        "cluster": [f"cluster{i // cluster_size:04d}" for i in index],
        "stratum": [f"stratum{i % strata}" for i in index],
        "factors": [crossed[i % len(crossed)] for i in index],
        "known": [known[i % len(known)] for i in index],
        "containment": label,
        "first_mention": committed,
        "logprob": committed,
    }
    constant = {
        "model": "llama",
        "dataset": "tulu",
        "recipe": "standard",
        "seed": seed,
        "set": set_name,
        "role": role,
        "prompt": "plain",
        "context_answers": ["c"],
        "parametric_answers": ["p"],
        "text": "",
        "finished": True,
        "context_logprob": context_logprob,
        "context_tokens": 1,
        "parametric_logprob": parametric_logprob,
        "parametric_tokens": 1,
        "context_first_logprob": context_logprob,
        "parametric_first_logprob": parametric_logprob,
        "context_logprob_closed": None,
        "parametric_logprob_closed": None,
    }
    frame = pl.DataFrame(varying).with_columns(pl.lit(value).alias(name) for name, value in constant.items())
    return frame.select(pl.col(name).cast(dtype) for name, dtype in schema_of(Item).items() if name in frame.columns)


def drawn(rates: Sequence[float], n: int, seed: int, else_: str = "parametric") -> Labels:
    """Labels that are the context answer with the given probability at each step, independently for every item and
    step."""
    context = np.random.default_rng(seed).random((n, len(rates))) < np.asarray(rates)
    return np.where(context, "context", else_).astype(object)


def exact(rates: Sequence[float], n: int) -> Labels:
    """Labels that are the context answer for the first ``rate * n`` items of a fixed random order."""
    rank = np.random.default_rng(1).permutation(n)
    return np.where(rank[:, None] < np.asarray(rates) * n, "context", "parametric").astype(object)


def lost(changed: Sequence[int], n: int = 10) -> Labels:
    """Labels of three steps: memory, then the context, then memory again for the items in ``changed`` only."""
    labels = np.full((n, 3), "context", dtype=object)
    labels[:, 0] = "parametric"
    labels[list(changed), 2] = "parametric"
    return labels


RISE_AND_FALL = (0.1, 0.4, 0.7, 0.7, 0.6, 0.5, 0.4, 0.3, 0.3, 0.3)
RISE_AND_STAY = (0.1, 0.4, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7)
FLAT = (0.2,) * 10
SHORT_OF_ITEMS = (0.2, 0.2, 0.4, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3)
