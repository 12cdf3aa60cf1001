"""The logit lens: exact at the last layer, and the model's own exit at every other."""

import dataclasses

import pytest
import torch
from probed_models import FAMILIES, random_model

from inversion.artifacts import folder_digest, seal_folder
from inversion.config.evaluation import Prompt
from inversion.config.probes import LensProbe
from inversion.config.sets import WorldSet
from inversion.config.training import LoraTuning, Training
from inversion.conflict.world_sets import world_items
from inversion.manifests import CheckpointEntry
from inversion.models import ModelError, prepare_tuning
from inversion.models.transformer_modules import transformer_modules
from inversion.records.frames import from_frame
from inversion.records.mechanism import LensReading
from inversion.respond.lens_probe import lens_logits, lens_values, probe_lens
from inversion.respond.milestones import locate_items
from inversion.respond.probing import ProbedRun


@pytest.fixture(scope="module")
def items(world):
    return world_items(world, WorldSet(source="world", kind="conflict", items=6), "conflict")


@pytest.fixture
def run(base_folder, tmp_path, tiny_model, items, template):
    """Two checkpoints of whole models."""
    folder = tmp_path / "checkpoints" / "step-000010"
    tiny_model(seed=10).save_pretrained(folder)
    seal_folder(folder)
    steps = [
        CheckpointEntry(step=0, epoch=0.0, folder="", digest="base"),
        CheckpointEntry(step=10, epoch=0.5, folder="checkpoints/step-000010", digest=folder_digest(folder)),
    ]
    return ProbedRun(base_folder, "base", tmp_path, steps, items, template, Prompt(), 8, Training(), 0)


@pytest.fixture
def located(run, items, tokenizer):
    return locate_items(run, items, tokenizer, "lens")


@torch.no_grad()
def by_hidden_states(model, ids, place=-1):
    """The lens of one prompt from the hidden states that the library gives, with the parts of a family by name."""
    decoder = model.gpt_neox if hasattr(model, "gpt_neox") else model.model
    norm = decoder.final_layer_norm if hasattr(model, "gpt_neox") else decoder.norm
    *earlier, last = model(torch.tensor([ids]), output_hidden_states=True).hidden_states
    # the library's last hidden state has passed the norm
    logits = model.lm_head(torch.stack([*(norm(state[0, place]) for state in earlier), last[0, place]]))
    if cap := getattr(model.config, "final_logit_softcapping", None):
        logits = torch.tanh(logits / cap) * cap
    return logits / getattr(model.config, "logits_scaling", 1.0)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_lens_is_the_models_own_exit_after_every_layer(tiny_model, tokenizer, located, name):
    model = random_model(name, tiny_model, tokenizer)
    prompts = [one.divergence.prefix for one in located]
    assert len({len(prompt) for prompt in prompts}) > 1, "some are padded"
    logits = lens_logits(model, prompts, tokenizer.pad_token_id)
    assert logits.shape == (len(prompts), 3, len(tokenizer))
    for prompt, found in zip(prompts, logits, strict=True):
        with torch.no_grad():
            own = model(torch.tensor([prompt])).logits[0, -1]
        torch.testing.assert_close(found[-1], own, atol=2e-5, rtol=1e-4)
        torch.testing.assert_close(found, by_hidden_states(model, prompt), atol=2e-5, rtol=1e-4)
    assert (logits[:, 0] - logits[:, -1]).abs().max() > 0.1, "layers differ"


def test_the_lens_reads_the_last_token_of_the_subject(tiny_model, tokenizer, located):
    model = random_model("gemma3", tiny_model, tokenizer)
    found = lens_values(model, located, "subject", tokenizer.pad_token_id, 4)
    for one, by_depth in zip(located, found, strict=True):
        prefix, place = one.divergence.prefix, one.places["subject"][-1]
        assert one.divergence.item.subject.endswith(tokenizer.decode(prefix[place]).strip())
        assert place not in one.places["context"]
        expected = by_hidden_states(model, prefix, place).log_softmax(-1)
        tokens = [one.divergence.context_token, one.divergence.parametric_token]
        torch.testing.assert_close(by_depth[:, :2], expected[:, tokens], atol=2e-5, rtol=1e-4)
        apart = (expected[-1].exp() * (expected[-1] - expected)).sum(-1)
        torch.testing.assert_close(by_depth[:, 2], apart, atol=2e-5, rtol=1e-4)
    assert found[:, -1, 2].abs().max() < 1e-6, "the last layer is the model's own answer"


def test_an_item_without_its_subject_in_the_question_is_not_read_there(run, items):
    probe = LensProbe(items=4, positions=("last", "subject"))
    named = {item.item_id for item in items[:2]}
    some = [item if item.item_id in named else dataclasses.replace(item, subject=None) for item in items[:4]]
    rows = from_frame(probe_lens(dataclasses.replace(run, items=some), probe), LensReading)
    assert {row.item_id for row in rows if row.position == "subject"} == named
    assert len({row.item_id for row in rows if row.position == "last"}) == 4
    nameless = [dataclasses.replace(item, subject="Nobody") for item in items]
    with pytest.raises(ValueError, match=r"no item that `probes.lens` samples names its subject .*; remove `subject`"):
        probe_lens(dataclasses.replace(run, items=nameless), probe)


def test_the_lens_does_not_change_the_model_and_works_with_adapters(tiny_model, tokenizer, located):
    model = random_model("llama", tiny_model, tokenizer)
    adapted = prepare_tuning(model, "digest", LoraTuning(method="lora", rank=2)).eval()
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    found = lens_values(adapted, located, "last", tokenizer.pad_token_id, batch_size=4)
    one = located[0].divergence
    with torch.no_grad():
        own = adapted(torch.tensor([one.prefix])).logits[0, -1].log_softmax(-1)
    torch.testing.assert_close(found[0, -1, :2], own[[one.context_token, one.parametric_token]], atol=2e-5, rtol=1e-4)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in adapted.modules())


def test_a_family_with_unknown_module_names_is_refused(tiny_model):
    model = tiny_model("llama")
    model.model.layers[1].feed = model.model.layers[1].mlp
    del model.model.layers[1].mlp
    with pytest.raises(ModelError, match=r"LlamaForCausalLM: no MLP was found in LlamaDecoderLayer .*remove `lens`"):
        transformer_modules(model)


def test_every_checkpoint_is_read_once(run):
    rows = from_frame(probe_lens(run, LensProbe(items=4)), LensReading)
    assert len(rows) == 2 * 4 * 3
    assert {(row.step, row.epoch, row.depth) for row in rows} == {
        (step, epoch, depth) for step, epoch in ((0, 0.0), (10, 0.5)) for depth in range(3)
    }
    assert {(row.lens, row.position) for row in rows} == {("logit", "last")}
    assert all(row.context_logprob < 0 > row.parametric_logprob for row in rows)
    own = {row.step: row.context_logprob for row in rows if (row.item_id, row.depth) == (rows[0].item_id, 2)}
    assert own[0] != own[10], "each step has weights of its own"
    folder = run.folder / run.steps[1].folder
    (folder / "model.safetensors").unlink()
    seal_folder(folder)
    assert from_frame(probe_lens(run, LensProbe(items=4)), LensReading) == rows, "what is read needs no model"
