"""Adapters of every configuration on one base model, compared with a base to which peft attaches each one
separately."""

import json

import pytest
import torch
from peft import IA3Config, LoHaConfig, LoraConfig, PeftModel, PrefixTuningConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from inversion.config.models import Architecture
from inversion.models import new_model
from inversion.models.adapters import AdaptedBase, require_fit
from inversion.models.base_model import load_model
from inversion.models.folder_tokenizer import ModelError

IDS = torch.arange(5, 15).unsqueeze(0)
ALL = "all-linear"
CONFIGS = {
    "lora": LoraConfig(r=2, lora_alpha=4, target_modules=ALL),
    "other scaling": LoraConfig(r=2, lora_alpha=40, target_modules=ALL),
    "other rank": LoraConfig(r=3, lora_alpha=4, target_modules=["q_proj", "v_proj"]),
    "rslora": LoraConfig(r=2, lora_alpha=4, use_rslora=True, target_modules=ALL),
    "dora": LoraConfig(r=2, lora_alpha=4, use_dora=True, target_modules=ALL),
    "patterns": LoraConfig(
        r=2, lora_alpha=4, target_modules=ALL, rank_pattern={"q_proj": 4}, alpha_pattern={"layers.1.mlp.up_proj": 16}
    ),
    "modules to save": LoraConfig(r=2, target_modules=["q_proj"], modules_to_save=["lm_head", "embed_tokens"]),
    "norms": LoraConfig(r=2, target_modules=["q_proj"], modules_to_save=["norm"]),
    "embedding": LoraConfig(r=2, target_modules=["q_proj", "embed_tokens"]),
    "some layers": LoraConfig(r=2, target_modules=["q_proj", "v_proj"], layers_to_transform=[1]),
    "lora bias": LoraConfig(r=2, target_modules=["q_proj"], lora_bias=True),
    "tokens": LoraConfig(r=2, target_modules=["q_proj"], trainable_token_indices=[6, 7]),
    "pissa": LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights="pissa"),
    "ia3": IA3Config(target_modules=["k_proj", "down_proj"], feedforward_modules=["down_proj"]),
    "loha": LoHaConfig(r=2, alpha=4, target_modules=["q_proj", "v_proj"]),
}


def save(base, folder, config, seed=0, words=None):
    """An adapter with random weights, with an enlarged vocabulary if ``words`` is given."""
    model = load_model(base)
    if words:
        model.resize_token_embeddings(words)
    adapted = get_peft_model(model, config)
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.3)
    adapted.save_pretrained(folder)
    return folder


def plain(base, folder, words=None):
    """The logits of peft and transformers alone."""
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    if words:
        model.resize_token_embeddings(words)
    with torch.no_grad():
        return PeftModel.from_pretrained(model, folder).eval()(IDS).logits


@pytest.fixture(scope="module")
def adapters(base_folder, tmp_path_factory):
    root = tmp_path_factory.mktemp("adapters")
    return {name: save(base_folder, root / str(i), config) for i, (name, config) in enumerate(CONFIGS.items())}


@pytest.mark.slow
@pytest.mark.parametrize("merging", [False, True], ids=["beside", "merged"])
def test_every_configuration_equals_peft_and_does_not_change_the_base(base_folder, adapters, merging):
    slot = AdaptedBase(load_model(base_folder))
    with torch.no_grad():
        base_logits = slot.model(IDS).logits.clone()
        for folder in [*adapters.values(), *list(adapters.values())[::-1]]:
            logits = slot.load(folder, merging=merging)(IDS).logits
            expected = plain(base_folder, folder)
            assert torch.allclose(logits, expected, atol=1e-5), folder
            assert not torch.allclose(expected, base_logits, atol=1e-3)
            assert torch.equal(slot.clear()(IDS).logits, base_logits)


@pytest.mark.parametrize("tied", [False, True])
def test_a_larger_vocabulary_comes_and_goes(tmp_path, tokenizer, tiny_model, tied):
    model = tiny_model()
    model.config.tie_word_embeddings = tied
    model.tie_weights()
    model.save_pretrained(tmp_path / "base")
    words = model.config.vocab_size + 3
    folder = save(tmp_path / "base", tmp_path / "adapter", CONFIGS["lora"], words=words)
    slot = AdaptedBase(load_model(tmp_path / "base"))
    with torch.no_grad():
        base_logits = slot.model(IDS).logits.clone()
        logits = slot.load(folder, merging=True)(IDS).logits
        assert logits.shape[-1] == words
        assert torch.allclose(logits, plain(tmp_path / "base", folder, words), atol=1e-5)
        assert torch.equal(slot.clear()(IDS).logits, base_logits)
        assert slot.model.config.vocab_size == words - 3


def test_a_larger_vocabulary_without_its_embeddings_is_refused(base_folder, tmp_path, tiny_model):
    words = tiny_model().config.vocab_size + 3
    folder = save(base_folder, tmp_path / "adapter", CONFIGS["lora"], words=words)
    weights = load_file(folder / "adapter_model.safetensors")
    weights = {name: weight for name, weight in weights.items() if "lm_head" not in name or "lora" in name}
    save_file(weights, folder / "adapter_model.safetensors")
    with pytest.raises(ModelError, match=f"vocabulary of {words} words and does not contain all of its embeddings"):
        AdaptedBase(load_model(base_folder)).load(folder)


@pytest.mark.parametrize("check", ["fit", "load"])
@pytest.mark.parametrize("fault", ["another size", "another rank", "missing", "another family"])
def test_an_adapter_that_does_not_fit_is_refused(base_folder, tmp_path, tiny_model, tokenizer, fault, check):
    folder = save(base_folder, tmp_path / "adapter", CONFIGS["lora"])
    base = base_folder
    if fault == "another size":
        base = tmp_path / "other"
        wide = Architecture(family="llama", layers=2, hidden_size=32, heads=2, intermediate_size=32, max_positions=128)
        new_model(wide, tokenizer, 0).save_pretrained(base)
    elif fault == "another family":
        base = tmp_path / "other"
        tiny_model("gpt_neox").save_pretrained(base)
    elif fault == "another rank":
        config = json.loads((folder / "adapter_config.json").read_text())
        (folder / "adapter_config.json").write_text(json.dumps(config | {"r": 3}))
    else:
        weights = load_file(folder / "adapter_model.safetensors")
        weights.pop(next(name for name in sorted(weights) if "lora_B" in name))
        save_file(weights, folder / "adapter_model.safetensors")
    with pytest.raises(ModelError, match=rf"the adapter in {folder} does not fit"):
        require_fit(base, folder) if check == "fit" else AdaptedBase(load_model(base)).load(folder)


def test_an_adapter_that_names_modules_that_the_base_lacks_is_refused(base_folder, tmp_path):
    folder = save(base_folder, tmp_path / "adapter", CONFIGS["lora"])
    weights = load_file(folder / "adapter_model.safetensors")
    weights["base_model.model.model.layers.7.self_attn.q_proj.lora_A.weight"] = torch.zeros(2, 16)
    save_file(weights, folder / "adapter_model.safetensors")
    with pytest.raises(ModelError, match=r"the base has no base_model.model.model.layers.7"):
        AdaptedBase(load_model(base_folder)).load(folder)


@pytest.mark.parametrize(
    ("config", "line"),
    [
        (
            PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2),
            "of type .PREFIX_TUNING., which is not supported",
        ),
        (LoraConfig(r=2, target_modules=ALL, init_lora_weights="pissa_niter_4"), "starts from changed base weights"),
    ],
)
def test_adapters_that_cannot_be_loaded_exactly_are_refused(base_folder, tmp_path, config, line):
    folder = tmp_path / "adapter"
    get_peft_model(load_model(base_folder), config).save_pretrained(folder)
    with pytest.raises(ModelError, match=line):
        AdaptedBase(load_model(base_folder)).load(folder)


def test_every_configuration_is_found_to_fit(base_folder, adapters):
    for folder in adapters.values():
        require_fit(base_folder, folder)
