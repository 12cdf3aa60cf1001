"""Qwen3's own tokenizer (with fewer merges) and chat template, with the rows of examples/qwen3_chat.py.

What is expected is written out by hand and encoded by the package ``tokenizers`` from the folder's file.
"""

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from qwen3_chat import ASKED, OTHERS, chat_rows, save_model, study
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

from inversion.config.datasets import ChatTemplate, FileDataset
from inversion.config.evaluation import Prompt
from inversion.config.load import parse_config
from inversion.config.sets import FactSet
from inversion.config.training import ScheduleSegment, Training
from inversion.conflict.fact_sets import fact_items
from inversion.instruct.sources import load_examples
from inversion.instruct.template_check import check_template
from inversion.instruct.templates import encode_answer, encode_example, encode_prompt, end_token_ids
from inversion.models import load_tokenizer
from inversion.records.answers import Response
from inversion.records.frames import read_records
from inversion.respond.checkpoint_responses import respond
from inversion.train.finetune import finetune

FOLDER = Path(__file__).parent / "qwen3_tokenizer"
FILE = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
TEMPLATE = ChatTemplate(arguments={"enable_thinking": False})
NEW_TOKENS = 16
ROWS = chat_rows()
ITEMS = fact_items(FactSet(source="facts"), "facts")[:ASKED]


def ids(text):
    return FILE.encode(text, add_special_tokens=False).ids


def question_about(item):
    """The text of an item's prompt."""
    context = "" if item.context is None else f"Background: {item.context}\n\n"
    asked = f"<|im_start|>user\n{context}{item.question}<|im_end|>\n"
    return f"{asked}<|im_start|>assistant\n<think>\n\n</think>\n\n"


def greedy_answer(model, prompt):
    """The answer of transformers alone, up to the end of its turn."""
    said, end = ids(prompt), FILE.token_to_id("<|im_end|>")
    with torch.no_grad():
        for _ in range(NEW_TOKENS):
            token = int(model(torch.tensor([said])).logits[0, -1].argmax())
            if token == end:
                break
            said.append(token)
    return FILE.decode(said).removeprefix(FILE.decode(ids(prompt))).strip()


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("qwen3")
    save_model(FOLDER, folder, FILE.get_vocab_size())
    return folder


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, ROWS)))
    return load_examples(FileDataset(source="file", path=str(path), format="messages"), "chat")


def test_the_class_of_its_family_gives_the_ids_of_the_file(base, caplog):
    with caplog.at_level(logging.WARNING):
        loaded = load_tokenizer(base)
    assert not caplog.records, "its file and its class split alike"
    for row in ROWS:
        for turn in row["messages"]:
            assert loaded(turn["content"]).input_ids == ids(turn["content"])


def test_the_losses_of_every_row_are_on_answers_and_their_ends(base, examples):
    tokenizer = load_tokenizer(base)
    assert check_template(tokenizer, TEMPLATE, "chat") == []
    assert len(examples) == len(ROWS)
    assert sum(example.context is not None for example in examples) == OTHERS
    for example, row in zip(examples, ROWS, strict=True):
        tokens, mask = [], []
        for turn in row["messages"]:
            # the template writes the empty reasoning before the last answer only
            reasoning = "<think>\n\n</think>\n\n" if turn is row["messages"][-1] else ""
            answers = turn["role"] == "assistant"
            for text, labelled in (
                (f"<|im_start|>{turn['role']}\n{reasoning}", False),
                (f"{turn['content']}<|im_end|>", answers),
                ("\n", False),
            ):
                tokens += ids(text)
                mask += [labelled] * len(ids(text))
        encoded = encode_example(tokenizer, TEMPLATE, example)
        assert encoded.input_ids == tokens
        assert encoded.loss_mask == mask


def test_the_empty_reasoning_belongs_to_the_prompt(base):
    tokenizer = load_tokenizer(base)
    assert end_token_ids(tokenizer, TEMPLATE) == {FILE.token_to_id("<|im_end|>")}
    for item in ITEMS:
        prompt = encode_prompt(tokenizer, TEMPLATE, item)
        assert prompt == ids(question_about(item))
        asked = encode_answer(tokenizer, TEMPLATE, item, item.context_answers[0])
        assert (asked.prompt_ids, asked.answer_ids) == (prompt, ids(item.context_answers[0]))


def test_trained_answers_end_without_reasoning(base, examples, tmp_path):
    training = Training(max_steps=40, batch_size=16, learning_rate=1e-2, checkpoints=(ScheduleSegment(every=40),))
    trained = finetune(base, "base", examples[::2], "data", TEMPLATE, training, 0, tmp_path / "checkpoints")
    last = trained.steps[-1]
    items = [replace(item, role="control", context=None, context_answers=[]) for item in ITEMS]
    found = respond(base, "base", tmp_path, [last], items, TEMPLATE, {"plain": Prompt()}, NEW_TOKENS, 8)
    rows = read_records(tmp_path / found.steps[0].folder / "responses.parquet", Response)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / last.folder)
    for item, row in zip(items, rows, strict=True):
        assert row.finished
        assert row.text
        assert "think" not in row.text
        assert row.text == greedy_answer(model, question_about(item))


def test_the_study_of_the_example_is_valid(tmp_path):
    parsed = parse_config(study(tmp_path / "model", tmp_path / "rows.jsonl"), "config/my-qwen3.yaml")
    assert parsed.template_of("chat") == TEMPLATE
