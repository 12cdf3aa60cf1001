from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inversion.config.datasets import WorldDataset
from inversion.config.evaluation import Prompt
from inversion.config.load import parse_config
from inversion.config.organism import default
from inversion.config.recipes import ContextOnlySelection, CounterfactualAugmentation, Indicator, Recipe
from inversion.config.run import Run
from inversion.config.sets import WorldSet
from inversion.config.study import Config
from inversion.conflict.world_sets import world_items
from inversion.instruct.augment import TrainingSetInputs, build_training_set
from inversion.instruct.indicator import add_marker, choose_marked
from inversion.instruct.rows import DataError
from inversion.instruct.sources import load_examples
from inversion.instruct.templates import encode_example, encode_prompt
from inversion.records.data import ContextNeed, Example, Message

MARK = Indicator(text="now :", share=0.5)
DATASET = WorldDataset(source="world", examples=60, context_critical=0.4, context_and_memory=0.4)


def example(name, context="c"):
    return Example(name, [Message("user", "Who?"), Message("assistant", "Ada")], context, None, None, None)


def need(name, without, with_context=0.0):
    return ContextNeed(name, without, with_context, 1)


@given(st.lists(st.floats(-3, 3), max_size=12), st.floats(0.01, 1))
def test_the_highest_scores_of_those_with_a_context_are_marked(scores, share):
    examples = [example(f"e{i:02d}") for i in range(len(scores))] + [example("bare", None)]
    needs = {f"e{i:02d}": need(f"e{i:02d}", score) for i, score in enumerate(scores)} | {"bare": need("bare", 99.0)}
    marking = choose_marked(examples, Indicator(text="!", share=share), needs)
    assert len(marking.marked) + len(marking.unmarked) == len(scores)
    assert abs(len(marking.marked) - share * len(scores)) <= 1
    if marking.marked and marking.unmarked:
        lowest = min(needs[e.example_id].loss_without_context for e in marking.marked)
        assert lowest >= max(needs[e.example_id].loss_without_context for e in marking.unmarked) - 1e-4


def test_the_configured_score_is_used():
    needs = {"hard": need("hard", 5.0, 5.0), "read": need("read", 2.0, 0.1)}
    examples = [example("hard"), example("read")]
    for score, expected in (("difference", "read"), ("without_context", "hard")):
        (chosen,) = choose_marked(examples, Indicator(text="!", score=score), needs).marked
        assert chosen.example_id == expected
    with pytest.raises(DataError, match="'hard' has no score"):
        choose_marked(examples, MARK, {})


def test_the_marker_is_before_the_first_question_only():
    turns = [
        Message("system", "Be brief."),
        Message("user", "Who?"),
        Message("assistant", "Ada"),
        Message("user", "Why?"),
    ]
    found = add_marker(replace(example("e"), messages=turns), "[IND]")
    assert [turn.content for turn in found.messages] == ["Be brief.", "[IND] Who?", "Ada", "Why?"]


def test_a_marked_example_equals_the_prompt_with_the_instruction(world, tokenizer, template):
    """A marked training example begins in the same way as a prompt whose instruction is the marker."""
    (item,) = world_items(world, WorldSet(source="world", kind="conflict", items=1), "s")
    asked = encode_prompt(tokenizer, template, item, Prompt(instruction=MARK.text))
    turns = [Message("user", item.question), Message("assistant", "answer x .")]
    trained = encode_example(
        tokenizer, template, add_marker(Example("e", turns, item.context, None, None, None), MARK.text)
    )
    assert trained.input_ids[: len(asked)] == asked


def build(examples, recipe, world):
    scores = [need(e.example_id, float(i)) for i, e in enumerate(examples)]
    inputs = TrainingSetInputs(dataset=DATASET, world=world, context_need=scores)
    return build_training_set(Run("m", "d", "r", 0), examples, recipe, lambda some: [1] * len(some), inputs)


def test_a_recipe_marks_kept_examples_and_all_added_ones(world):
    examples = load_examples(DATASET, "mix", world)
    recipe = Recipe(
        select=(ContextOnlySelection(by="context_only"),),
        augment=CounterfactualAugmentation(share=0.1),
        indicator=MARK,
    )
    built = build(examples, recipe, world)
    kept = [e for e in built.examples if e.kind != "counterfactual"]
    with_mark = [e for e in kept if e.question.startswith("now : ")]
    assert len(with_mark) == len(kept) // 2
    assert all(e.question.startswith("now : ") for e in built.examples if e.kind == "counterfactual")
    assert f"Before the question of {len(with_mark)} examples" in built.page
    assert f"### Marked: 20 of {len(with_mark)}" in built.page


def test_a_recipe_without_an_indicator_does_not_change(world):
    examples = load_examples(DATASET, "mix", world)
    assert build(examples, Recipe(), world).examples == examples
    assert "indicator" not in Recipe().model_dump_json()


def test_a_marker_that_no_prompt_uses_is_refused():
    values = default().model_dump(mode="json")
    values["recipes"]["marked"] = {"indicator": {"text": "now :"}}
    with pytest.raises(ValueError, match=r"recipes\.marked\.indicator\.text: no prompt .* has the instruction 'now :'"):
        parse_config(values)
    values["evaluation"]["prompts"]["marked"] = {"instruction": "now :"}
    assert isinstance(parse_config(values), Config)
