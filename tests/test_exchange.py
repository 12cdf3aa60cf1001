"""Import of answers generated elsewhere, and export of ours."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "analyse"))
from made_items import RISE_AND_STAY, exact, table

from inversion.exchange import AnswersError, read_answers, write_answers
from inversion.records.answers import Response
from inversion.records.frames import schema_of

ROW = {"step": 10, "set": "facts", "item_id": "q1", "text": "Paris"}


def lines(file, *rows):
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def test_a_table_needs_only_the_names_and_the_text(tmp_path):
    frame = read_answers(lines(tmp_path / "a.jsonl", ROW))
    assert frame.schema == schema_of(Response)
    (row,) = frame.rows(named=True)
    assert (row["step"], row["text"], row["prompt"]) == (10, "Paris", "plain")
    assert row["context_logprob"] is None


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_exported_answers_are_read_back(tmp_path, suffix):
    items = table(exact(RISE_AND_STAY, 20))
    write_answers(tmp_path / f"a.{suffix}", items)
    kept = list(schema_of(Response))
    assert read_answers(tmp_path / f"a.{suffix}").equals(items.select(kept).sort("step", "set", "item_id", "prompt"))


def test_the_step_can_be_in_the_names_of_files(tmp_path):
    for step in (5, 50):
        row = {name: value for name, value in ROW.items() if name != "step"}
        lines(tmp_path / f"step{step}.jsonl", row)
    assert read_answers(tmp_path / "step{step}.jsonl")["step"].to_list() == [5, 50]


def test_sample_logs_of_lm_eval(tmp_path):
    row = {
        "doc_id": 0,
        "doc": {"set": "facts", "item_id": "q1", "question": "?"},
        "resps": [["  Paris."]],
        "filtered_resps": ["Paris."],
    }
    (tmp_path / "step-20").mkdir()
    lines(tmp_path / "step-20" / "samples_facts_2026-11-29.jsonl", row)
    frame = read_answers(tmp_path / "step-{step}" / "samples_*.jsonl", "lm_eval")
    assert frame.select("step", "set", "item_id", "text").rows() == [(20, "facts", "q1", "Paris.")]
    lines(
        tmp_path / "step-20" / "samples_facts_2026-11-29.jsonl",
        row | {"resps": [[[-1.5, False]]], "filtered_resps": []},
    )
    with pytest.raises(
        AnswersError, match="doc_id 0 has no generated text; use a task with `output_type: generate_until`"
    ):
        read_answers(tmp_path / "step-{step}" / "samples_*.jsonl", "lm_eval")


def test_logs_of_inspect(tmp_path):
    log = {
        "samples": [
            {"id": "q1", "metadata": {"set": "facts"}, "output": {"completion": "Paris"}},
            {"id": 2, "metadata": {"set": "facts"}, "output": {"choices": [{"message": {"content": "Rome"}}]}},
        ]
    }
    (tmp_path / "log-7.json").write_text(json.dumps(log))
    frame = read_answers(tmp_path / "log-{step}.json", "inspect")
    assert frame.select("step", "item_id", "text").rows() == [(7, "2", "Rome"), (7, "q1", "Paris")]
