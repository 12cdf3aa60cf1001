"""The table ``series``: where each checkpoint of a series comes from, and whether it changes any answer."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from inversion.config.run import Run
from inversion.manifests import SeriesManifest
from inversion.records.answers import Item, Response
from inversion.records.frames import require_schema, schema_of
from inversion.records.tables import SeriesStep

_RESPONSE_COLUMNS = [name for name in schema_of(Response) if name not in ("step", "set", "item_id", "prompt")]
"""The columns that describe a checkpoint's response to an item."""

EQUALS_START = "its answers and log-probabilities equal those of the start to the last digit: it has no effect"


def series_steps(
    run: Run, manifest: SeriesManifest, items: pl.DataFrame, labels: Mapping[int, str] | None = None
) -> list[SeriesStep]:
    """One row per checkpoint of a series. Skipped checkpoints come last.

    ``items`` has the :class:`Item` rows of the series, ``labels`` the names of its steps. A checkpoint whose answers
    and log-probabilities all equal those of the start gets a note, because its adapter was not applied or has no
    effect.
    """
    require_schema(items, Item, "labels")
    labels = labels or {}
    answers = {
        step: frame.select("set", "item_id", "prompt", *_RESPONSE_COLUMNS).sort("set", "item_id", "prompt")
        for (step,), frame in items.partition_by("step", as_dict=True).items()
    }
    start = min(answers, default=0)
    rows = []
    for entry in [*manifest.checkpoints, *manifest.skipped]:
        notes = list(entry.notes)
        same = entry.step != start and entry.step in answers and answers[entry.step].equals(answers[start])
        if same and entry.kind != "skipped":
            notes.append(EQUALS_START)
        rows.append(
            SeriesStep(
                model=run.model,
                dataset=run.dataset,
                recipe=run.recipe,
                seed=run.seed,
                step=entry.step,
                label=labels.get(entry.step),
                kind=entry.kind,
                source=entry.source,
                notes=notes,
            )
        )
    return rows
