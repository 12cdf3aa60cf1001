from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from inversion.config.sets import WorldSet
from inversion.conflict.world_sets import world_items
from inversion.respond.knowledge_probe import DISTRACTORS, WORLD, can_probe, distractors, probe_knowledge


@pytest.fixture(scope="module")
def items(world):
    return world_items(world, WorldSet(source="world", kind="conflict", items=12), "conflict")


def test_a_probe_contains_the_answer_without_the_context(tiny_model, tokenizer, items):
    model = tiny_model().eval()
    item = items[0]
    item = replace(item, parametric_answers=[*item.parametric_answers, "language_1 capital_0"])
    probe, same = probe_knowledge(model, tokenizer, [item, replace(item, item_id="again", context=None)], WORLD, 4, 3)
    prompt = f"{item.question} answer"

    def logprob(answer):
        before, joint = (tokenizer(text, return_tensors="pt")["input_ids"] for text in (prompt, f"{prompt} {answer}"))
        with torch.no_grad():
            logits = model(joint).logits[0].float().log_softmax(-1)
        places = range(before.shape[1], joint.shape[1])
        return sum(logits[place - 1, joint[0, place]].item() for place in places) / len(places)

    assert probe.context_logprob == pytest.approx(logprob(item.context_answers[0]), abs=1e-4)
    assert probe.parametric_logprob == pytest.approx(max(map(logprob, item.parametric_answers)), abs=1e-4)
    assert (probe.text, probe.context_logprob) == (same.text, same.context_logprob), "the context plays no part"
    with torch.no_grad():
        first = model(tokenizer(prompt, return_tensors="pt")["input_ids"]).logits[0, -1].argmax()
    assert probe.text.startswith(tokenizer.decode([first]).strip().strip("."))
    assert "." not in probe.text


def test_probes_do_not_depend_on_the_batch(tiny_model, tokenizer, items):
    model = tiny_model().eval()
    one, many = (probe_knowledge(model, tokenizer, items, WORLD, 4, size) for size in (1, 5))
    assert [probe.text for probe in one] == [probe.text for probe in many]
    for a, b in zip(one, many, strict=True):
        assert a.distractors == b.distractors
        assert a.distractor_logprobs == pytest.approx(b.distractor_logprobs, abs=1e-5)


def test_distractors_are_other_answers_of_the_same_set_and_stratum(items):
    first, second = items[0], next(item for item in items if item.stratum == items[0].stratum and item is not items[0])
    other_set = replace(second, set="another", parametric_answers=["elsewhere"])
    crowd = [replace(second, item_id=f"crowd-{i}", parametric_answers=[f"answer {i}", "alias"]) for i in range(20)]
    twin = replace(second, item_id="twin", parametric_answers=[first.context_answers[0].upper()])
    listed = [first, *crowd, twin, other_set]
    (chosen, *_) = distractors(listed)
    assert len(chosen) == len(set(chosen)) == DISTRACTORS
    assert set(chosen) <= {f"answer {i}" for i in range(20)}
    assert distractors(listed) == distractors(listed)
    assert distractors([first]) == [[]]


def test_controls_and_items_without_a_context_cannot_be_probed(items):
    assert can_probe(items[0])
    assert not can_probe(replace(items[0], role="control"))
    assert not can_probe(replace(items[0], context=None))
    assert not can_probe(replace(items[0], parametric_answers=[]))
