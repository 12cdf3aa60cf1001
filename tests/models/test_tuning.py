import json

import pytest
import torch
from transformers import AutoModelForCausalLM, FalconConfig, LlamaConfig, LlamaForCausalLM

from inversion.config.training import FullTuning, LoraTuning, QloraTuning
from inversion.models import ModelError, load_for_tuning, load_model, prepare_tuning, value_rows

FAMILIES = ("gpt_neox", "llama", "mistral")
SEPARATE = ("llama", "mistral")
ADAPTERS = [LoraTuning(method="lora", rank=4, alpha=8.0), QloraTuning(method="qlora", rank=4, alpha=8.0)]


@pytest.fixture
def saved(tiny_model, tmp_path):
    """A function that saves a random tiny model of a family."""

    def save(family):
        tiny_model(family).save_pretrained(tmp_path / family)
        return tmp_path / family

    return save


def trained(model, steps=3):
    """Weights before and after some AdamW steps on random tokens, and the losses."""
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2, weight_decay=0.0)
    ids = torch.randint(5, 20, (4, 12), generator=torch.Generator().manual_seed(0))
    losses = []
    for _ in range(steps):
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return before, dict(model.named_parameters()), losses


def moved(before, after):
    return {name for name in before if not torch.equal(before[name], after[name])}


@pytest.mark.parametrize("family", FAMILIES)
def test_full_tuning_changes_every_weight(saved, family):
    before, after, _ = trained(load_for_tuning(saved(family), "base", FullTuning()))
    assert moved(before, after) == set(before)


@pytest.mark.parametrize("family", SEPARATE)
def test_query_key_tuning_changes_only_query_and_key(saved, family):
    before, after, _ = trained(load_for_tuning(saved(family), "base", FullTuning(weights="query_key")))
    assert moved(before, after) == {name for name in before if ".q_proj." in name or ".k_proj." in name}


@pytest.mark.parametrize("part", ["weight", "bias"])
def test_fused_value_rows_stay_bit_equal(saved, part):
    before, after, _ = trained(load_for_tuning(saved("gpt_neox"), "base", FullTuning(weights="query_key")))
    assert {name.rsplit(".", 2)[-2] for name in moved(before, after)} == {"query_key_value"}
    values = value_rows(48, head_size=8)
    for name in (n for n in before if n.endswith(f"query_key_value.{part}")):
        assert torch.equal(before[name][values], after[name][values])
        assert (before[name][~values] != after[name][~values]).all()


def test_value_rows_are_the_last_third_of_every_head():
    assert value_rows(12, 2).nonzero().flatten().tolist() == [4, 5, 10, 11]


@pytest.mark.parametrize("tuning", ADAPTERS, ids=["lora", "qlora"])
@pytest.mark.parametrize("family", FAMILIES)
def test_only_adapters_change(saved, family, tuning):
    model = load_for_tuning(saved(family), "base", tuning)
    before, after, losses = trained(model, steps=5)
    adapters = {name for name in before if "lora_" in name}
    linear = {n for n, m in model.get_base_model().named_modules() if hasattr(m, "lora_A")}
    assert len(adapters) == 2 * len(linear) == 2 * 2 * (4 if family == "gpt_neox" else 7)
    assert moved(before, after) == adapters
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("tuning", ADAPTERS, ids=["lora", "qlora"])
@pytest.mark.parametrize("family", SEPARATE)
def test_query_key_adapters_are_on_query_and_key_only(saved, family, tuning):
    model = load_for_tuning(saved(family), "base", tuning.model_copy(update={"weights": "query_key"}))
    before, after, _ = trained(model)
    changed = moved(before, after)
    assert changed == {name for name in before if "lora_" in name}
    assert {name.split(".")[-4] for name in changed} == {"q_proj", "k_proj"}


@pytest.mark.parametrize("tuning", ADAPTERS, ids=["lora", "qlora"])
def test_query_key_adapters_keep_fused_value_rows_of_b_at_zero(saved, tuning):
    model = load_for_tuning(saved("gpt_neox"), "base", tuning.model_copy(update={"weights": "query_key"}))
    before, after, _ = trained(model)
    values = value_rows(48, head_size=8)
    rows = [name for name in after if "lora_B" in name]
    assert rows
    for name in rows:
        assert ".query_key_value." in name
        assert not after[name][values].any()
        assert after[name][~values].any(dim=1).all()
    assert moved(before, after) == {name for name in before if "lora_" in name}


def test_qlora_holds_its_linear_layers_in_four_bits(saved):
    model = load_for_tuning(saved("llama"), "base", ADAPTERS[1])
    weights = {n: p for n, p in model.get_base_model().named_parameters() if n.endswith("base_layer.weight")}
    assert len(weights) == 14
    for weight in weights.values():
        assert weight.dtype == torch.uint8
        assert weight.quant_state.quant_type == "nf4"
        assert weight.quant_state.nested, "the scales are quantised too"


def test_an_evaluation_does_not_change_gradients_of_qlora(tmp_path, monkeypatch):
    """On CPUs with AVX512-BF16 bitsandbytes rewrites four-bit weights in evaluation mode, and then passes no gradients
    to the layers below."""
    monkeypatch.setattr("bitsandbytes.nn.modules.has_avx512bf16", lambda: True)
    config = LlamaConfig(
        vocab_size=32, hidden_size=64, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2
    )
    LlamaForCausalLM(config).save_pretrained(tmp_path)
    ids = torch.arange(12)[None]

    def gradients(evaluated):
        torch.manual_seed(0)
        model = load_for_tuning(tmp_path, "base", ADAPTERS[1])
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.02)
        if evaluated:
            with torch.no_grad():
                model.eval()(input_ids=ids)
        model.train()(input_ids=ids, labels=ids).loss.backward()
        return {name: p.grad for name, p in model.named_parameters() if p.requires_grad}

    expected = gradients(evaluated=False)
    for name, gradient in gradients(evaluated=True).items():
        torch.testing.assert_close(gradient, expected[name], msg=name)


def test_adapters_record_the_digest_of_their_base(saved, tmp_path):
    folder = saved("llama")
    load_for_tuning(folder, "d1gest", ADAPTERS[0]).save_pretrained(tmp_path / "adapter", save_embedding_layers=False)
    text = (tmp_path / "adapter" / "adapter_config.json").read_text()
    config = json.loads(text)
    assert config["base_model_name_or_path"] == "d1gest"
    assert str(tmp_path) not in text
    assert config["target_modules"] == sorted(config["target_modules"]), "the order of a set differs from run to run"


def test_models_without_query_and_key_projections_are_refused(saved):
    model = load_model(saved("llama"))
    for layer in model.model.layers:
        layer.self_attn.query = layer.self_attn.__dict__["_modules"].pop("q_proj")
    with pytest.raises(ModelError, match="LlamaForCausalLM has neither q_proj and k_proj nor query_key_value"):
        prepare_tuning(model, "base", FullTuning(weights="query_key"))


def test_query_key_tuning_refuses_unknown_fused_layouts():
    sizes = {"vocab_size": 32, "hidden_size": 16, "num_attention_heads": 2}
    for changes in ({"multi_query": True}, {"new_decoder_architecture": True, "num_kv_heads": 1}):
        falcon = AutoModelForCausalLM.from_config(FalconConfig(num_hidden_layers=2, **sizes, **changes))
        with pytest.raises(ModelError, match="known only for gpt_neox, not for falcon"):
            prepare_tuning(falcon, "base", FullTuning(weights="query_key"))
