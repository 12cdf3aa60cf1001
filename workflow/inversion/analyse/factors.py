"""The table ``factors``: context reliance by what a set crosses."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from inversion.analyse.inversions import closing_steps, peak_places
from inversion.analyse.panels import Panel, cluster_codes, generator, panels
from inversion.records.frames import to_frame
from inversion.records.tables import FactorRate
from inversion.stats import cluster_bootstrap, interval


def factors(items: pl.DataFrame, bootstrap: int, seed: int = 0) -> pl.DataFrame:
    """The table ``factors`` (:class:`~inversion.records.tables.FactorRate`): context reliance by level of each factor.

    A row a run, conflict set, prompt, scorer, factor, level and moment. Start, peak and end are those of
    :func:`~inversion.analyse.inversions.inversions`, each item's peak read where the other half of the clusters has it
    read; all levels are so read at the same steps. Intervals take these steps as given. Sets without factors have no
    rows.
    """
    rows: list[FactorRate] = []
    for panel in panels(items):
        if panel.role == "conflict" and any(panel.factors):
            for scorer in panel.labels:
                rows += _factor_rates(panel, scorer, bootstrap, seed)
    return to_frame(rows, FactorRate)


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
