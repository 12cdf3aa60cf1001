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
    """95 % interval over clusters; NaN with fewer than five."""
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
    window: int
    """Checkpoints over which peak, trough and end are averaged."""
    peak_window: int
    """The same for the peak: 1 if the peak is the first checkpoint only."""
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
    """Start to peak. Its bounds, and those of the next three, are one-sided 95 % bounds that cover the sampling of
    items, by cluster, and the scatter of checkpoints around the trend; NaN if they are unknown."""
    rise_low: float
    rise_high: float
    fall: float
    """Peak to trough."""
    fall_low: float
    fall_high: float
    recovery: float
    """Trough to end."""
    recovery_low: float
    recovery_high: float
    net: float
    """Start to end, of either sign."""
    net_low: float
    net_high: float
    to_parametric: int
    """Items answered with the context at most of the peak's checkpoints and with memory at most of the end's."""
    to_context: int
    """Items answered with memory at most of the peak's checkpoints and with the context at most of the end's."""
    p_items: float
    """Sign-flip test over clusters of the mean change per item between peak and end: whether these checkpoints differ,
    scatter included. It does not test the trend."""
    p_value: float
    """p-value of a trend that never falls; NaN if the bounds are."""
    p_adjusted: float | None
    """``p_value`` corrected by Holm's method over the runs and sets of the experiment whose primary analysis this row
    belongs to; null in all other rows, which are sensitivity analyses."""
    verdict: str
    """A name of :data:`inversion.analyse.verdicts.VERDICTS`: ``inversion``, ``recovery``, ``fall``, ``no_drop``,
    ``no_rise`` or ``inconclusive``."""
    verdict_both_context: str
    """The verdict if answers that give both answers count as following the context."""
    verdict_both_parametric: str
    """The verdict if answers that give both answers count as memory."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """One row of the table ``contributions``: how much of a run's fall one part of a set carries."""

    model: str
    dataset: str
    recipe: str
    seed: int
    set: str
    prompt: str
    scorer: str
    part: str
    """``stratum``, or the name of a factor."""
    level: str
    """The stratum, or the factor's level."""
    n: int
    """Items."""
    share: float
    """Of the set's items."""
    peak: float
    """Context rate of the part's items at the peak of the whole set, as in the table ``inversions``."""
    trough: float
    """The same at the trough of the whole set."""
    fall: float
    """Peak to trough within the part."""
    fall_low: float
    fall_high: float
    """95 % interval over clusters, at these checkpoints; their scatter is common to all parts."""
    contribution: float
    """``share`` x ``fall``: over the levels of a part that every item has, they sum to the fall of the set."""
    share_of_fall: float
    """``contribution`` divided by the fall of the set; NaN if that is 0."""


@dataclass(frozen=True, slots=True)
class ExperimentRow:
    """One row of the table ``experiments``: what an experiment found on one set, seeds being the replicates."""

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
    """``t interval over 3 seeds``, or ``descriptive: one run`` (``descriptive: 2 runs``) with fewer than three."""
    rise: float
    """Mean over seeds. The bounds of this and the next three are 95 % t intervals over seeds; NaN with fewer than
    three."""
    rise_low: float
    rise_high: float
    fall: float
    """Mean over seeds."""
    fall_low: float
    fall_high: float
    recovery: float
    """Mean over seeds."""
    recovery_low: float
    recovery_high: float
    end: float
    """Mean over seeds."""
    end_low: float
    end_high: float
    fall_difference: float | None
    """The fall less that of the recipe that changes nothing with the same model, dataset and seed, the mean over seeds;
    null for that recipe itself, and if it is not part of the experiment."""
    fall_difference_low: float | None
    fall_difference_high: float | None
    end_difference: float | None
    """The same for the end."""
    end_difference_low: float | None
    end_difference_high: float | None
    runs_inversion: int
    """Runs with this verdict, of ``seeds``."""
    runs_recovery: int
    """The same."""
    runs_fall: int
    """The same."""
    runs_no_drop: int
    """The same."""
    runs_no_rise: int
    """The same."""
    runs_inconclusive: int
    """The same."""


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
    """Responses."""
    agreement: float
    """Share of responses with the same label."""
    kappa: float
    """Cohen's kappa: agreement beyond chance; NaN if both scorers give only one label."""
    one_answer: int
    """Responses whose text contains exactly one of the two answers (by containment)."""
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
    """The other run."""
    both: int
    """Items, of those that both runs answer with the context at the peak, that have the parametric answer at the end in
    both."""
    only_first: int
    """Those that have it in the first run only."""
    only_second: int
    """Those that have it in the second run only."""
    neither: int
    """Those that have it in neither run."""
    odds_ratio: float
    """both x neither / (only_first x only_second); above 1 if the same items flip, NaN if a run flips none."""
    p_value: float
    """Two-sided: Fisher's exact test if clusters are single items, else the Cochran-Mantel-Haenszel test of how many
    items of each cluster flip."""


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
    """Share of the level's items that are answered with the context."""
    low: float
    high: float
    """95 % interval over clusters; NaN with fewer than five."""
    n: int
    """Items."""


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
    """A conflict set, a control set, a benchmark, ``control mean`` or ``ID accuracy``."""
    scorer: str
    metric: str
    """``context_rate`` (conflict sets) or ``accuracy``."""
    end_step: int
    """The last step."""
    end: float
    """At the end, as in the table ``inversions``."""
    end_low: float
    end_high: float
    """95 % interval over clusters; so are the others. NaN with fewer than five clusters."""
    peak: float | None
    """At the peak of the context answers before the end, a window of equal length; null for what belongs to no conflict
    set."""
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
    """Sign-flip test over clusters of the mean difference per item."""
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
    """The context's share of these; NaN if there are none."""
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
    """Memorisation ratio, po / (ps + po); NaN if neither occurs."""
    em: float
    """Share of responses that are the context's answer and nothing else."""
    bcu: float
    """Share of responses that give the context's answer, by the main label."""
    ccu: float
    """Mean change of the context answer's probability by the context, from -1 to 1; NaN without contexts."""
    n: int
    """Items."""


@dataclass(frozen=True, slots=True)
class SeriesStep:
    """One row of the table ``series``: a checkpoint that was trained elsewhere."""

    model: str
    dataset: str
    """The series' name."""
    recipe: str
    seed: int
    step: int
    label: str | None
    """The name of the step on the axis; null if it has none."""
    kind: str
    """``base``, ``adapter``, ``full``, ``gone`` (its weights were deleted after evaluation), or ``skipped``."""
    source: str
    """Its folder, or its repository on the Hub and commit."""
    notes: list[str]
    """Notes on it: why it was skipped, that it has no effect, a different scaling."""
