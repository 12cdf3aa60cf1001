import dataclasses

import pytest
import torch

from inversion.artifacts import folder_digest, seal_folder
from inversion.config.evaluation import Prompt
from inversion.config.probes import GradientProbe
from inversion.config.sets import WorldSet
from inversion.config.training import FullTuning, LoraTuning, Training
from inversion.conflict.world_sets import world_items
from inversion.instruct.templates import encode_example
from inversion.manifests import CheckpointEntry
from inversion.models import load_for_tuning
from inversion.records.frames import from_frame
from inversion.records.measurements import ExampleGradient
from inversion.respond.answers import encode_questions
from inversion.respond.gradient_probe import (
    WEIGHTS,
    gradient_pulls,
    kind_sample,
    margin_gradient,
    probe_gradients,
)
from inversion.respond.probing import Divergence, ProbedRun, divergences

FULL = FullTuning()
QUERY_KEY = FullTuning(weights="query_key")
LORA = LoraTuning(method="lora", rank=2, alpha=4.0)
HEAD = 8
"""Size of an attention head in the tiny models."""


@pytest.fixture
def folder(tmp_path, tiny_model, tokenizer):
    """A function that saves a tiny base model of a family."""

    def save(family):
        place = tmp_path / family
        tiny_model(family).save_pretrained(place)
        tokenizer.save_pretrained(place)
        return place

    return save


@pytest.fixture(scope="module")
def rows(examples, tokenizer, template):
    return [encode_example(tokenizer, template, example) for example in examples if example.kind == "C"][:5]


@pytest.fixture(scope="module")
def items(world):
    return world_items(world, WorldSet(source="world", kind="conflict", items=4), "conflict")


@pytest.fixture(scope="module")
def conflicts(items, tokenizer, template):
    return divergences(encode_questions(items, tokenizer, template, {"plain": Prompt()}), "gradients")


def loss_of(model, row):
    ids = torch.tensor([row.input_ids])
    logits = model(ids).logits[0, :-1].double()
    picked = [i for i, flag in enumerate(row.loss_mask[1:]) if flag]
    return -torch.log_softmax(logits, -1)[picked, ids[0, 1:][picked]].mean()


def margin_of(model, conflicts):
    """log p(context answer) - log p(parametric answer), mean over the conflicts."""
    margins = []
    for divergence in conflicts:
        logprobs = torch.log_softmax(model(torch.tensor([divergence.prefix])).logits[0, -1].double(), -1)
        margins.append(logprobs[divergence.context_token] - logprobs[divergence.parametric_token])
    return torch.stack(margins).mean()


def autograd(model, loss):
    """The gradient of ``loss`` by autograd as one flat vector, and a mask of its entries that belong to queries and
    keys."""
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    gradients = torch.autograd.grad(loss, [p for _, p in named], allow_unused=True)
    vectors, marks = [], []
    for (name, parameter), found in zip(named, gradients, strict=True):
        gradient = torch.zeros_like(parameter) if found is None else found
        mark = torch.full(parameter.shape, "q_proj" in name or "k_proj" in name or "query_key_value" in name)
        if "query_key_value" in name and "lora_A" not in name:
            values = torch.arange(parameter.shape[0]) % (3 * HEAD) >= 2 * HEAD
            mark[values] = False
        vectors.append(gradient.flatten().double())
        marks.append(mark.flatten())
    return loss.item(), torch.cat(vectors), torch.cat(marks)


@pytest.mark.parametrize("family", ["llama", "mistral", "gpt_neox"])
@pytest.mark.parametrize("tuning", [FULL, QUERY_KEY, LORA], ids=["full", "query_key", "lora"])
def test_gradients_are_autograds_one_example_at_a_time(folder, rows, conflicts, family, tuning):
    torch.manual_seed(0)
    model = load_for_tuning(folder(family), "digest", tuning).eval()
    if tuning is LORA:
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.1)
    pulls = gradient_pulls(model, rows, margin_gradient(model, conflicts))
    expected = [autograd(model, loss_of(model, row)) for row in rows]
    _, margin, _ = autograd(model, margin_of(model, conflicts))
    vectors, marks = torch.stack([vector for _, vector, _ in expected]), expected[0][2]
    if tuning is QUERY_KEY:
        vectors *= marks  # the value rows of a fused projection are not trained
    for weights in WEIGHTS:
        chosen = vectors if weights == "all" else vectors * marks
        mean = chosen.mean(0)
        for pull, (loss, *_), vector in zip(pulls, expected, chosen, strict=True):
            assert pull[weights].loss == pytest.approx(loss, rel=1e-4)
            assert pull[weights].norm == pytest.approx(vector.norm().item(), rel=1e-4)
            assert pull[weights].along == pytest.approx((vector @ mean / mean.norm()).item(), rel=1e-3, abs=1e-5)
            assert pull[weights].towards == pytest.approx(-(vector @ margin).item(), rel=1e-3, abs=1e-5)
        assert sum(pull[weights].along for pull in pulls) / len(pulls) == pytest.approx(mean.norm().item(), rel=1e-4)
    assert 0 < pulls[0]["query_key"].norm <= pulls[0]["all"].norm
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_small_step_changes_the_margin_as_the_pull_predicts(folder, rows, conflicts):
    model = load_for_tuning(folder("llama"), "digest", FULL).double().eval()
    pulls = gradient_pulls(model, rows, margin_gradient(model, conflicts))
    before = margin_of(model, conflicts).item()
    rate = 1e-3
    (sum(loss_of(model, row) for row in rows) / len(rows)).backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= rate * parameter.grad
    expected = rate * sum(pull["all"].towards for pull in pulls) / len(pulls)
    assert margin_of(model, conflicts).item() - before == pytest.approx(expected, rel=0.02)


def test_margins_are_measured_where_answers_diverge(items, tokenizer, template):
    item = items[0]
    (question,) = encode_questions([item], tokenizer, template, {"plain": Prompt()})
    (divergence,) = divergences([question], "gradients")
    context, parametric = (
        tokenizer.convert_tokens_to_ids(x[0]) for x in (item.context_answers, item.parametric_answers)
    )
    assert divergence == Divergence(item, list(question.with_context.prompt), context, parametric)
    shared = dataclasses.replace(question.with_context, context_answers=((7, 8, 9),), parametric_answers=((7, 5),))
    assert divergences([dataclasses.replace(question, with_context=shared)], "gradients") == [
        Divergence(item, [*question.with_context.prompt, 7], 8, 5)
    ]
    nested = dataclasses.replace(question.with_context, context_answers=((7, 8),), parametric_answers=((7,),))
    with pytest.raises(ValueError, match=r"which the probe .gradients. compares; remove `probes.gradients`"):
        divergences([dataclasses.replace(question, with_context=nested)], "gradients")


def test_kinds_are_sampled_separately_with_their_share(examples):
    chosen, shares = kind_sample(examples, GradientProbe(examples=3))
    kinds = [example.kind for example in chosen]
    assert kinds == sorted(kinds)
    assert {kind: kinds.count(kind) for kind in shares} == {"C": 3, "C+S": 3, "S": min(3, kinds.count("S"))}
    assert shares == {kind: sum(e.kind == kind for e in examples) / len(examples) for kind in ("C", "C+S", "S")}
    with pytest.raises(ValueError, match=r"no training example has a kind.*remove `probes.gradients`"):
        kind_sample([dataclasses.replace(example, kind=None) for example in examples], GradientProbe())


@pytest.mark.slow
@pytest.mark.parametrize("tuning", [FULL, LORA], ids=["full", "lora"])
def test_every_checkpoint_is_measured_with_its_own_weights(
    folder, tmp_path, examples, items, conflicts, template, tuning
):
    base = folder("llama")
    torch.manual_seed(3)
    model = load_for_tuning(base, "digest", tuning)
    encoded = _encoded(examples, base, template)
    first = gradient_pulls(model.eval(), encoded, margin_gradient(model, conflicts))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 0.05 * torch.randn_like(parameter)
    checkpoint = tmp_path / "checkpoints" / "step-000010"
    model.save_pretrained(checkpoint)
    seal_folder(checkpoint)
    second = gradient_pulls(model, encoded, margin_gradient(model, conflicts))
    steps = [
        CheckpointEntry(step=0, epoch=0.0, folder="", digest="digest"),
        CheckpointEntry(step=10, epoch=0.5, folder="checkpoints/step-000010", digest=folder_digest(checkpoint)),
    ]

    def probe(steps):
        probe, training = GradientProbe(examples=1000), Training(tuning=tuning)
        run = ProbedRun(base, "digest", tmp_path, steps, items, template, Prompt(), 8, training, 3, examples)
        return from_frame(probe_gradients(run, probe), ExampleGradient)

    rows = probe(steps)
    by_step = {
        step: {row.example_id: row for row in rows if row.step == step and row.weights == "all"} for step in (0, 10)
    }
    for step, pulls in ((0, first), (10, second)):
        assert len(by_step[step]) == len(examples)
        for example, pull in zip(examples, pulls, strict=True):
            row = by_step[step][example.example_id]
            assert row.kind == example.kind
            assert row.norm == pytest.approx(pull["all"].norm, rel=1e-4)
            assert row.towards == pytest.approx(pull["all"].towards, rel=1e-3, abs=1e-6)
    (base / "model.safetensors").unlink()
    assert probe(steps) == rows, "what is measured needs no model"


def _encoded(examples, base, template):
    from inversion.models import load_tokenizer

    return [encode_example(load_tokenizer(base), template, example) for example in examples]


def test_examples_that_are_too_long_for_training_are_omitted(folder, tmp_path, examples, items, template):
    base = folder("llama")
    lengths = [len(row.input_ids) for row in _encoded(examples, base, template)]
    limit = sorted(lengths)[len(lengths) // 2]
    steps = [CheckpointEntry(step=0, epoch=0.0, folder="", digest="digest")]
    probe, training = GradientProbe(examples=1000), Training(max_length=limit)
    run = ProbedRun(base, "digest", tmp_path, steps, items, template, Prompt(), 8, training, 0, examples)
    frame = probe_gradients(run, probe)
    assert frame["example_id"].n_unique() == sum(length <= limit for length in lengths)
