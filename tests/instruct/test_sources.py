import json
import logging
from pathlib import Path

import polars as pl
import pytest

from inversion.config import FileDataset, World, WorldDataset
from inversion.instruct.rows import DataError
from inversion.instruct.sources import load_examples
from inversion.records import Example, Message
from inversion.world.facts import build_world

REAL = Path(__file__).parents[3] / "shared" / "data" / "sft"
real_data = pytest.mark.skipif(not REAL.is_dir(), reason="the real instruction data (../shared/data) is not here")

ALPACA = [
    {"instruction": "Name a city.", "input": "", "output": "Oslo"},
    {"instruction": "Who wrote it?", "input": "Ada wrote it.", "output": "Ada"},
    {"instruction": "Name a river.", "input": " \n", "output": "Rhine"},
    {"instruction": "Name a sea.", "input": None, "output": "Baltic"},
]


def turns(*roles_and_contents):
    return {"messages": [{"role": role, "content": content} for role, content in roles_and_contents]}


def dataset(path, rows, form="alpaca", max_bad_rows=0.0):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return FileDataset(source="file", path=str(path), format=form, max_bad_rows=max_bad_rows)


def test_alpaca_rows_become_examples(tmp_path):
    examples = load_examples(dataset(tmp_path / "a.jsonl", ALPACA), "alpaca")
    assert examples[1] == Example(
        "alpaca-000002",
        [Message("user", "Who wrote it?"), Message("assistant", "Ada")],
        "Ada wrote it.",
        kind=None,
        subject=None,
        relation=None,
    )
    assert [example.context for example in examples] == [None, "Ada wrote it.", None, None]


def test_json_parquet_and_json_lines_give_the_same_examples(tmp_path):
    lines = dataset(tmp_path / "a.jsonl", ALPACA)
    (tmp_path / "a.json").write_text(json.dumps(ALPACA, indent=2))
    pl.DataFrame(ALPACA).write_parquet(tmp_path / "a.parquet")
    expected = load_examples(lines, "a")
    for name in ("a.json", "a.parquet"):
        assert load_examples(lines.model_copy(update={"path": str(tmp_path / name)}), "a") == expected


def test_messages_with_plain_and_typed_content(tmp_path):
    typed = [{"type": "text", "value": "Hel"}, {"type": "text", "text": "lo"}]
    rows = [turns(("system", "Be kind."), ("user", typed), ("assistant", "Hi"), ("user", "Bye"), ("assistant", "Ciao"))]
    (example,) = load_examples(dataset(tmp_path / "m.jsonl", rows, "messages"), "m")
    assert [(m.role, m.content) for m in example.messages] == [
        ("system", "Be kind."),
        ("user", "Hello"),
        ("assistant", "Hi"),
        ("user", "Bye"),
        ("assistant", "Ciao"),
    ]
    assert (example.question, example.answer, example.context) == ("Hello", "Ciao", None)


def test_typed_parts_survive_parquet(tmp_path):
    pl.DataFrame(
        [
            turns(
                ("user", [{"type": "text", "text": "Q", "value": None}]),
                ("assistant", [{"type": "text", "text": None, "value": "A"}]),
            )
        ]
    ).write_parquet(tmp_path / "m.parquet")
    spec = FileDataset(source="file", path=str(tmp_path / "m.parquet"), format="messages")
    assert load_examples(spec, "m")[0].answer == "A"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"messages": []}, "'messages' is missing or empty"),
        ({"messages": "hi"}, "'messages' is no list"),
        ({"messages": ["hi"]}, "turn 1 is no object"),
        (turns(("user", "q"), ("assistant", "a"), ("user", "q")), "the last turn is the user's"),
        (turns(("user", "q"), ("user", "q"), ("assistant", "a")), "turn 2 is the user's, not the assistant's"),
        (turns(("assistant", "a")), "turn 1 is the assistant's, not the user's"),
        (turns(("system", "s"), ("assistant", "a")), "turn 2 is the assistant's, not the user's"),
        (turns(("system", "s")), "the last turn is the system's"),
        (turns(("human", "q"), ("assistant", "a")), "turn 1 has the unknown role 'human'"),
        (turns(("user", "q"), ("assistant", "  ")), "turn 2 is blank"),
        (turns(("user", [{"type": "image", "url": "x"}]), ("assistant", "a")), "turn 1 has a part that is no text"),
        (turns(("user", [{"type": "text"}]), ("assistant", "a")), "turn 1 has a text part without text"),
        (turns(("user", None), ("assistant", "a")), "turn 1 is no text"),
    ],
)
def test_malformed_conversations_are_named(tmp_path, row, reason):
    good = turns(("user", "q"), ("assistant", "a"))
    with pytest.raises(DataError, match=f"m.jsonl: 1 of 2 rows are malformed.*row 2: {reason}"):
        load_examples(dataset(tmp_path / "m.jsonl", [good, row], "messages"), "m")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"output": ""}, "'output' is blank"),
        ({"output": None}, "'output' is missing"),
        ({"instruction": 3}, "'instruction' is no text but int"),
        ({"input": ["x"]}, "'input' is no text but list"),
    ],
)
def test_malformed_alpaca_rows_are_named(tmp_path, change, reason):
    with pytest.raises(DataError, match=f"row 5: {reason}"):
        load_examples(dataset(tmp_path / "a.jsonl", [*ALPACA, ALPACA[0] | change]), "a")


def test_few_malformed_rows_are_left_out_and_logged(tmp_path, caplog):
    spec = dataset(tmp_path / "a.jsonl", [ALPACA[0] | {"output": ""}, *ALPACA], max_bad_rows=0.2)
    with caplog.at_level(logging.WARNING):
        examples = load_examples(spec, "a")
    assert [example.example_id for example in examples] == ["a-000002", "a-000003", "a-000004", "a-000005"]
    assert "left out 1 of 5 rows" in caplog.text
    assert "row 1: 'output' is blank" in caplog.text


def test_a_file_of_malformed_rows_alone_stops_whatever_is_allowed(tmp_path):
    with pytest.raises(DataError, match="1 of 1 rows"):
        load_examples(dataset(tmp_path / "a.jsonl", [ALPACA[0] | {"output": ""}], max_bad_rows=1.0), "a")


def test_a_missing_column_is_named_with_the_nearest(tmp_path):
    rows = [{"instruction": "q", "inputs": "c", "output": "a"}]
    with pytest.raises(DataError, match="no row has the column 'input' of format 'alpaca'; did you mean 'inputs'"):
        load_examples(dataset(tmp_path / "a.jsonl", rows), "a")


def test_world_datasets_come_from_the_world():
    spec = WorldDataset(source="world", examples=20)
    world = build_world(World(known_subjects=20, new_subjects=20, answers=8))
    examples = load_examples(spec, "mix", world)
    assert len(examples) == 20
    assert {example.kind for example in examples} == {"C", "C+S", "S"}
    with pytest.raises(DataError, match="'mix' is made from the invented world"):
        load_examples(spec, "mix")


@real_data
def test_the_alpaca_demo_loads_whole():
    spec = FileDataset(source="file", path=str(REAL / "alpaca_en_demo.json"), format="alpaca", max_bad_rows=0.0)
    examples = load_examples(spec, "alpaca")
    assert len(examples) == 999
    assert sum(example.context is not None for example in examples) == 412


@real_data
def test_the_messages_demo_loads_whole():
    spec = FileDataset(source="file", path=str(REAL / "messages_demo.jsonl"), format="messages", max_bad_rows=0.0)
    examples = load_examples(spec, "messages")
    assert len(examples) == 500
    assert examples[0].question == "hi"
    assert examples[0].answer.startswith("Hello! I am {{name}}, an AI assistant")


@real_data
def test_squad_json_is_no_alpaca():
    spec = FileDataset(source="file", path=str(REAL / "squad_format_xquad_en.json"), format="alpaca")
    with pytest.raises(DataError, match="squad_format_xquad_en"):
        load_examples(spec, "squad")
