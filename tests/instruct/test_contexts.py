import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inversion.instruct.contexts import split_context

JUDGED = json.loads((Path(__file__).parent / "judged_contexts.json").read_text())
REAL = Path(__file__).parents[3] / "shared" / "data" / "sft"
LAYOUTS = (
    "{question}\n\n{context}",
    "{question}\n{context}\n\nResponse:",
    "{question}\n\nInput: {context}\n\nOutput:",
    "Context: {context}\n\nQuestion: {question}",
    "{question}\n\nAdditional Context:\n{context}\n\nAnswer:",
    "Task: {question}\nInput: {context}\nOutput:",
    "{context}\n\n{question}",
)
"""The layouts in which the Alpaca rows of the judged sample were written as chat."""
SHORT = " ".join(["Words"] * 29)
"""One word too few for a passage without a label."""
PASSAGE = " ".join(f"Sentence {number} of the passage says little." for number in range(1, 7))


@pytest.mark.parametrize(
    ("text", "question", "context"),
    [
        (f"Passage: {PASSAGE}\n\nQuestion: Who wrote it?\nAnswer:", "Who wrote it?", PASSAGE),
        (f"Answer briefly.\n\n**Context:** {PASSAGE}", "Answer briefly.", PASSAGE),
        (f"Background: {PASSAGE}\nWho wrote it?", "Who wrote it?", PASSAGE),
        ("Background: Ada wrote the program.\n\nWho wrote it?", "Who wrote it?", "Ada wrote the program."),
        (f"Background: {SHORT}\n\nWho wrote it?", "Who wrote it?", SHORT),
        (f"### Instruction:\nSum up.\n\n### Input:\n{PASSAGE}\n\n### Response:", "Sum up.", PASSAGE),
        (f"Summarise the following article:\n\n{PASSAGE}\n\n{PASSAGE}", None, f"{PASSAGE}\n\n{PASSAGE}"),
        ('Paraphrase this sentence: "The policy was released."', "Paraphrase this sentence", None),
        (f"{PASSAGE}\n\nWho wrote it?", "Who wrote it?", PASSAGE),
        (f"{PASSAGE}\nSummarise the passage above.", "Summarise the passage above.", PASSAGE),
    ],
)
def test_each_layout_is_split(text, question, context):
    split = split_context(text)
    assert split is not None
    assert split.question == (question or "Summarise the following article:")
    assert split.context == (context or '"The policy was released."')


@pytest.mark.parametrize(
    "text",
    [
        "What is the capital of France?",
        "Answer the following question: What is the capital city of France?",
        "Name the actors in Star Wars: The Last Jedi.",
        "Identify this word: Cautiously",
        f"{PASSAGE}\n\nThanks for reading.",
        "Short.\n\nWho wrote it?",
        f"{SHORT}\n\nWho wrote it?",
        "Background: Ada.\n\nWho wrote it?",
        f"Passage: {PASSAGE}\nAnswer: Ada\nQuestion: Who?",
        f"Passage: {PASSAGE}\nPassage: {PASSAGE}\nQuestion: Who?",
        f"Passage: {PASSAGE}",
        f"Rewrite this sentence.The first is here\n{PASSAGE}",
        f"Rewrite these sentences: the first\n{PASSAGE}",
        f"Read this text.\n{PASSAGE}\n\nIs that so?\nWho wrote it?",
    ],
)
def test_doubtful_messages_are_not_split(text):
    assert split_context(text) is None


# texts that consist of the words in the rules, in any order
words = st.sampled_from(["Passage:", "Question:", "Answer:", "this sentence", "Why?", "\n", "\n\n", ":", "a b c d e "])


@given(st.lists(words, max_size=12).map(" ".join))
def test_splitting_adds_no_text(text):
    split = split_context(text)
    if split is not None:
        assert split.context in text
        assert all(part in text for part in split.question.split("\n\n"))


def as_chat(judged, rows):
    """The user's message for a judged row."""
    row = rows[judged["file"]][judged["row"] - 1]
    if judged["file"].startswith("messages"):
        return "".join(part["value"] for part in row["messages"][0]["content"])
    if judged["layout"] is None:
        return row["instruction"]
    return LAYOUTS[judged["layout"]].replace("{question}", row["instruction"]).replace("{context}", row["input"])


@pytest.mark.skipif(not REAL.is_dir(), reason="the real instruction data (../shared/data) is not here")
def test_the_judged_sample_is_still_split_as_judged():
    rows = {
        "alpaca_en_demo.json": json.loads((REAL / "alpaca_en_demo.json").read_text()),
        "messages_demo.jsonl": [json.loads(line) for line in (REAL / "messages_demo.jsonl").read_text().splitlines()],
    }
    for judged in JUDGED:
        split = split_context(as_chat(judged, rows))
        assert split is not None
        digest = hashlib.sha256("\0".join(split).encode()).hexdigest()[:12]
        assert digest == judged["split"], f"{judged}: judge this row again, and correct the figures in docs/data.md"


def test_the_documented_precision_is_that_of_the_judgements():
    assert len({(judged["file"], judged["row"]) for judged in JUDGED}) == len(JUDGED) == 100
    counts = Counter(judged["judgement"] for judged in JUDGED)
    text = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    assert f"| material to read or work on | {counts['material']} |" in text
    assert f"| only a topic, title or name | {counts['topic']} |" in text
    assert f"| no context: the task or question itself | {counts['wrong']} |" in text
