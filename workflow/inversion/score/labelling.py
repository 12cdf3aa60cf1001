"""Builds the table ``items``: responses joined with their items and labelled by every scorer."""

from __future__ import annotations

import math

import polars as pl

from inversion.config.run import Run
from inversion.matching.words import read_words
from inversion.records.answers import Item, Knowledge, Labels, Response
from inversion.records.data import ConflictItem, conflict_set_of
from inversion.records.frames import from_frame, require_schema, schema_of
from inversion.score.copying import copied_share
from inversion.score.likelihood import first_token_mass
from inversion.score.scorers import SCORERS, judge_item

_KEY = ("set", "item_id")
_EVIDENCE = ("judge_span", "judge_rule", "first_token_mass", "words", "copied")
"""Columns that are computed for each response in addition to the scorers' labels."""


def label_run(
    run: Run,
    items: pl.DataFrame,
    responses: pl.DataFrame,
    steps_per_epoch: float | None,
    knowledge: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """The rows of the table ``items`` for one run.

    The columns are those of :class:`~inversion.records.answers.Item` and of :class:`~inversion.records.answers.Labels`,
    and one per scorer. Rows are sorted by step, then in the order of ``items``, then by prompt.

    - ``items`` has :class:`~inversion.records.data.ConflictItem` rows, ``responses``
      :class:`~inversion.records.answers.Response` rows.
    - If ``steps_per_epoch`` is None, epochs are NaN.
    - ``knowledge`` has :class:`~inversion.records.answers.Knowledge` rows of the run's base model. A row for an item of
      the set ``x`` also applies to the same item of the controls ``x+...``.

    Raises :class:`ValueError` if an item or response occurs twice, a response belongs to no item, or an item has no
    response at a step and prompt at which others have one.
    """
    if steps_per_epoch is not None and not steps_per_epoch > 0:
        raise ValueError(f"{run.path}: steps_per_epoch must be above 0, got {steps_per_epoch}")
    require_schema(items, ConflictItem, "items")
    require_schema(responses, Response, "responses")
    _refuse_duplicates(run, "item", items, _KEY)
    _refuse_duplicates(run, "response", responses, ("step", "prompt", *_KEY))
    _refuse_unlisted_items(run, items, responses)
    placed = items.with_row_index("place")
    wanted = responses.select("step", "prompt").unique().join(placed, how="cross")
    joined = wanted.join(responses, on=("step", "prompt", *_KEY), how="left").sort("step", "place", "prompt")
    _refuse_gaps(run, joined)
    labels = _labels(run, joined)
    owners = {name: conflict_set_of(name) or name for name in joined["set"].unique()}
    known = (pl.DataFrame(schema=schema_of(Knowledge)) if knowledge is None else knowledge).select(
        pl.col("set").alias("owner"), "item_id", "known"
    )
    table = joined.with_columns(
        *(pl.lit(value).cast(schema_of(Item)[name]).alias(name) for name, value in run._asdict().items()),
        epoch=pl.col("step") / (math.nan if steps_per_epoch is None else steps_per_epoch),
        owner=pl.col("set").replace_strict(owners, return_dtype=pl.String),
    ).join(known, on=("owner", "item_id"), how="left", maintain_order="left")
    table = table.hstack(labels)
    return table.select(list(dict.fromkeys((*schema_of(Item), *schema_of(Labels), *SCORERS))))


def _labels(run: Run, joined: pl.DataFrame) -> pl.DataFrame:
    """The labels of each row of ``joined``, which has the columns of items and of responses."""
    columns: dict[str, list[object]] = {name: [] for name in dict.fromkeys((*SCORERS, *_EVIDENCE))}
    for item, response in zip(from_frame(joined, ConflictItem), from_frame(joined, Response), strict=True):
        try:
            for name, scorer in SCORERS.items():
                columns[name].append(scorer.label(item, response))
        except ValueError as error:
            where = f"{run.path}: step {response.step}, set {item.set!r}, item {item.item_id!r}"
            raise ValueError(f"{where}: {error}") from None
        judged = judge_item(item, response)
        columns["judge_span"].append(None if judged.span is None else response.text[slice(*judged.span)])
        columns["judge_rule"].append(judged.rule)
        columns["first_token_mass"].append(
            first_token_mass(response.context_first_logprob, response.parametric_first_logprob)
        )
        columns["words"].append(len(read_words(response.text)))
        columns["copied"].append(copied_share(response.text, item.context) if item.context else None)
    types = {name: schema_of(Labels).get(name, pl.String()) for name in columns}
    return pl.DataFrame(columns, schema=types, strict=True)


def _refuse_duplicates(run: Run, what: str, frame: pl.DataFrame, keys: tuple[str, ...]) -> None:
    """Raises :class:`ValueError` if a key occurs twice."""
    twice = frame.filter(pl.struct(keys).is_duplicated())
    if not twice.is_empty():
        raise ValueError(f"{run.path}: {what} {twice.select(keys).row(0)} occurs twice; remove one")


def _refuse_unlisted_items(run: Run, items: pl.DataFrame, responses: pl.DataFrame) -> None:
    """Raises :class:`ValueError` if a response belongs to an item that is not in ``items``."""
    unlisted = responses.join(items, on=_KEY, how="anti", maintain_order="left")
    if not unlisted.is_empty():
        first = unlisted.row(0, named=True)
        raise ValueError(
            f"{run.path}: the response at step {first['step']} to item {first['item_id']!r} of set "
            f"{first['set']!r} belongs to no item; delete the run's responses and rerun"
        )


def _refuse_gaps(run: Run, joined: pl.DataFrame) -> None:
    """Raises :class:`ValueError` if an item has no response at a step and prompt at which others have one."""
    gaps = joined.filter(pl.col("text").is_null())
    if not gaps.is_empty():
        first = gaps.row(0, named=True)
        raise ValueError(
            f"{run.path}: no response at step {first['step']} to item {first['item_id']!r} of set {first['set']!r} "
            f"(prompt {first['prompt']!r}); delete the run's responses and rerun"
        )
