"""Curves, inversions, flips, factors and the agreement of scorers, from the table ``items``.

All intervals are 95 % percentile intervals of a bootstrap over clusters. Each set has a random stream
of its own that depends on the seed and the set's name alone, so results depend neither on the order
of the rows nor on which other runs and sets are in the table.
"""

from __future__ import annotations

import dataclasses
import itertools
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.special import expit

from inversion.artifacts import sha256_bytes
from inversion.config import KeepCheckpoints, Run
from inversion.records import (
    Agreement,
    CurvePoint,
    FactorRate,
    Flip,
    FlipOverlap,
    Inversion,
    Item,
    require_schema,
    to_frame,
)
from inversion.stats import (
    Floats,
    Ints,
    cluster_bootstrap,
    cluster_sums,
    cluster_weights,
    fisher,
    holm,
    interval,
    kappa,
    mcnemar,
)

SCORERS = ("containment", "first_mention", "logprob")
CONTROL_SCORERS = ("containment", "first_mention")
ALL = "all"
"""The stratum that is the whole set."""
KNOWN = "known"
"""The stratum that is the items whose fact the base model knows."""
CONTROL_MEAN = "control mean"
"""The set that stands for all control sets of a run, in the place of the paper's ID accuracy."""
CURVE_ORDER = ("model", "dataset", "recipe", "seed", "set", "stratum", "prompt", "scorer", "metric", "step")
"""The columns that the table ``curves`` is sorted by."""
NEGLIGIBLE = 0.05
"""A rise or drop whose interval lies below this is taken to be none."""

Verdict = Literal["inversion", "no_drop", "no_rise", "inconclusive"]
Bools = npt.NDArray[np.bool_]
Strings = npt.NDArray[np.object_]


def curves(items: pl.DataFrame, bootstrap: int, seed: int = 0) -> pl.DataFrame:
    """The table ``curves`` (:class:`~inversion.records.CurvePoint`) from the table ``items``.

    *Conflict sets*, by scorer: ``context_rate``, ``parametric_rate`` and ``other_rate``. By containment
    an item with both answers counts for both rates, as in the paper, so the three can sum to more than
    1. Scorer ``logprob`` has ``m_c`` too: the mean of p(c) / (p(c) + p(p)) of the first tokens in which the
    two answers differ (section 5), over the items that have such tokens. A set ``x`` with the control
    ``x+matching`` has ``pair_accuracy``: the share of items that are answered as the passage says both
    where it contradicts memory and where it agrees, so that neither a model that always copies nor one
    that never reads gains by it.
    *Control sets*, by containment and first mention: ``accuracy``, the share with the right answer. The
    set ``control mean`` is the mean over a run's control sets, each resampled by itself.

    A set with several strata has a curve for each beside ``all``, and one for ``known``, the items whose fact
    the base model knows, where there are any. Bounds are NaN with fewer than two
    clusters. ``bootstrap`` is the number of resamples.

    Raises :class:`ValueError` where a column is missing, an item lacks a step or stands there twice,
    a conflict item lacks a log-probability, or a run's control sets have different steps.
    """
    points: list[CurvePoint] = []
    controls: dict[tuple[Run, str], list[_Curves]] = defaultdict(list)
    for _, group in itertools.groupby(panels(items), key=lambda panel: panel.run):
        asked = {(panel.set, panel.prompt): panel for panel in group}
        for (name, prompt), panel in asked.items():
            for stratum, measures, part in _parts(panel, asked.get((f"{name}+matching", prompt))):
                estimate = _estimate(part, stratum, measures, bootstrap, generator(seed, panel.set))
                points += estimate.points()
                if panel.role == "control" and stratum == ALL:
                    controls[panel.run, prompt].append(estimate)
    for estimates in controls.values():
        points += _control_mean(estimates).points()
    return to_frame(points, CurvePoint).sort(CURVE_ORDER)


def inversions(items: pl.DataFrame, bootstrap: int, seed: int = 0) -> pl.DataFrame:
    """The table ``inversions`` (:class:`~inversion.records.Inversion`) from the table ``items``.

    A row a run, conflict set, prompt and scorer, over ``all`` items and, where there are any, over those that
    the base model knows (``stratum``):

    - ``start`` is the context rate at the first step; ``end`` its mean over the checkpoints in the last
      tenth of the steps (above 0.9 x the last step; the last always belongs), ``end_step`` the last step.
    - ``peak`` is cross-fitted, so that picking a maximum does not make a drop: the clusters are split
      into two halves, each half picks its best step, and every item is read at the step that the
      *other* half picked (both ways, averaged over the items). Rise is peak - start, drop peak - end.
      ``peak_step`` is the best step of all clusters together, the earliest of equals: it says where the
      curve turns, and the rate at it is usually above ``peak``.
    - Intervals resample the clusters within each half and repeat all this, the picking included. They
      cover the sampling of items, not of training runs: for that, compare seeds.
    - Known items are so by the base model alone: every comparison pairs the same items at both ends.
    - ``p_value`` is an exact McNemar test of "answered with the context", at the peak (the step that the
      other half picked) against the end (an item's majority over the end's checkpoints, a tie settled by
      the last), the discordant items of both halves pooled; items count singly here, also where
      they share a cluster. ``p_adjusted`` is corrected by Holm's method over the whole table.
    - ``to_parametric`` and ``to_context`` count the items that change from one answer to the other;
      by containment, items with both answers are in neither.
    - ``verdict``: see :func:`verdict`. With a single step, or fewer than two clusters in a half, bounds
      are NaN and it is ``inconclusive``; with a single cluster there is no other half, so the peak is NaN
      and the test compares the start.

    ``bootstrap`` is the number of resamples. Raises :class:`ValueError` as :func:`curves`.
    """
    rows = [
        _inversion(part, stratum, scorer, bootstrap, seed)
        for panel in panels(items)
        if panel.role == "conflict"
        for stratum, part in _whole_and_known(panel)
        for scorer in SCORERS
    ]
    adjusted = holm(np.array([row.p_value for row in rows]))
    return to_frame(
        [dataclasses.replace(row, p_adjusted=float(p)) for row, p in zip(rows, adjusted, strict=True)], Inversion
    )


def flips(items: pl.DataFrame, seed: int = 0) -> pl.DataFrame:
    """The table ``flips`` (:class:`~inversion.records.Flip`): which items change, and which way.

    A row a run, conflict set, prompt, scorer and item whose label at the end is not that at the peak; both
    are read as in :func:`inversions`, so ``context`` to ``parametric`` counts up to its ``to_parametric``.
    """
    rows = [
        Flip(
            **panel.run._asdict(),
            set=panel.set,
            prompt=panel.prompt,
            scorer=scorer,
            item_id=panel.items[i],
            known=panel.known[i],
            peak=peak[i],
            end=end[i],
        )
        for panel in panels(items)
        if panel.role == "conflict"
        for scorer in SCORERS
        for peak, end in [_ends(panel, scorer, seed)]
        for i in np.flatnonzero(peak != end)
    ]
    return to_frame(rows, Flip)


def flip_overlap(items: pl.DataFrame, seed: int = 0) -> pl.DataFrame:
    """The table ``flip_overlap`` (:class:`~inversion.records.FlipOverlap`): do two runs lose the same items?

    A row a pair of runs that were asked the same conflict set and prompt, by scorer, over the items that both
    were asked: those that flip from the context answer at the peak to the parametric answer at the end.
    """
    lost: dict[tuple[str, str, str], list[tuple[Run, Strings, Bools]]] = defaultdict(list)
    for panel in panels(items):
        if panel.role == "conflict":
            for scorer in SCORERS:
                peak, end = _ends(panel, scorer, seed)
                flipped = np.asarray((peak == "context") & (end == "parametric"))
                lost[panel.set, panel.prompt, scorer].append((panel.run, panel.items, flipped))
    rows = [
        _overlap(key, first, second)
        for key, runs in sorted(lost.items())
        for first, second in itertools.combinations(runs, 2)
    ]
    return to_frame(rows, FlipOverlap)


def factors(items: pl.DataFrame, bootstrap: int, seed: int = 0) -> pl.DataFrame:
    """The table ``factors`` (:class:`~inversion.records.FactorRate`): context reliance by each level of each factor.

    A row a run, conflict set, prompt, scorer, factor, level and moment. Start, peak and end are those of
    :func:`inversions`, each item's peak at the step that the other half of the clusters picked; all levels
    are so read at the same steps. Intervals take these steps as given. Sets without factors have no rows.
    """
    rows: list[FactorRate] = []
    for panel in panels(items):
        if panel.role == "conflict" and any(panel.factors):
            for scorer in SCORERS:
                rows += _factor_rates(panel, scorer, bootstrap, seed)
    return to_frame(rows, FactorRate)


def agreement(items: pl.DataFrame) -> pl.DataFrame:
    """The table ``agreement`` (:class:`~inversion.records.Agreement`): how far each two scorers agree on a set.

    Over all runs and steps. ``both``, which only containment says, is a label like the others.
    """
    require_schema(items, Item, "items")
    rows = [
        _agreement(name, prompt, first, second, counts)
        for first, second in itertools.combinations(SCORERS, 2)
        for (name, prompt), counts in items.lazy()
        .filter(pl.col("role") == "conflict")
        .group_by("set", "prompt", *dict.fromkeys((first, second, "containment")))
        .len()
        .collect()
        .sort("set", "prompt", first, second)
        .partition_by("set", "prompt", as_dict=True, maintain_order=True)
        .items()
    ]
    return to_frame(rows, Agreement).sort("set", "prompt", maintain_order=True)


def steps_to_keep(items: pl.DataFrame, keep: KeepCheckpoints) -> set[int]:
    """The steps of one run, by its labels, whose weights stay under ``keep``.

    ``extremes`` are the first and the last step, and for every conflict set and prompt the ``peak_step``
    by containment (see :func:`inversions`).
    """
    steps = set(items["step"].to_list())
    if keep == "all":
        return steps
    if keep == "none":
        return set()
    conflicts = (panel for panel in panels(items) if panel.role == "conflict")
    return {min(steps), max(steps)} | {
        int(panel.steps[panel.gives("containment", "context").sum(axis=0).argmax()]) for panel in conflicts
    }


def verdict(rise_low: float, rise_high: float, drop_low: float, drop_high: float) -> Verdict:
    """What the 95 % intervals of rise and drop say; the first that holds of:

    ``inversion``: both lie above 0; ``no_drop``: the rise lies above 0 and the drop below 0.05;
    ``no_rise``: the rise lies below 0.05; ``inconclusive``: anything else, NaN included.
    """
    if rise_low > 0 and drop_low > 0:
        return "inversion"
    if rise_low > 0 and drop_high < NEGLIGIBLE:
        return "no_drop"
    if rise_high < NEGLIGIBLE:
        return "no_rise"
    return "inconclusive"


# --- panels -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Panel:
    """All answers of one run to one set under one prompt: items x steps."""

    run: Run
    set: str
    prompt: str
    role: str
    steps: Ints
    epochs: Floats
    items: Strings
    clusters: Strings
    strata: Strings
    known: Strings
    """True, False, or None where the base model cannot be asked."""
    factors: list[list[str]]
    labels: Mapping[str, Strings]
    """By scorer: (items, steps)."""
    margin: Floats
    """Log-probability of the context answer less that of the parametric answer at the first token in which they
    differ, in nats, NaN where there is none: (items, steps)."""

    def take(self, chosen: Bools) -> Panel:
        """The panel of some of its items."""
        return dataclasses.replace(
            self,
            items=self.items[chosen],
            clusters=self.clusters[chosen],
            strata=self.strata[chosen],
            known=self.known[chosen],
            factors=[self.factors[i] for i in np.flatnonzero(chosen)],
            labels={scorer: labels[chosen] for scorer, labels in self.labels.items()},
            margin=self.margin[chosen],
        )

    def in_strata(self) -> Iterator[tuple[str, Panel]]:
        """``all``, each stratum where there are several, and ``known`` where items are."""
        yield ALL, self
        names = sorted(set(self.strata))
        for name in names if len(names) > 1 else []:
            yield name, self.take(np.asarray(self.strata == name))
        yield from list(_whole_and_known(self))[1:]

    def gives(self, scorer: str, side: Literal["context", "parametric"]) -> Bools:
        """Whether an answer gives a side's answer, alone or with the other: (items, steps)."""
        labels = self.labels[scorer]
        return np.asarray((labels == side) | (labels == "both"))


def _whole_and_known(panel: Panel) -> Iterator[tuple[str, Panel]]:
    """The panel as ``all`` and, where there are any, its ``known`` items."""
    yield ALL, panel
    known = np.array([fact is True for fact in panel.known], dtype=bool)
    if known.any():
        yield KNOWN, panel.take(known)


def panels(items: pl.DataFrame) -> Iterator[Panel]:
    """The panels of the table ``items``, sorted; see :func:`curves` for the errors."""
    require_schema(items, Item, "items")
    keys = [*Run._fields, "set", "prompt"]
    # texts are most of the table, and are judged already
    for frame in (
        items.drop("text", "context_answers", "parametric_answers")
        .sort(*keys, "item_id", "step")
        .partition_by(keys, maintain_order=True)
    ):
        yield _panel(frame)


def _panel(frame: pl.DataFrame) -> Panel:
    """The panel of the rows of one run, set and prompt, which are sorted by item and step."""
    first = frame.row(0, named=True)
    run = Run(**{name: first[name] for name in Run._fields})
    where = f"{run.path}, set {first['set']!r}, prompt {first['prompt']!r}"
    _require_grid(frame, where)
    _require_logprobs(frame, where)
    shape = frame["item_id"].n_unique(), frame["step"].n_unique()

    def grid(column: str) -> Strings:
        return frame[column].to_numpy().astype(object).reshape(shape)

    return Panel(
        run=run,
        set=first["set"],
        prompt=first["prompt"],
        role=first["role"],
        steps=frame["step"].to_numpy()[: shape[1]],
        epochs=frame["epoch"].to_numpy()[: shape[1]],
        items=grid("item_id")[:, 0],
        clusters=grid("cluster")[:, 0],
        strata=grid("stratum")[:, 0],
        known=grid("known")[:, 0],
        factors=frame["factors"].gather_every(shape[1]).to_list(),
        labels={scorer: grid(scorer) for scorer in SCORERS},
        margin=(frame["context_first_logprob"] - frame["parametric_first_logprob"])
        .fill_null(float("nan"))
        .to_numpy()
        .reshape(shape),
    )


def _require_grid(frame: pl.DataFrame, where: str) -> None:
    """Raises :class:`ValueError` unless every item stands at every step once."""
    steps = frame["step"].n_unique()
    counts = frame.group_by("item_id", maintain_order=True).agg(n=pl.len(), distinct=pl.col("step").n_unique())
    bad = counts.filter((pl.col("n") != steps) | (pl.col("distinct") != steps))
    if not bad.is_empty():
        item, n, distinct = bad.row(0)
        raise ValueError(
            f"{where}: item {item!r} has {n} rows at {distinct} of {steps} steps; delete the run's labels and rerun"
        )


def _require_logprobs(frame: pl.DataFrame, where: str) -> None:
    """Raises :class:`ValueError` unless both answers of every conflict item were scored."""
    lacking = frame.filter(
        pl.col("role") == "conflict", pl.any_horizontal(pl.col("context_logprob", "parametric_logprob").is_null())
    )
    if not lacking.is_empty():
        raise ValueError(
            f"{where}: conflict item {lacking['item_id'][0]!r} lacks the log-probability of an answer; give it both "
            "answers or make it a control item"
        )


def generator(seed: int, set_name: str) -> np.random.Generator:
    """The random stream of a set."""
    return np.random.default_rng([seed, zlib.crc32(set_name.encode())])


def cluster_codes(names: Strings) -> Ints:
    """Names as numbers from 0 on, in the order of the names."""
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


# --- curves -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Curves:
    """The curves of one panel and stratum, one a measure (scorer and metric), with their resamples."""

    panel: Panel
    set: str
    stratum: str
    measures: list[tuple[str, str]]
    values: Floats
    """(steps, measures)."""
    samples: Floats
    """(resamples, steps, measures)."""
    n: int

    def points(self) -> list[CurvePoint]:
        """A row a step and measure."""
        low, high = interval(self.samples)
        return [
            CurvePoint(
                **self.panel.run._asdict(),
                step=int(self.panel.steps[i]),
                epoch=float(self.panel.epochs[i]),
                set=self.set,
                stratum=self.stratum,
                prompt=self.panel.prompt,
                scorer=scorer,
                metric=metric,
                value=float(self.values[i, j]),
                low=float(low[i, j]),
                high=float(high[i, j]),
                n=self.n,
            )
            for i in range(len(self.panel.steps))
            for j, (scorer, metric) in enumerate(self.measures)
        ]


_Measures = dict[tuple[str, str], Floats]
"""By scorer and metric, what is averaged over items: (items, steps)."""


def _parts(panel: Panel, matching: Panel | None) -> Iterator[tuple[str, _Measures, Panel]]:
    """What is estimated of a panel: strata, measures and the items that have them.

    ``matching`` is the panel of its matching control, where there is one.
    """
    for stratum, part in panel.in_strata():
        yield stratum, _measures(part), part
        if panel.role == "control":
            continue
        compared = part.take(np.asarray(~np.isnan(part.margin).any(axis=1)))
        if len(compared.items):
            yield stratum, {("logprob", "m_c"): np.asarray(expit(compared.margin), dtype=np.float64)}, compared
        if matching is not None:
            paired = part.take(np.isin(part.items.astype(str), matching.items.astype(str)))
            if len(paired.items):
                yield stratum, _pair_measures(paired, matching), paired


def _estimate(panel: Panel, stratum: str, measures: _Measures, bootstrap: int, rng: np.random.Generator) -> _Curves:
    """The curves of one stratum, whose items ``panel`` holds."""
    values = np.stack(list(measures.values()), axis=-1)
    samples = cluster_bootstrap(values, cluster_codes(panel.clusters), bootstrap, rng)
    return _Curves(panel, panel.set, stratum, list(measures), values.mean(axis=0), samples, len(values))


def _measures(panel: Panel) -> _Measures:
    """Accuracies of a control set, rates of a conflict set."""
    if panel.role == "control":
        return {(scorer, "accuracy"): right(panel, scorer).astype(np.float64) for scorer in CONTROL_SCORERS}
    measures: _Measures = {}
    for scorer in SCORERS:
        measures[scorer, "context_rate"] = panel.gives(scorer, "context").astype(np.float64)
        measures[scorer, "parametric_rate"] = panel.gives(scorer, "parametric").astype(np.float64)
        measures[scorer, "other_rate"] = (panel.labels[scorer] == "other").astype(np.float64)
    return measures


def _pair_measures(panel: Panel, matching: Panel) -> _Measures:
    """Whether items are right under both the conflicting and the matching passage, at the steps of both.

    All items of ``panel`` are in ``matching``.
    """
    if not np.array_equal(panel.steps, matching.steps):
        raise ValueError(
            f"{panel.run.path}: the sets {panel.set!r} and {matching.set!r} have different steps; delete the run's "
            "labels and rerun"
        )
    place = {item: i for i, item in enumerate(matching.items)}
    rows = [place[item] for item in panel.items]
    return {
        (scorer, "pair_accuracy"): (panel.gives(scorer, "context") & right(matching, scorer)[rows]).astype(np.float64)
        for scorer in CONTROL_SCORERS
    }


def right(control: Panel, scorer: str) -> Bools:
    """Whether the items of a control set are answered right: (items, steps)."""
    return np.asarray(control.labels[scorer] != "other")


def _control_mean(estimates: list[_Curves]) -> _Curves:
    """The mean of the curves of a run's control sets."""
    first = estimates[0]
    for other in estimates[1:]:
        if not np.array_equal(first.panel.steps, other.panel.steps):
            raise ValueError(
                f"{first.panel.run.path}: the control sets {first.set!r} and {other.set!r} have different steps; "
                "delete the run's labels and rerun"
            )
    return dataclasses.replace(
        first,
        set=CONTROL_MEAN,
        values=np.mean([estimate.values for estimate in estimates], axis=0),
        samples=np.mean([estimate.samples for estimate in estimates], axis=0),
        n=sum(estimate.n for estimate in estimates),
    )


# --- inversions ---------------------------------------------------------------------------------


class _Path(NamedTuple):
    """Context rates, one a resample."""

    start: Floats
    peak: Floats
    end: Floats


def _inversion(panel: Panel, stratum: str, scorer: str, bootstrap: int, seed: int) -> Inversion:
    """The row of one panel, stratum (whose items it holds) and scorer, its p-value not yet corrected."""
    codes = cluster_codes(panel.clusters)
    half = _first_half(np.unique(panel.clusters), seed)
    closing = closing_steps(panel.steps)
    context, parametric = panel.gives(scorer, "context"), panel.gives(scorer, "parametric")

    sums = cluster_sums(context.astype(np.float64), codes)
    sizes = np.bincount(codes).astype(np.float64)
    found = _cross_fit(sums, sizes, half, np.ones((1, len(half))), closing)
    start, peak, end = (float(rate[0]) for rate in found)
    resampled = _resample(sums, sizes, half, closing, bootstrap, generator(seed, panel.set))
    rise_low, rise_high = (float(bound) for bound in interval(resampled.peak - resampled.start))
    drop_low, drop_high = (float(bound) for bound in interval(resampled.peak - resampled.end))

    at_peak = _peak_steps(context, codes, half)
    rows = np.arange(len(codes))
    peak_context, peak_parametric = context[rows, at_peak], parametric[rows, at_peak]
    end_context, end_parametric = _majority(context[:, -closing:]), _majority(parametric[:, -closing:])
    return Inversion(
        **panel.run._asdict(),
        set=panel.set,
        stratum=stratum,
        prompt=panel.prompt,
        scorer=scorer,
        start=start,
        peak_step=int(panel.steps[sums.sum(axis=0).argmax()]),
        peak=peak,
        end_step=int(panel.steps[-1]),
        end=end,
        rise=peak - start,
        rise_low=rise_low,
        rise_high=rise_high,
        drop=peak - end,
        drop_low=drop_low,
        drop_high=drop_high,
        to_parametric=_count(peak_context, ~peak_parametric, ~end_context, end_parametric),
        to_context=_count(~peak_context, peak_parametric, end_context, ~end_parametric),
        p_value=mcnemar(_count(peak_context, ~end_context), _count(~peak_context, end_context)),
        p_adjusted=float("nan"),
        verdict=verdict(rise_low, rise_high, drop_low, drop_high),
    )


def closing_steps(steps: Ints) -> int:
    """How many of the last checkpoints, whose steps ascend, are the end: those in the last tenth, at least the last."""
    return max(1, int((steps > 0.9 * steps[-1]).sum()))


def peak_places(panel: Panel, scorer: str, seed: int) -> Ints:
    """The index of the step at which each item's peak is read, as in :func:`inversions`."""
    half = _first_half(np.unique(panel.clusters), seed)
    return _peak_steps(panel.gives(scorer, "context"), cluster_codes(panel.clusters), half)


def _peak_steps(context: Bools, codes: Ints, half: Bools) -> Ints:
    """The index of the step at which each item's peak is read: the best of the other half of the clusters."""
    sums = cluster_sums(context.astype(np.float64), codes)
    return np.asarray(np.where(half, sums[~half].sum(axis=0).argmax(), sums[half].sum(axis=0).argmax())[codes])


def _first_half(clusters: Iterable[str], seed: int) -> Bools:
    """Whether each cluster is in the first half: every second one by the hash of seed and name."""
    hashes = np.array([sha256_bytes(f"{seed}:{cluster}".encode()) for cluster in clusters])
    rank = hashes.argsort(kind="stable").argsort(kind="stable")
    return np.asarray(rank % 2 == 0)


def _cross_fit(sums: Floats, sizes: Floats, half: Bools, weights: Floats, closing: int) -> _Path:
    """Start, cross-fitted peak and end under each row of cluster weights.

    ``sums`` is (clusters, steps): items answered with the context; ``sizes`` the items of each cluster;
    ``weights`` (resamples, clusters); the last ``closing`` steps are the end. Without a second half the
    peak is NaN.
    """
    first, second = weights[:, half] @ sums[half], weights[:, ~half] @ sums[~half]
    total = (weights @ sizes)[:, None]
    peak = np.take_along_axis(first, second.argmax(axis=1, keepdims=True), axis=1)
    peak = peak + np.take_along_axis(second, first.argmax(axis=1, keepdims=True), axis=1)
    if half.all():
        peak = np.full_like(peak, np.nan)
    rates = (first + second) / total
    return _Path(rates[:, 0], (peak / total)[:, 0], rates[:, -closing:].mean(axis=1))


def _resample(
    sums: Floats, sizes: Floats, half: Bools, closing: int, bootstrap: int, rng: np.random.Generator
) -> _Path:
    """:func:`_cross_fit` with the clusters of each half drawn anew; NaN where nothing can vary."""
    if sums.shape[1] < 2 or (~half).sum() < 2:
        return _Path(*np.full((3, bootstrap), np.nan))
    weights = np.empty((bootstrap, len(half)))
    weights[:, half] = cluster_weights(int(half.sum()), bootstrap, rng)
    weights[:, ~half] = cluster_weights(int((~half).sum()), bootstrap, rng)
    return _cross_fit(sums, sizes, half, weights, closing)


def _majority(given: Bools) -> Bools:
    """Whether each item is true at most of the steps, a tie settled by the last: from (items, steps)."""
    share = given.mean(axis=1)
    return np.asarray((share > 0.5) | ((share == 0.5) & given[:, -1]))


def _count(*conditions: Bools) -> int:
    """Items for which all conditions hold."""
    return int(np.logical_and.reduce(conditions).sum())


# --- flips --------------------------------------------------------------------------------------


def _ends(panel: Panel, scorer: str, seed: int) -> tuple[Strings, Strings]:
    """Every item's label at the peak and at the end, as :func:`inversions` reads them."""
    context, parametric = panel.gives(scorer, "context"), panel.gives(scorer, "parametric")
    codes, closing = cluster_codes(panel.clusters), closing_steps(panel.steps)
    at_peak = peak_places(panel, scorer, seed)
    peak = panel.labels[scorer][np.arange(len(codes)), at_peak]
    words = np.array([["other", "parametric"], ["context", "both"]], dtype=object)
    end = words[_majority(context[:, -closing:]).astype(int), _majority(parametric[:, -closing:]).astype(int)]
    return peak, end


def _overlap(
    key: tuple[str, str, str], first: tuple[Run, Strings, Bools], second: tuple[Run, Strings, Bools]
) -> FlipOverlap:
    """The row of two runs: each with its items and whether they flip."""
    (run, items, flips_here), (other, other_items, flips_there) = first, second
    if not np.array_equal(items, other_items):
        _, here, there = np.intersect1d(items.astype(str), other_items.astype(str), return_indices=True)
        flips_here, flips_there = flips_here[here], flips_there[there]
    both = _count(flips_here, flips_there)
    only_first, only_second = int(flips_here.sum()) - both, int(flips_there.sum()) - both
    neither = len(flips_here) - both - only_first - only_second
    odds_ratio, p_value = fisher(both, only_first, only_second, neither)
    name, prompt, scorer = key
    return FlipOverlap(
        set=name,
        prompt=prompt,
        scorer=scorer,
        first=run.path,
        second=other.path,
        both=both,
        only_first=only_first,
        only_second=only_second,
        neither=neither,
        odds_ratio=odds_ratio,
        p_value=p_value,
    )


# --- factors ------------------------------------------------------------------------------------


def _factor_rates(panel: Panel, scorer: str, bootstrap: int, seed: int) -> Iterator[FactorRate]:
    """The rows of one panel and scorer, by factor and level."""
    codes, closing = cluster_codes(panel.clusters), closing_steps(panel.steps)
    context = panel.gives(scorer, "context")
    at_peak = peak_places(panel, scorer, seed)
    moments = {
        "start": context[:, 0],
        "peak": context[np.arange(len(codes)), at_peak],
        "end": context[:, -closing:].mean(axis=1),
    }
    values = np.stack(list(moments.values()), axis=-1).astype(np.float64)
    for crossed in sorted({crossed for listed in panel.factors for crossed in listed}):
        factor, _, level = crossed.partition("=")
        chosen = np.array([crossed in listed for listed in panel.factors])
        samples = cluster_bootstrap(
            values[chosen], cluster_codes(panel.clusters[chosen]), bootstrap, generator(seed, panel.set)
        )
        low, high = interval(samples)
        for j, moment in enumerate(moments):
            yield FactorRate(
                **panel.run._asdict(),
                set=panel.set,
                prompt=panel.prompt,
                scorer=scorer,
                factor=factor,
                level=level,
                moment=moment,
                context_rate=float(values[chosen, j].mean()),
                low=float(low[j]),
                high=float(high[j]),
                n=int(chosen.sum()),
            )


# --- agreement ----------------------------------------------------------------------------------


def _agreement(name: str, prompt: str, first: str, second: str, counts: pl.DataFrame) -> Agreement:
    """The row of two scorers, from how often each combination of labels occurs (column ``len``)."""
    same = pl.col(first) == pl.col(second)
    one_answer = pl.col("containment").is_in(["context", "parametric"])
    n, agreeing, clear, clear_disagreeing = (
        int(counts.filter(condition)["len"].sum())
        for condition in (pl.lit(value=True), same, one_answer, one_answer & ~same)
    )
    labels = sorted({*counts[first], *counts[second]})
    table = np.zeros((len(labels), len(labels)))
    for a, b, count in counts.select(first, second, "len").iter_rows():
        table[labels.index(a), labels.index(b)] += count
    return Agreement(
        set=name,
        prompt=prompt,
        first=first,
        second=second,
        n=n,
        agreement=agreeing / n,
        kappa=kappa(table),
        one_answer=clear,
        one_answer_disagree=clear_disagreeing,
    )
