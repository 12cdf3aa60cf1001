"""Writes the page of items: every conflict item with each run's answers, as a single HTML file that opens offline.

The page contains its data as compressed, base64-encoded JSON, so that no text of a model or dataset is part of the
HTML; its script inserts the data as text only. The filters are in the fragment of the address (after ``#``), so that
the report can link to the items of a number (:func:`inversion.report.items_address`).
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
from jinja2 import Environment, StrictUndefined

from inversion.analyse.panels import ALL, scorers_in
from inversion.analyse.verdicts import VERDICTS
from inversion.artifacts import write_text
from inversion.config.run import Run
from inversion.config.scorers import MAIN
from inversion.config.scorers import SCORERS as SCORER_KINDS
from inversion.records.answers import Item, Response
from inversion.records.data import ConflictItem
from inversion.records.frames import from_frame, require_schema
from inversion.records.tables import Flip, Inversion
from inversion.score.judgement import RULES
from inversion.score.scorers import judge_item

MOMENTS = ("start", "peak", "trough", "end")
"""The moments whose answers are shown. Their steps are in the table ``inversions``."""
MOST_ANSWERS = 200_000
"""The maximum number of answers on a page. If there are more, a sample of the items is shown."""
MOST_BYTES = 14_000_000
"""The maximum size of a page's data in bytes."""

_PANEL = (*Run._fields, "set", "prompt")


@dataclass(frozen=True, slots=True)
class ItemTables:
    """The tables from which the page is made."""

    items: pl.DataFrame
    """:class:`~inversion.records.answers.Item` rows, with the columns of the scorers and of the main label."""
    conflict_items: pl.DataFrame
    """:class:`~inversion.records.data.ConflictItem` rows: the questions and contexts of the items."""
    inversions: pl.DataFrame
    """:class:`~inversion.records.tables.Inversion` rows: the steps of peak, trough and end, and the verdicts."""
    flips: pl.DataFrame
    """:class:`~inversion.records.tables.Flip` rows: which items change between peak and end."""


def write_items_page(path: str | Path, tables: ItemTables, template: str | Path) -> None:
    """Write the page to ``path`` atomically. ``template`` is the path of the Jinja template.

    Raises :class:`ValueError` for the reasons of :func:`render_items_page`.
    """
    write_text(path, render_items_page(tables, Path(template).read_text(encoding="utf-8")))


def render_items_page(
    tables: ItemTables, template: str, most_answers: int = MOST_ANSWERS, most_bytes: int = MOST_BYTES
) -> str:
    """The page as HTML. Equal arguments give equal text.

    If there are more than ``most_answers`` answers, or their data take more than ``most_bytes`` bytes, the page shows a
    sample of every set's items, which is the same in all runs, and says so.

    Raises :class:`ValueError` if a table lacks a column, an item of the answers is not among ``conflict_items``, or
    a curve has no row of the main scorer in ``inversions``.
    """
    require_schema(tables.items, Item, "items", defaults=True)
    require_schema(tables.conflict_items, ConflictItem, "conflict items")
    require_schema(tables.inversions, Inversion, "inversions")
    require_schema(tables.flips, Flip, "flips")
    conflicts = tables.items.filter(role="conflict")
    answers = len(MOMENTS) * conflicts.select(*_PANEL, "item_id").n_unique()
    share = min(1.0, most_answers / answers) if answers else 1.0
    data = _pack(page_data(tables, share))
    while len(data) > most_bytes:
        share *= 0.9 * most_bytes / len(data)
        data = _pack(page_data(tables, share))
    environment = Environment(autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    environment.filters["csp_hash"] = _csp_hash
    return environment.from_string(template).render(data=data)


def page_data(tables: ItemTables, share: float = 1.0) -> dict[str, Any]:
    """The content of the page for JSON. Every text is stored once; rows (one per run, prompt and conflict item) are
    stored by column.

    The share ``share`` of the items of every set is shown, chosen by the hash of their names. Raises
    :class:`ValueError` for the reasons of :func:`render_items_page`.
    """
    conflicts = tables.items.filter(role="conflict")
    shown = conflicts.filter(pl.col("item_id").is_in([n for n in conflicts["item_id"].unique() if _chosen(n, share)]))
    builder = _Builder(tables, scorers_in(conflicts))
    for frame in shown.sort(*_PANEL, "item_id", "step").partition_by(_PANEL, maintain_order=True):
        builder.add(frame)
    sampled = {
        "shown": shown.select("set", "item_id").n_unique(),
        "of": conflicts.select("set", "item_id").n_unique(),
    }
    return builder.data() | {"items_shown": sampled}


class _Index(dict[Any, int]):
    """Maps values to numbers, in the order of their first use."""

    def __missing__(self, value: Any) -> int:
        self[value] = len(self)
        return self[value]


@dataclass(slots=True)
class _Builder:
    """Collects the rows of the page, panel by panel."""

    tables: ItemTables
    scorers: list[str]
    texts: _Index = field(default_factory=_Index)
    labels: _Index = field(default_factory=_Index)
    rules: _Index = field(default_factory=_Index)
    items: _Index = field(default_factory=_Index)
    answers: _Index = field(default_factory=_Index)
    panels: list[dict[str, Any]] = field(default_factory=list)
    rows: dict[str, list[Any]] = field(default_factory=lambda: {"panel": [], "item": [], "known": [], "answers": []})
    strips: dict[str, list[str]] = field(default_factory=dict)
    changes: dict[str, list[str]] = field(default_factory=dict)
    conflict_items: dict[tuple[str, str], ConflictItem] = field(init=False)
    flips: dict[tuple[object, ...], str] = field(init=False)
    curves: dict[tuple[object, ...], dict[str, Inversion]] = field(init=False)

    def __post_init__(self) -> None:
        self.strips = {scorer: [] for scorer in self.scorers}
        self.changes = {scorer: [] for scorer in self.scorers}
        self.conflict_items = {
            (item.set, item.item_id): item for item in from_frame(self.tables.conflict_items, ConflictItem)
        }
        self.flips = {
            (*key, scorer, item): f"{peak}-{end}"
            for *key, scorer, item, peak, end in self.tables.flips.select(
                *_PANEL, "scorer", "item_id", "peak", "end"
            ).iter_rows()
        }
        self.curves = {}
        for row in from_frame(self.tables.inversions.filter(stratum=ALL), Inversion):
            self.curves.setdefault(tuple(getattr(row, name) for name in _PANEL), {})[row.scorer] = row

    def add(self, frame: pl.DataFrame) -> None:
        """Add the answers of one panel, sorted by item and step."""
        key = frame.select(_PANEL).row(0)
        where = f"{Run(*key[:4]).path}, set {key[4]!r}, prompt {key[5]!r}"
        curves = self.curves.get(key, {})
        if MAIN not in curves:
            raise ValueError(f"inversions: no row of {where} and scorer {MAIN!r}; delete the table and rerun")
        steps = frame["step"].unique().sort().to_list()
        curve = curves[MAIN]
        moments = [steps.index(step) for step in (steps[0], curve.peak_step, curve.trough_step, curve.end_step)]
        self.panels.append(
            dict(zip(_PANEL, key, strict=True))
            | {"steps": steps, "moments": moments, "verdicts": {name: row.verdict for name, row in curves.items()}}
        )
        for scorer in self.scorers:
            letters = {label: chr(ord("a") + self.labels[label]) for label in frame[scorer].unique().sort()}
            spelled = frame.select("item_id", pl.col(scorer).replace_strict(letters, return_dtype=pl.String))
            self.strips[scorer] += (
                spelled.group_by("item_id", maintain_order=True).agg(pl.col(scorer).str.join(""))[scorer].to_list()
            )
        for item_id, known in frame.filter(step=steps[0]).select("item_id", "known").iter_rows():
            item = self._item(key[4], item_id, where)
            self.rows["panel"].append(len(self.panels) - 1)
            self.rows["item"].append(item)
            self.rows["known"].append(known)
            for scorer in self.scorers:
                self.changes[scorer].append(self.flips.get((*key, scorer, item_id), ""))
        self._add_answers(frame, [steps[place] for place in moments])

    def _item(self, set_name: str, item_id: str, where: str) -> int:
        """The index of an item."""
        try:
            item = self.conflict_items[set_name, item_id]
        except KeyError:
            raise ValueError(
                f"{where}: item {item_id!r} is not in the prepared set; delete the set and rerun"
            ) from None
        return self.items[
            (
                set_name,
                item_id,
                self.texts[item.question_with_options],
                None if item.context is None else self.texts[item.context],
                tuple(item.context_answers),
                tuple(item.parametric_answers),
                tuple(item.factors),
                item.stratum,
                item.cluster,
            )
        ]

    def _add_answers(self, frame: pl.DataFrame, steps: list[int]) -> None:
        """Add the responses at ``steps``, item by item."""
        absent = [pl.lit(None, pl.String).alias(name) for name in ("judge_span", "judge_rule") if name not in frame]
        columns = ("set", "item_id", "step", "text", "finished", "judge_span", "judge_rule")
        responses = frame.filter(pl.col("step").is_in(steps)).with_columns(absent).select(columns)
        found: dict[int, int] = {}
        for set_name, item_id, step, text, finished, span, rule in responses.iter_rows():
            start, end = _place(self.conflict_items[set_name, item_id], text, span)
            ruled = None if rule is None else self.rules[rule]
            found[step] = self.answers[(self.texts[text], finished, start, end, ruled)]
            if step == max(steps):  # rows are sorted by item, then by step
                self.rows["answers"] += [found[each] for each in steps]

    def data(self) -> dict[str, Any]:
        """Everything that was added."""
        return {
            "moments": MOMENTS,
            "scorers": {name: SCORER_KINDS[name].summary for name in self.scorers},
            "labels": list(self.labels),
            "rules": [[rule, RULES.get(rule, "")] for rule in self.rules],
            "verdicts": {name: [verdict.symbol, verdict.words] for name, verdict in VERDICTS.items()},
            "texts": list(self.texts),
            "items": list(self.items),
            "answers": list(self.answers),
            "panels": self.panels,
            "rows": self.rows | {"strips": self.strips, "changes": self.changes},
        }


def _place(item: ConflictItem, text: str, span: str | None) -> tuple[int, int]:
    """The span of characters of a response that decided the main label; (0, 0) if there is none.

    The table ``items`` has the words. If they occur more than once, the response is judged again to find the position.
    """
    if not span:
        return 0, 0
    first = text.find(span)
    if first == text.rfind(span):
        return (first, first + len(span)) if first >= 0 else (0, 0)
    return judge_item(item, _response(item, text)).span or (0, 0)


def _response(item: ConflictItem, text: str) -> Response:
    """A response of which only the text is known, which is all that the main scorer reads."""
    return Response(0, item.set, item.item_id, "", text, True, None, 0, None, 0)


def _chosen(item_id: str, share: float) -> bool:
    """Whether an item belongs to the share ``share`` of a set's items that is shown."""
    return int.from_bytes(hashlib.sha256(item_id.encode()).digest()[:6], "big") < share * 2**48


def _pack(data: Mapping[str, Any]) -> str:
    """Compressed, base64-encoded JSON. Equal data give equal text."""
    plain = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(plain.encode("ascii"), mtime=0)).decode("ascii")


def _csp_hash(script: str) -> str:
    """The source expression with which a content security policy allows only this inline script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
