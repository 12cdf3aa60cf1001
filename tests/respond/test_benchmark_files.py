import json
from pathlib import Path

import pytest

from inversion.respond.benchmark_files import benchmark_questions

REAL = Path(__file__).parents[3] / "shared" / "data"


@pytest.mark.parametrize(
    ("name", "text", "task", "message"),
    [
        ("a.jsonl", '{"question": "1 + 1?"}', "gsm8k", r"row 1: no column 'answer' \(there are: question\)"),
        ("a.jsonl", '{"question": "1 + 1?", "answer": "2"}', "gsm8k", r"row 1: not a question of gsm8k .*'#### '"),
        ("a.csv", "question,choice0,choice1,choice2,answer\na,b,c,d,1", "mmlu", "row 1: no column 'choice3'"),
        ("a.json", json.dumps([{"question": "?", "choices": list("abcd"), "answer": 4}]), "mmlu", "from 0 to 3"),
        ("a.json", "[", "mmlu", "invalid JSON"),
        ("a.json", "[]", "mmlu", "is empty"),
        ("a.csv", "question,answer", "gsm8k", "the file is empty"),
        ("a.txt", "x", "mmlu", "row 1: invalid JSON"),
        ("a.jsonl", "1", "mmlu", "row 1: not a JSON object but int"),
        (
            "a.json",
            '{"data": [{"paragraphs": [{"qas": [{"question": "q", "answers": [{"text": "a"}]}]}]}]}',
            "squad",
            "row 1: not a question of squad .it has no context",
        ),
        ("a.json", '{"data": [1]}', "squad", "row 1: the article has no list 'paragraphs'"),
        ("a.jsonl", '{"context": "c", "question": "q", "answers": {"text": []}}', "squad", "row 1: .*has no answer"),
        (
            "a.jsonl",
            '{"instruction": "Q?\\n\\nAnswer1: a", "answer": "answer9"}',
            "arc_challenge",
            "not among its choices",
        ),
    ],
)
def test_faults_are_named_with_their_row(tmp_path, name, text, task, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        benchmark_questions(tmp_path / name, task)
    assert name in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"none\.json: there is no such file"):
        benchmark_questions(tmp_path / "none.json", "gsm8k")


@pytest.mark.parametrize(
    ("name", "before", "text"),
    [
        ("a.jsonl", b"\xef\xbb\xbf", '{"question": "1 + 1?", "answer": "#### 2"}'),
        ("a.jsonl", b"", '{"question": "1\u2028+ 1?", "answer": "#### 2"}'),
        ("a.json", b"", '{"question": "1 + 1?", "answer": "#### 2"}\n{"question": "1 + 2?", "answer": "#### 3"}'),
    ],
    ids=["byte order mark", "a line separator within a text", "JSON Lines under another name"],
)
def test_files_are_read_like_all_other_data(tmp_path, name, before, text):
    (tmp_path / name).write_bytes(before + text.encode())
    assert benchmark_questions(tmp_path / name, "gsm8k")[0]["answer"] == "#### 2"


def test_a_row_of_the_hub_passes_unchanged(tmp_path):
    row = {"question": "Q?", "choices": {"label": ["A", "B"], "text": ["a", "b"]}, "answerKey": "B"}
    (tmp_path / "arc.jsonl").write_text(json.dumps(row))
    assert benchmark_questions(tmp_path / "arc.jsonl", "arc_challenge") == [row]


@pytest.mark.skipif(not REAL.is_dir(), reason="needs the folder of real data next to the checkout")
@pytest.mark.parametrize(
    ("name", "task", "count"),
    [
        ("benchmarks/gsm8k_test.jsonl", "gsm8k", 1319),
        ("benchmarks/arc_challenge_test.json", "arc_challenge", 1172),
        ("benchmarks/mmlu/abstract_algebra_test.csv", "mmlu", 100),
        ("sft/squad_format_xquad_en.json", "squad", 1190),
    ],
)
def test_the_real_files_are_read_completely(name, task, count):
    questions = benchmark_questions(REAL / name, task)
    assert len(questions) == count
    if task == "arc_challenge":
        assert questions[0]["choices"]["label"] == ["1", "2", "3", "4"]
        assert all(text for question in questions for text in question["choices"]["text"])
