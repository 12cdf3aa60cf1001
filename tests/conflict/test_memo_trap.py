import csv
from pathlib import Path

import pytest

from inversion.config.sets import FileSet
from inversion.conflict.audit import audit_set
from inversion.conflict.files import load_items, source_items
from inversion.conflict.memo_trap import endings_not_apart
from inversion.instruct.rows import DataError
from inversion.records.data import ConflictItem

REAL = Path(__file__).parents[3] / "shared" / "data" / "conflict" / "memo_trap" / "proverb_ending.csv"


def asks(ending, quote):
    return f'Write a quote that ends in the word "{ending}": {quote}'


HEAVY = (asks("heavy", "Absence makes the heart grow"), "[' heavy.', ' fonder.']", "0")
WAY = (asks("way", "Accidents will happen in the best"), "[' families.', ' way.']", "1")


def proverbs(path, *rows, header=("prompt", "classes", "answer_index")):
    with open(path, "w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([header, *rows])
    return FileSet(source="file", path=str(path), format="memo_trap")


def test_the_instruction_is_the_question_and_both_endings_are_answers(tmp_path):
    items = load_items(proverbs(tmp_path / "p.csv", HEAVY, WAY), "quotes")
    assert items[1] == ConflictItem(
        item_id="quotes-000002",
        set="quotes",
        role="conflict",
        question=WAY[0],
        context=None,
        context_answers=["way"],
        parametric_answers=["families"],
        cluster="accidents will happen in the best",
        stratum="quotes",
    )
    assert items[0].context_answers == ["heavy"]


@pytest.mark.parametrize(
    "row",
    [
        (asks("blood", "Blood is thicker than"), "[' blood.', ' water.']", "0"),
        (asks("silver", "All that glitters is not gold, not"), "[' silver.', ' gold.']", "0"),
        (asks("First", "Things come"), "[' first.', ' First.']", "1"),
    ],
)
def test_endings_that_a_response_cannot_show_are_dropped_and_counted(tmp_path, row):
    spec = proverbs(tmp_path / "p.csv", HEAVY, row)
    assert [item.item_id for item in load_items(spec, "quotes")] == ["quotes-000001"]
    findings = audit_set("quotes", {"quotes": spec}, {"quotes": source_items(spec, "quotes")})
    assert {f.rule: f.count for f in findings}["endings_not_apart"] == 1


def test_items_with_a_context_are_not_proverbs():
    item = ConflictItem("c-1", "c", "conflict", asks("a", "b a"), "A passage.", ["a"], ["b"], "q", "c")
    assert not endings_not_apart(item)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("", *HEAVY[1:]), "'prompt' is blank"),
        (("Finish it: Absence makes", *HEAVY[1:]), "'prompt' is .*, not 'Write a quote"),
        ((HEAVY[0], HEAVY[1], "1"), "asks for 'heavy', but 'answer_index' selects 'fonder'"),
        ((HEAVY[0], HEAVY[1], "2"), "not two endings and the index"),
        ((HEAVY[0], "[' heavy.'", "0"), "not two endings and the index"),
        ((HEAVY[0], "[' heavy.', ' .']", "0"), "not two endings"),
        ((HEAVY[0], "[' heavy.', 3]", "0"), "an ending is not text but int"),
        ((HEAVY[0],), "not two endings and the index"),
    ],
)
def test_a_bad_row_stops_with_its_number(tmp_path, row, reason):
    with pytest.raises(DataError, match=rf"p\.csv: row 2: .*{reason}") as error:
        source_items(proverbs(tmp_path / "p.csv", WAY, row), "quotes")
    assert "\n" not in str(error.value)


def test_a_bad_file_stops(tmp_path):
    spec = proverbs(tmp_path / "p.csv", HEAVY, header=("prompt", "answers", "answer_index"))
    with pytest.raises(DataError, match=r"p\.csv: the column 'classes'"):
        source_items(spec, "quotes")
    with pytest.raises(DataError, match="has no rows"):
        source_items(proverbs(tmp_path / "e.csv"), "quotes")
    (tmp_path / "l.csv").write_bytes("prompt,classes,answer_index\né".encode("latin-1"))
    with pytest.raises(DataError, match=r"l\.csv: not UTF-8"):
        source_items(spec.model_copy(update={"path": str(tmp_path / "l.csv")}), "quotes")


@pytest.mark.skipif(not REAL.is_file(), reason="memo-trap (../shared/data) is not here")
def test_the_release_loads():
    spec = FileSet(source="file", path=str(REAL), format="memo_trap")
    assert len(source_items(spec, "quotes")) == 860
    assert len(load_items(spec, "quotes")) == 682


def test_a_field_of_megabytes_stops_with_its_line(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("prompt,classes,answer_index\n" + "x" * 10_000_000 + ",y,0\n")
    with pytest.raises(DataError, match=r"p\.csv: line 2: invalid CSV \(field larger than field limit"):
        load_items(FileSet(source="file", path=str(path), format="memo_trap"), "p")
