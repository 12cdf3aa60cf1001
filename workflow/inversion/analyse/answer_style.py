"""The table ``style``: how a run words its answers at each step, and how much this could change its curve."""

from __future__ import annotations

import polars as pl

from inversion.records.answers import Item, Labels
from inversion.records.frames import require_schema, schema_of
from inversion.records.tables import StylePoint

LEAST_MASS = 0.01
"""If the two first tokens together are less probable than this, the likelihood scorers compare two unlikely answers."""
_KEYS = ("model", "dataset", "recipe", "seed", "set", "prompt", "step")


def answer_style(items: pl.DataFrame) -> pl.DataFrame:
    """The table ``style`` (:class:`~inversion.records.tables.StylePoint`): one row per run, conflict set,
    prompt and step.

    Next to a curve, it shows whether a rise is a change of belief or of wording. ``context_of_answered`` is the
    context's share among answers that follow exactly one side, so it does not rise if a model merely learns to answer.
    ``first_token_context_kept`` covers only the items whose two first tokens have a total probability of at least
    :data:`LEAST_MASS` at every step.

    Raises :class:`ValueError` if a column is missing.
    """
    require_schema(items, Item, "items", defaults=True)
    require_schema(items, Labels, "items")
    context, parametric = pl.col("judge") == "context", pl.col("judge") == "parametric"
    item = [key for key in _KEYS if key != "step"] + ["item_id"]
    kept = (pl.col("first_token_mass").fill_null(0.0) >= LEAST_MASS).all().over(item)
    table = (
        items.filter(pl.col("role") == "conflict")
        .with_columns(kept=kept, compared=pl.col("first_token_mass").is_not_null())
        .group_by(_KEYS)
        .agg(
            epoch=pl.col("epoch").first(),
            words=pl.col("words").mean(),
            copied=pl.col("copied").mean(),
            both=(pl.col("containment") == "both").mean(),
            abstains=(pl.col("judge") == "abstains").mean(),
            unfinished=(~pl.col("finished")).mean(),
            answered=(context | parametric).mean(),
            context_of_answered=context.sum() / (context | parametric).sum(),
            low_mass=(pl.col("first_token_mass") < LEAST_MASS).mean(),
            first_token_context_kept=(pl.col("first_token") == "context").filter(pl.col("kept")).mean(),
            n_kept=pl.col("kept").sum().cast(pl.Int64),
            n=pl.len().cast(pl.Int64),
        )
        .sort(_KEYS)
    )
    return table.select(
        pl.col(name).cast(dtype).fill_null(float("nan")) if dtype == pl.Float64 else pl.col(name).cast(dtype)
        for name, dtype in schema_of(StylePoint).items()
    )
