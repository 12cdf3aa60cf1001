"""Rows of the probes that show where in the network an answer is decided, and of their tables."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LensReading:
    """What one checkpoint would answer to one conflict item if it ended after some of its layers: raw facts."""

    step: int
    epoch: float
    set: str
    item_id: str
    cluster: str
    depth: int
    """Layers passed: 0 is the embedding alone, and the highest is the model's own answer."""
    context_logprob: float
    """Of the context answer's token, where the two answers first differ (nats)."""
    parametric_logprob: float
    """Of the parametric answer's token at the same place."""


@dataclass(frozen=True, slots=True)
class LensPoint:
    """One row of the table ``lens``."""

    model: str
    dataset: str
    recipe: str
    seed: int
    step: int
    epoch: float
    set: str
    measure: str
    """``margin``: log-odds of the context answer's token against the parametric answer's (nats), mean over items;
    ``context``: share of the items whose log-odds are above 0; ``turn``: the depth from which an item's log-odds have
    the sign of the model's own answer, mean over items."""
    depth: int | None
    """Layers passed, as in :class:`LensReading`; null for ``turn``."""
    value: float
    """The measure: nats, a share from 0 to 1, or layers."""
    low: float
    high: float
    """95 % interval, a bootstrap over clusters."""
    n: int
    """Items."""
