"""The tuned lens: the logit lens without training, nearer to the model with it, and never trained on what it reads."""

import dataclasses

import pytest
import torch
from probed_models import FAMILIES, random_model

from inversion.config.evaluation import Prompt
from inversion.config.probes import LensProbe, TunedLens
from inversion.config.sets import WorldSet
from inversion.config.training import LoraTuning, Training
from inversion.conflict.world_sets import world_items
from inversion.instruct.templates import encode_prompt
from inversion.manifests import CheckpointEntry
from inversion.models import ModelError, prepare_tuning
from inversion.records.frames import from_frame
from inversion.records.mechanism import LensReading
from inversion.respond import lens_probe, tuned_lens
from inversion.respond.lens_probe import lens_logits, lens_values, probe_lens
from inversion.respond.milestones import locate_items
from inversion.respond.probing import ProbedRun, conflict_sample
from inversion.respond.tuned_lens import Translators, held_out, read_out, train_translators


@pytest.fixture(scope="module")
def items(world):
    return world_items(world, WorldSet(source="world", kind="conflict", items=24), "conflict")


@pytest.fixture(scope="module")
def prompts(items, tokenizer, template):
    return [encode_prompt(tokenizer, template, item) for item in items[6:]]


@pytest.fixture
def run(base_folder, tmp_path, items, template):
    steps = [CheckpointEntry(step=step, epoch=step / 10, folder="", digest=f"d{step}") for step in (0, 10)]
    return ProbedRun(base_folder, "base", tmp_path, steps, items, template, Prompt(), 8, Training(), 0)


@pytest.mark.parametrize("name", FAMILIES)
def test_without_training_it_is_the_logit_lens(tiny_model, tokenizer, prompts, name):
    model = random_model(name, tiny_model, tokenizer)
    translators = train_translators(model, prompts, 0, tokenizer.pad_token_id, 0)
    read = lens_logits(model, prompts, tokenizer.pad_token_id, translators=translators)
    torch.testing.assert_close(read, lens_logits(model, prompts, tokenizer.pad_token_id), atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", FAMILIES)
def test_with_training_it_is_nearer_to_the_model_on_other_prompts(
    tiny_model, tokenizer, template, items, run, prompts, name
):
    model = random_model(name, tiny_model, tokenizer)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    pad_id = tokenizer.pad_token_id
    translators = train_translators(model, prompts, 60, pad_id, 0)
    asked = locate_items(run, items[:6], tokenizer, "lens")
    logit, tuned = (lens_values(model, asked, "last", pad_id, 4, which) for which in (None, translators))
    apart, nearer = logit[:, :-1, 2].mean(0), tuned[:, :-1, 2].mean(0)
    assert (nearer < 0.95 * apart).all()
    assert nearer.sum() < 0.85 * apart.sum()
    torch.testing.assert_close(tuned[:, -1], logit[:, -1], atol=1e-6, rtol=0)
    with torch.no_grad():
        prefix = asked[0].divergence.prefix
        own = model(torch.tensor([prefix])).logits[0, -1]
        read = lens_logits(model, [prefix], pad_id, translators=translators)[0, -1]
    torch.testing.assert_close(read, own, atol=2e-5, rtol=1e-4)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert not any("forward" in vars(module) for module in model.modules())


def test_equal_seeds_give_equal_translators_with_adapters_too(tiny_model, tokenizer, prompts):
    model = prepare_tuning(random_model("llama", tiny_model, tokenizer), "digest", LoraTuning(method="lora", rank=2))
    for name, parameter in model.eval().named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    one, same, other = (train_translators(model, prompts, 5, tokenizer.pad_token_id, seed) for seed in (0, 0, 1))
    for key, value in one.state_dict().items():
        assert torch.equal(value, same.state_dict()[key])
    assert any(not torch.equal(value, other.state_dict()[key]) for key, value in one.state_dict().items())


def test_a_gradient_reaches_the_translators_through_the_models_own_head(tiny_model, tokenizer):
    """The gradient of one logit, against differences of the logit."""
    model = random_model("gemma3", tiny_model, tokenizer)  # with a cap on its logits
    states = torch.randn(3, model.config.hidden_size)
    translators = Translators(torch.tensor([2.0, 1.0]), model.config.hidden_size)

    def logit():
        return read_out(model, translators(0, states))[1, 7]

    logit().backward()
    for parameter, place in ((translators.weights[0], (2, 5)), (translators.biases[0], (4,))):
        slope = parameter.grad[place].item()
        with torch.no_grad():
            parameter[place] += 1e-2
            above = logit().item()
            parameter[place] -= 2e-2
            below = logit().item()
            parameter[place] += 1e-2
        assert slope == pytest.approx((above - below) / 2e-2, rel=2e-2, abs=1e-4)
    assert translators.weights[1].grad is None


def test_a_translator_that_does_not_help_is_not_used(tiny_model, tokenizer, prompts, monkeypatch):
    monkeypatch.setattr(tuned_lens, "_WEIGHT_STEP", 1e4)
    monkeypatch.setattr(tuned_lens, "_BIAS_STEP", 1e3)
    model = random_model("llama", tiny_model, tokenizer)
    translators = train_translators(model, prompts, 5, tokenizer.pad_token_id, 0)
    assert all(not parameter.any() for parameter in translators.parameters())


def test_texts_share_nothing_with_what_is_evaluated(items):
    chosen = conflict_sample(items, 4, 0)
    texts = held_out(items, chosen, 100, 0)
    assert texts
    for key in ("cluster", "question", "context"):
        assert not {getattr(item, key) for item in texts} & {getattr(item, key) for item in chosen}
    fewer = held_out(items, chosen, 11, 0)
    assert len(fewer) == 11
    assert {item.item_id for item in fewer} < {item.item_id for item in texts}
    # the same passage under another name, or a control of an evaluated fact
    copies = [dataclasses.replace(item, set="other", item_id=f"x{i}", cluster=f"x{i}") for i, item in enumerate(chosen)]
    controls = [dataclasses.replace(item, context=None, question=f"{i}?") for i, item in enumerate(chosen)]
    assert held_out([*items, *copies, *controls], chosen, 100, 0) == texts
    with pytest.raises(ValueError, match=r"`probes.lens.tuned` trains on .* 0 of at least 10 are left; lower"):
        held_out(items, items, 100, 0)


def test_every_checkpoint_has_its_own_translators_once(run, monkeypatch):
    probe = LensProbe(items=4, tuned=TunedLens(texts=12, steps=3))
    trained = []
    monkeypatch.setattr(
        lens_probe, "train_translators", lambda *given: trained.append(given) or train_translators(*given)
    )
    rows = from_frame(probe_lens(run, probe), LensReading)
    assert len(trained) == 2
    assert all(len(prompts) == 12 and steps == 3 for _, prompts, steps, *_ in trained)
    assert len(rows) == 2 * 2 * 4 * 3
    read = {lens: [r.context_logprob for r in rows if (r.lens, r.depth) == (lens, 1)] for lens in ("logit", "tuned")}
    assert read["logit"] != read["tuned"]
    assert from_frame(probe_lens(run, probe), LensReading) == rows
    assert len(trained) == 2, "stored"


def test_a_model_with_more_after_its_norm_is_refused(tiny_model, tokenizer, prompts):
    model = random_model("llama", tiny_model, tokenizer)
    decoder = model.get_decoder()
    own = decoder.forward

    def scaled(*arguments, **named):
        output = own(*arguments, **named)
        output.last_hidden_state = output.last_hidden_state * torch.linspace(0.1, 2, model.config.hidden_size)
        return output

    decoder.forward = scaled
    with pytest.raises(ModelError, match=r"LlamaForCausalLM does more than its final norm .* `probes.lens.tuned`"):
        train_translators(model, prompts, 1, tokenizer.pad_token_id, 0)
    assert decoder.forward is scaled
