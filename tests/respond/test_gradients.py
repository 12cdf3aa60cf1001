import dataclasses

import pytest
import torch

from inversion.artifacts import folder_digest, seal_folder
from inversion.config import FullTuning, GradientProbe, LoraTuning, Training
from inversion.instruct.templates import encode_example
from inversion.manifests import Step
from inversion.models import load_for_tuning
from inversion.records import GradientNorm, from_frame
from inversion.respond.gradients import WEIGHTS, gradient_pulls, kind_sample, probe_gradients

FULL = FullTuning()
QUERY_KEY = FullTuning(weights="query_key")
LORA = LoraTuning(method="lora", rank=2, alpha=4.0)
HEAD = 8
"""Size of a head of the tiny models."""


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


def autograd(model, row):
    """The gradient of one example by autograd, one flat vector, and which of its entries are queries' and keys'."""
    ids = torch.tensor([row.input_ids])
    logits = model(ids).logits[0, :-1].double()
    picked = [i for i, flag in enumerate(row.label_mask[1:]) if flag]
    loss = -torch.log_softmax(logits, -1)[picked, ids[0, 1:][picked]].mean()
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
def test_norms_are_autograds_one_example_at_a_time(folder, rows, family, tuning):
    torch.manual_seed(0)
    model = load_for_tuning(folder(family), "digest", tuning).eval()
    if tuning is LORA:
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.1)
    pulls = gradient_pulls(model, rows)
    expected = [autograd(model, row) for row in rows]
    vectors, marks = torch.stack([vector for _, vector, _ in expected]), expected[0][2]
    if tuning is QUERY_KEY:
        vectors *= marks  # the values of a fused projection do not train
    for weights in WEIGHTS:
        chosen = vectors if weights == "all" else vectors * marks
        mean = chosen.mean(0)
        for pull, (loss, *_), vector in zip(pulls, expected, chosen, strict=True):
            assert pull[weights].loss == pytest.approx(loss, rel=1e-4)
            assert pull[weights].norm == pytest.approx(vector.norm().item(), rel=1e-4)
            assert pull[weights].along == pytest.approx((vector @ mean / mean.norm()).item(), rel=1e-3, abs=1e-5)
        assert sum(pull[weights].along for pull in pulls) / len(pulls) == pytest.approx(mean.norm().item(), rel=1e-4)
    assert 0 < pulls[0]["query_key"].norm <= pulls[0]["all"].norm
    assert all(parameter.grad is None for parameter in model.parameters())


def test_kinds_are_sampled_apart_and_know_their_share(examples):
    chosen, shares = kind_sample(examples, GradientProbe(examples=3))
    kinds = [example.kind for example in chosen]
    assert kinds == sorted(kinds)
    assert {kind: kinds.count(kind) for kind in shares} == {"C": 3, "C+S": 3, "S": min(3, kinds.count("S"))}
    assert shares == {kind: sum(e.kind == kind for e in examples) / len(examples) for kind in ("C", "C+S", "S")}
    with pytest.raises(ValueError, match=r"no training example knows its kind.*leave `probes.gradients` out"):
        kind_sample([dataclasses.replace(example, kind=None) for example in examples], GradientProbe())


@pytest.mark.parametrize("tuning", [FULL, LORA], ids=["full", "lora"])
def test_every_checkpoint_is_measured_with_its_own_weights(folder, tmp_path, examples, template, tuning, caplog):
    base = folder("llama")
    torch.manual_seed(3)
    model = load_for_tuning(base, "digest", tuning)
    first = gradient_pulls(model.eval(), _encoded(examples, base, template))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 0.05 * torch.randn_like(parameter)
    checkpoint = tmp_path / "checkpoints" / "step-000010"
    model.save_pretrained(checkpoint)
    seal_folder(checkpoint)
    second = gradient_pulls(model, _encoded(examples, base, template))
    steps = [
        Step(step=0, epoch=0.0, folder="", digest="digest"),
        Step(step=10, epoch=0.5, folder="checkpoints/step-000010", digest=folder_digest(checkpoint)),
    ]

    def probe(steps):
        probe = GradientProbe(examples=1000)
        frame = probe_gradients(base, "digest", tmp_path, steps, examples, template, Training(tuning=tuning), 3, probe)
        return from_frame(frame, GradientNorm)

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
    (base / "model.safetensors").unlink()
    assert probe(steps) == rows, "what is measured needs no model"


def _encoded(examples, base, template):
    from inversion.models import load_tokenizer

    return [encode_example(load_tokenizer(base), template, example) for example in examples]


def test_examples_that_are_too_long_to_be_trained_on_are_left_out(folder, tmp_path, examples, template):
    base = folder("llama")
    lengths = [len(row.input_ids) for row in _encoded(examples, base, template)]
    limit = sorted(lengths)[len(lengths) // 2]
    steps = [Step(step=0, epoch=0.0, folder="", digest="digest")]
    frame = probe_gradients(
        base, "digest", tmp_path, steps, examples, template, Training(max_length=limit), 0, GradientProbe(examples=1000)
    )
    assert frame["example_id"].n_unique() == sum(length <= limit for length in lengths)
