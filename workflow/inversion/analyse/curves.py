"""The table ``curves``: rates by step, set and scorer."""

from __future__ import annotations

import dataclasses
import itertools
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.special import expit

from inversion.analyse.panels import (
    ALL,
    CONTROL_SCORERS,
    SIDES,
    Panel,
    cluster_codes,
    is_correct,
    panels,
)
from inversion.config.run import Run
from inversion.records.data import control_set
from inversion.records.frames import to_frame
from inversion.records.tables import CurvePoint
from inversion.stats import Floats, cluster_influence, rate_interval

CONTROL_MEAN = "control mean"
"""The set name of the mean over a run's control sets, which corresponds to the paper's ID accuracy."""
CURVE_ORDER = ("model", "dataset", "recipe", "seed", "set", "stratum", "prompt", "scorer", "metric", "step")
"""The columns by which the table ``curves`` is sorted."""


def curves(items: pl.DataFrame) -> pl.DataFrame:
    """The table ``curves`` (:class:`~inversion.records.tables.CurvePoint`) from the table ``items``.

    *Conflict sets* have the metrics ``context_rate``, ``parametric_rate`` and ``other_rate`` for every scorer. Under
    containment and the main scorer, a response that gives both answers counts for both rates, as in the paper, so the
    three can sum to more than 1. The scorer ``logprob`` also has ``m_c``: the mean of p(c) / (p(c) + p(p)) over the
    first tokens in which the two answers differ (section 5); items without such tokens are omitted. A set ``x`` with
    the control ``x+matching`` also has ``pair_accuracy``: the share of items whose answer follows the passage both when
    it contradicts memory and when it agrees with memory.

    *Control sets* have the metric ``accuracy``, the share of correct answers, for every scorer that reads the text. The
    set ``control mean`` is the mean over a run's control sets; a cluster that several of them share counts once.

    Every set has a curve for the stratum ``all``, one for each stratum if there are several, and one for ``known``, the
    items whose fact the base model knows, if there are any. Intervals treat items of a cluster as dependent
    (:func:`~inversion.stats.rate_interval`).

    Raises :class:`ValueError` for the reasons of :func:`~inversion.analyse.panels.panels`, and if a run's control sets
    have different steps.
    """
    points: list[CurvePoint] = []
    controls: dict[tuple[Run, str], list[_Curves]] = defaultdict(list)
    for _, group in itertools.groupby(panels(items), key=lambda panel: panel.run):
        panels_by_set = {(panel.set, panel.prompt): panel for panel in group}
        for (name, prompt), panel in panels_by_set.items():
            for stratum, measures, part in _parts(panel, panels_by_set.get((control_set(name, "matching"), prompt))):
                estimate = _estimate(part, stratum, measures)
                points += estimate.points()
                if panel.role == "control" and stratum == ALL:
                    controls[panel.run, prompt].append(estimate)
    for estimates in controls.values():
        points += _control_mean(estimates).points()
    return to_frame(points, CurvePoint).sort(CURVE_ORDER)


@dataclass(frozen=True, slots=True)
class _Curves:
    """The curves of one panel and stratum, one per measure (scorer and metric)."""

    panel: Panel
    set: str
    stratum: str
    measures: list[tuple[str, str]]
    values: Floats
    """(steps, measures)."""
    clusters: list[str]
    influence: Floats
    """The influence of each cluster on the values: (clusters, steps, measures)."""
    n: int
    binary: bool
    """Whether the values are means of zeros and ones."""

    def points(self) -> list[CurvePoint]:
        """One row per step and measure."""
        low, high = rate_interval(self.values, self.influence, self.n if self.binary else None)
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
"""For each scorer and metric, the values of the items: (items, steps)."""


def _parts(panel: Panel, matching: Panel | None) -> Iterator[tuple[str, _Measures, Panel]]:
    """The stratum, the measures and the items of every estimate for a panel.

    ``matching`` is the panel of its matching control, or None.
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


def _estimate(panel: Panel, stratum: str, measures: _Measures) -> _Curves:
    """The curves of one stratum. ``panel`` has its items only."""
    values = np.stack(list(measures.values()), axis=-1)
    return _Curves(
        panel,
        panel.set,
        stratum,
        list(measures),
        values.mean(axis=0),
        sorted(set(panel.clusters)),
        cluster_influence(values, cluster_codes(panel.clusters)),
        len(values),
        binary=bool(np.isin(values, (0.0, 1.0)).all()),
    )


def _measures(panel: Panel) -> _Measures:
    """The accuracies of a control set, or the rates of a conflict set."""
    if panel.role == "control":
        return {
            (scorer, "accuracy"): is_correct(panel, scorer).astype(np.float64)
            for scorer in panel.labels
            if scorer in CONTROL_SCORERS
        }
    measures: _Measures = {}
    for scorer in panel.labels:
        measures[scorer, "context_rate"] = panel.gives(scorer, "context").astype(np.float64)
        measures[scorer, "parametric_rate"] = panel.gives(scorer, "parametric").astype(np.float64)
        measures[scorer, "other_rate"] = (~np.isin(panel.labels[scorer].astype(str), SIDES)).astype(np.float64)
    return measures


def _pair_measures(panel: Panel, matching: Panel) -> _Measures:
    """Whether each item is answered correctly under both the conflicting and the matching passage.

    All items of ``panel`` must be in ``matching``.
    """
    if not np.array_equal(panel.steps, matching.steps):
        raise ValueError(
            f"{panel.run.path}: the sets {panel.set!r} and {matching.set!r} have different steps; delete the run's "
            "labels and rerun"
        )
    place = {item: i for i, item in enumerate(matching.items)}
    rows = [place[item] for item in panel.items]
    return {
        (scorer, "pair_accuracy"): (panel.gives(scorer, "context") & is_correct(matching, scorer)[rows]).astype(
            np.float64
        )
        for scorer in panel.labels
        if scorer in CONTROL_SCORERS and scorer in matching.labels
    }


def _control_mean(estimates: list[_Curves]) -> _Curves:
    """The mean of the curves of a run's control sets."""
    first = estimates[0]
    for other in estimates[1:]:
        if not np.array_equal(first.panel.steps, other.panel.steps):
            raise ValueError(
                f"{first.panel.run.path}: the control sets {first.set!r} and {other.set!r} have different steps; "
                "delete the run's labels and rerun"
            )
    clusters = sorted({name for estimate in estimates for name in estimate.clusters})
    influence = np.zeros((len(clusters), *first.values.shape))
    for estimate in estimates:
        influence[np.searchsorted(clusters, estimate.clusters)] += estimate.influence / len(estimates)
    return dataclasses.replace(
        first,
        set=CONTROL_MEAN,
        values=np.mean([estimate.values for estimate in estimates], axis=0),
        clusters=clusters,
        influence=influence,
        n=sum(estimate.n for estimate in estimates),
    )
