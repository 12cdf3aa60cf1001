"""The tables ``lens``, ``patching`` and ``knockouts``, which show where in the network answers are decided.

Intervals are 95 % percentile intervals of a bootstrap over clusters, with the same resamples at every step.
"""

from __future__ import annotations

import json
from functools import cache, partial

import numpy as np
import polars as pl
from scipy.stats import rankdata

from inversion.analyse.panels import generator
from inversion.analyse.probe_tables import grid, groups
from inversion.config.run import Run
from inversion.config.scorers import MAIN
from inversion.records.answers import Response
from inversion.records.data import ConflictItem
from inversion.records.frames import require_schema, to_frame
from inversion.records.mechanism import (
    KnockoutMargin,
    KnockoutPoint,
    LensPoint,
    LensReading,
    PatchedMargin,
    PatchPoint,
    WeightFact,
    WeightPoint,
)
from inversion.score.scorers import SCORERS
from inversion.stats import Floats, Ints, cluster_bootstrap, interval

_SHUFFLES = 2000
"""Shuffles of the heads for the null distribution of a rank correlation."""


def lens(run: Run, readings: pl.DataFrame, bootstrap: int, seed: int = 0) -> pl.DataFrame:
    """The rows of the table ``lens`` (:class:`~inversion.records.mechanism.LensPoint`) for one run.

    Raises :class:`ValueError` if a column is missing, or an item has no reading at a step or depth.
    """
    require_schema(readings, LensReading, "lens readings")
    readings = readings.with_columns(margin=pl.col("context_logprob") - pl.col("parametric_logprob"))
    points: list[LensPoint] = []
    for (name, kind, position), frame in groups(readings, "set", "lens", "position"):
        margins, clusters, steps = grid(frame, "margin", "item_id", ("step", "depth"), run)
        divergences, _, _ = grid(frame, "divergence", "item_id", ("step", "depth"), run)
        margins, divergences = (x.reshape(len(x), len(steps), -1) for x in (margins, divergences))
        depths = range(margins.shape[2])
        for measure, values, listed in (
            ("margin", margins, list(depths)),
            ("context", (margins > 0).astype(np.float64), list(depths)),
            ("divergence", divergences, list(depths)),
            ("turn", turning_depths(margins)[..., None], [None]),
        ):
            low, high = interval(cluster_bootstrap(values, clusters, bootstrap, generator(seed, name)))
            means = values.mean(axis=0)
            points += [
                LensPoint(
                    **run._asdict(),
                    step=step,
                    epoch=epoch,
                    set=name,
                    lens=kind,
                    position=position,
                    measure=measure,
                    depth=depth,
                    value=float(means[i, j]),
                    low=float(low[i, j]),
                    high=float(high[i, j]),
                    n=len(values),
                )
                for j, depth in enumerate(listed)
                for i, (step, epoch) in enumerate(steps)
            ]
    return to_frame(points, LensPoint)


def patching(run: Run, margins: pl.DataFrame, bootstrap: int, seed: int = 0) -> pl.DataFrame:
    """The rows of the table ``patching`` (:class:`~inversion.records.mechanism.PatchPoint`) for one run.

    A share is the ratio of two means, which are resampled together. Generated answers are labelled by the main scorer.
    Raises :class:`ValueError` if a column is missing, or an item was not patched at one of the places.
    """
    require_schema(margins, PatchedMargin, "patched margins")
    margins = margins.with_columns(effect=pl.col("margin") - pl.col("own"), gap=pl.col("rival") - pl.col("own"))
    answered = _labelled(margins.filter(pl.col("text").is_not_null()))
    points: list[PatchPoint] = []
    # items without a subject are not patched there, so each group of tokens has its own items
    for key, frame in groups(margins, "set", "receiver", "donor", "positions"):
        points += _patched(run, frame, "effect", "gap", ("effect", "share"), bootstrap, seed)
        with_answers = answered.filter(
            *(pl.col(name) == value for name, value in zip(("set", "receiver", "donor", "positions"), key, strict=True))
        )
        if not with_answers.is_empty():
            points += _patched(run, with_answers, "change", "answer_gap", ("", "context_share"), bootstrap, seed)
            points += _patched(run, with_answers, "context", None, ("context_answers", ""), bootstrap, seed)
            points += _patched(run, with_answers, "memory", None, ("memory_answers", ""), bootstrap, seed)
    return to_frame(points, PatchPoint)


def _labelled(answered: pl.DataFrame) -> pl.DataFrame:
    """``answered`` with whether the patched receiver gave the context answer (``context``) and the parametric answer
    (``memory``), how that changes the context answer (``change``), and by how much the rival's differs
    (``answer_gap``): 0 or 1, or a difference of these."""
    label = cache(lambda item, text: SCORERS[MAIN].label(ConflictItem(**json.loads(item)), _response(text)))
    found: dict[str, list[float]] = {"context": [], "memory": [], "change": [], "answer_gap": []}
    for item, text, own, rival in answered.select("item", "text", "own_text", "rival_text").iter_rows():
        patched, unchanged, other = (label(item, each) for each in (text, own, rival))
        found["context"].append(float(patched == "context"))
        found["memory"].append(float(patched == "parametric"))
        found["change"].append(float(patched == "context") - float(unchanged == "context"))
        found["answer_gap"].append(float(other == "context") - float(unchanged == "context"))
    return answered.with_columns(*(pl.Series(name, values, pl.Float64) for name, values in found.items()))


def _response(text: str) -> Response:
    """An answer of which only the text is known."""
    return Response(0, "", "", "", text, True, None, 0, None, 0)


def _patched(
    run: Run,
    frame: pl.DataFrame,
    value: str,
    gap: str | None,
    measures: tuple[str, str],
    bootstrap: int,
    seed: int,
) -> list[PatchPoint]:
    """The rows of one set, receiver, donor and group of tokens: means of the column ``value``, and if there is a column
    ``gap``, their share of its mean. A measure without a name is omitted."""
    places = ("step", "component", "layer", "head")
    values, clusters, steps = grid(frame, value, "item_id", places, run)
    if gap:
        gaps, _, _ = grid(frame, gap, "item_id", places, run)
        values = np.concatenate([values, gaps[:, :1]], axis=1)
    samples = cluster_bootstrap(values, clusters, bootstrap, generator(seed, frame["set"][0]))
    listed = frame.select(places).unique().sort(places).rows()
    means = values.mean(axis=0)
    measured = {measures[0]: (means, interval(samples))}
    if gap:
        with np.errstate(divide="ignore", invalid="ignore"):  # no share if peak and end are equal
            measured[measures[1]] = (means[:-1] / means[-1], interval(samples[:, :-1] / samples[:, -1:]))
    described = frame.select("receiver", "donor", "donor_step", "set", "positions").row(0, named=True)
    return [
        PatchPoint(
            **run._asdict(),
            **described,
            step=steps[0][0],
            component=component,
            layer=layer,
            head=head,
            measure=measure,
            value=float(found[i]),
            low=float(low[i]),
            high=float(high[i]),
            n=len(values),
        )
        for measure, (found, (low, high)) in measured.items()
        if measure
        for i, (_, component, layer, head) in enumerate(listed)
    ]


def knockouts(run: Run, margins: pl.DataFrame, bootstrap: int, seed: int = 0) -> pl.DataFrame:
    """The rows of the table ``knockouts`` (:class:`~inversion.records.mechanism.KnockoutPoint`) for one run.

    The rank correlation of two milestones compares the mean effects of the heads, and resamples both milestones
    together. Raises :class:`ValueError` if a column is missing, or an item has no value for a head.
    """
    require_schema(margins, KnockoutMargin, "margins of knock-outs")
    margins = margins.with_columns(effect=pl.col("margin") - pl.col("own"))
    points: list[KnockoutPoint] = []
    for (name,), of_set in groups(margins, "set"):
        for (scale,), of_scale in sorted(of_set.partition_by("scale", as_dict=True).items()):
            points += _knocked(run, name, float(scale), of_scale, bootstrap, seed)
    return to_frame(points, KnockoutPoint)


def _knocked(
    run: Run, name: str, scale: float, margins: pl.DataFrame, bootstrap: int, seed: int
) -> list[KnockoutPoint]:
    """The rows of one set and scale."""
    point = partial(KnockoutPoint, **run._asdict(), set=name, scale=scale)
    single = margins.filter(heads="one")
    layers = single.select("layer", "head").unique().sort("layer", "head")["layer"].to_numpy()
    points: list[KnockoutPoint] = []
    means: dict[str, Floats] = {}
    samples: dict[str, Floats] = {}
    first: dict[str, KnockoutPoint] = {}
    for (milestone,), frame in groups(single, "milestone"):
        effects, clusters, ((step, _),) = grid(frame, "effect", "item_id", ("step", "layer", "head"), run)
        means[milestone] = effects.mean(axis=0)
        # a new generator with the same seed, so that the same clusters are drawn for every milestone
        samples[milestone] = cluster_bootstrap(effects, clusters, bootstrap, generator(seed, name))
        low, high = interval(samples[milestone])
        # weakening a head that brings the context answer lowers the log-odds, strengthening it raises them
        ranks = rankdata(means[milestone] * (1 if scale < 1 else -1), method="ordinal")
        listed = [
            point(
                milestone=milestone,
                step=step,
                measure="effect",
                layer=layer,
                head=head,
                rank=int(ranks[i]),
                value=float(means[milestone][i]),
                low=float(low[i]),
                high=float(high[i]),
                null_low=None,
                null_high=None,
                n=len(effects),
            )
            for i, (layer, head) in enumerate(frame.select("layer", "head").unique().sort("layer", "head").rows())
        ]
        first[milestone] = listed[0]
        several = margins.filter(pl.col("heads") != "one", milestone=milestone)
        points += listed + _several(run, point, name, several, bootstrap, seed)
    for one, other in ((one, other) for one in means for other in means if one != other):
        low, high = interval(rank_correlations(samples[one], samples[other]))
        shuffled = shuffled_within(means[other], layers, _SHUFFLES, generator(seed, name))
        null_low, null_high = interval(rank_correlations(np.broadcast_to(means[one], shuffled.shape), shuffled))
        points.append(
            point(
                milestone=one,
                step=first[one].step,
                measure=other,
                layer=None,
                head=None,
                rank=None,
                value=float(rank_correlations(means[one], means[other])),
                low=float(low),
                high=float(high),
                null_low=float(null_low),
                null_high=float(null_high),
                n=first[one].n,
            )
        )
    return points


def _several(
    run: Run, point: partial[KnockoutPoint], name: str, margins: pl.DataFrame, bootstrap: int, seed: int
) -> list[KnockoutPoint]:
    """The rows of several heads together at one milestone: those with the largest effects, and random ones."""
    if margins.is_empty():
        return []
    by_draw, clusters, ((step, _),) = grid(margins.filter(heads="random"), "effect", "item_id", ("step", "draw"), run)
    top, _, _ = grid(margins.filter(heads="top"), "effect", "item_id", ("step",), run)
    values = np.concatenate([top, by_draw.mean(axis=1, keepdims=True)], axis=1)
    low, high = interval(cluster_bootstrap(values, clusters, bootstrap, generator(seed, name)))
    sets = by_draw.mean(axis=0)
    return [
        point(
            milestone=margins["milestone"][0],
            step=step,
            measure=measure,
            layer=None,
            head=None,
            rank=None,
            value=float(values[:, i].mean()),
            low=float(low[i]),
            high=float(high[i]),
            null_low=float(sets.min()),
            null_high=float(sets.max()),
            n=len(values),
        )
        for i, measure in enumerate(("top", "random"))
    ]


def weights(run: Run, facts: pl.DataFrame, bootstrap: int, seed: int = 0) -> pl.DataFrame:
    """The rows of the table ``weights`` (:class:`~inversion.records.mechanism.WeightPoint`) of one run.

    Norms and cosines of a part are those of all its weights as one vector. A share is a ratio of two means, which are
    resampled together. Raises :class:`ValueError` if a column is missing or an item lacks a group.
    """
    require_schema(facts, WeightFact, "facts of weights")
    answers = facts.filter(pl.col("item_id").is_not_null())
    points = _updates(run, facts.filter(pl.col("kind").is_not_null()))
    for (name, _), frame in groups(answers, "set", "interval"):
        points += _exchanges(run, name, frame, bootstrap, seed)
    return to_frame(points, WeightPoint)


def _updates(run: Run, facts: pl.DataFrame) -> list[WeightPoint]:
    """The sizes and directions of updates: by kind, by group and of all weights, in each layer and altogether."""
    by_part = pl.concat(facts.with_columns(part=part) for part in (pl.col("kind"), pl.col("group"), pl.lit("all")))
    whole = by_part.with_columns(layer=pl.lit(None, pl.Int64))
    sums = (
        pl.concat([by_part.filter(pl.col("layer").is_not_null()), whole])
        .group_by("interval", "since", "step", "part", "layer")
        .agg(
            *(pl.col(name).pow(2).sum().sqrt() for name in ("start", "norm", "other", "whole")),
            pl.col("along_other").sum(),
            pl.col("along_whole").sum(),
        )
        .sort("interval", "part", "layer", descending=[True, False, False])
    )
    measured = {
        "norm": sums["norm"] / sums["start"],
        "cosine": sums["along_other"] / (sums["norm"] * sums["other"]),
        "cosine_whole": sums["along_whole"] / (sums["norm"] * sums["whole"]),
    }
    described = sums.select("interval", "since", "step", "part", "layer").to_dicts()
    return [
        WeightPoint(**run._asdict(), **row, set=None, measure=measure, value=value, low=None, high=None, n=None)
        for measure, values in measured.items()
        for row, value in zip(described, values, strict=True)
    ]


def _exchanges(run: Run, name: str, facts: pl.DataFrame, bootstrap: int, seed: int) -> list[WeightPoint]:
    """What the updates of each group of weights do for the answers to the set ``name`` in one interval."""
    margin, before, after = pl.col("margin"), pl.col("before"), pl.col("after")
    facts = facts.with_columns(
        effect=pl.when(direction="insert").then(margin - before).otherwise(after - margin), change=after - before
    )
    places = ("step", "group", "direction")
    effects, clusters, ((step, _),) = grid(facts, "effect", "item_id", places, run)
    changes, _, _ = grid(facts, "change", "item_id", places, run)
    values = np.concatenate([effects, changes[:, :1]], axis=1)
    samples = cluster_bootstrap(values, clusters, bootstrap, generator(seed, name))
    means, bounds = values.mean(axis=0), interval(samples)
    with np.errstate(divide="ignore", invalid="ignore"):  # where nothing changes there is no share
        shares, share_bounds = means[:-1] / means[-1], interval(samples[:, :-1] / samples[:, -1:])
    listed = [(group, direction) for _, group, direction in facts.select(places).unique().sort(places).rows()]
    measured = [
        ("all", "change", means[-1], *(bound[-1] for bound in bounds)),
        *(
            (group, direction + ending, among[i], low[i], high[i])
            for ending, among, (low, high) in (("", means, bounds), ("_share", shares, share_bounds))
            for i, (group, direction) in enumerate(listed)
        ),
    ]
    return [
        WeightPoint(
            **run._asdict(),
            interval=facts["interval"][0],
            since=facts["since"][0],
            step=step,
            part=part,
            layer=None,
            set=name,
            measure=measure,
            value=float(value),
            low=float(low),
            high=float(high),
            n=len(values),
        )
        for part, measure, value, low, high in measured
    ]


def rank_correlations(one: Floats, other: Floats) -> Floats:
    """Spearman's rank correlation along the last axis: (...) from two arrays (..., values). NaN if the values of one
    are all equal."""
    first, second = (
        ranks - ranks.mean(axis=-1, keepdims=True) for ranks in (rankdata(x, axis=-1) for x in (one, other))
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((first * second).sum(-1) / np.sqrt((first**2).sum(-1) * (second**2).sum(-1)))


def shuffled_within(values: Floats, groups: Ints, count: int, rng: np.random.Generator) -> Floats:
    """``values`` in ``count`` random orders, in which each value stays within its group: (count, values)."""
    found = np.tile(values, (count, 1))
    for group in np.unique(groups):
        places = np.flatnonzero(groups == group)
        found[:, places] = rng.permuted(found[:, places], axis=1)
    return found


def turning_depths(margins: Floats) -> Floats:
    """The lowest depth from which the log-odds keep the sign that they have at the last depth: (...) from ``margins``
    (..., depths). 0 if they have it at every depth. Log-odds of 0 count as parametric."""
    context = margins > 0
    agrees = context == context[..., -1:]
    kept = np.cumprod(agrees[..., ::-1], axis=-1).sum(axis=-1)
    return np.asarray(margins.shape[-1] - kept, dtype=np.float64)
