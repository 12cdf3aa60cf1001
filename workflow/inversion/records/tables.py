"""Rows of the tables of a study."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One row of the table ``curves``."""

    model: str
    dataset: str
    recipe: str
    seed: int
    step: int
    epoch: float
    set: str
    stratum: str
    """``all`` for the whole set, ``known`` for the items whose fact the base model knows."""
    prompt: str
    scorer: str
    metric: str
    """``context_rate``, ``parametric_rate``, ``other_rate``, ``m_c``, ``pair_accuracy`` or ``accuracy`` (controls,
    benchmarks)."""
    value: float
    low: float
    high: float
    """95 % interval, a bootstrap over clusters."""
    n: int
    """Items."""


@dataclass(frozen=True, slots=True)
class Inversion:
    """One row of the table ``inversions``: what one run did on one conflict set."""

    model: str
    dataset: str
    recipe: str
    seed: int
    set: str
    stratum: str
    """``all`` for the whole set, ``known`` for the items whose fact the base model knows."""
    prompt: str
    scorer: str
    start: float
    peak_step: int
    """The highest step of all items together."""
    peak: float
    """The rate at the peak as the verdict reads it, one checkpoint after the step that is picked: mostly below the
    curve's highest point."""
    end_step: int
    end: float
    rise: float
    rise_low: float
    rise_high: float
    drop: float
    drop_low: float
    drop_high: float
    to_parametric: int
    """Items answered with the context at the peak and with memory at the end."""
    to_context: int
    """Items answered with memory at the peak and with the context at the end."""
    p_value: float
    p_adjusted: float
    """Corrected over the whole table, both strata included."""
    verdict: str
    """``inversion``, ``no_drop``, ``no_rise`` or ``inconclusive``."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """One row of the table ``agreement``: how far two scorers agree on one conflict set, over all runs and steps."""

    set: str
    prompt: str
    first: str
    second: str
    n: int
    """Responses."""
    agreement: float
    """Share of responses with the same label."""
    kappa: float
    """Cohen's kappa: agreement beyond chance; NaN where both scorers know one label only."""
    one_answer: int
    """Responses whose text holds one of the two answers and not the other (by containment)."""
    one_answer_disagree: int
    """How many of these get different labels."""


@dataclass(frozen=True, slots=True)
class Flip:
    """One row of the table ``flips``: an item of one run whose label at the end is not that at the peak."""

    model: str
    dataset: str
    recipe: str
    seed: int
    set: str
    prompt: str
    scorer: str
    item_id: str
    known: bool | None
    peak: str
    """Label at the peak."""
    end: str
    """Label at the end."""


@dataclass(frozen=True, slots=True)
class FlipOverlap:
    """One row of the table ``flip_overlap``: whether two runs lose the same items from context to memory."""

    set: str
    prompt: str
    scorer: str
    first: str
    """A run, as ``{model}/{dataset}/{recipe}/seed{seed}``."""
    second: str
    both: int
    """Items, of those that both runs answer with the context at the peak, that have the parametric answer at the end in
    both."""
    only_first: int
    only_second: int
    neither: int
    odds_ratio: float
    """both x neither / (only_first x only_second); above 1 where the same items flip, NaN where a run flips none."""
    p_value: float
    """Fisher's exact test, two-sided."""


@dataclass(frozen=True, slots=True)
class FactorRate:
    """One row of the table ``factors``: context reliance at one level of one factor of a crossed set."""

    model: str
    dataset: str
    recipe: str
    seed: int
    set: str
    prompt: str
    scorer: str
    factor: str
    level: str
    moment: str
    """``start``, ``peak`` or ``end``, as in the table ``inversions``."""
    context_rate: float
    low: float
    high: float
    """95 % interval, a bootstrap over clusters."""
    n: int
    """Items."""


@dataclass(frozen=True, slots=True)
class Tradeoff:
    """One row of the table ``tradeoffs``: what a run of an experiment scores on one set, beside the reference."""

    experiment: str
    model: str
    dataset: str
    recipe: str
    seed: int
    prompt: str
    set: str
    """A conflict set, a control set, a benchmark, ``control mean`` or ``ID accuracy``."""
    scorer: str
    metric: str
    """``context_rate`` (conflict sets) or ``accuracy``."""
    end_step: int
    end: float
    """At the end, as in the table ``inversions``."""
    end_low: float
    end_high: float
    """95 % interval, a bootstrap over clusters; so are the others."""
    peak: float | None
    """At the peak of the context answers, as in the table ``inversions``; null for what belongs to no conflict set."""
    peak_low: float | None
    peak_high: float | None
    n: int
    """Items."""
    difference: float | None = None
    """``end`` less that of the reference: the recipe that changes nothing under the first prompt, with the same model,
    dataset and seed. Null for the reference itself, and in experiments without it."""
    difference_low: float | None = None
    difference_high: float | None = None
    p_value: float | None = None
    """Exact sign test over clusters: which go up, which down."""
    p_adjusted: float | None = None
    """Corrected over the experiment."""


@dataclass(frozen=True, slots=True)
class StylePoint:
    """One row of the table ``style``: how one run words its answers to one conflict set at one step."""

    model: str
    dataset: str
    recipe: str
    seed: int
    set: str
    prompt: str
    step: int
    epoch: float
    words: float
    """Mean number of words of a response."""
    copied: float
    """Mean share of a response's words that run along the passage; NaN in sets without passages."""
    both: float
    """Share of responses that contain both answers."""
    abstains: float
    """Share of responses that refuse or leave open which answer it is."""
    unfinished: float
    """Share of responses that were cut off at the allowed number of tokens."""
    answered: float
    """Share of responses that follow the context or memory, and not both."""
    context_of_answered: float
    """The context's share of these; NaN where there are none."""
    low_mass: float
    """Share of items whose two first differing tokens together have a probability below 1 %; NaN without any."""
    first_token_context_kept: float
    """Context rate of the scorer ``first_token`` over the items that keep this mass at every step; NaN without any."""
    n_kept: int
    """Items that keep it."""
    n: int
    """Items."""


@dataclass(frozen=True, slots=True)
class PublishedMeasures:
    """One row of the table ``measures``: what ConFiQA and CUB report, of one run on one conflict set at one step."""

    model: str
    dataset: str
    recipe: str
    seed: int
    set: str
    prompt: str
    step: int
    epoch: float
    ps: float
    """Share of responses that contain the context's answer."""
    po: float
    """Share of responses that contain the parametric answer."""
    mr: float
    """Memorisation ratio, po / (ps + po); NaN where neither occurs."""
    em: float
    """Share of responses that are the context's answer and nothing else."""
    bcu: float
    """Share of responses that give the context's answer, by the main label."""
    ccu: float
    """Mean change of the context answer's probability by the context, from -1 to 1; NaN without contexts."""
    n: int
    """Items."""
