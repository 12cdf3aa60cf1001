import json
import logging
from pathlib import Path
from typing import get_args

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inversion.config.datasets import FileDataset, HubDataset, RowFormat, WorldDataset
from inversion.config.world import World
from inversion.instruct.rows import DataError
from inversion.instruct.sources import PARSERS, is_placeholder_input, load_examples
from inversion.records.data import Example, Message
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


def test_few_malformed_rows_are_omitted_and_logged(tmp_path, caplog):
    spec = dataset(tmp_path / "a.jsonl", [ALPACA[0] | {"output": ""}, *ALPACA], max_bad_rows=0.2)
    with caplog.at_level(logging.WARNING):
        examples = load_examples(spec, "a")
    assert [example.example_id for example in examples] == ["a-000002", "a-000003", "a-000004", "a-000005"]
    assert "omitted 1 of 5 rows" in caplog.text
    assert "row 1: 'output' is blank" in caplog.text


def test_a_file_of_malformed_rows_only_is_always_an_error(tmp_path):
    with pytest.raises(DataError, match="1 of 1 rows"):
        load_examples(dataset(tmp_path / "a.jsonl", [ALPACA[0] | {"output": ""}], max_bad_rows=1.0), "a")


# --- questions on passages, prompts and completions ---------------------------------------------

PASSAGE = "Ada wrote the first program. Charles built the engine."
ANSWERS = {"text": ["Ada", "Ada Lovelace"], "answer_start": [0, 0]}
FLAT = {"id": "1", "title": "T", "context": PASSAGE, "question": "Who wrote it?", "answers": ANSWERS}
QA = {"id": "1", "question": "Who wrote it?", "answers": [{"text": "Ada", "answer_start": 0}]}


def nested(*paragraphs):
    return {"version": "1.1", "data": [{"title": "T", "paragraphs": list(paragraphs)}]}


def write_json(path, value, form="squad", **options):
    path.write_text(json.dumps(value, indent=1))
    return FileDataset(source="file", path=str(path), format=form, **options)


def test_squad_rows_of_the_release_and_of_the_hub_become_the_same_example(tmp_path):
    release = write_json(tmp_path / "release.json", nested({"context": PASSAGE, "qas": [QA]}))
    lines = dataset(tmp_path / "hub.jsonl", [FLAT], "squad")
    pl.DataFrame([FLAT]).write_parquet(tmp_path / "hub.parquet")
    table = lines.model_copy(update={"path": str(tmp_path / "hub.parquet")})
    expected = Example(
        "s-000001", [Message("user", "Who wrote it?"), Message("assistant", "Ada")], PASSAGE, *3 * [None]
    )
    assert [load_examples(spec, "s") for spec in (release, lines, table)] == 3 * [[expected]]


def test_faults_of_squad_json_are_counted_with_the_number_of_the_question(tmp_path):
    good = {"context": PASSAGE, "qas": [QA, QA]}
    content = nested(
        good, {"context": PASSAGE}, {"qas": [QA]}, {"context": PASSAGE, "qas": ["?", QA | {"answers": []}]}
    )
    content["data"].append([])
    with pytest.raises(DataError, match="5 of 7 rows") as error:
        load_examples(write_json(tmp_path / "s.json", content), "s")
    assert "row 3: the paragraph has no list 'qas'; row 4: 'context' is missing; row 5: the question is no" in str(
        error.value
    )
    kept = load_examples(write_json(tmp_path / "s.json", content, max_bad_rows=0.9), "s")
    assert [example.example_id for example in kept] == ["s-000001", "s-000002"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"version": "1", "data": {}}, "'data' is not a list of articles"),
        ({"data": []}, "the file contains no question"),
        ({"data": [1]}, "row 1: the article has no list 'paragraphs'"),
    ],
)
def test_json_that_is_not_squad_is_named(tmp_path, content, reason):
    with pytest.raises(DataError, match=rf"s\.json: .*{reason}"):
        load_examples(write_json(tmp_path / "s.json", content), "s")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"answers": {"text": [], "answer_start": []}}, "'answers' is missing or empty"),
        ({"answers": [{"text": " "}]}, "the first answer is blank"),
        ({"answers": [{}]}, "the first answer is not text but NoneType"),
        ({"context": ""}, "'context' is blank"),
    ],
)
def test_malformed_questions_are_named(tmp_path, change, reason):
    with pytest.raises(DataError, match=f"row 2: {reason}"):
        load_examples(dataset(tmp_path / "s.jsonl", [FLAT, FLAT | change], "squad"), "s")


def test_prompts_and_completions_become_examples(tmp_path):
    rows = [{"prompt": "Name a city.", "completion": "Oslo"}, {"prompt": "Name one.", "completion": None}]
    with pytest.raises(DataError, match="row 2: 'completion' is missing"):
        load_examples(dataset(tmp_path / "p.jsonl", rows, "prompt_completion"), "p")
    (example,) = load_examples(dataset(tmp_path / "p.jsonl", rows[:1], "prompt_completion"), "p")
    assert (example.question, example.answer, example.context) == ("Name a city.", "Oslo", None)


def test_the_context_of_a_first_turn_is_separated(tmp_path):
    asked = f"Passage: {PASSAGE}\n\nQuestion: Who wrote it?"
    rows = [turns(("system", "s"), ("user", asked), ("assistant", "Ada"), ("user", asked), ("assistant", "Ada"))]
    (chat,) = load_examples(dataset(tmp_path / "m.jsonl", rows, "messages"), "m")
    assert [message.content for message in chat.messages] == ["s", "Who wrote it?", "Ada", asked, "Ada"]
    (single,) = load_examples(
        dataset(tmp_path / "p.jsonl", [{"prompt": asked, "completion": "Ada"}], "prompt_completion"), "p"
    )
    assert single.question == chat.question
    assert single.context == chat.context == PASSAGE


KEYS = ["role", "content", "text", "type", "value", "from", "tool_calls"]
values = st.recursive(
    st.none() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "text", "type", "value", "from", "tool_calls"]), inner, max_size=3
        )
    ),
    max_leaves=9,
)
COLUMNS = ["instruction", "input", "output", "messages", "context", "question", "answers", "prompt", "completion"]
COLUMNS += ["conversations", "chosen", "system"]


@settings(max_examples=150)
@given(row=st.dictionaries(st.sampled_from(COLUMNS), values), form=st.sampled_from(get_args(RowFormat)))
def test_any_row_becomes_a_complete_example_or_is_refused_with_a_reason(row, form):
    try:
        messages, context = PARSERS[form](row)
    except ValueError:  # it never raises another type of error
        return
    assert messages[-1].role == "assistant"
    assert all(message.content.strip() for message in messages)
    assert context is None or context.strip()


def test_rows_of_the_hub_are_read_from_the_fetched_file(tmp_path):
    spec = HubDataset(source="hub", id="own/er", revision="0" * 40, format="squad")
    pl.DataFrame([FLAT]).write_parquet(tmp_path / "s.parquet")
    assert load_examples(spec, "s", fetched=tmp_path / "s.parquet")[0].context == PASSAGE
    with pytest.raises(DataError, match="'s' comes from the Hub, but the file with its rows was not given"):
        load_examples(spec, "s")


def test_world_datasets_come_from_the_world():
    spec = WorldDataset(source="world", examples=20)
    world = build_world(World(known_subjects=20, new_subjects=20, answers=8))
    examples = load_examples(spec, "mix", world)
    assert len(examples) == 20
    assert {example.kind for example in examples} == {"C", "C+S", "S"}
    with pytest.raises(DataError, match="'mix' is made from the invented world"):
        load_examples(spec, "mix")


@real_data
def test_the_alpaca_demo_loads_completely():
    spec = FileDataset(source="file", path=str(REAL / "alpaca_en_demo.json"), format="alpaca", max_bad_rows=0.0)
    examples = load_examples(spec, "alpaca")
    assert len(examples) == 999
    # 412 inputs are not empty, but 8 of them only say that there is no input
    assert sum(example.context is not None for example in examples) == 404


@real_data
def test_the_messages_demo_loads_completely():
    spec = FileDataset(source="file", path=str(REAL / "messages_demo.jsonl"), format="messages", max_bad_rows=0.0)
    examples = load_examples(spec, "messages")
    assert len(examples) == 500
    assert examples[0].question == "hi"
    assert examples[0].answer.startswith("Hello! I am {{name}}, an AI assistant")


@real_data
def test_squad_json_loads_completely_and_not_as_alpaca():
    spec = FileDataset(source="file", path=str(REAL / "squad_format_xquad_en.json"), format="alpaca")
    with pytest.raises(DataError, match="squad_format_xquad_en"):
        load_examples(spec, "squad")
    examples = load_examples(spec.model_copy(update={"format": "squad", "max_bad_rows": 0.0}), "squad")
    assert len(examples) == 1190
    assert all(example.answer in str(example.context) for example in examples)


# --- quirks of real data -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        *(
            "No input.",
            "noinput",
            "Noinput",
            "No input",
            "No Input",
            "< noinput >",
            "`<noinput>`",
            "NoInput",
            "<noinput>",
        ),
        *("N/A", "n/a", "None", "(no input)", "No input provided.", "[No input required]", "Not applicable"),
    ],
)
def test_a_placeholder_input_is_not_a_context(tmp_path, caplog, text):
    rows = [ALPACA[0] | {"input": text}, ALPACA[0] | {"input": "Ada did it."}]
    with caplog.at_level(logging.INFO):
        first, second = load_examples(dataset(tmp_path / "a.jsonl", rows), "a")
    assert (first.context, second.context) == (None, "Ada did it.")
    assert "the inputs of 1 rows are placeholders and are omitted: rows 1" in caplog.text
    kept = dataset(tmp_path / "a.jsonl", rows).model_copy(update={"placeholders": "keep"})
    assert load_examples(kept, "a")[0].context == text


@pytest.mark.parametrize(
    "text", ["Nobody understands me.", "We had to be there before noon.", "No input: x = 3", "NA", "Na"]
)
def test_a_real_input_is_a_context(text):
    assert not is_placeholder_input(text)


@pytest.mark.parametrize("blank", ["", "  ", None, []])
def test_an_empty_system_turn_is_dropped_and_not_the_row(tmp_path, blank):
    row = turns(("system", blank), ("user", "q"), ("assistant", "a"))
    (example,) = load_examples(dataset(tmp_path / "m.jsonl", [row], "messages"), "m")
    assert [message.role for message in example.messages] == ["user", "assistant"]


def test_sharegpt_rows_become_conversations(tmp_path):
    rows = [
        {
            "conversations": [
                {"from": "system", "value": "Be brief."},
                {"from": "human", "value": "Who?"},
                {"from": "gpt", "value": "Ada"},
            ]
        },
        {
            "system": "Be kind.",
            "conversations": [{"from": "user", "value": "Who?"}, {"from": "chatgpt", "value": "Bob"}],
        },
    ]
    first, second = load_examples(dataset(tmp_path / "s.jsonl", rows, "sharegpt"), "s")
    assert [(m.role, m.content) for m in first.messages] == [
        ("system", "Be brief."),
        ("user", "Who?"),
        ("assistant", "Ada"),
    ]
    assert [(m.role, m.content) for m in second.messages] == [
        ("system", "Be kind."),
        ("user", "Who?"),
        ("assistant", "Bob"),
    ]


def test_what_a_tool_returned_is_context(tmp_path):
    called = [
        {"role": "user", "content": "Who?"},
        {"role": "assistant", "content": None, "tool_calls": [{"name": "look"}]},
        {"role": "tool", "content": "Ada did it.", "name": "look"},
        {"role": "assistant", "content": "Ada", "tool_calls": None},
        {"role": "user", "content": "And then?"},
        {"role": "assistant", "content": "", "tool_calls": [{"name": "look"}]},
        {"role": "tool", "content": "Bob did."},
        {"role": "assistant", "content": "Bob"},
    ]
    (example,) = load_examples(dataset(tmp_path / "m.jsonl", [{"messages": called}], "messages"), "m")
    assert example.context == "Ada did it."
    assert [message.content for message in example.messages] == ["Who?", "Ada", "And then?\n\nBob did.", "Bob"]
    shared = [
        {"from": "human", "value": "Who?"},
        {"from": "function_call", "value": "look()"},
        {"from": "observation", "value": "Ada did it."},
        {"from": "gpt", "value": "Ada"},
    ]
    (example,) = load_examples(dataset(tmp_path / "s.jsonl", [{"conversations": shared}], "sharegpt"), "s")
    assert (example.question, example.context, example.answer) == ("Who?", "Ada did it.", "Ada")


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Who?", "chosen": "Ada", "rejected": "Bob"},
        {"prompt": "Who?", "chosen": turns(("user", "Who?"), ("assistant", "Ada"))["messages"], "rejected": []},
        {"prompt": turns(("user", "Who?"))["messages"], "chosen": turns(("assistant", "Ada"))["messages"]},
    ],
)
def test_the_chosen_answer_of_a_preference_pair_is_used(tmp_path, row):
    (example,) = load_examples(dataset(tmp_path / "p.jsonl", [row], "preference"), "p")
    assert [(m.role, m.content) for m in example.messages] == [("user", "Who?"), ("assistant", "Ada")]


def test_a_missing_cell_does_not_become_the_text_none(tmp_path):
    pl.DataFrame([ALPACA[0] | {"input": None}]).write_parquet(tmp_path / "a.parquet")
    spec = FileDataset(source="file", path=str(tmp_path / "a.parquet"), format="alpaca")
    assert load_examples(spec, "a")[0].context is None
