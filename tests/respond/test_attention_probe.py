import pytest
import torch
from transformers import AutoModelForCausalLM, Gemma3TextConfig, MistralConfig

from inversion.artifacts import folder_digest, seal_folder
from inversion.config.evaluation import Prompt
from inversion.config.probes import AttentionProbe
from inversion.config.sets import WorldSet
from inversion.config.training import LoraTuning, Training
from inversion.conflict.world_sets import world_items
from inversion.instruct.templates import locate_in_prompt
from inversion.manifests import CheckpointEntry
from inversion.models import ModelError, prepare_tuning
from inversion.records.frames import from_frame
from inversion.records.measurements import ATTENTION_PARTS, AttentionMass
from inversion.respond.attention_probe import (
    QUERIES,
    attention_masses,
    probe_attention,
)
from inversion.respond.probing import ProbedRun

SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 128,
    "initializer_range": 0.5,
    "attn_implementation": "sdpa",
}


@pytest.fixture(scope="module")
def items(world):
    return world_items(world, WorldSet(source="world", kind="conflict", items=10), "conflict")


@pytest.fixture(scope="module")
def prompts(items, tokenizer, template):
    return [locate_in_prompt(tokenizer, template, item) for item in items]


@pytest.fixture
def build(tiny_model, tokenizer):
    """A function that makes a tiny random model of one of the project's families, or one with sliding windows and
    grouped heads."""

    def model(name):
        torch.manual_seed(1)
        sizes = SIZES | {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
        match name:
            case "gemma3":
                layers = ["sliding_attention", "full_attention", "sliding_attention"]
                config = Gemma3TextConfig(**sizes, head_dim=8, sliding_window=6, layer_types=layers)
            case "windowed":
                config = MistralConfig(**sizes, sliding_window=16)
            case _:
                return tiny_model(name).eval()
        return AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()

    return model


def reference(model, prompt):
    """Attention in one prompt, from the attention tensors that the library returns."""
    model.set_attn_implementation("eager")
    with torch.no_grad():
        layers = model(torch.tensor([prompt.prompt_ids]), output_attentions=True).attentions
    behind = max(i for i, flag in enumerate(prompt.context) if flag) + 1
    masses = torch.zeros(len(layers), len(QUERIES), len(ATTENTION_PARTS))
    for layer, weights in enumerate(layers):
        heads = weights[0].mean(0)
        for query, row in enumerate((heads[-1], heads[behind:].mean(0))):
            for key, mass in enumerate(row.tolist()):
                part = 0 if prompt.context[key] else 1 if prompt.subject[key] else 2
                masses[layer, query, part] += mass
    return masses


@pytest.mark.parametrize("name", ["llama", "mistral", "gpt_neox", "gemma3", "windowed"])
def test_masses_are_those_of_the_whole_attention_tensors_and_sum_to_one(build, prompts, tokenizer, name):
    model = build(name)
    masses = attention_masses(model, prompts, tokenizer.pad_token_id, batch_size=4)
    torch.testing.assert_close(masses.sum(-1), torch.ones(masses.shape[:-1]))
    assert model.config._attn_implementation == "sdpa"
    assert len({len(prompt.prompt_ids) for prompt in prompts}) > 1, "some are padded"
    for prompt, mass in zip(prompts, masses, strict=True):
        torch.testing.assert_close(mass, reference(model, prompt), atol=1e-5, rtol=1e-4)
    assert masses.std(dim=(0, 1))[:, 0].min() > 1e-3, "they differ between layers and prompts"


def test_attention_works_with_adapters(build, prompts, tokenizer):
    plain = attention_masses(build("llama"), prompts, tokenizer.pad_token_id, 4)
    adapted = prepare_tuning(build("llama"), "digest", LoraTuning(method="lora", rank=2)).eval()
    torch.testing.assert_close(attention_masses(adapted, prompts, tokenizer.pad_token_id, 4), plain)
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    assert (attention_masses(adapted, prompts, tokenizer.pad_token_id, 4) - plain).abs().max() > 1e-3


def test_a_model_without_numbered_attention_is_refused(build, prompts):
    model = build("llama")
    del model.model.layers[1].self_attn.layer_idx
    with pytest.raises(ModelError, match=r"2 layers and 1 attention modules .* remove `probes.attention`"):
        attention_masses(model, prompts, 0, 4)


def test_every_checkpoint_is_probed_once(base_folder, tmp_path, tiny_model, items, template, caplog):
    folder = tmp_path / "checkpoints" / "step-000010"
    tiny_model(seed=10).save_pretrained(folder)
    seal_folder(folder)
    steps = [
        CheckpointEntry(step=0, epoch=0.0, folder="", digest="base"),
        CheckpointEntry(step=10, epoch=0.5, folder="checkpoints/step-000010", digest=folder_digest(folder)),
    ]

    def probe(steps, **changed):
        caplog.clear()
        run = ProbedRun(base_folder, "base", tmp_path, steps, items, template, Prompt(), 8, Training(), 0)
        frame = probe_attention(run, AttentionProbe(items=4, **changed))
        return from_frame(frame, AttentionMass), [r.getMessage() for r in caplog.records if "probed" in r.getMessage()]

    with caplog.at_level("INFO"):
        rows, probed = probe(steps[:1])
        assert probed == ["step 0 probed"]
        rows, probed = probe(steps)
        assert probed == ["step 10 probed"], "resumes where it stopped"
        assert probe(steps) == (rows, [])
        assert probe(steps, seed=1)[1] == ["step 0 probed", "step 10 probed"]
    assert len(rows) == 2 * 4 * 2 * len(QUERIES)
    assert {(row.step, row.epoch) for row in rows} == {(0, 0.0), (10, 0.5)}
    for row in rows:
        assert row.context + row.subject + row.rest == pytest.approx(1, abs=1e-5)
        assert 0 < row.subject_tokens < row.context_tokens < row.tokens
    by_step = {row.step: row.context for row in rows if (row.item_id, row.layer) == (rows[0].item_id, 0)}
    assert by_step[0] != by_step[10], "each step has weights of its own"
