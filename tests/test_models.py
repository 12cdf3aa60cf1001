import pytest
import torch

from inversion.config import FullTuning, LoraTuning
from inversion.models import (
    Checkpoints,
    ModelError,
    describe_base,
    load_model,
    load_tokenizer,
    prepare_tuning,
    stop_token_ids,
    value_rows,
)

FAMILIES = ("gpt_neox", "llama", "mistral")


def trained_step(model, weight_decay=0.0):
    """One AdamW step on random tokens; returns the weights before and after."""
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = torch.optim.AdamW(
        [p for p in model.parameters() if p.requires_grad], lr=1e-2, weight_decay=weight_decay
    )
    ids = torch.randint(5, 20, (4, 12), generator=torch.Generator().manual_seed(0))
    model(input_ids=ids, labels=ids).loss.backward()
    optimizer.step()
    return before, dict(model.named_parameters())


def moved(before, after):
    return {name for name in before if not torch.equal(before[name], after[name])}


@pytest.mark.parametrize("family", FAMILIES)
def test_full_tuning_moves_every_weight(tiny_model, family):
    model = prepare_tuning(tiny_model(family), FullTuning())
    before, after = trained_step(model)
    assert moved(before, after) == set(before)


@pytest.mark.parametrize("family", ["llama", "mistral"])
def test_query_key_tuning_moves_only_query_and_key(tiny_model, family):
    model = prepare_tuning(tiny_model(family), FullTuning(weights="query_key"))
    before, after = trained_step(model)
    assert moved(before, after) == {name for name in before if ".q_proj." in name or ".k_proj." in name}


@pytest.mark.parametrize("part", ["weight", "bias"])
def test_fused_value_rows_stay_bit_equal(tiny_model, part):
    model = prepare_tuning(tiny_model("gpt_neox"), FullTuning(weights="query_key"))
    before, after = trained_step(model)
    assert {name.rsplit(".", 2)[-2] for name in moved(before, after)} == {"query_key_value"}
    values = value_rows(48, head_size=8)
    for name in (n for n in before if n.endswith(f"query_key_value.{part}")):
        assert torch.equal(before[name][values], after[name][values])
        assert not torch.equal(before[name][~values], after[name][~values])


def test_value_rows_are_the_last_third_of_every_head():
    assert value_rows(12, 2).nonzero().flatten().tolist() == [4, 5, 10, 11]


@pytest.mark.parametrize("family", FAMILIES)
def test_lora_moves_adapters_only(tiny_model, family):
    model = prepare_tuning(tiny_model(family), LoraTuning(method="lora", rank=4, alpha=8.0))
    before, after = trained_step(model)
    changed = moved(before, after)
    assert changed
    assert all("lora_" in name for name in changed)


def test_query_key_lora_keeps_fused_value_rows_of_b_at_zero(tiny_model):
    model = prepare_tuning(tiny_model("gpt_neox"), LoraTuning(method="lora", weights="query_key", rank=4, alpha=8.0))
    _, after = trained_step(model)
    values = value_rows(48, head_size=8)
    for name in (n for n in after if "lora_B" in n):
        assert not after[name][values].any()
        assert after[name][~values].any()


@pytest.mark.parametrize("family", FAMILIES)
def test_checkpoints_take_full_weights_and_go_back_to_the_base(tmp_path, tiny_model, tokenizer, family):
    models = {"base": tiny_model(family, seed=0).eval(), "tuned": tiny_model(family, seed=1).eval()}
    for name, model in models.items():
        model.save_pretrained(tmp_path / name)
    tokenizer.save_pretrained(tmp_path / "base")
    checkpoints = Checkpoints.on(tmp_path / "base")
    ids = torch.arange(5, 15).unsqueeze(0)
    with torch.no_grad():
        for name in ("base", "tuned", "base"):
            assert torch.equal(checkpoints.load(tmp_path / name)(ids).logits, models[name](ids).logits)
        assert not torch.equal(models["base"](ids).logits, models["tuned"](ids).logits)


def test_checkpoints_swap_adapters_and_go_back_to_the_base(base_folder, tmp_path):
    folders = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        tuned = prepare_tuning(load_model(base_folder), LoraTuning(method="lora", rank=2, alpha=4.0))
        for name, parameter in tuned.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter)
        folders.append(tmp_path / str(seed))
        tuned.save_pretrained(folders[-1])
    ids = torch.arange(5, 15).unsqueeze(0)
    checkpoints = Checkpoints.on(base_folder)
    with torch.no_grad():
        base_logits = checkpoints.model(ids).logits.clone()
        for folder in (*folders, folders[0]):
            fresh = Checkpoints.on(base_folder).load(folder)
            assert torch.equal(checkpoints.load(folder)(ids).logits, fresh(ids).logits)
            assert not torch.equal(fresh(ids).logits, base_logits)
        assert torch.equal(checkpoints.load(base_folder)(ids).logits, base_logits)


def test_an_adapter_that_does_not_fit_its_base_is_named(base_folder, tmp_path, tiny_model):
    prepare_tuning(tiny_model("gpt_neox"), LoraTuning(method="lora", rank=2, alpha=4.0)).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=f"the adapter in {tmp_path} does not fit {base_folder}"):
        Checkpoints.on(base_folder).load(tmp_path)


def test_folders_without_model_or_tokenizer_are_named(tmp_path):
    with pytest.raises(ModelError, match=str(tmp_path)):
        load_model(tmp_path)
    with pytest.raises(ModelError, match=str(tmp_path)):
        load_tokenizer(tmp_path)


def test_tokenizer_without_chat_template_is_loaded(tmp_path, tokenizer):
    tokenizer.save_pretrained(tmp_path)
    bare = load_tokenizer(tmp_path)
    bare.chat_template = None
    bare.save_pretrained(tmp_path / "no-template")
    (tmp_path / "no-template" / "chat_template.jinja").unlink(missing_ok=True)
    assert load_tokenizer(tmp_path / "no-template").chat_template is None


def test_base_is_described_with_a_digest_of_its_files(base_folder):
    base = describe_base(base_folder, "folder", str(base_folder))
    assert base.architecture == "LlamaForCausalLM"
    assert base.parameters == sum(p.numel() for p in load_model(base_folder).parameters())
    assert base == describe_base(base_folder, "folder", str(base_folder))


def test_models_stop_at_the_end_of_a_turn(base_folder, tokenizer):
    assert stop_token_ids(load_model(base_folder), tokenizer) == [tokenizer.eos_token_id]
