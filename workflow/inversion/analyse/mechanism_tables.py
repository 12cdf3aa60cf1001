"""Where in the network answers are decided, by step, from what the probes found in each run's checkpoints.

Intervals are 95 % percentile intervals of a bootstrap over clusters, with the same resamples at every step.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from inversion.analyse.panels import generator
from inversion.analyse.probe_tables import grid, groups
from inversion.config.run import Run
from inversion.records.frames import require_schema, to_frame
from inversion.records.mechanism import LensPoint, LensReading, PatchedMargin, PatchPoint
from inversion.stats import Floats, cluster_bootstrap, interval


def lens(run: Run, readings: pl.DataFrame, bootstrap: int, seed: int = 0) -> pl.DataFrame:
    """The rows of the table ``lens`` (:class:`~inversion.records.mechanism.LensPoint`) of one run.

    Raises :class:`ValueError` if a column is missing or an item lacks a step or depth.
    """
    require_schema(readings, LensReading, "lens readings")
    readings = readings.with_columns(margin=pl.col("context_logprob") - pl.col("parametric_logprob"))
    points: list[LensPoint] = []
    for (name,), frame in groups(readings, "set"):
        margins, clusters, steps = grid(frame, "margin", "item_id", ("step", "depth"), run)
        margins = margins.reshape(len(margins), len(steps), -1)
        depths = range(margins.shape[2])
        for measure, values, listed in (
            ("margin", margins, list(depths)),
            ("context", (margins > 0).astype(np.float64), list(depths)),
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
    """The rows of the table ``patching`` (:class:`~inversion.records.mechanism.PatchPoint`) of one run.

    A share is a ratio of two means, which are resampled together. Raises :class:`ValueError` if a column is missing
    or an item lacks a place.
    """
    require_schema(margins, PatchedMargin, "patched margins")
    margins = margins.with_columns(effect=pl.col("margin") - pl.col("own"), gap=pl.col("rival") - pl.col("own"))
    places = ("step", "component", "layer", "positions")
    points: list[PatchPoint] = []
    for (name, receiver, donor), frame in groups(margins, "set", "receiver", "donor"):
        effects, clusters, steps = grid(frame, "effect", "item_id", places, run)
        gaps, _, _ = grid(frame, "gap", "item_id", places, run)
        values = np.concatenate([effects, gaps[:, :1]], axis=1)
        samples = cluster_bootstrap(values, clusters, bootstrap, generator(seed, name))
        with np.errstate(divide="ignore", invalid="ignore"):  # of a peak and an end that agree there is no share
            shares = values.mean(axis=0)[:-1] / values.mean(axis=0)[-1]
            measured = {
                "effect": (effects.mean(axis=0), interval(samples[:, :-1])),
                "share": (shares, interval(samples[:, :-1] / samples[:, -1:])),
            }
        listed = frame.select(places).unique().sort(places).rows()
        points += [
            PatchPoint(
                **run._asdict(),
                receiver=receiver,
                step=steps[0][0],
                donor=donor,
                donor_step=frame["donor_step"][0],
                set=name,
                component=component,
                layer=layer,
                positions=positions,
                measure=measure,
                value=float(means[i]),
                low=float(low[i]),
                high=float(high[i]),
                n=len(values),
            )
            for measure, (means, (low, high)) in measured.items()
            for i, (_, component, layer, positions) in enumerate(listed)
        ]
    return to_frame(points, PatchPoint)


def turning_depths(margins: Floats) -> Floats:
    """The lowest depth from which log-odds keep the side that they have at the last: [...] from ``margins``
    [..., depths]. 0 where they have it from the embedding on; log-odds of 0 are on the parametric side."""
    context = margins > 0
    agrees = context == context[..., -1:]
    kept = np.cumprod(agrees[..., ::-1], axis=-1).sum(axis=-1)
    return np.asarray(margins.shape[-1] - kept, dtype=np.float64)
