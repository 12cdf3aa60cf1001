import copy
from dataclasses import asdict, replace

import pytest
import torch
from tiny_tokenizers import llama, neox
from transformers import AutoModelForCausalLM, Gemma2Config, LlamaConfig

from inversion.config.datasets import AlpacaTemplate, TuluTemplate, ZephyrTemplate
from inversion.config.evaluation import Prompt
from inversion.config.sets import WorldSet
from inversion.conflict.world_sets import world_items
from inversion.instruct.templates import encode_last_turn, style_of
from inversion.models import load_model
from inversion.records.data import ConflictItem, Example, Message
from inversion.respond.answers import answer_questions, continue_prompts, encode_questions
from inversion.respond.context_need import context_need

FAMILIES = ("gpt_neox", "llama", "mistral")


@pytest.fixture(scope="module")
def items(world):
    kinds = ("conflict", "recall")
    return [item for kind in kinds for item in world_items(world, WorldSet(source="world", kind=kind, items=6), kind)]


@pytest.fixture(scope="module")
def long_answers():
    """Answers of several tokens and of different lengths, from the world's words."""
    words = ("capital_0", "capital_1 language_2", "language_1 capital_3 capital_2")
    return [
        ConflictItem(f"long-{i}", "long", "conflict", "what is the capital of known_1 ?", None, [a], [b], "c", "s")
        for i, (a, b) in enumerate((a, b) for a in words for b in words if a != b)
    ]


def ask(model, tokenizer, template, items, batch_size=4, max_new_tokens=5, prompts=None):
    questions = encode_questions(items, tokenizer, template, prompts or {"plain": Prompt()})
    return questions, answer_questions(model.eval(), tokenizer, questions, template, 7, max_new_tokens, batch_size)


def joint_logprob(model, prompt, answer):
    """The summed log-probability of ``answer``, in one pass over prompt and answer."""
    ids = torch.tensor([[*prompt, *answer]])
    with torch.no_grad():
        logprobs = torch.log_softmax(model(ids, use_cache=False).logits[0].float(), -1)
    return sum(logprobs[len(prompt) + i - 1, token].item() for i, token in enumerate(answer))


SIDES = ("context", "parametric")


@pytest.fixture(scope="module")
def aliased():
    """Items with a context, several aliases of each answer, and answers with a common beginning."""
    words = ("capital_0", "capital_1 language_2", "capital_1 capital_3 capital_2", "language_1 capital_0")
    context = "we know the capital of known_2 as capital_3 ."
    return [
        ConflictItem(
            f"aliased-{i}", "a", "conflict", "what is the capital of known_1 ?", context, list(a), list(b), "c", "s"
        )
        for i, (a, b) in enumerate((words[i : i + 2], words[j:]) for i in range(3) for j in range(4) if i != j)
    ]


@pytest.mark.parametrize("family", FAMILIES)
def test_logprobs_are_the_likeliest_aliases_in_one_pass_over_the_joint_text(
    tiny_model, tokenizer, template, items, long_answers, aliased, family
):
    model = tiny_model(family)
    questions, responses = ask(model, tokenizer, template, [*items, *long_answers, *aliased])
    for question, response in zip(questions, responses, strict=True):
        for side in SIDES:
            answers = getattr(question.with_context, f"{side}_answers")
            joint = [joint_logprob(model, question.with_context.prompt, answer) for answer in answers]
            scored = getattr(response, f"{side}_logprob_closed")
            if not answers:
                assert getattr(response, f"{side}_logprob") is None
                assert getattr(response, f"{side}_tokens") == 0
                assert scored is None
                continue
            best = max(range(len(answers)), key=lambda i: joint[i] / len(answers[i]))
            assert getattr(response, f"{side}_logprob") == pytest.approx(joint[best], abs=1e-4)
            assert getattr(response, f"{side}_tokens") == len(answers[best])
            if question.item.context is None:
                assert scored is None
            else:
                same = getattr(question.without_context, f"{side}_answers")[best]
                assert scored == pytest.approx(joint_logprob(model, question.without_context.prompt, same), abs=1e-4)


@pytest.mark.parametrize("style", [AlpacaTemplate(), TuluTemplate(), ZephyrTemplate()], ids=lambda t: t.style)
@pytest.mark.parametrize("family", [neox(), llama(), llama(legacy=False)], ids=["neox", "llama", "metaspace"])
def test_an_answers_score_is_that_of_its_tokens_in_training(style, family):
    """It is not that of other tokens at the border between prompt and answer, however the tokenizer treats spaces
    there."""
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(LlamaConfig(vocab_size=len(family), **sizes)).eval()
    family.pad_token = family.eos_token
    context, question = "In 2030 the capital moved from Kabul to Herat.", "What is the capital city of Afghanistan?"
    answers = {"context": "New Cairo", "parametric": '"Durrës"'}
    item = ConflictItem("i", "s", "conflict", question, context, *([a] for a in answers.values()), "c", "s")
    _, (response,) = ask(model, family, style, [item])
    for side, answer in answers.items():
        shown = Example("e", [Message("user", question), Message("assistant", answer)], context, None, None, None)
        row = encode_last_turn(family, style, shown)
        first, end = row.loss_mask.index(1), len(row.input_ids) - 1
        assert row.input_ids[end] == family.eos_token_id
        expected = joint_logprob(model, row.input_ids[:first], row.input_ids[first:end])
        assert getattr(response, f"{side}_logprob") == pytest.approx(expected, abs=1e-4)
        assert getattr(response, f"{side}_tokens") == end - first


@pytest.mark.parametrize(
    ("context", "parametric", "place"),
    [
        ("capital_0", "capital_1", 0),
        ("capital_1 language_2", "capital_1 capital_3", 1),
        ("capital_1", "capital_1 capital_3", None),
        ("capital_1", "capital_1", None),
    ],
)
def test_first_logprobs_are_of_the_tokens_where_the_answers_diverge(
    tiny_model, tokenizer, template, context, parametric, place
):
    model = tiny_model()
    item = ConflictItem(
        "i", "s", "conflict", "what is the capital of known_1 ?", None, [context, "x"], [parametric], "c", "s"
    )
    (question,), (response,) = ask(model, tokenizer, template, [item])
    for side in SIDES:
        found = getattr(response, f"{side}_first_logprob")
        if place is None:
            assert found is None
        else:
            answer = getattr(question.with_context, f"{side}_answers")[0]
            before = [*question.with_context.prompt, *answer[:place]]
            assert found == pytest.approx(joint_logprob(model, before, [answer[place]]), abs=1e-4)
    without = replace(item, parametric_answers=[])
    _, (response,) = ask(model, tokenizer, template, [without])
    assert (response.context_first_logprob, response.parametric_first_logprob) == (None, None)


def test_a_shared_prompt_goes_through_the_model_once(tiny_model, tokenizer, template, aliased):
    model, fed = tiny_model(), []
    model.register_forward_pre_hook(lambda _, args, kwargs: fed.append(kwargs["input_ids"].shape), with_kwargs=True)
    without_context = replace(aliased[0], set="controls", context=None)
    questions, responses = ask(model, tokenizer, template, [*aliased, without_context], batch_size=64, max_new_tokens=1)
    with_context, without = questions[0].with_context.prompt, questions[-1].with_context.prompt
    shared = next(i for i, (one, other) in enumerate(zip(with_context, without, strict=False)) if one != other)
    beginning, rest, *answers = fed
    assert beginning == (1, shared)
    assert rest == (2, len(with_context) - shared), "one prompt with the context, one without"
    longest = max(len(answer) for question in questions for answer in question.with_context.answers)
    assert {rows for rows, _ in answers} == {2}
    assert all(width < longest for _, width in answers), "answers alone: no prompt goes in again"
    assert responses[-1].context_logprob == responses[0].context_logprob_closed


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_answers_equal_the_librarys_generation(tiny_model, tokenizer, template, items, family):
    model = tiny_model(family)
    questions, responses = ask(model, tokenizer, template, items)
    for question, response in zip(questions, responses, strict=True):
        prompt = torch.tensor([question.with_context.prompt])
        generated = model.generate(
            prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=5, do_sample=False, pad_token_id=0
        )[0, prompt.shape[1] :]
        assert response.text == tokenizer.decode(generated, skip_special_tokens=True).strip()
        assert response.finished == (tokenizer.eos_token_id in generated.tolist())


def test_an_answer_ends_with_its_turn(tiny_model, tokenizer, template, items):
    model = tiny_model()
    with torch.no_grad():
        model.lm_head.weight.zero_()
        model.lm_head.weight[tokenizer.eos_token_id] = 0.0
    # all logits are equal, so the first token (padding) is chosen until the end of turn becomes the most likely
    _, unfinished = ask(model, tokenizer, template, items[:2])
    assert [r.finished for r in unfinished] == [False, False]
    bias = torch.nn.Parameter(torch.zeros(len(tokenizer)))
    model.lm_head.bias = bias
    with torch.no_grad():
        bias[tokenizer.eos_token_id] = 1.0
    _, finished = ask(model, tokenizer, template, items[:2])
    assert [(r.finished, r.text) for r in finished] == [(True, ""), (True, "")]


def test_an_answer_that_continues_into_another_turn_is_cut(tiny_model, tokenizer, items):
    speaker = copy.deepcopy(tokenizer)
    speaker.add_tokens(["Oslo<|user|>Bergen", "<|assistant|>"])
    model = tiny_model()
    model.resize_token_embeddings(len(speaker), mean_resizing=False)
    answers = {}
    for word in ("Oslo<|user|>Bergen", "<|assistant|>"):
        bias = torch.zeros(len(speaker))
        bias[speaker.convert_tokens_to_ids(word)] = 1e9
        model.lm_head.bias = torch.nn.Parameter(bias)
        _, answers[word] = ask(model, speaker, TuluTemplate(), items[:1])
    assert [(r.text, r.finished) for r in answers["Oslo<|user|>Bergen"]] == [("Oslo", True)]
    assert [(r.text, r.finished) for r in answers["<|assistant|>"]] == [("", True)]


@pytest.mark.parametrize("family", FAMILIES)
def test_results_do_not_depend_on_the_batch_size(tiny_model, tokenizer, template, items, long_answers, aliased, family):
    model = tiny_model(family)
    asked = [*items, *long_answers, *aliased]
    _, together = ask(model, tokenizer, template, asked, batch_size=64)
    for size in (1, 5):
        _, apart = ask(model, tokenizer, template, asked, batch_size=size)
        for one, other in zip(together, apart, strict=True):
            assert asdict(one) == pytest.approx(asdict(other), abs=1e-5)


def test_a_model_that_sdpa_cannot_compute_answers_the_same(tmp_path, tokenizer, template, items, aliased):
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = Gemma2Config(vocab_size=len(tokenizer), num_key_value_heads=1, head_dim=8, sliding_window=16, **sizes)
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    model = load_model(tmp_path)
    assert model.config._attn_implementation == "eager"
    questions, responses = ask(model, tokenizer, template, [*items, *aliased])
    for question, response in zip(questions, responses, strict=True):
        prompt = torch.tensor([question.with_context.prompt])
        generated = model.generate(prompt, max_new_tokens=5, do_sample=False, pad_token_id=0)[0, prompt.shape[1] :]
        assert response.text == tokenizer.decode(generated, skip_special_tokens=True).strip()
    _, alone = ask(model, tokenizer, template, [*items, *aliased], batch_size=1)
    for one, other in zip(responses, alone, strict=True):
        assert asdict(one) == pytest.approx(asdict(other), abs=1e-5)


def test_a_common_prefix_is_not_shared_across_a_sliding_window(tiny_model, tokenizer, template, items):
    """The padding between a shared prefix and the rest would push the prefix out of the window."""
    model = tiny_model("mistral")
    for window in (4, 12, 20, 1000):
        model.config.sliding_window = window
        _, together = ask(model, tokenizer, template, items, batch_size=64)
        _, apart = ask(model, tokenizer, template, items, batch_size=1)
        for one, other in zip(together, apart, strict=True):
            assert asdict(one) == pytest.approx(asdict(other), abs=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_finished_rows_do_not_change_the_others(tiny_model, tokenizer, template, items, family):
    model = tiny_model(family)
    prompts = [
        question.with_context.prompt for question in encode_questions(items, tokenizer, template, {"plain": Prompt()})
    ]
    stops = list(range(0, len(tokenizer), 6))
    heard = continue_prompts(model, prompts, [[] for _ in prompts], stops, tokenizer.pad_token_id, max_new_tokens=12)
    for ids, one in zip(prompts, heard, strict=True):
        prompt = torch.tensor([ids])
        generated = model.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=12,
            do_sample=False,
            eos_token_id=stops,
            pad_token_id=0,
        )[0, prompt.shape[1] :].tolist()
        assert one.finished == (generated[-1] in stops)
        assert one.tokens == (generated[:-1] if one.finished else generated)
    assert len({len(one.tokens) for one in heard}) > 2, "they end at different places"


@pytest.mark.parametrize("family", FAMILIES)
def test_the_output_embedding_sees_few_positions_and_no_gaps(tiny_model, tokenizer, template, items, family):
    """It is applied to the last position of a prompt only. If that were not contiguous in memory, frozen weights would
    be copied for every row."""
    model, seen = tiny_model(family), []
    model.get_output_embeddings().register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    questions, _ = ask(model, tokenizer, template, items, max_new_tokens=2)
    longest = max(len(answer) for question in questions for answer in question.with_context.answers)
    assert seen
    assert all(hidden.shape[1] <= max(1, longest) for hidden in seen)
    # not is_contiguous, which ignores the strides of dimensions of size 1
    assert all(hidden.stride() == torch.empty(hidden.shape).stride() for hidden in seen)


def test_responses_keep_the_order_and_name_the_step(tiny_model, tokenizer, template, items):
    _, responses = ask(tiny_model(), tokenizer, template, items, batch_size=3)
    assert [(r.set, r.item_id) for r in responses] == [(i.set, i.item_id) for i in items]
    assert {r.step for r in responses} == {7}
    assert {r.prompt for r in responses} == {"plain"}


def prompt_ids(tokenizer, text):
    return tokenizer(f"<user> {text} <assistant> answer", add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("family", FAMILIES)
def test_context_need_is_the_loss_of_the_answer_without_and_with_the_context(
    tiny_model, tokenizer, template, examples, family
):
    model = tiny_model(family).eval()
    needs = context_need(model, tokenizer, examples, template, batch_size=5)
    for example, need in list(zip(examples, needs, strict=True))[:12]:
        bare = prompt_ids(tokenizer, example.question)
        full = prompt_ids(tokenizer, style_of(template).user_turn(example.question, example.context))
        answer = tokenizer(f"{example.answer} <eos>", add_special_tokens=False)["input_ids"]
        assert need.example_id == example.example_id
        assert need.tokens == len(answer) == 2
        assert need.loss_without_context == pytest.approx(-joint_logprob(model, bare, answer) / 2, abs=1e-4)
        assert need.loss_with_context == pytest.approx(-joint_logprob(model, full, answer) / 2, abs=1e-4)
        assert example.context or need.loss_with_context == need.loss_without_context


def test_conversations_beyond_the_window_lose_their_beginning(tiny_model, tokenizer, template, examples):
    model = tiny_model().eval()
    long = replace(next(e for e in examples if e.context), context="x " * 200)
    (need,) = context_need(model, tokenizer, [long], template, batch_size=5)
    rows = encode_last_turn(tokenizer, template, long)
    window = model.config.max_position_embeddings
    cut = rows.input_ids[-window:]
    expected = -joint_logprob(model, cut[:-2], cut[-2:]) / 2
    assert need.loss_with_context == pytest.approx(expected, abs=1e-4)


def test_scores_do_not_depend_on_how_rows_are_batched(tiny_model, tokenizer, template, examples, monkeypatch):
    model = tiny_model().eval()
    whole = context_need(model, tokenizer, examples, template, batch_size=100)
    monkeypatch.setattr("inversion.respond.context_need._LOGITS", 1000)
    for one, other in zip(context_need(model, tokenizer, examples, template, batch_size=3), whole, strict=True):
        assert one.loss_with_context == pytest.approx(other.loss_with_context, abs=1e-5)
