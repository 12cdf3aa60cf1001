"""Prompts that are longer than the model's window are refused before any checkpoint is evaluated."""

from dataclasses import replace

import pytest

from inversion.records.data import ConflictItem
from inversion.respond.answers import EncodedQuestion, PromptAndAnswers, refuse_long, refuse_long_contexts


def question(number, prompt, answer):
    item = ConflictItem(f"s-{number}", "s", "conflict", "Q?", "C.", ["A"], ["B"], "q", "s")
    asked = PromptAndAnswers((1,) * prompt, ((2,) * answer,), ((3,),))
    return EncodedQuestion(item, "plain", asked, None)


def test_prompts_that_fit_exactly_are_accepted():
    refuse_long([question(1, 90, 3), question(2, 92, 8)], window=100, max_new_tokens=8)


@pytest.mark.parametrize("long", [question(2, 93, 1), question(2, 80, 21)])
def test_prompts_that_do_not_fit_are_counted_and_named(long):
    with pytest.raises(ValueError, match=r"1 of 2 items do not fit the model's window of 100 tokens .*s-2, takes 101"):
        refuse_long([question(1, 90, 3), long], window=100, max_new_tokens=8)


class Words:
    """A tokenizer with one token per word."""

    def __call__(self, texts, add_special_tokens, verbose):
        assert not add_special_tokens
        return {"input_ids": [text.split() for text in texts]}


@pytest.mark.parametrize(("words", "fits"), [(89, True), (90, False)])
def test_contexts_that_leave_no_room_for_an_answer_are_refused_before_finetuning(words, fits):
    short = ConflictItem("s-1", "s", "conflict", "Who is it?", "A B", ["A"], ["B"], "q", "s")
    long = replace(short, item_id="s-2", context="w " * words)
    items = [short, long, replace(short, item_id="s-3", context=None)]
    if fits:
        refuse_long_contexts(items, Words(), window=100, max_new_tokens=8)
    else:
        with pytest.raises(ValueError, match=r"sets\.s: 1 of 2 items do not fit .*100 tokens .*s-2, takes 101"):
            refuse_long_contexts(items, Words(), window=100, max_new_tokens=8)


def test_items_from_before_options_keep_their_identity():
    item = question(1, 1, 1).item
    assert "options" not in item.identity()
    assert "control" not in item.identity()
    assert set(item.identity()) == {
        *("item_id", "set", "role", "question", "context", "context_answers", "parametric_answers"),
        *("cluster", "stratum", "subject", "factors"),
    }
