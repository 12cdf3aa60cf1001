"""The page of items: its content, that no text of a model becomes part of its HTML, and that it works in a browser."""

from __future__ import annotations

import base64
import gzip
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from browser import CHROMIUM, Browser, browser
from test_report import Page, inversion

from inversion.analyse.flips import flips
from inversion.analyse.inversions import inversions
from inversion.config.run import Run
from inversion.config.scorers import MAIN
from inversion.items_page import ItemTables, page_data, render_items_page, write_items_page
from inversion.records.answers import Response
from inversion.records.data import ConflictItem
from inversion.records.frames import to_frame
from inversion.records.tables import Flip, Inversion
from inversion.report import items_address
from inversion.score.labelling import label_run

TEMPLATE = Path(__file__).parents[1] / "workflow" / "report" / "items.html.j2"
HOSTILE = (
    "</script><script>document.title='broken'</script>",
    "<!--<script>",
    "<img src=x onerror=\"document.title='broken'\">",
    "{{ 7 * 7 }} ${7*7} \u202eright to left\u202c \u2028 \x00 \U0001f40e",
    "https://example.org/a.png",
)
CITIES = ("Lyon", "Graz", "Turin", "Porto", "Lviv", "Brno")


def conflict_item(place: int, context: str | None = None, question: str = "") -> ConflictItem:
    new, old = CITIES[place % 6], f"{CITIES[(place + 1) % 6]} Old"
    return ConflictItem(
        item_id=f"q{place}",
        set="capitals",
        role="conflict",
        question=question or f"What is the capital of country {place}?",
        context=context or f"Since 2030 the capital of country {place} is {new}. It was {old}.",
        context_answers=[new, f"City of {new}"],
        parametric_answers=[old],
        cluster=f"c{place}",
        stratum=("europe", "asia")[place % 2],
        factors=[f"length={('short', 'long')[place % 2]}"],
    )


def response(item: ConflictItem, step: int, text: str) -> Response:
    return Response(step, item.set, item.item_id, "plain", text, True, -1.0, 1, -2.0, 1, -0.5, -0.7)


def answer(item: ConflictItem, step: int) -> str:
    """Memory, then the context, then memory again for every third item."""
    lost = int(item.item_id[1:]) % 3 == 0
    given = item.parametric_answers if step == 0 or (lost and step >= 40) else item.context_answers
    return f"The answer is {given[0]}."


def tables(
    items: list[ConflictItem],
    recipes: tuple[str, ...] = ("standard",),
    steps: tuple[int, ...] = tuple(range(0, 60, 10)),
) -> ItemTables:
    """The tables of a small study, computed by the library itself."""
    conflict_items = to_frame(items, ConflictItem)
    labels = pl.concat(
        label_run(
            Run("llama", "tulu", recipe, 0),
            conflict_items,
            to_frame([response(item, step, answer(item, step)) for step in steps for item in items], Response),
            10.0,
        )
        for recipe in recipes
    )
    return ItemTables(labels, conflict_items, inversions(labels, 20), flips(labels))


def render(given: ItemTables, **limits: int) -> str:
    return render_items_page(given, TEMPLATE.read_text(encoding="utf-8"), **limits)


def unpack(html: str) -> dict[str, Any]:
    """The data in a page."""
    (packed,) = re.findall(r'<script type="application/octet-stream" id="data">(.*?)</script>', html)
    return json.loads(gzip.decompress(base64.b64decode(packed)))  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def study() -> ItemTables:
    return tables([conflict_item(place) for place in range(12)], recipes=("standard", "cc"))


# --- what it holds ------------------------------------------------------------------------------


def test_every_row_has_its_answers_at_the_four_moments(study: ItemTables) -> None:
    data = page_data(study)
    rows = data["rows"]
    assert len(rows["panel"]) == len(rows["item"]) == 24
    assert len(rows["answers"]) == 4 * 24
    items = {(r["recipe"], r["item_id"], r["step"]): r for r in study.items.iter_rows(named=True)}
    for place, (panel_index, item_index) in enumerate(zip(rows["panel"], rows["item"], strict=True)):
        panel, item = data["panels"][panel_index], data["items"][item_index]
        for moment, step_index in enumerate(panel["moments"]):
            expected = items[panel["recipe"], item[1], panel["steps"][step_index]]
            text, _finished, start, end, rule = data["answers"][rows["answers"][4 * place + moment]]
            said = data["texts"][text]
            assert said == expected["text"]
            assert said[start:end] == expected["judge_span"]
            assert data["rules"][rule][0] == expected["judge_rule"]
            for scorer, strips in rows["strips"].items():
                assert data["labels"][ord(strips[place][step_index]) - 97] == expected[scorer]


def test_the_moments_are_those_of_the_table_inversions(study: ItemTables) -> None:
    for panel in page_data(study)["panels"]:
        row = study.inversions.filter(recipe=panel["recipe"], scorer=MAIN, stratum="all").row(0, named=True)
        steps = [panel["steps"][place] for place in panel["moments"]]
        assert steps == [0, row["peak_step"], row["trough_step"], row["end_step"]]
        assert panel["verdicts"][MAIN] == row["verdict"]


def test_changes_are_those_of_the_table_flips(study: ItemTables) -> None:
    data = page_data(study)
    rows = data["rows"]
    changed = {
        (data["panels"][panel]["recipe"], scorer, data["items"][item][1], change)
        for scorer, changes in rows["changes"].items()
        for panel, item, change in zip(rows["panel"], rows["item"], changes, strict=True)
        if change
    }
    assert changed == {
        (row["recipe"], row["scorer"], row["item_id"], f"{row['peak']}-{row['end']}")
        for row in study.flips.iter_rows(named=True)
    }
    assert len(changed) > 0


def test_a_span_whose_words_occur_twice_is_where_the_judge_found_it() -> None:
    item = conflict_item(0)
    given = tables([item] * 1)
    text = "Not Lyon Old, no: Lyon, yes Lyon, is what it says."
    twice = label_run(
        Run("llama", "tulu", "standard", 0),
        to_frame([item], ConflictItem),
        to_frame([response(item, 0, text)], Response),
        1.0,
    )
    rows = ItemTables(twice, given.conflict_items, inversions(twice, 20), flips(twice))
    (span,) = {tuple(each[2:4]) for each in page_data(rows)["answers"]}
    from inversion.score.scorers import judge_item

    assert span == judge_item(item, response(item, 0, text)).span
    assert text.count(text[slice(*span)]) > 1


def test_controls_have_no_rows() -> None:
    item = conflict_item(0)
    given = tables([item])
    controls = given.items.with_columns(set=pl.lit("capitals+matching"), role=pl.lit("control"))
    both = ItemTables(pl.concat([given.items, controls]), given.conflict_items, given.inversions, given.flips)
    assert page_data(both)["rows"] == page_data(given)["rows"]


def test_a_study_without_conflict_items_has_an_empty_page() -> None:
    given = tables([conflict_item(0)])
    none = ItemTables(given.items.clear(), given.conflict_items, given.inversions.clear(), given.flips.clear())
    assert unpack(render(none))["rows"]["panel"] == []


def test_equal_tables_give_equal_bytes(study: ItemTables, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_items_page(tmp_path / name, study, TEMPLATE)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == render(study).encode()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda given: {"conflict_items": given.conflict_items.head(3)}, r"item 'q\d+' is not in the prepared set"),
        (lambda given: {"inversions": given.inversions.filter(recipe="cc")}, "no row of llama/tulu/standard/seed0"),
        (lambda given: {"flips": given.flips.drop("peak")}, "flips: column 'peak' is missing"),
        (lambda given: {"items": given.items.drop("text")}, "items: column 'text' is missing"),
    ],
)
def test_missing_rows_are_named(study: ItemTables, change: Any, message: str) -> None:
    given = {name: getattr(study, name) for name in ("items", "conflict_items", "inversions", "flips")}
    with pytest.raises(ValueError, match=message):
        render(ItemTables(**(given | change(study))))


# --- size ---------------------------------------------------------------------------------------


def many(answers: int, words: int) -> ItemTables:
    """A study with this many answers, nearly all of which differ, and with contexts that resemble prose."""
    draw = random.Random(0)
    vocabulary = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(2, 11))) for _ in range(20_000)]

    def prose(n: int) -> str:
        return " ".join(draw.choices(vocabulary, k=n))

    runs, panels = [Run("llama", "tulu", "standard", seed) for seed in range(5)], answers // 20
    items = [conflict_item(place, context=prose(200)) for place in range(panels)]
    small = [conflict_item(0)]
    pattern = tables(small, steps=(0, 10, 20, 30)).items.sort("step")
    frames = []
    for run in runs:
        frame = pattern.join(pl.DataFrame({"place": range(panels)}), how="cross").sort("place", "step")
        frames.append(
            frame.with_columns(
                seed=pl.lit(run.seed, pl.Int64),
                item_id=pl.format("q{}", "place"),
                text=pl.Series([f"Lyon {prose(words)}" for _ in range(frame.height)]),
                judge_span=pl.lit("Lyon"),
            ).drop("place")
        )
    rows = [
        inversion(seed=run.seed, dataset="tulu", set="capitals", peak_step=10, trough_step=20, end_step=30)
        for run in runs
    ]
    return ItemTables(pl.concat(frames), to_frame(items, ConflictItem), to_frame(rows, Inversion), to_frame([], Flip))


@pytest.mark.slow
def test_fifty_thousand_answers_fit_into_fifteen_megabytes() -> None:
    html = render(many(50_000, words=25))
    assert len(unpack(html)["rows"]["answers"]) == 50_000
    assert len(html.encode()) < 15e6


def test_too_many_answers_are_a_sample_of_items_that_is_the_same_in_all_runs(study: ItemTables) -> None:
    data = unpack(render(study, most_answers=40))
    shown, of = data["items_shown"]["shown"], data["items_shown"]["of"]
    assert (of, len(data["rows"]["panel"])) == (12, 2 * shown)
    assert 0 < shown < 12
    smaller = unpack(render(study, most_bytes=1500))
    assert len(smaller["rows"]["panel"]) < len(unpack(render(study))["rows"]["panel"])
    assert {item[1] for item in smaller["items"]} <= {item[1] for item in unpack(render(study))["items"]}


# --- its HTML -----------------------------------------------------------------------------------


def hostile_study() -> ItemTables:
    items = [conflict_item(place, context=text, question=text) for place, text in enumerate(HOSTILE)]
    given = tables(items)
    said = given.items.with_columns(text=pl.concat_str(pl.lit(HOSTILE[0] + HOSTILE[2]), "text"))
    return ItemTables(said, given.conflict_items, given.inversions, given.flips)


def test_no_text_is_part_of_the_html() -> None:
    html = render(hostile_study())
    for text in HOSTILE:
        assert text not in html
    assert "<!--" not in html
    assert html.count("<script") == html.count("</script>") == 2
    assert {HOSTILE[0], HOSTILE[1]} <= set(unpack(html)["texts"])


def test_the_page_is_complete_and_loads_nothing(study: ItemTables) -> None:
    html = render(study)
    page = Page(html)
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert {address.partition("#")[0] for address in page.addresses} == {"report.html"}
    assert "default-src 'none'" in html
    assert not re.findall(r"https?:", re.sub(r'id="data">.*?</script>', "", html))
    script = html.rpartition("<script>")[2]
    for unsafe in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "fetch(", "import("):
        assert unsafe not in script


def test_every_control_has_a_label_and_the_count_is_announced(study: ItemTables) -> None:
    html = render(study)
    assert re.search(r'id="count" role="status" aria-live="polite"', html)
    assert '<label for="q">' in html
    assert '<html lang="en">' in html
    assert len(re.findall(r"<th scope=", html)) == len(re.findall(r"<th\b", html))


# --- in a browser -------------------------------------------------------------------------------

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian: apt install chromium)")
COUNT = "document.getElementById('count').textContent"
READY = "!document.getElementById('main').hidden"


@pytest.fixture(scope="module")
def tab() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def address(study: ItemTables, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("results")
    write_items_page(folder / "items.html", study, TEMPLATE)
    return (folder / "items.html").as_uri()


def go(tab: Browser, address: str) -> str:
    """Open an address in a new page; returns the text in which the page counts the items."""
    tab.open("about:blank")
    tab.errors.clear()
    tab.open(address)
    tab.wait(READY)
    assert tab.errors == []
    return str(tab.run(COUNT))


@needs_browser
def test_links_of_the_report_lead_to_their_items(tab: Browser, address: str, study: ItemTables) -> None:
    base = address.rpartition("/")[0]
    row = next(row for row in inversions_of(study) if row.recipe == "cc" and row.scorer == MAIN)
    assert go(tab, f"{base}/{items_address(row)}").startswith("12 of 24 rows")
    assert row.to_parametric == 4
    lost = go(tab, f"{base}/{items_address(row, change='context-parametric')}")
    assert lost.startswith("4 of 24 rows: 4 items, 1 curve")
    assert tab.run("document.getElementById('filter-recipe').value") == "cc"
    assert tab.run("document.getElementById('filter-change').value") == "context-parametric"
    assert go(tab, f"{base}/{items_address(row, factor='length=long')}").startswith("6 of 24 rows")


def inversions_of(study: ItemTables) -> list[Inversion]:
    from inversion.records.frames import from_frame

    return from_frame(study.inversions.filter(stratum="all"), Inversion)


@needs_browser
def test_filters_change_counts_items_and_links(tab: Browser, address: str) -> None:
    assert go(tab, address).startswith("24 of 24 rows")
    tab.run("document.getElementById('filter-at').value = 'end'")
    tab.run("document.getElementById('filter-label').value = 'parametric'")
    tab.run("document.getElementById('filter-label').dispatchEvent(new Event('change', {bubbles: true}))")
    assert tab.run(COUNT).startswith("8 of 24 rows: 4 items, 2 curves")
    assert tab.run("document.querySelectorAll('#rows tr').length") == 8
    assert set(tab.run("[...document.querySelectorAll('#rows td:last-child')].map((cell) => cell.textContent)")) == {
        "memory"
    }
    assert set(tab.run("location.hash").lstrip("#").split("&")) == {"at=end", "label=parametric"}
    tab.run("document.getElementById('q').value = 'country 3?'")
    tab.run("document.getElementById('q').dispatchEvent(new Event('input', {bubbles: true}))")
    tab.wait(f"{COUNT}.startsWith('2 of 24')")
    tab.run("document.getElementById('reset').click()")
    assert tab.run(COUNT).startswith("24 of 24 rows")


@needs_browser
def test_an_item_shows_its_context_answers_responses_span_and_rule(tab: Browser, address: str) -> None:
    go(tab, f"{address}#recipe=standard&item=q3")
    tab.run("document.querySelector('#rows button').click()")
    text = tab.run("document.getElementById('item').innerText")
    assert "Since 2030 the capital of country 3 is Porto. It was Lviv Old." in text
    assert "City of Porto" in text
    assert "only_answer" in text
    responses = (
        "[...document.querySelectorAll('.response')].map((each) => each.querySelector('blockquote').textContent)"
    )
    assert tab.run(responses) == [
        "The answer is Lviv Old.",
        *["The answer is Porto."],
        *["The answer is Lviv Old."] * 2,
    ]
    decided = "[...document.querySelectorAll('mark.decided')].map((each) => each.textContent)"
    assert tab.run(decided) == ["Lviv Old", "Porto", "Lviv Old", "Lviv Old"]
    marks = "[...document.querySelectorAll('.passage mark')].map((each) => [each.className, each.textContent])"
    assert tab.run(marks) == [["context", "Porto"], ["parametric", "Lviv Old"]]
    assert tab.run("document.querySelectorAll('#item .strip i').length") == 6


@needs_browser
def test_the_page_works_with_the_keyboard_only(tab: Browser, address: str) -> None:
    go(tab, address)
    tab.run("document.querySelector('#rows button').focus()")
    tab.press("ArrowDown")
    row = tab.run("document.activeElement.dataset.row")
    assert row == "1"
    tab.press("Enter")
    assert tab.run("document.activeElement.id") == "item-title"
    assert tab.run("document.querySelector('#rows [aria-current=true]').dataset.row") == "1"
    tab.press("Escape")
    assert tab.run("document.activeElement.dataset.row") == "1"


@needs_browser
def test_hostile_texts_are_shown_and_never_run(tab: Browser, tmp_path: Path) -> None:
    write_items_page(tmp_path / "items.html", hostile_study(), TEMPLATE)
    tab.requests.clear()
    go(tab, (tmp_path / "items.html").as_uri())
    for place, text in enumerate(HOSTILE):
        tab.run(f"document.querySelectorAll('#rows button')[{place}].click()")
        assert tab.run("document.querySelector('.passage').textContent") == text
        assert tab.run("document.querySelector('blockquote').textContent").startswith(HOSTILE[0])
    assert tab.run("document.title") == "Items · Context-parametric inversion"
    assert tab.run("document.querySelectorAll('img, script').length") == 2
    assert {request.partition(":")[0] for request in tab.requests} <= {"file", "about"}
    assert tab.errors == []


@needs_browser
def test_injected_scripts_are_blocked(tab: Browser, address: str) -> None:
    go(tab, address)
    tab.run(
        "const s = document.createElement('script'); s.textContent = 'window.injected = 1'; document.body.append(s)"
    )
    assert tab.run("window.injected") is None
