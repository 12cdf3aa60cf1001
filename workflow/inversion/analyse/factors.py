"""The table ``factors``: context reliance by level of each crossed factor of a set."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from inversion.analyse.moments import Moment, moments
from inversion.analyse.panels import Panel, cluster_codes, panels
from inversion.records.frames import to_frame
from inversion.records.tables import FactorRate
from inversion.stats import cluster_influence, rate_interval

_MOMENTS: tuple[Moment, ...] = ("start", "peak", "end")


def factors(items: pl.DataFrame, seed: int = 0) -> pl.DataFrame:
    """The table ``factors`` (:class:`~inversion.records.tables.FactorRate`).

    It has one row per run, conflict set, prompt, scorer, factor, level and moment. The moments are those of
    :func:`~inversion.analyse.moments.moments`, and all levels use the same checkpoints. The intervals do not include
    the uncertainty of where the peak is. Sets without factors have no rows.
    """
    rows: list[FactorRate] = []
    for panel in panels(items):
        if panel.role == "conflict" and any(panel.factors):
            for scorer in panel.labels:
                rows += _factor_rates(panel, scorer, seed)
    return to_frame(rows, FactorRate)


def _factor_rates(panel: Panel, scorer: str, seed: int) -> Iterator[FactorRate]:
    """The rows of one panel and scorer."""
    context, read = panel.gives(scorer, "context"), moments(panel, scorer, seed)
    values = np.stack([read.mean(context, moment) for moment in _MOMENTS], axis=-1)
    for crossed in sorted({crossed for listed in panel.factors for crossed in listed}):
        factor, _, level = crossed.partition("=")
        chosen = np.array([crossed in listed for listed in panel.factors])
        rates = values[chosen].mean(axis=0)
        influence = cluster_influence(values[chosen], cluster_codes(panel.clusters[chosen]))
        low, high = rate_interval(rates, influence, int(chosen.sum()))
        for j, moment in enumerate(_MOMENTS):
            yield FactorRate(
                **panel.run._asdict(),
                set=panel.set,
                prompt=panel.prompt,
                scorer=scorer,
                factor=factor,
                level=level,
                moment=moment,
                context_rate=float(rates[j]),
                low=float(low[j]),
                high=float(high[j]),
                n=int(chosen.sum()),
            )
