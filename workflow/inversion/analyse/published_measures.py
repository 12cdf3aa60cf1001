"""The table ``measures``: the metrics of other benchmarks, computed from the same answers for comparison.

*ConFiQA* (Bi et al. 2024, arXiv 2409.15371, after Longpre et al. 2021) reports ``ps``, the share of responses that
contain the substituted answer (here the context answer); ``po``, the share that contain the original answer; the
memorisation ratio ``mr`` = po / (ps + po); and ``em``, the share of responses that are exactly the context answer.

*CUB* (Hagström et al. 2025, arXiv 2505.16518) reports two measures for relevant passages. Binary context utilisation
``bcu`` is 1 if the response gives the context answer. Continuous context utilisation ``ccu`` is the change in the
answer's probability due to the context, relative to the largest possible change. With probability p with the context
and q without it, it is (p - q) / (1 - q) if p >= q, and otherwise (p - q) / q.
"""

from __future__ import annotations

import polars as pl

from inversion.matching.answers import same_answer
from inversion.records.answers import Item
from inversion.records.frames import require_schema, schema_of
from inversion.records.tables import PublishedMeasures

_KEYS = ("model", "dataset", "recipe", "seed", "set", "prompt", "step")


def published_measures(items: pl.DataFrame) -> pl.DataFrame:
    """The table ``measures`` (:class:`~inversion.records.tables.PublishedMeasures`): one row per run, conflict set,
    prompt and step. ``mr`` is NaN if neither answer occurs in any response, ``ccu`` if no item has a context.

    Raises :class:`ValueError` if a column of :class:`~inversion.records.answers.Item` is missing.
    """
    require_schema(items, Item, "items", defaults=True)
    conflicts = items.filter(pl.col("role") == "conflict")
    exact = [
        any(same_answer(text, answer) for answer in answers)
        for text, answers in conflicts.select("text", "context_answers").iter_rows()
    ]
    label = "judge" if "judge" in items.columns else "first_mention"
    ps, po = pl.col("containment").is_in(["context", "both"]), pl.col("containment").is_in(["parametric", "both"])
    p, q = pl.col("context_logprob").exp(), pl.col("context_logprob_closed").exp()
    ccu = pl.when(p >= q).then((p - q) / (1 - q)).otherwise((p - q) / q)
    table = (
        conflicts.with_columns(em=pl.Series(exact, dtype=pl.Boolean), ccu=ccu)
        .group_by(_KEYS)
        .agg(
            epoch=pl.col("epoch").first(),
            ps=ps.mean(),
            po=po.mean(),
            mr=po.sum() / (ps.sum() + po.sum()),
            em=pl.col("em").mean(),
            bcu=(pl.col(label) == "context").mean(),
            ccu=pl.col("ccu").fill_nan(0.0).mean(),
            n=pl.len().cast(pl.Int64),
        )
        .sort(_KEYS)
    )
    return table.select(
        pl.col(name).cast(dtype).fill_null(float("nan")) if dtype == pl.Float64 else pl.col(name).cast(dtype)
        for name, dtype in schema_of(PublishedMeasures).items()
    )
