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
from inversion.records.mechanism import LensPoint, LensReading
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


def turning_depths(margins: Floats) -> Floats:
    """The lowest depth from which log-odds keep the side that they have at the last: [...] from ``margins``
    [..., depths]. 0 where they have it from the embedding on; log-odds of 0 are on the parametric side."""
    context = margins > 0
    agrees = context == context[..., -1:]
    kept = np.cumprod(agrees[..., ::-1], axis=-1).sum(axis=-1)
    return np.asarray(margins.shape[-1] - kept, dtype=np.float64)
