from __future__ import annotations

import base64
import dataclasses
import math
import re
import urllib.parse
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest

from inversion.analyse.verdicts import VERDICTS
from inversion.artifacts import write_text
from inversion.config.figures import FIGURES
from inversion.config.scorers import MAIN
from inversion.manifests import BaseManifest
from inversion.records.answers import Knowledge
from inversion.records.data import AuditFinding, SelectionCount
from inversion.records.frames import from_frame, to_frame
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
from inversion.report import (
    ITEMS_PAGE,
    CaptionedFigure,
    Report,
    headline,
    items_address,
    render_report,
    render_rst,
    selection_notes,
    selection_rows,
    tradeoff_tables,
    verdict_groups,
    write_report,
)

ROOT = Path(__file__).parents[1] / "workflow" / "report"
TEMPLATE = (ROOT / "report.html.j2").read_text(encoding="utf-8")
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="10pt" height="10pt"><text>curve</text></svg>'


def inversion(verdict: str = "inversion", **changed: object) -> Inversion:
    fields = {
        "model": "llama",
        "dataset": "mixed",
        "recipe": "standard",
        "seed": 0,
        "set": "conflict",
        "stratum": "all",
        "prompt": "plain",
        "scorer": MAIN,
        "start": 0.03,
        "peak_step": 30,
        "peak": 0.61,
        "end_step": 300,
        "end": 0.35,
        "rise": 0.58,
        "rise_low": 0.52,
        "rise_high": 0.64,
        "window": 4,
        "peak_window": 4,
        "trough_step": 290,
        "trough": 0.33,
        "fall": 0.28,
        "fall_low": 0.20,
        "fall_high": 0.31,
        "recovery": 0.02,
        "recovery_low": -0.01,
        "recovery_high": 0.04,
        "net": 0.32,
        "net_low": 0.25,
        "net_high": 0.4,
        "to_parametric": 52,
        "to_context": 3,
        "p_value": 1e-9,
        "p_adjusted": 2e-7,
        "p_items": 1e-9,
        "verdict": verdict,
        "verdict_both_context": verdict,
        "verdict_both_parametric": verdict,
    }
    return Inversion(**(fields | changed))  # type: ignore[arg-type]


def experiment_row(**changed: object) -> ExperimentRow:
    fields: dict[str, object] = {field.name: 0.3 for field in dataclasses.fields(ExperimentRow)}
    fields |= {"experiment": "headline", "model": "llama", "dataset": "mixed", "recipe": "standard", "set": "conflict"}
    fields |= {"scorer": MAIN, "prompt": "plain", "stratum": "all", "seeds": 3, "fall_difference": None}
    fields |= {"inference": "t interval over 3 seeds", "fall": 0.28, "fall_low": 0.2, "fall_high": 0.36}
    fields |= {f"runs_{name}": 0 for name in VERDICTS} | {"runs_inversion": 2, "runs_no_drop": 1}
    return ExperimentRow(**(fields | changed))  # type: ignore[arg-type]


def selected(kind: str, kept: int, dropped: int, added: int = 0, seed: int = 0, recipe: str = "cc") -> SelectionCount:
    return SelectionCount("llama", "mixed", recipe, seed, kind, kept, dropped, added)


def tradeoff(recipe: str, name: str, end: float, **changed: object) -> Tradeoff:
    fields = {"experiment": "headline", "model": "llama", "dataset": "mixed", "seed": 0, "prompt": "plain"}
    fields |= {"scorer": MAIN, "metric": "context_rate", "end_step": 300, "n": 200, "peak": 0.77}
    fields |= {"end_low": end - 0.05, "end_high": end + 0.05, "peak_low": 0.7, "peak_high": 0.8, "p_adjusted": 0.002}
    return Tradeoff(recipe=recipe, set=name, end=end, **(fields | changed))  # type: ignore[arg-type]


def report(**changed: object) -> Report:
    rows = [
        inversion("inversion"),
        inversion("no_drop", recipe="counterfactual"),
        inversion("no_rise", recipe="qk-only"),
        inversion("inconclusive", seed=1, p_adjusted=math.nan, fall_low=math.nan),
        inversion("no_drop", scorer="containment", end=0.123),
    ]
    base = Report(
        introduction="What this *is*.",
        experiments={"headline": [CaptionedFigure("Accuracy by step", SVG, "How to **read** it.")]},
        inversions=to_frame(rows, Inversion),
        experiment_rows=to_frame([experiment_row()], ExperimentRow),
        contributions=to_frame([], Contribution),
        knowledge=to_frame(
            [
                Knowledge("llama", "conflict", "q1", True, "known", "Kabul"),
                Knowledge("llama", "conflict", "q2", False, "outranked by Herat; not generated", "Herat", "context"),
                Knowledge("llama", "conflict", "q3", False, "not generated", ""),
                Knowledge("llama", "conflict", "q4", False, "outranked by Herat", "Kabul"),
            ],
            Knowledge,
        ),
        agreement=to_frame(
            [Agreement("conflict", "plain", "containment", "first_mention", 1200, 0.875, 0.753, 1000, 2)], Agreement
        ),
        flip_overlap=to_frame(
            [
                FlipOverlap("conflict", "plain", MAIN, "a", "b", 3, 1, 1, 5, 15.0, 0.01),
                FlipOverlap("conflict", "plain", MAIN, "a", "c", 1, 3, 3, 5, 5 / 9, 0.9),
                FlipOverlap("conflict", "plain", MAIN, "b", "c", 0, 4, 0, 6, math.nan, 1.0),
            ],
            FlipOverlap,
        ),
        factors=to_frame(
            [
                FactorRate(
                    *("llama", "mixed", "standard", 0, "facts", "plain", MAIN, "tense", "past"),
                    *(moment, rate, rate - 0.04, rate + 0.04, 360),
                )
                for moment, rate in (("start", 0.31), ("peak", 0.62), ("end", 0.47))
            ],
            FactorRate,
        ),
        tradeoffs=to_frame(
            [
                tradeoff("standard", "conflict", 0.31),
                tradeoff("cc", "conflict", 0.62, difference=0.31, difference_low=0.24, difference_high=0.39),
                tradeoff("standard", "mmlu", 0.43, prompt="lm-eval", scorer="acc,none", metric="accuracy", peak=None),
                tradeoff("standard", "conflict", 0.31, experiment="alone"),
            ],
            Tradeoff,
        ),
        selections=to_frame([selected("C", 1960, 40), selected("C+S", 880, 920)], SelectionCount),
        series=to_frame([], SeriesStep),
        audit=to_frame(
            [
                AuditFinding("facts", "in_excluded_set", "dropped", 196, 313, ["capital of France?"]),
                AuditFinding("facts", "duplicate", "dropped", 0, 313, []),
            ],
            AuditFinding,
        ),
        models={
            "llama": BaseManifest(
                source="world",
                folder="base",
                digest="0123456789abcdef",
                architecture="LlamaForCausalLM",
                parameters=1234567,
                pretraining_loss=1.5,
            )
        },
        configuration="models:\n  llama: {}\n",
    )
    return dataclasses.replace(base, **changed)  # type: ignore[arg-type]


class Page(HTMLParser):
    """Collects addresses, ids, text and the tags that are not closed."""

    VOID = frozenset({"meta", "img", "br", "link", "hr", "input"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attributes:
            if name in {"src", "href", "srcset", "data", "action", "poster"}:
                self.addresses.append(value or "")
            if name == "id":
                self.ids.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag
        self.text += " " if tag in {"td", "th"} else ""

    def handle_data(self, data: str) -> None:
        self.text += data


def words(html: str) -> str:
    return " ".join(Page(html).text.split())


def test_the_page_is_complete_and_loads_nothing() -> None:
    html = render_report(report(), TEMPLATE)
    page = Page(html)
    assert page.open == []
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert all(address.startswith(("#", "data:", ITEMS_PAGE)) for address in page.addresses)
    assert {address[1:] for address in page.addresses if address.startswith("#")} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert not re.search(r"(src|href)\s*=\s*[\"']?https?:|url\(|@import", html)
    assert base64.b64encode(SVG.encode()).decode() in html


def test_the_page_says_every_verdict_in_words_and_symbol() -> None:
    every = to_frame([inversion(name, recipe=name) for name in VERDICTS], Inversion)
    shown = words(render_report(report(inversions=every), TEMPLATE))
    for known in VERDICTS.values():
        assert f"{known.symbol} {known.words} (1)" in shown
        assert known.rule in shown
    text = words(render_report(report(), TEMPLATE))
    assert "a fall of 28 points [+20, +36] (t interval over 3 seeds). 2 of 3 inversion, 1 of 3 no drop." in text
    assert (
        "4 runs: 1 with an inversion (context answers rise, then fall), 1 with a rise that stays, "
        "1 without a rise and 1 inconclusive." in text
    )
    assert "3 % before finetuning, 61 % at the peak (around step 30) and 35 % at the end: a fall of 28 points" in text
    assert "[+20, +31]" in text
    assert "< 0.001" in text
    assert "nan" not in text.lower()


def filters(address: str) -> dict[str, str]:
    """The filters in an address of the page of items."""
    page, _, asked = address.partition("#")
    assert page == ITEMS_PAGE
    return dict(urllib.parse.parse_qsl(asked, strict_parsing=True))


def test_every_verdict_and_count_links_to_its_items() -> None:
    html = render_report(report(), TEMPLATE)
    links = [filters(address) for address in Page(html).addresses if address.startswith(f"{ITEMS_PAGE}#")]
    for row in from_frame(report().inversions, Inversion):
        wanted = {name: str(getattr(row, name)) for name in ("set", "model", "dataset", "recipe", "seed", "prompt")}
        wanted["scorer"] = row.scorer
        assert links.count(wanted) >= 2, "in the table of inversions, and among the verdicts by scorer"
        for change in ("context-parametric", "parametric-context"):
            assert wanted | {"change": change} in links
    assert any(link.get("factor") == "tense=past" and link["set"] == "facts" for link in links)


def test_the_items_of_several_seeds_and_of_known_items_have_one_address() -> None:
    rows = [inversion(), inversion(seed=1), inversion("fall", recipe="cc", stratum="known")]
    group, _ = verdict_groups(rows)
    assert "seed" not in filters(group.runs["llama · mixed · standard (seeds 0, 1)"])
    assert filters(items_address(rows[2]))["known"] == "yes"
    strange = inversion(recipe="a b&c=d#e/ü%")
    assert filters(items_address(strange))["recipe"] == strange.recipe


def test_other_scorers_are_collapsed() -> None:
    html = render_report(report(), TEMPLATE)
    before, _, folded = html.partition("<summary>The same for the scorer <code>containment</code></summary>")
    assert "12 %" in folded
    assert "12 %" not in words(before)
    swapped = words(render_report(report(), TEMPLATE, scorer="containment"))
    assert "1 run: 1 with a rise that stays." in swapped


def test_selections_audit_models_and_configuration_are_shown() -> None:
    text = words(render_report(report(), TEMPLATE))
    assert "cc: keeps 98 % of the C examples; 96 % of the dropped examples are C+S." in text
    assert "llama · mixed · cc (seed 0) 98 % kept" in text
    assert "in excluded set dropped 196 313 capital of France?" in text
    assert "checks without findings: 1" in text
    assert "LlamaForCausalLM" in text
    assert "1.500" in text
    assert "models: llama: {}" in text


def test_a_fall_that_no_run_shows_is_not_a_headline() -> None:
    one = {"seeds": 1, "inference": "descriptive: one run", "fall": 0.06, "fall_low": math.nan, "fall_high": math.nan}
    one |= {"runs_inversion": 0, "runs_no_drop": 0, "runs_inconclusive": 1}
    text = words(render_report(report(experiment_rows=to_frame([experiment_row(**one)], ExperimentRow)), TEMPLATE))
    assert "no fall is shown (6 points from peak to trough) (descriptive: one run)" in text
    assert "a fall of 6 points" not in text
    shown = one | {"runs_inconclusive": 0, "runs_fall": 1}
    text = words(render_report(report(experiment_rows=to_frame([experiment_row(**shown)], ExperimentRow)), TEMPLATE))
    assert "a fall of 6 points (descriptive: one run)" in text


def test_a_set_that_the_model_hardly_knows_is_named_next_to_the_verdicts() -> None:
    assert "llama knows 1 of the 4 items of conflict (25 %)." in words(render_report(report(), TEMPLATE))
    known = [
        Knowledge("llama", "conflict", f"q{n}", n != 1, "known" if n != 1 else "not generated", "Kabul")
        for n in range(4)
    ]
    text = words(render_report(report(knowledge=to_frame(known, Knowledge)), TEMPLATE))
    assert "of the 4 items of conflict" not in text


def test_a_sample_of_the_items_is_named() -> None:
    assert "a balanced sample of 150 items" in words(render_report(report(items_per_set=150), TEMPLATE))
    assert "balanced sample" not in words(render_report(report(), TEMPLATE))


def test_everything_is_escaped() -> None:
    evil = "<script>alert(1)</script>"
    html = render_report(
        report(
            configuration=evil,
            audit=to_frame([AuditFinding(evil, evil, evil, 1, 1, [evil])], AuditFinding),
            inversions=to_frame([inversion(model=evil, verdict=evil, set=evil)], Inversion),
            selections=to_frame([selected(evil, 1, 1, recipe=evil)], SelectionCount),
            experiments={"x": [CaptionedFigure(f'"{evil}', evil, evil)]},
            introduction=evil,
        ),
        TEMPLATE,
    )
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert Page(html).open == []


def test_equal_arguments_give_equal_text() -> None:
    assert render_report(report(), TEMPLATE) == render_report(report(), TEMPLATE)


def test_empty_tables_say_so() -> None:
    empty = report(
        inversions=to_frame([], Inversion),
        selections=to_frame([], SelectionCount),
        series=to_frame([], SeriesStep),
        audit=to_frame([], AuditFinding),
        experiments={},
        models={},
    )
    html = render_report(empty, TEMPLATE)
    text = words(html)
    assert Page(html).open == []
    assert "No run has been evaluated on a conflict set." in text
    assert "No set was audited." in text
    assert text.count("The table has no rows.") == 2


def test_bad_tables_and_captions_are_clear_errors() -> None:
    with pytest.raises(ValueError, match="column 'verdict' is missing"):
        render_report(report(inversions=report().inversions.drop("verdict")), TEMPLATE)
    with pytest.raises(ValueError, match="no row of scorer 'guess'; there are: containment, judge"):
        render_report(report(), TEMPLATE, scorer="guess")
    with pytest.raises(ValueError, match="not valid reStructuredText"):
        render_rst("An *open emphasis.")


@pytest.mark.parametrize("text", [".. raw:: html\n\n   <b>x</b>\n", ".. include:: /etc/hostname\n"])
def test_captions_cannot_inject_markup(text: str) -> None:
    with pytest.raises(ValueError, match="not valid reStructuredText"):
        render_rst(text)


@pytest.mark.parametrize("caption", sorted(path.name for path in ROOT.glob("*.rst") if path.stem != "caption"))
def test_captions_render_and_survive_snakemakes_jinja(caption: str) -> None:
    text = (ROOT / caption).read_text(encoding="utf-8")
    assert not re.search(r"\{[{%#]", text)
    assert render_rst(text).startswith("<p>")


def test_every_figure_has_a_caption() -> None:
    assert {path.stem for path in ROOT.glob("*.rst")} >= {*FIGURES}


def test_headline_counts_pairs_where_there_are_several_sets() -> None:
    rows = [inversion(), inversion("no_rise", set="quotes")]
    assert headline(rows) == (
        "2 pairs of run and conflict set: 1 with an inversion (context answers rise, then fall) and 1 without a rise."
    )
    assert list(verdict_groups(rows)[0].runs) == ["llama · mixed · standard · conflict (seed 0)"]


def test_groups_put_seeds_together_in_the_order_of_verdicts() -> None:
    rows = [inversion("no_rise", seed=2), inversion(seed=0), inversion(seed=1)]
    groups = verdict_groups(rows)
    assert [(group.name, group.total) for group in groups] == [("inversion", 2), ("no_rise", 1)]
    assert list(groups[0].runs) == ["llama · mixed · standard (seeds 0, 1)"]


def test_selection_rows_join_equal_seeds_only() -> None:
    counts = [selected("C", 9, 1, seed=seed) for seed in (0, 1)] + [selected("C", 8, 2, seed=2)]
    rows = selection_rows(counts, ["C", "S"])
    assert [row.run for row in rows] == ["llama · mixed · cc (seeds 0, 1)", "llama · mixed · cc (seed 2)"]
    assert rows[1].counts == [counts[2], None]


def test_selection_notes_need_no_known_kinds() -> None:
    assert selection_notes([selected("C", 10, 0), selected("counterfactual", 0, 0, 5)]) == []
    counted = replace(selected("unknown", 75, 25), kept_tokens=90, dropped_tokens=10)
    assert selection_notes([counted]) == [
        "cc: 100 % of the dropped examples are unknown; they have 10 % of the tokens."
    ]
    assert selection_notes([selected("unknown", 75, 25)]) == ["cc: 100 % of the dropped examples are unknown."]


def test_write_report_writes_the_page(tmp_path) -> None:
    template = tmp_path / "template.j2"
    write_text(template, "<p>{{ headline }}</p>")
    write_report(tmp_path / "out" / "report.html", report(), template)
    assert (tmp_path / "out" / "report.html").read_text().startswith("<p>4 runs")


# --- how far to trust it ------------------------------------------------------------------------


def test_agreement_knowledge_overlap_and_factors_are_shown() -> None:
    text = words(render_report(report(), TEMPLATE))
    assert "containment, first_mention" in text
    assert "88 % 0.75 2 of 1 000" in text
    assert "25 %1 of 4 2 2 1" in text
    assert "of 3 pairs of runs both lose an item from context to memory in 2; median odds ratio 7.8" in text
    assert "more often than by chance in 1 (Fisher" in text
    assert "tense past 360 31 %[27 %, 35 %] 62 %[58 %, 66 %] 47 %[43 %, 51 %]" in text


def test_verdicts_are_side_by_side_and_known_items_do_not_count_twice() -> None:
    rows = [inversion(scorer=MAIN), inversion("no_drop", scorer="logprob")]
    known = [inversion("no_rise", scorer=row.scorer, stratum="known") for row in rows]
    text = words(render_report(report(inversions=to_frame([*rows, *known], Inversion)), TEMPLATE))
    assert "same verdict in 1 of 2 cases" in text
    assert "llama · mixed · standard · seed 0 · conflict · plain · known items" in text
    assert headline(rows[:1]) in text


def test_tradeoffs_are_in_their_experiment() -> None:
    page = Page(render_report(report(), TEMPLATE))
    assert page.text.count("Trade-offs at the end") == 1
    assert "llama · mixed · cc · seed 0" in page.text
    assert "62 % [57 %, 67 %]Δ +31 [+24, +39], p 0.00277 % at the peak" in page.text
    assert "43 % [38 %, 48 %]" in page.text


def test_different_models_and_seeds_alone_give_no_tradeoffs() -> None:
    one = report().tradeoffs.filter(pl.col("recipe") == "standard", pl.col("experiment") == "headline")
    two_seeds = pl.concat([one, one.with_columns(seed=pl.col("seed") + 1)])
    assert tradeoff_tables(two_seeds, MAIN) == {}


def test_series_are_listed_with_their_notes() -> None:
    keys = ("llama", "my-sft", "external", 0)
    rows = [
        SeriesStep(*keys, 0, "base", "base", "models/llama", []),
        SeriesStep(
            *keys, 10, None, "adapter", "out/checkpoint-10", ["its scaling is 4, but 2 at the previous checkpoint"]
        ),
        SeriesStep(*keys, 20, None, "skipped", "out/checkpoint-20", ["the folder is empty"]),
    ]
    text = words(render_report(report(series=to_frame(rows, SeriesStep)), TEMPLATE))
    assert "my-sft llama 2 0 (base), 10" in text
    assert "step 10 (out/checkpoint-10): its scaling is 4, but 2 at the previous checkpoint" in text
    assert "step 20, not evaluated (out/checkpoint-20): the folder is empty" in text
    assert "Series" not in words(render_report(report(), TEMPLATE))


def test_an_experiment_that_compares_nothing_has_no_tradeoffs() -> None:
    found = tradeoff_tables(report().tradeoffs, MAIN)
    assert list(found) == ["headline"]
    assert found["headline"].sets == ["conflict", "mmlu"]
    assert [(run, list(scores)) for run, scores in found["headline"].rows] == [
        ("llama · mixed · standard · seed 0", ["conflict", "mmlu"]),
        ("llama · mixed · cc · seed 0", ["conflict"]),
    ]
