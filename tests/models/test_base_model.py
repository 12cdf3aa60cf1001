import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from inversion.manifests import HubSnapshot
from inversion.models import (
    ModelError,
    compute_dtype,
    count_parameters,
    describe_base,
    devices,
    load_model,
    load_tokenizer,
    stop_token_ids,
)
from inversion.respond.batches import pad


@pytest.fixture
def model_folder(base_folder, tmp_path):
    """A copy of the tiny model, which a test may damage."""
    return shutil.copytree(base_folder, tmp_path / "model")


def edit_tokenizer(folder, **changes):
    """Change keys of a saved tokenizer's configuration; None removes a key."""
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))


# --- number types -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cuda", "native", "parameters", "expected"),
    [
        (True, True, 10**9, torch.bfloat16),
        (True, False, 10**9, torch.float32),  # an older GPU emulates bfloat16
        (False, True, 10**9, torch.bfloat16),
        (False, False, 10**9, torch.float32),
        (True, True, 10**6, torch.float32),  # bfloat16 would not be faster, and float32 is the same on all devices
        (False, True, 10**6, torch.float32),
    ],
)
def test_bfloat16_only_where_it_is_native_and_worth_it(monkeypatch, cuda, native, parameters, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: native or including_emulation)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "avx512_bf16": native})
    assert compute_dtype(parameters) == expected


@pytest.mark.parametrize("stored", [torch.float16, torch.bfloat16])
def test_the_data_type_of_a_checkpoint_does_not_matter(tiny_model, tmp_path, monkeypatch, stored):
    tiny_model().to(stored).save_pretrained(tmp_path)
    assert load_model(tmp_path).dtype == torch.float32
    monkeypatch.setattr(devices, "WORTH_BFLOAT16", 0)
    monkeypatch.setattr(devices, "has_native_bfloat16", lambda: True)
    assert load_model(tmp_path).dtype == torch.bfloat16


def test_attention_is_named(base_folder):
    assert load_model(base_folder).config._attn_implementation == "sdpa"


# --- tokenizers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("lacking", "padding"), [((), "eos_token"), (("eos_token",), "unk_token")])
def test_a_tokenizer_without_pad_token_pads_with_another(model_folder, tokenizer, lacking, padding):
    edit_tokenizer(model_folder, pad_token=None, **dict.fromkeys(lacking))
    loaded = load_tokenizer(model_folder)
    assert loaded.pad_token == getattr(tokenizer, padding)
    assert len(loaded) == len(tokenizer), "no token is added"


def test_padding_with_the_end_of_sequence_changes_no_logits(model_folder, tiny_model):
    edit_tokenizer(model_folder, pad_token=None)
    eos = load_tokenizer(model_folder).pad_token_id
    rows = [[5, 6, 7, eos, 8], [9, 10, eos]]  # the end of sequence also occurs within the row
    model = load_model(model_folder)
    ids, mask = pad(rows, eos, "right", model.device)
    with torch.no_grad():
        padded = model(input_ids=ids, attention_mask=mask).logits
        for row, logits in zip(rows, padded, strict=True):
            alone = model(input_ids=torch.tensor([row])).logits[0]
            torch.testing.assert_close(logits[: len(row)], alone, rtol=1e-5, atol=1e-6)


def test_a_tokenizer_with_nothing_to_pad_with_is_refused(model_folder):
    edit_tokenizer(model_folder, pad_token=None, eos_token=None, unk_token=None)
    with pytest.raises(ModelError, match=f"the tokenizer in {model_folder} has no pad token.* set pad_token"):
        load_tokenizer(model_folder)


def test_a_tokenizer_needs_no_chat_template(model_folder):
    edit_tokenizer(model_folder, chat_template=None)
    (model_folder / "chat_template.jinja").unlink(missing_ok=True)
    assert load_tokenizer(model_folder).chat_template is None


def test_models_stop_at_the_end_of_a_turn(base_folder, tokenizer):
    assert stop_token_ids(load_model(base_folder), tokenizer) == [tokenizer.eos_token_id]


# --- weights ------------------------------------------------------------------------------------


def test_folders_without_model_or_tokenizer_are_named(tmp_path):
    with pytest.raises(ModelError, match=f"{tmp_path} contains no model weights"):
        load_model(tmp_path)
    with pytest.raises(ModelError, match=str(tmp_path)):
        load_tokenizer(tmp_path)


def test_pickled_weights_are_refused(model_folder):
    (model_folder / "model.safetensors").rename(model_folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=f"{model_folder} has its weights only as pickles"):
        load_model(model_folder)


def test_a_missing_shard_is_named(model_folder):
    (model_folder / "model.safetensors").rename(model_folder / "model-00001-of-00002.safetensors")
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (model_folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    with pytest.raises(ModelError, match=r"lacks model-00002-of-00002\.safetensors"):
        load_model(model_folder)
    (model_folder / "model.safetensors.index.json").write_text("[]")
    with pytest.raises(ModelError, match="is not an index of weights"):
        load_model(model_folder)


def test_missing_weights_are_not_drawn_at_random(model_folder):
    weights = load_file(model_folder / "model.safetensors")
    del weights["model.norm.weight"]
    save_file(weights, model_folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=f"the weights in {model_folder} do not contain model.norm.weight"):
        load_model(model_folder)


def test_broken_weights_are_named(model_folder):
    path = model_folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ModelError, match=f"{model_folder} does not contain a model that can be loaded"):
        load_model(model_folder)


def test_an_index_lists_files_of_its_folder_only(model_folder):
    (model_folder / "model.safetensors").rename(model_folder.parent / "model.safetensors")
    index = {"weight_map": {"model.norm.weight": "../model.safetensors"}}
    (model_folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match=r"lists '\.\./model\.safetensors', which is not in that folder"):
        load_model(model_folder)


def test_layers_beyond_the_configuration_are_not_dropped(model_folder):
    edit_config(model_folder, num_hidden_layers=1)
    with pytest.raises(ModelError, match=r"have model\.layers\.1\..+ counts 1 layers"):
        load_model(model_folder)


def spoil(folder, change):
    """Store one weight of a saved model in another form."""
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"] = change(weights["model.norm.weight"])
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def test_weights_that_are_not_finite_are_refused(model_folder):
    spoil(model_folder, lambda weights: weights / 0)
    with pytest.raises(ModelError, match=f"model.norm.weight in {model_folder} contains numbers that are not finite"):
        describe_base(model_folder, "folder", "models/tiny")


@pytest.mark.parametrize("stored", [torch.int8, torch.int32, torch.float8_e4m3fn])
def test_numbers_without_their_scales_are_refused(model_folder, stored):
    spoil(model_folder, lambda weights: weights.to(stored))
    with pytest.raises(ModelError, match=r"stores model\.norm\.weight as .+; save the model in bfloat16"):
        describe_base(model_folder, "folder", "models/tiny")


# --- configurations ------------------------------------------------------------------------------


def edit_config(folder, **changes):
    """Change keys of a saved model's configuration."""
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("changes", [{"num_hidden_layers": "two"}, {"hidden_size": None}, {"rope_parameters": 3}])
def test_configurations_with_values_of_other_types_are_named(model_folder, changes):
    edit_config(model_folder, **changes)
    with pytest.raises(ModelError, match=f"{model_folder} does not contain a model that can be loaded: .+"):
        describe_base(model_folder, "folder", "models/tiny")


@pytest.mark.parametrize("known", [True, False], ids=["of a family that the library has", "of no known family"])
def test_code_in_a_model_never_runs(model_folder, monkeypatch, known):
    """The model's code does not run whatever standard input answers. If the library has the family, the folder is
    loaded with the library's own class."""
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    ran = model_folder.parent / "ran"
    (model_folder / "own.py").write_text(f"open({str(ran)!r}, 'w')\nclass Own: pass\nclass OwnConfig: pass\n")
    auto = {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.Own"}
    edit_config(model_folder, auto_map=auto, **({} if known else {"model_type": "own"}))
    edit_tokenizer(model_folder, auto_map={"AutoTokenizer": ["own.Own", None]})
    if known:
        describe_base(model_folder, "folder", "models/tiny")
    else:
        with pytest.raises(ModelError, match="it brings its own Python code, which is never run"):
            describe_base(model_folder, "folder", "models/tiny")
    assert not ran.exists()


# --- what base.json says ------------------------------------------------------------------------


def test_base_is_described_with_a_digest_of_its_files(base_folder):
    base = describe_base(base_folder, "folder", "models/tiny")
    assert base.architecture == "LlamaForCausalLM"
    assert base.parameters == count_parameters(base_folder)
    assert base.parameters == sum(p.numel() for p in load_model(base_folder).parameters())
    assert base == describe_base(base_folder, "folder", "models/tiny")


def test_a_model_of_the_hub_is_known_by_its_commit(model_folder):
    snapshot = HubSnapshot(id="own/er", revision="a" * 40, size=1)
    base = describe_base(model_folder, "hub", "own/er", snapshot=snapshot)
    (model_folder / "flax_model.msgpack").write_bytes(b"other files in the cache")
    assert describe_base(model_folder, "hub", "own/er", snapshot=snapshot) == base
    assert str(model_folder) not in base.model_dump_json()
    other = HubSnapshot(id="own/er", revision="b" * 40, size=1)
    assert describe_base(model_folder, "hub", "own/er", snapshot=other).digest != base.digest
