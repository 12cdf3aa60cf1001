"""Writes the report: tables, figures and captions on one HTML page that opens offline and needs no script."""

from __future__ import annotations

import base64
import math
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import polars as pl
from docutils.core import publish_parts  # type: ignore[import-untyped]
from docutils.utils import SystemMessage  # type: ignore[import-untyped]
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from inversion.analyse.benchmarks import LM_EVAL
from inversion.analyse.panels import ALL, KNOWN
from inversion.analyse.verdicts import FALLS, VERDICTS, Verdict
from inversion.artifacts import write_text
from inversion.config.scorers import MAIN
from inversion.manifests import BaseManifest
from inversion.records.answers import Knowledge
from inversion.records.data import AuditFinding, SelectionCount
from inversion.records.frames import from_frame, require_schema
from inversion.records.tables import (
    Agreement,
    Contribution,
    ExperimentRow,
    FactorRate,
    FlipOverlap,
    Inversion,
    SeriesStep,
    Tradeoff,
)


@dataclass(frozen=True, slots=True)
class CaptionedFigure:
    """A figure and how to read it."""

    title: str
    svg: str
    """The text of an SVG file."""
    caption: str
    """reStructuredText."""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that the page shows."""

    introduction: str
    """The introduction, as reStructuredText."""
    experiments: Mapping[str, Sequence[CaptionedFigure]]
    """The figures of each experiment, by its name."""
    inversions: pl.DataFrame
    """:class:`~inversion.records.tables.Inversion` rows."""
    experiment_rows: pl.DataFrame
    """:class:`~inversion.records.tables.ExperimentRow` rows."""
    contributions: pl.DataFrame
    """:class:`~inversion.records.tables.Contribution` rows."""
    knowledge: pl.DataFrame
    """:class:`~inversion.records.answers.Knowledge` rows."""
    agreement: pl.DataFrame
    """:class:`~inversion.records.tables.Agreement` rows."""
    flip_overlap: pl.DataFrame
    """:class:`~inversion.records.tables.FlipOverlap` rows."""
    factors: pl.DataFrame
    """:class:`~inversion.records.tables.FactorRate` rows."""
    tradeoffs: pl.DataFrame
    """:class:`~inversion.records.tables.Tradeoff` rows."""
    selections: pl.DataFrame
    """:class:`~inversion.records.data.SelectionCount` rows."""
    audit: pl.DataFrame
    """:class:`~inversion.records.data.AuditFinding` rows."""
    series: pl.DataFrame
    """:class:`~inversion.records.tables.SeriesStep` rows; none in studies without series."""
    models: Mapping[str, BaseManifest]
    """The base models, by name."""
    configuration: str
    """The whole configuration, as YAML."""
    items_per_set: int | None = None
    """The number of items of each set that every checkpoint answered, if it is a sample."""


ITEMS_PAGE = "items.html"
"""The page of items, which is next to the report (:mod:`inversion.items_page`)."""
_NONE = "\N{EN DASH}"
"""Shown in place of a missing number."""
_KINDS = ("C", "C+S", "S", "counterfactual")


class VerdictGroup(NamedTuple):
    """The runs with one verdict."""

    name: str
    verdict: Verdict
    total: int
    runs: dict[str, str]
    """One entry per combination and set, with all its seeds, and the link to its items."""


class SelectionRow(NamedTuple):
    """How many examples of each kind one recipe kept, dropped and added on one dataset."""

    run: str
    counts: list[SelectionCount | None]
    """One entry per kind in the table; None if the training data has no example of it."""


def write_report(path: str | Path, report: Report, template: str | Path, scorer: str = MAIN) -> None:
    """Write the page to ``path`` atomically; arguments and errors are those of :func:`render_report`.

    ``template`` is the path of the Jinja template.
    """
    write_text(path, render_report(report, Path(template).read_text(encoding="utf-8"), scorer))


def render_report(report: Report, template: str, scorer: str = MAIN) -> str:
    """The page as HTML. Equal arguments give equal text.

    ``template`` is Jinja source. The headline is about the verdicts of ``scorer``; the tables of the other scorers are
    collapsed.
    Raises :class:`ValueError` if a table lacks a column or has rows but none of ``scorer``, or if a caption
    is not valid reStructuredText.
    """
    every = from_frame(report.inversions, Inversion)
    inversions = from_frame(report.inversions.filter(pl.col("stratum") == ALL), Inversion)
    by_scorer = {name: [row for row in inversions if row.scorer == name] for name in _scorers(inversions, scorer)}
    selections = from_frame(report.selections, SelectionCount)
    findings = from_frame(report.audit, AuditFinding)
    kinds = _kinds(selections)
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters |= {
        "rst": render_rst,
        "data_uri": _data_uri,
        "percent": _percent,
        "points": _points,
        "p_value": _p_value,
        "verdict": _words,
        "thousands": _thousands,
        "items_address": items_address,
    }
    return environment.from_string(template).render(
        report=report,
        scorer=scorer,
        by_scorer=by_scorer,
        verdicts=VERDICTS,
        headline=headline(by_scorer[scorer]),
        findings_by_experiment=experiment_findings(report.experiment_rows),
        little_knowledge=little_knowledge(report.knowledge),
        experiment_rows=from_frame(report.experiment_rows, ExperimentRow),
        contributions=from_frame(report.contributions.filter(pl.col("scorer") == scorer), Contribution),
        groups=verdict_groups(by_scorer[scorer]),
        largest=_largest_fall(by_scorer[scorer]),
        sets=sorted({row.set for row in inversions}),
        prompts=sorted({row.prompt for row in inversions}),
        verdict_rows=verdict_rows(every),
        known_rows=[row for row in every if row.stratum == KNOWN and row.scorer == scorer],
        knowledge=knowledge_rows(report.knowledge),
        agreement=from_frame(report.agreement, Agreement),
        overlap=overlap_rows(report.flip_overlap, scorer),
        factors=factor_rows(report.factors, scorer),
        tradeoffs=tradeoff_tables(report.tradeoffs, scorer),
        kinds=kinds,
        selections=selection_rows(selections, kinds),
        selection_notes=selection_notes(selections),
        series=series_rows(report.series),
        findings=[finding for finding in findings if finding.count],
        silent=sum(not finding.count for finding in findings),
    )


# --- results in words ---------------------------------------------------------------------------


def headline(rows: Sequence[Inversion]) -> str:
    """One sentence that counts the verdicts of ``rows``."""
    if not rows:
        return "No run has been evaluated on a conflict set."
    several = len({(row.set, row.prompt) for row in rows}) > 1
    unit = "pair" if several else "run"
    counts = [
        f"{total} {_words(name).counted}"
        for name in _verdicts(rows)
        if (total := sum(row.verdict == name for row in rows))
    ]
    listed = " and ".join(filter(None, [", ".join(counts[:-1]), *counts[-1:]]))
    return f"{len(rows)} {unit}{'s' * (len(rows) > 1)}{' of run and conflict set' * several}: {listed}."


def experiment_findings(table: pl.DataFrame) -> dict[str, list[str]]:
    """One sentence per row of the table ``experiments``, by experiment: the fall over its seeds and their verdicts."""
    found: dict[str, list[str]] = {}
    for row in from_frame(table, ExperimentRow):
        where = f"{row.model}, {row.dataset}, {row.recipe}, on {row.set}"
        interval = "" if math.isnan(row.fall_low) else f" [{_points(row.fall_low)}, {_points(row.fall_high)}]"
        compared = (
            "" if row.fall_difference is None else f"; {_points(row.fall_difference)} compared with the baseline recipe"
        )
        counts = {name: getattr(row, f"runs_{name}") for name in VERDICTS}
        runs = ", ".join(f"{n} of {row.seeds} {VERDICTS[name].words}" for name, n in counts.items() if n)
        change = f"a fall of {_points(row.fall).lstrip('+')} points{interval}"
        if not interval and not any(counts[name] for name in FALLS):
            change = f"no fall is shown ({_points(row.fall).lstrip('+')} points from peak to trough)"
        found.setdefault(row.experiment, []).append(f"{where}: {change} ({row.inference}){compared}. {runs}.")
    return found


def little_knowledge(knowledge: pl.DataFrame) -> list[str]:
    """One sentence per model and set of which the model knows less than half of the items; from the table
    ``knowledge``."""
    shares = knowledge.group_by("model", "set", maintain_order=True).agg(pl.col("known").sum(), items=pl.len())
    return [
        f"{model} knows {known} of the {items} items of {name} ({100 * known / items:.0f} %). Its other answers "
        "without the context may be guesses, so use a set that it knows"
        + (", or see the results on known items below." if known else ".")
        for model, name, known, items in shares.iter_rows()
        if known < items / 2
    ]


def verdict_groups(rows: Sequence[Inversion]) -> list[VerdictGroup]:
    """The runs by verdict, in the order of :data:`VERDICTS`; verdicts of no run are omitted."""
    sets, prompts = {row.set for row in rows}, {row.prompt for row in rows}
    groups = []
    for name in _verdicts(rows):
        alike: dict[str, list[Inversion]] = {}
        for row in rows:
            if row.verdict == name:
                where = [row.set] * (len(sets) > 1) + [f"prompt {row.prompt}"] * (len(prompts) > 1)
                alike.setdefault(" · ".join([row.model, row.dataset, row.recipe, *where]), []).append(row)
        if alike:
            runs = {
                f"{key} ({_seeds([row.seed for row in found])})": items_address(
                    found[0], seed=found[0].seed if len(found) == 1 else None
                )
                for key, found in alike.items()
            }
            groups.append(VerdictGroup(name, _words(name), sum(map(len, alike.values())), runs))
    return groups


def items_address(row: Inversion | FactorRate, **changed: object) -> str:
    """The address of the page of items with filters for the items of a row: its run, set, prompt and scorer.

    ``changed`` has additional filters, or other values of these filters; None removes a filter. For a row about known
    items, the page only shows these.
    """
    names = ("set", "model", "dataset", "recipe", "seed", "prompt", "scorer")
    filters: dict[str, object] = {name: getattr(row, name) for name in names}
    if getattr(row, "stratum", ALL) == KNOWN:
        filters["known"] = "yes"
    wanted = {name: value for name, value in (filters | changed).items() if value is not None}
    return f"{ITEMS_PAGE}#{urllib.parse.urlencode(wanted, quote_via=urllib.parse.quote)}"


def _largest_fall(rows: Sequence[Inversion]) -> Inversion | None:
    """The inversion with the largest fall; the first one in a tie."""
    return max((row for row in rows if row.verdict == "inversion"), key=lambda row: row.fall, default=None)


def _verdicts(rows: Iterable[Inversion]) -> list[str]:
    """The known verdicts in the order of the page, followed by unknown verdicts in ``rows``."""
    return [*VERDICTS, *sorted({row.verdict for row in rows} - set(VERDICTS))]


def _words(verdict: str) -> Verdict:
    """How ``verdict`` is displayed. An unknown verdict is shown unchanged."""
    return VERDICTS.get(verdict, Verdict("", verdict, "", "", verdict, "inherit", "inherit"))


def _scorers(rows: Iterable[Inversion], first: str) -> list[str]:
    """The scorers of ``rows``, ``first`` leading."""
    found = {row.scorer for row in rows}
    if found and first not in found:
        raise ValueError(f"inversions: no row of scorer {first!r}; there are: {', '.join(sorted(found))}")
    return [first, *sorted(found - {first})]


# --- agreement, knowledge, factors and trade-offs -----------------------------------------------


class VerdictRow(NamedTuple):
    """The verdicts on one run, set, prompt and stratum, by scorer."""

    run: str
    verdicts: dict[str, str]
    items: dict[str, str]
    """The address of the items, by scorer."""

    @property
    def agree(self) -> bool:
        """Whether all scorers give the same verdict."""
        return len(set(self.verdicts.values())) == 1


class KnowledgeRow(NamedTuple):
    """How many items of one set one model knows, and why it does not know the rest."""

    model: str
    set: str
    items: int
    known: int
    outranked: int
    not_generated: int
    context_given: int
    """Items to which the model gives the context answer although it was not shown the context."""


class OverlapRow(NamedTuple):
    """How similar the items are that pairs of runs lose, for one set and prompt."""

    set: str
    prompt: str
    pairs: int
    tested: int
    """Pairs in which both runs lose an item."""
    median_odds_ratio: float
    significant: int
    """Pairs that lose the same items more often than by chance (p < 0.05)."""


class FactorRow(NamedTuple):
    """One level of one factor for one run and set, with its rates at the start, peak and end."""

    where: str
    factor: str
    level: str
    n: int
    moments: dict[str, FactorRate]
    items: str
    """The address of its items."""


class TradeoffTable(NamedTuple):
    """The scores of an experiment's runs at the end, under each prompt."""

    sets: list[str]
    """Conflict sets first, then controls, then benchmarks."""
    rows: list[tuple[str, dict[str, Tradeoff]]]
    """A run and prompt with its scores by set; benchmarks have no prompt and appear in each row of a run."""


def verdict_rows(rows: Sequence[Inversion]) -> list[VerdictRow]:
    """One row per run, set, prompt and stratum, in the order of ``rows``."""
    found: dict[str, VerdictRow] = {}
    for row in rows:
        where = [row.model, row.dataset, row.recipe, f"seed {row.seed}", row.set, row.prompt]
        key = " · ".join([*where, "known items"] if row.stratum == KNOWN else where)
        entry = found.setdefault(key, VerdictRow(key, {}, {}))
        entry.verdicts[row.scorer] = row.verdict
        entry.items[row.scorer] = items_address(row)
    return list(found.values())


def knowledge_rows(table: pl.DataFrame) -> list[KnowledgeRow]:
    """One row per model and set of the table ``knowledge``; an item can fail for both reasons."""
    require_schema(table, Knowledge, "knowledge")
    counts = table.group_by("model", "set", maintain_order=True).agg(
        pl.len().alias("items"),
        pl.col("known").sum(),
        pl.col("reason").str.contains("outranked by ", literal=True).sum().alias("outranked"),
        pl.col("reason").str.ends_with("not generated").sum().alias("not_generated"),
        (pl.col("says") == "context").sum().alias("context_given"),
    )
    return [KnowledgeRow(*row) for row in counts.iter_rows()]


def overlap_rows(table: pl.DataFrame, scorer: str) -> list[OverlapRow]:
    """One row per set and prompt of the table ``flip_overlap``, for one scorer."""
    require_schema(table, FlipOverlap, "flip_overlap")
    tested = pl.col("odds_ratio").is_not_nan()
    counts = (
        table.filter(scorer=scorer)
        .group_by("set", "prompt", maintain_order=True)
        .agg(
            pl.len().alias("pairs"),
            tested.sum().alias("tested"),
            pl.col("odds_ratio").filter(tested).median().fill_null(math.nan).alias("median"),
            ((pl.col("odds_ratio") > 1) & (pl.col("p_value") < 0.05)).sum().alias("significant"),
        )
    )
    return [OverlapRow(*row) for row in counts.iter_rows()]


def factor_rows(table: pl.DataFrame, scorer: str) -> list[FactorRow]:
    """One row per run, set, prompt, factor and level of the table ``factors``, for one scorer."""
    found: dict[tuple[str, str, str], dict[str, FactorRate]] = {}
    for row in from_frame(table.filter(pl.col("scorer") == scorer), FactorRate):
        where = " · ".join([row.model, row.dataset, row.recipe, f"seed {row.seed}", row.set, row.prompt])
        found.setdefault((where, row.factor, row.level), {})[row.moment] = row
    return [_factor_row(key, moments) for key, moments in found.items()]


def _factor_row(key: tuple[str, str, str], moments: dict[str, FactorRate]) -> FactorRow:
    _, factor, level = key
    rate = next(iter(moments.values()))
    return FactorRow(*key, rate.n, moments, items_address(rate, factor=f"{factor}={level}"))


def tradeoff_tables(table: pl.DataFrame, scorer: str) -> dict[str, TradeoffTable]:
    """The table ``tradeoffs`` by experiment, for one scorer, without experiments of a single recipe and prompt."""
    experiments: dict[str, list[Tradeoff]] = {}
    for row in from_frame(table, Tradeoff):
        if row.scorer == scorer or row.prompt == LM_EVAL:
            experiments.setdefault(row.experiment, []).append(row)
    return {
        name: _tradeoff_table(rows)
        for name, rows in experiments.items()
        if len({(row.recipe, row.prompt) for row in rows if row.prompt != LM_EVAL}) > 1
    }


def _tradeoff_table(rows: Sequence[Tradeoff]) -> TradeoffTable:
    ranks = {row.set: (row.metric != "context_rate", row.prompt == LM_EVAL, row.set) for row in rows}
    set_scores: dict[str, dict[str, Tradeoff]] = {}
    benchmarks: dict[str, dict[str, Tradeoff]] = {}
    prompts = {row.prompt for row in rows if row.prompt != LM_EVAL}
    runs: dict[str, str] = {}
    for row in rows:
        run = " · ".join([row.model, row.dataset, row.recipe, f"seed {row.seed}"])
        if row.prompt == LM_EVAL:
            benchmarks.setdefault(run, {})[row.set] = row
        else:
            name = f"{run} · {row.prompt}" if len(prompts) > 1 else run
            set_scores.setdefault(name, {})[row.set] = row
            runs[name] = run
    shown = [(name, scores | benchmarks.get(runs[name], {})) for name, scores in set_scores.items()]
    return TradeoffTable(sorted(ranks, key=lambda name: ranks[name]), shown)


# --- series -------------------------------------------------------------------------------------


class SeriesRow(NamedTuple):
    """One series as the report shows it."""

    name: str
    base: str
    steps: list[SeriesStep]
    """The checkpoints that were evaluated."""
    remarks: list[SeriesStep]
    """The checkpoints, evaluated or skipped, that have notes."""


def series_rows(table: pl.DataFrame) -> list[SeriesRow]:
    """One row per series and seed of the table ``series``."""
    found: dict[tuple[str, str, int], list[SeriesStep]] = {}
    for row in from_frame(table, SeriesStep):
        found.setdefault((row.dataset, row.model, row.seed), []).append(row)
    return [
        SeriesRow(
            name,
            model,
            steps=[row for row in rows if row.kind != "skipped"],
            remarks=[row for row in rows if row.notes],
        )
        for (name, model, _), rows in found.items()
    ]


# --- selections ---------------------------------------------------------------------------------


def selection_rows(counts: Sequence[SelectionCount], kinds: Sequence[str]) -> list[SelectionRow]:
    """One row per combination of model, dataset and recipe; seeds with equal counts share a row."""
    by_run: dict[tuple[str, str, str], dict[int, dict[str, SelectionCount]]] = {}
    for count in counts:
        by_run.setdefault((count.model, count.dataset, count.recipe), {}).setdefault(count.seed, {})[count.kind] = count
    rows = []
    for key, by_seed in by_run.items():
        alike: dict[tuple[tuple[int, int, int] | None, ...], list[int]] = {}
        for seed, by_kind in by_seed.items():
            alike.setdefault(tuple(_numbers(by_kind.get(kind)) for kind in kinds), []).append(seed)
        for seeds in alike.values():
            run = f"{' · '.join(key)} ({_seeds(seeds)})"
            rows.append(SelectionRow(run, [by_seed[seeds[0]].get(kind) for kind in kinds]))
    return rows


def selection_notes(counts: Sequence[SelectionCount]) -> list[str]:
    """For each recipe that drops examples: the share of C examples that it keeps, and what it mostly drops.

    The counts are summed over all its models, datasets and seeds.
    """
    notes = []
    for recipe in dict.fromkeys(count.recipe for count in counts):
        rows = [count for count in counts if count.recipe == recipe]
        dropped = {kind: sum(row.dropped for row in rows if row.kind == kind) for kind in _kinds(rows)}
        total = sum(dropped.values())
        if not total:
            continue
        most = max(dropped, key=lambda kind: dropped[kind])
        what = f"{_percent(dropped[most] / total)} of the dropped examples are {most}"
        kept = sum(row.kept for row in rows if row.kind == "C")
        needed = kept + dropped.get("C", 0)
        share = f"keeps {_percent(kept / needed)} of the C examples; " if needed else ""
        notes.append(f"{recipe}: {share}{what}{_dropped_tokens(rows)}.")
    return notes


def _dropped_tokens(rows: Sequence[SelectionCount]) -> str:
    """The share of the tokens that ``rows`` drop, in words; empty if tokens were not counted."""
    dropped = sum(row.dropped_tokens or 0 for row in rows)
    total = dropped + sum(row.kept_tokens or 0 for row in rows)
    return f"; they have {_percent(dropped / total)} of the tokens" if total else ""


def _kinds(counts: Iterable[SelectionCount]) -> list[str]:
    """The kinds of examples in ``counts``, the known ones first."""
    found = {count.kind for count in counts}
    return [kind for kind in _KINDS if kind in found] + sorted(found - set(_KINDS))


def _numbers(count: SelectionCount | None) -> tuple[int, int, int] | None:
    return None if count is None else (count.kept, count.dropped, count.added)


# --- text ---------------------------------------------------------------------------------------


def render_rst(text: str) -> Markup:
    """reStructuredText as an HTML fragment. Raw HTML and file inclusion are refused.

    Raises :class:`ValueError` with docutils' own message if the text is invalid.
    """
    settings = {
        "halt_level": 2,
        "report_level": 5,
        "raw_enabled": False,
        "file_insertion_enabled": False,
        "doctitle_xform": False,
        "initial_header_level": 3,
        "_disable_config": True,
    }
    try:
        return Markup(publish_parts(text, writer="html5", settings_overrides=settings)["body"])
    except SystemMessage as error:
        raise ValueError(f"caption is not valid reStructuredText: {' '.join(str(error).split())}") from None


def _data_uri(svg: str) -> str:
    """An SVG as an image source, so that figures on one page cannot share ids or styles."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def _seeds(seeds: Sequence[int]) -> str:
    return f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}"


def _percent(value: float) -> str:
    return _NONE if math.isnan(value) else f"{100 * value:.0f} %"


def _points(value: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    if math.isnan(value):
        return _NONE
    points = round(100 * value)
    return f"{points:+d}".replace("-", "\N{MINUS SIGN}") if points else "0"


def _p_value(value: float) -> str:
    if math.isnan(value):
        return _NONE
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _thousands(value: int) -> str:
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
