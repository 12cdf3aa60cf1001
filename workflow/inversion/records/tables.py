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
    """The rate, from 0 to 1; for ``m_c`` the mean of p(c) / (p(c) + p(p)) at the first token in which the context
    answer c and the parametric answer p differ."""
    low: float
    high: float
    """Upper bound of the value. The two bounds are a 95 % interval over clusters; NaN with fewer than five clusters."""
    n: int
    """Number of items."""


@dataclass(frozen=True, slots=True)
class Inversion:
    """One row of the table ``inversions``: the course of one run on one conflict set, and its verdict."""

    model: str
    dataset: str
    recipe: str
    seed: int
    set: str
    stratum: str
    """``all`` for the whole set, ``known`` for the items whose fact the base model knows."""
    prompt: str
    scorer: str
    window: int
    """Number of checkpoints over which trough and end, and usually the peak, are averaged."""
    peak_window: int
    """Number of checkpoints over which the peak is averaged: ``window``, or 1 if the peak is the first checkpoint
    only."""
    start: float
    """Context rate at the first step."""
    peak_step: int
    """The step in the middle of the peak's window."""
    peak: float
    """Context rate at the peak."""
    trough_step: int
    """The step in the middle of the trough's window."""
    trough: float
    """The lowest rate after the peak."""
    end_step: int
    """The last step."""
    end: float
    """Context rate at the end."""
    rise: float
    """Increase from start to peak. The bounds of ``rise``, ``fall``, ``recovery`` and ``net`` are one-sided 95 %
    bounds. They cover the sampling of items, by cluster, and the scatter of checkpoints around the trend; NaN if they
    are unknown."""
    rise_low: float
    rise_high: float
    fall: float
    """Decrease from peak to trough."""
    fall_low: float
    fall_high: float
    recovery: float
    """Increase from trough to end."""
    recovery_low: float
    recovery_high: float
    net: float
    """Change from start to end; negative if the rate fell."""
    net_low: float
    net_high: float
    to_parametric: int
    """Number of items that are answered with the context at most of the peak's checkpoints, and with memory at most of
    the end's."""
    to_context: int
    """Number of items that are answered with memory at most of the peak's checkpoints, and with the context at most of
    the end's."""
    p_items: float
    """p-value of a sign-flip test over clusters of the mean change per item between peak and end. It tests whether
    these checkpoints differ, including by their scatter; it does not test the trend."""
    p_value: float
    """p-value under the hypothesis that the trend never falls; NaN if the bounds are unknown."""
    p_adjusted: float | None
    """``p_value``, corrected by Holm's method over the runs and sets of the experiment whose primary analysis this row
    belongs to; null in all other rows, which are sensitivity analyses."""
    verdict: str
    """One of :data:`inversion.analyse.verdicts.VERDICTS`: ``inversion``, ``recovery``, ``fall``, ``no_drop``,
    ``no_rise`` or ``inconclusive``."""
    verdict_both_context: str
    """The verdict if responses that give both answers count as following the context."""
    verdict_both_parametric: str
    """The verdict if responses that give both answers count as memory."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """One row of the table ``contributions``: how much of a run's fall is due to one part of a conflict set."""

    model: str
    dataset: str
    recipe: str
    seed: int
    set: str
    prompt: str
    scorer: str
    part: str
    """What divides the set: ``stratum``, or the name of a factor."""
    level: str
    """The part: a stratum, or a level of the factor."""
    n: int
    """Number of items in the part."""
    share: float
    """The part's share of the set's items."""
    peak: float
    """Context rate of the part's items at the peak of the whole set, as in the table ``inversions``."""
    trough: float
    """Context rate of the part's items at the trough of the whole set."""
    fall: float
    """Decrease of the part's context rate from peak to trough."""
    fall_low: float
    fall_high: float
    """Upper bound of ``fall``. The two bounds are a 95 % interval over clusters at these checkpoints. They do not cover
    the scatter of checkpoints, which is common to all parts."""
    contribution: float
    """``share`` times ``fall``. Over all strata, or over all levels of a factor that every item has, the contributions
    sum to the fall of the set."""
    share_of_fall: float
    """``contribution`` divided by the fall of the set; NaN if the set does not fall."""


@dataclass(frozen=True, slots=True)
class ExperimentRow:
    """One row of the table ``experiments``: the result of an experiment on one set, with seeds as replicates."""

    experiment: str
    model: str
    dataset: str
    recipe: str
    set: str
    scorer: str
    prompt: str
    stratum: str
    """Scorer, prompt and stratum are those of the experiment's primary analysis."""
    seeds: int
    """Number of seeds."""
    inference: str
    """``t interval over 3 seeds``, or with fewer than three seeds ``descriptive: one run`` or ``descriptive: 2
    runs``."""
    rise: float
    """Mean rise over seeds. The bounds of ``rise``, ``fall``, ``recovery`` and ``end`` are 95 % t intervals over seeds;
    NaN with fewer than three seeds."""
    rise_low: float
    rise_high: float
    fall: float
    """Mean fall over seeds."""
    fall_low: float
    fall_high: float
    recovery: float
    """Mean recovery over seeds."""
    recovery_low: float
    recovery_high: float
    end: float
    """Mean context rate at the end over seeds."""
    end_low: float
    end_high: float
    fall_difference: float | None
    """The fall minus that of the baseline recipe (the one that changes nothing) with the same model, dataset and seed,
    averaged over seeds. Null for the baseline recipe itself, and if it is not in the experiment."""
    fall_difference_low: float | None
    fall_difference_high: float | None
    end_difference: float | None
    """The same difference for the context rate at the end."""
    end_difference_low: float | None
    end_difference_high: float | None
    runs_inversion: int
    """How many of the runs have the verdict ``inversion``."""
    runs_recovery: int
    """How many of the runs have the verdict ``recovery``."""
    runs_fall: int
    """How many of the runs have the verdict ``fall``."""
    runs_no_drop: int
    """How many of the runs have the verdict ``no_drop``."""
    runs_no_rise: int
    """How many of the runs have the verdict ``no_rise``."""
    runs_inconclusive: int
    """How many of the runs have the verdict ``inconclusive``."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """One row of the table ``agreement``: how far two scorers agree on one conflict set, over all runs and steps."""

    set: str
    prompt: str
    first: str
    """A scorer."""
    second: str
    """The scorer that it is compared with."""
    n: int
    """Number of responses."""
    agreement: float
    """Share of responses with the same label."""
    kappa: float
    """Cohen's kappa: agreement beyond chance; NaN if both scorers give only one label."""
    one_answer: int
    """Number of responses whose text contains exactly one of the two answers (by containment)."""
    one_answer_disagree: int
    """How many of these get different labels."""


@dataclass(frozen=True, slots=True)
class Flip:
    """One row of the table ``flips``: an item of one run whose label at the end differs from its label at the peak."""

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
    """One row of the table ``flip_overlap``: whether the same items change from context to memory in two runs.

    The counts are of the items that both runs answer with the context at the peak.
    """

    set: str
    prompt: str
    scorer: str
    first: str
    """A run, as ``{model}/{dataset}/{recipe}/seed{seed}``."""
    second: str
    """The other run."""
    both: int
    """Number of items with the parametric answer at the end in both runs, among those that both runs answer with the
    context at the peak."""
    only_first: int
    """How many of these items have it in the first run only."""
    only_second: int
    """How many of these items have it in the second run only."""
    neither: int
    """How many of these items have it in neither run."""
    odds_ratio: float
    """both x neither / (only_first x only_second). It is above 1 if the same items flip, and NaN if no item flips in
    one of the runs."""
    p_value: float
    """Two-sided p-value: of Fisher's exact test if every cluster is a single item, otherwise of the
    Cochran-Mantel-Haenszel test of how many items of each cluster flip."""


@dataclass(frozen=True, slots=True)
class FactorRate:
    """One row of the table ``factors``: context reliance at one level of one factor, in a set whose factors are
    crossed."""

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
    """Share of the level's items that are answered with the context."""
    low: float
    high: float
    """Upper bound of ``context_rate``. The two bounds are a 95 % interval over clusters; NaN with fewer than five
    clusters."""
    n: int
    """Number of items."""


@dataclass(frozen=True, slots=True)
class Tradeoff:
    """One row of the table ``tradeoffs``: the scores of an experiment's run on one set, next to the reference."""

    experiment: str
    model: str
    dataset: str
    recipe: str
    seed: int
    prompt: str
    set: str
    """Name of a conflict set, a control set or a benchmark, or one of the means ``control mean`` and ``ID
    accuracy``."""
    scorer: str
    metric: str
    """``context_rate`` for conflict sets, ``accuracy`` for the rest."""
    end_step: int
    """The last step."""
    end: float
    """The score at the end, as in the table ``inversions``."""
    end_low: float
    end_high: float
    """Upper bound of ``end``. All bounds in this table are 95 % intervals over clusters; NaN with fewer than five
    clusters."""
    peak: float | None
    """The score at the peak of the context answers before the end, in a window of the same length; null for scores that
    do not belong to a conflict set."""
    peak_low: float | None
    peak_high: float | None
    n: int
    """Number of items."""
    difference: float | None = None
    """``end`` minus that of the reference, which is the baseline recipe under the first prompt, with the
    same model, dataset and seed. Null for the reference itself, and in experiments without it."""
    difference_low: float | None = None
    difference_high: float | None = None
    p_value: float | None = None
    """p-value of a sign-flip test over clusters of the mean difference per item."""
    p_adjusted: float | None = None
    """``p_value``, corrected over the experiment."""


@dataclass(frozen=True, slots=True)
class StylePoint:
    """One row of the table ``style``: the wording of the answers of one run to one conflict set at one step."""

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
    """Mean share of a response's words that are copied from the passage; NaN in sets without passages."""
    both: float
    """Share of responses that contain both answers."""
    abstains: float
    """Share of responses that refuse or leave open which answer it is."""
    unfinished: float
    """Share of responses that were truncated at the maximum number of tokens."""
    answered: float
    """Share of responses that follow the context or memory, and not both."""
    context_of_answered: float
    """Share of these responses that follow the context; NaN if there are none."""
    low_mass: float
    """Share of items for which the two tokens at the first difference of the answers have a total probability below 1
    %; NaN if no item has such tokens."""
    first_token_context_kept: float
    """Context rate of the scorer ``first_token`` over the items whose two tokens have at least this total probability
    at every step; NaN if there are none."""
    n_kept: int
    """Number of these items."""
    n: int
    """Number of items."""


@dataclass(frozen=True, slots=True)
class PublishedMeasures:
    """One row of the table ``measures``: the measures of ConFiQA and CUB for one run on one conflict set at one
    step."""

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
    """Memorisation ratio, po / (ps + po); NaN if neither occurs."""
    em: float
    """Share of responses that are the context's answer and nothing else."""
    bcu: float
    """Share of responses that give the context's answer, by the main label."""
    ccu: float
    """Mean change in the probability of the context answer due to the context, from -1 to 1; NaN without contexts."""
    n: int
    """Number of items."""


@dataclass(frozen=True, slots=True)
class SeriesStep:
    """One row of the table ``series``: a checkpoint that was trained elsewhere."""

    model: str
    dataset: str
    """Name of the series."""
    recipe: str
    seed: int
    step: int
    label: str | None
    """Name of the step on the axis; null if it has none."""
    kind: str
    """``base``, ``adapter``, ``full``, ``gone`` (its weights were deleted after evaluation), or ``skipped``."""
    source: str
    """The folder of the checkpoint, or its Hub repository and commit."""
    notes: list[str]
    """Remarks: why the checkpoint was skipped, that it changes nothing, or that its adapter is scaled differently."""
