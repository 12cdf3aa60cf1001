import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inversion.config.evaluation import AdaptiveDecoding, ContextAwareDecoding, Evaluation, Prompt
from inversion.config.sets import WorldSet
from inversion.conflict.world_sets import world_items
from inversion.instruct.templates import end_token_ids
from inversion.models import stop_token_ids
from inversion.records.data import ConflictItem
from inversion.respond.answers import answer_questions, encode_questions
from inversion.respond.contrast import answer_contrasted, answer_decoded, contrast, jensen_shannon

FAMILIES = ("gpt_neox", "llama", "mistral")
AWARE = ContextAwareDecoding(method="context_aware", alpha=0.7)
ADAPTIVE = AdaptiveDecoding(method="adaptive")
PROMPTS = {"plain": Prompt(), "aware": Prompt(decoding=AWARE), "adaptive": Prompt(decoding=ADAPTIVE)}


@pytest.fixture(scope="module")
def items(world):
    """Items with and without a context, and some with several aliases of several tokens."""
    made = [
        item
        for kind in ("conflict", "recall")
        for item in world_items(world, WorldSet(source="world", kind=kind, items=4), kind)
    ]
    words = ("capital_0", "capital_1 language_2", "capital_1 capital_3 capital_2")
    context = "we know the capital of known_2 as capital_3 ."
    question = "what is the capital of known_1 ?"
    return [
        *made,
        ConflictItem("aliased", "a", "conflict", question, context, list(words[:2]), [words[2]], "c", "s"),
        ConflictItem("one-sided", "a", "control", question, context, [words[0]], [], "c", "s"),
    ]


def ask(model, tokenizer, template, items, prompts=PROMPTS, batch_size=6, new_tokens=5):
    questions = encode_questions(items, tokenizer, template, prompts)
    arguments = (prompts, template, 7, new_tokens, batch_size)
    return questions, answer_decoded(model.eval(), tokenizer, questions, *arguments)


def reference(model, question, decoding, said):
    """The contrasted log-probabilities after ``said``, from two passes over the whole text before."""
    with torch.no_grad():
        p, q = (
            torch.softmax(model(torch.tensor([[*asked.prompt, *said]])).logits[0, -1].double(), -1)
            for asked in (question.with_context, question.without_context)
        )
    m = (p + q) / 2
    divergence = ((p * (p / m).log()).sum() + (q * (q / m).log()).sum()) / 2
    alpha = decoding.alpha if decoding is AWARE else divergence
    weights = p ** (1 + alpha) * q**-alpha
    return (weights / weights.sum()).log()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", ["aware", "adaptive"])
def test_answers_and_logprobs_equal_two_full_passes_per_token(tiny_model, tokenizer, template, items, family, name):
    model, decoding = tiny_model(family), PROMPTS[name].decoding
    stops = {*stop_token_ids(model, tokenizer), *end_token_ids(tokenizer, template)}
    checked = 0
    for question, response in zip(*ask(model, tokenizer, template, items), strict=True):
        if question.prompt != name or question.without_context is None:
            continue
        said, finished = [], False
        while len(said) < 5 and not finished:
            token = int(reference(model, question, decoding, said).argmax())
            finished = token in stops
            said += [] if finished else [token]
        assert response.text == tokenizer.decode(said, skip_special_tokens=True).strip()
        assert response.finished == finished
        for side in ("context", "parametric"):
            summed = [
                sum(reference(model, question, decoding, answer[:i])[token].item() for i, token in enumerate(answer))
                for answer in getattr(question.with_context, f"{side}_answers")
            ]
            answers = getattr(question.with_context, f"{side}_answers")
            best = max(range(len(answers)), key=lambda i: summed[i] / len(answers[i]), default=None)
            found = getattr(response, f"{side}_logprob")
            assert found == (None if best is None else pytest.approx(summed[best], abs=1e-4))
        checked += 1
    assert checked == 6


def test_log_probabilities_without_the_context_are_not_contrasted(tiny_model, tokenizer, template, items):
    _, responses = ask(tiny_model(), tokenizer, template, items[-2:])
    by_prompt = {(response.item_id, response.prompt): response for response in responses}
    plain = by_prompt["one-sided", "plain"]
    for name in ("aware", "adaptive"):
        contrasted = by_prompt["one-sided", name]
        assert contrasted.context_logprob_closed == pytest.approx(plain.context_logprob_closed, abs=1e-5)
        assert contrasted.context_logprob != pytest.approx(plain.context_logprob, abs=1e-5)
        assert contrasted.parametric_logprob is contrasted.parametric_logprob_closed is None


def test_items_without_a_context_and_plain_prompts_use_greedy_decoding(tiny_model, tokenizer, template, items):
    model = tiny_model()
    questions, responses = ask(model, tokenizer, template, items)
    assert [(q.item.item_id, q.prompt) for q in questions] == [(r.item_id, r.prompt) for r in responses]
    plain = answer_questions(model, tokenizer, questions, template, 7, 5, 6)
    for question, one, other in zip(questions, responses, plain, strict=True):
        if question.without_context is None or question.prompt == "plain":
            assert one.text == other.text
            assert one.context_logprob == (other.context_logprob and pytest.approx(other.context_logprob, abs=1e-5))


def test_questions_without_a_context_cannot_be_contrasted(tiny_model, tokenizer, template, items):
    bare = next(item for item in items if item.context is None)
    questions = encode_questions([bare], tokenizer, template, {"aware": PROMPTS["aware"]})
    with pytest.raises(ValueError, match=f"item '{bare.item_id}' has no context"):
        answer_contrasted(tiny_model(), tokenizer, questions, AWARE, template, 7, 5, 6)


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_results_do_not_depend_on_the_batch(tiny_model, tokenizer, template, items, batch_size):
    model = tiny_model("llama")
    _, expected = ask(model, tokenizer, template, items)
    _, found = ask(model, tokenizer, template, items, batch_size=batch_size)
    for one, other in zip(found, expected, strict=True):
        assert (one.text, one.finished) == (other.text, other.finished)
        assert one.context_logprob == (other.context_logprob and pytest.approx(other.context_logprob, abs=1e-4))


logits = st.lists(st.floats(-30, 30), min_size=5, max_size=5).map(torch.tensor)


@given(logits, logits, st.floats(0.1, 3))
def test_contrast_is_a_distribution_and_raises_what_the_context_raises(with_context, without, alpha):
    for decoding in (ContextAwareDecoding(method="context_aware", alpha=alpha), ADAPTIVE):
        found = contrast(with_context, without, decoding)
        assert found.exp().sum().item() == pytest.approx(1, abs=1e-4)
        # adding a constant to the logits changes no distribution
        torch.testing.assert_close(contrast(with_context + 3, without - 2, decoding), found, atol=1e-3, rtol=1e-3)
    same = contrast(with_context, with_context, decoding)
    torch.testing.assert_close(same, torch.log_softmax(with_context, -1), atol=1e-4, rtol=1e-4)


@given(logits, logits)
def test_the_divergence_is_symmetric_and_bounded(one, other):
    p, q = torch.log_softmax(one, -1), torch.log_softmax(other, -1)
    found = jensen_shannon(p, q).item()
    assert -1e-6 <= found <= math.log(2) + 1e-6
    assert found == pytest.approx(jensen_shannon(q, p).item(), abs=1e-6)
    assert jensen_shannon(p, p).item() == pytest.approx(0, abs=1e-6)


def test_specifications_without_a_decoding_do_not_change():
    assert Prompt().model_dump(mode="json") == {"instruction": None, "order": "context_first"}
    assert "decoding" not in Evaluation().model_dump_json()
    text = Evaluation(prompts=PROMPTS).model_dump_json()
    assert Evaluation.model_validate_json(text).prompts == PROMPTS
