import json

import pytest
import torch

from inversion.config.training import DoraTuning, LoraTuning, QloraTuning
from inversion.models import CheckpointLoader, ModelError, checkpoint_loader, load_for_tuning

FAMILIES = ("gpt_neox", "llama", "mistral")
LORA = LoraTuning(method="lora", rank=2, alpha=4.0)
QLORA = QloraTuning(method="qlora", rank=2, alpha=4.0)
DORA = DoraTuning(method="dora", rank=2, alpha=4.0)
ADAPTERS = {"lora": LORA, "dora": DORA, "qlora": QLORA}


def save_adapter(base, folder, tuning=LORA, seed=0, digest="base"):
    """An adapter with random weights."""
    torch.manual_seed(seed)
    tuned = load_for_tuning(base, digest, tuning)
    for name, parameter in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
        elif "lora_magnitude_vector" in name:
            parameter.data *= 1 + torch.rand_like(parameter)
    tuned.save_pretrained(folder, save_embedding_layers=False)
    return folder


@pytest.mark.parametrize("family", FAMILIES)
def test_checkpoints_load_full_weights_and_return_to_the_base(tmp_path, tiny_model, tokenizer, family):
    models = {"base": tiny_model(family, seed=0).eval(), "tuned": tiny_model(family, seed=1).eval()}
    for name, model in models.items():
        model.save_pretrained(tmp_path / name)
    tokenizer.save_pretrained(tmp_path / "base")
    checkpoints = CheckpointLoader.on(tmp_path / "base", "base")
    ids = torch.arange(5, 15).unsqueeze(0)
    with torch.no_grad():
        for name in ("base", "tuned", "base"):
            assert torch.equal(checkpoints.load(tmp_path / name)(ids).logits, models[name](ids).logits)
        assert not torch.equal(models["base"](ids).logits, models["tuned"](ids).logits)


@pytest.mark.parametrize("tuning", ADAPTERS.values(), ids=ADAPTERS)
def test_checkpoints_swap_adapters_and_return_to_the_base(base_folder, tmp_path, tuning):
    folders = [save_adapter(base_folder, tmp_path / str(seed), tuning, seed) for seed in (1, 2)]
    ids = torch.arange(5, 15).unsqueeze(0)
    checkpoints = CheckpointLoader.on(base_folder, "base")
    with torch.no_grad():
        base_logits = checkpoints.model(ids).logits.clone()
        for folder in (*folders, folders[0]):
            fresh = CheckpointLoader.on(base_folder, "base").load(folder)
            assert torch.equal(checkpoints.load(folder)(ids).logits, fresh(ids).logits)
            assert not torch.equal(fresh(ids).logits, base_logits)
        assert torch.equal(checkpoints.load(base_folder)(ids).logits, base_logits)


@pytest.mark.parametrize("tuning", ADAPTERS.values(), ids=ADAPTERS)
def test_merged_adapters_give_the_answers_of_unmerged_ones(base_folder, tmp_path, tuning):
    folders = [save_adapter(base_folder, tmp_path / str(seed), tuning, seed) for seed in (1, 2)]
    ids = torch.arange(5, 15).unsqueeze(0)
    beside, merged = CheckpointLoader.on(base_folder, "base"), CheckpointLoader.on(base_folder, "base", merging=True)
    with torch.no_grad():
        base_logits = merged.model(ids).logits.clone()
        for folder in (*folders, base_folder, folders[0]):
            fresh = CheckpointLoader.on(base_folder, "base", merging=True).load(folder)(ids).logits
            logits = merged.load(folder)(ids).logits
            assert torch.equal(logits, fresh), "whatever was loaded before"
            assert torch.allclose(logits, beside.load(folder)(ids).logits, atol=1e-5)
        assert torch.equal(merged.load(base_folder)(ids).logits, base_logits)


def test_adapters_are_not_merged_into_bfloat16(base_folder, tmp_path, monkeypatch):
    folder = save_adapter(base_folder, tmp_path / "adapter")
    monkeypatch.setattr("inversion.models.base_model.compute_dtype", lambda _: torch.bfloat16)
    checkpoints = CheckpointLoader.on(base_folder, "base", merging=True)
    ids = torch.arange(5, 15).unsqueeze(0)
    with torch.no_grad():
        base_logits = checkpoints.model(ids).logits.clone()
        model = checkpoints.load(folder)
        assert not torch.equal(model(ids).logits, base_logits)
    assert any("lora_A" in name for name, _ in model.named_parameters()), "the adapter is kept apart"


def test_a_type_that_is_named_goes_before_the_one_that_is_computed_in(base_folder, tmp_path, tiny_model, monkeypatch):
    folder = save_adapter(base_folder, tmp_path / "adapter")
    tiny_model(seed=1).save_pretrained(tmp_path / "whole")
    expected = CheckpointLoader.on(base_folder, "base", merging=True).load(folder).state_dict()
    monkeypatch.setattr("inversion.models.base_model.compute_dtype", lambda _: torch.bfloat16)
    checkpoints = CheckpointLoader.on(base_folder, "base", merging=True, dtype=torch.float32)
    assert checkpoints.load(tmp_path / "whole").dtype == torch.float32
    torch.testing.assert_close(dict(checkpoints.load(folder).state_dict()), dict(expected), atol=0, rtol=0)


def test_an_adapter_of_an_unknown_type_is_refused(base_folder, tmp_path):
    folder = save_adapter(base_folder, tmp_path / "adapter")
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | {"peft_type": "PROMPT_TUNING"}))
    with pytest.raises(
        ModelError, match=r"is of type 'PROMPT_TUNING', which is not supported; evaluate adapters of type LORA"
    ):
        CheckpointLoader.on(base_folder, "base").load(folder)


def test_adapters_that_cannot_be_merged_are_refused_with_the_reason(base_folder, tmp_path, monkeypatch):
    from peft.tuners.lora import Linear

    def refuse(self):
        raise NotImplementedError("no sum gives these weights")

    monkeypatch.setattr(Linear, "merge", refuse)
    folder = save_adapter(base_folder, tmp_path / "adapter")
    with pytest.raises(ModelError, match="cannot be merged: no sum gives these weights"):
        CheckpointLoader.on(base_folder, "base", merging=True).load(folder)


def test_adapters_of_a_type_that_is_not_mergeable_are_evaluated_unmerged(base_folder, tmp_path, monkeypatch):
    folder = save_adapter(base_folder, tmp_path / "adapter")
    monkeypatch.setitem(checkpoint_loader.MERGEABLE, "LORA", False)
    merged, ids = CheckpointLoader.on(base_folder, "base", merging=True), torch.arange(5, 15).unsqueeze(0)
    with torch.no_grad():
        plain = CheckpointLoader.on(base_folder, "base").load(folder)(ids).logits
        model = merged.load(folder)
        assert torch.equal(model(ids).logits, plain)
    assert any("lora_A" in name for name, _ in model.named_parameters()), "the adapter is kept apart"


def test_an_adapter_of_another_base_is_refused(base_folder, tmp_path):
    folder = save_adapter(base_folder, tmp_path / "adapter", digest="another")
    with pytest.raises(ModelError, match=f"the adapter in {folder} was trained on a different base from {base_folder}"):
        CheckpointLoader.on(base_folder, "base").load(folder)


@pytest.mark.parametrize("family", ["gpt_neox", "mistral"])
def test_an_adapter_that_does_not_fit_its_base_is_named(base_folder, tmp_path, tiny_model, family):
    tiny_model(family).save_pretrained(tmp_path / "other")
    folder = save_adapter(tmp_path / "other", tmp_path / "adapter")
    if family == "mistral":  # the same layers with other sizes
        config = json.loads((folder / "adapter_config.json").read_text())
        (folder / "adapter_config.json").write_text(json.dumps(config | {"r": 3}))
    with pytest.raises(ModelError, match=f"the adapter in {folder} does not fit {base_folder}"):
        CheckpointLoader.on(base_folder, "base").load(folder)
