"""The tables ``attention`` and ``gradients``, from the probes of each run's checkpoints.

Intervals are 95 % percentile intervals of a bootstrap over clusters, with the same resamples at every step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from inversion.analyse.panels import generator
from inversion.config.run import Run
from inversion.records.frames import require_schema, to_frame
from inversion.records.measurements import (
    ATTENTION_PARTS,
    AttentionMass,
    AttentionPoint,
    ExampleGradient,
    GradientPoint,
)
from inversion.stats import Floats, Ints, cluster_bootstrap, interval


def attention(run: Run, masses: pl.DataFrame, bootstrap: int, seed: int = 0) -> pl.DataFrame:
    """The rows of the table ``attention`` (:class:`~inversion.records.measurements.AttentionPoint`) for one run.

    For every set, query, part and step it has the mean over items for each layer, and over all layers (``layer`` null).
    Items without a subject are omitted from the means for the subject. Raises :class:`ValueError` if a column is
    missing, or an item has no value at a step or layer.
    """
    require_schema(masses, AttentionMass, "attention masses")
    points: list[AttentionPoint] = []
    for (name, query), frame in groups(masses, "set", "query"):
        for part in ATTENTION_PARTS:
            rows = frame.filter(pl.col(part).is_not_null())
            if rows.is_empty():
                continue
            layers = sorted(rows["layer"].unique())
            values, clusters, steps = grid(rows, part, "item_id", ("step", "layer"), run)
            values = values.reshape(len(values), len(steps), len(layers))
            values = np.concatenate([values, values.mean(axis=2, keepdims=True)], axis=2)
            low, high = interval(cluster_bootstrap(values, clusters, bootstrap, generator(seed, name)))
            means = values.mean(axis=0)
            points += [
                AttentionPoint(
                    **run._asdict(),
                    step=step,
                    epoch=epoch,
                    set=name,
                    query=query,
                    layer=layer,
                    part=part,
                    value=float(means[i, j]),
                    low=float(low[i, j]),
                    high=float(high[i, j]),
                    n=len(values),
                )
                for j, layer in enumerate([*layers, None])
                for i, (step, epoch) in enumerate(steps)
            ]
    return to_frame(points, AttentionPoint)


def gradients(run: Run, norms: pl.DataFrame, bootstrap: int, seed: int = 0) -> pl.DataFrame:
    """The rows of the table ``gradients`` (:class:`~inversion.records.measurements.GradientPoint`) for one run.

    The norm of the mean gradient equals the mean of the examples' components along it. The interval resamples these
    components and keeps the direction fixed, which to first order equals resampling the mean gradient. The norm is
    biased upwards if there are few, noisy examples: its square exceeds the true one by the examples' variance divided
    by their number. Raises :class:`ValueError` if a column is missing, or an example has no value at a step.
    """
    require_schema(norms, ExampleGradient, "gradient norms")
    points: list[GradientPoint] = []
    for (kind, weights), frame in groups(norms, "kind", "weights"):
        share = frame["share"][0]
        for measure, column, factor in (
            ("example", "norm", 1.0),
            ("mean", "along", 1.0),
            ("batch", "along", share),
            ("pull", "towards", share),
            ("loss", "loss", 1.0),
        ):
            values, clusters, steps = grid(frame, column, "example_id", ("step",), run)
            values *= factor
            low, high = interval(cluster_bootstrap(values, clusters, bootstrap, generator(seed, kind)))
            means = values.mean(axis=0)
            points += [
                GradientPoint(
                    **run._asdict(),
                    step=step,
                    epoch=epoch,
                    kind=kind,
                    weights=weights,
                    measure=measure,
                    value=float(means[i]),
                    low=float(low[i]),
                    high=float(high[i]),
                    n=len(values),
                )
                for i, (step, epoch) in enumerate(steps)
            ]
    return to_frame(points, GradientPoint)


def overtakes(steps: Sequence[float], first: Sequence[float], second: Sequence[float]) -> list[float]:
    """The steps at which ``second`` crosses ``first`` from below, with linear interpolation between steps."""
    lead = np.asarray(second, dtype=float) - np.asarray(first, dtype=float)
    return [
        float(np.interp(0.0, lead[i : i + 2], steps[i : i + 2]))
        for i in range(len(lead) - 1)
        if lead[i] <= 0 < lead[i + 1]
    ]


def groups(table: pl.DataFrame, *keys: str) -> Iterator[tuple[tuple[str, ...], pl.DataFrame]]:
    """The parts of a table grouped by the text columns ``keys``, sorted by them."""
    for key, frame in table.sort(keys).partition_by(keys, as_dict=True, maintain_order=True).items():
        yield tuple(map(str, key)), frame


def grid(
    rows: pl.DataFrame, column: str, key: str, axes: tuple[str, ...], run: Run
) -> tuple[Floats, Ints, list[tuple[int, float]]]:
    """The values of a column (keys, axes), the index of each key's cluster, and the steps with their epochs.

    The first of ``axes`` is the step. Raises :class:`ValueError`, naming the key, if a key has no value at some
    position of the axes.
    """
    rows = rows.sort(key, *axes)
    places = rows.select(axes).unique().height
    keys = rows.group_by(key, maintain_order=True).agg(pl.len(), pl.struct(axes).n_unique(), pl.col("cluster").first())
    faulty = keys.filter((pl.col("len") != places) | (pl.col(axes[0]) != places))
    if not faulty.is_empty():
        raise ValueError(
            f"{run.path}: the probe lacks or repeats a step of {faulty[key][0]!r}; delete the run's folder "
            "`probes` and rerun"
        )
    clusters = np.unique(keys["cluster"].to_numpy(), return_inverse=True)[1].astype(np.int64)
    steps = rows.select("step", "epoch").unique().sort("step").rows()
    return rows[column].to_numpy().reshape(keys.height, places).astype(np.float64), clusters, steps
