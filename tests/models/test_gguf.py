"""A tiny model is written as a GGUF file and read back."""

import sys
from types import ModuleType

import gguf
import numpy as np
import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from inversion.config.models import GgufModel
from inversion.models import ModelError, convert_gguf, load_model, load_tokenizer, locate_gguf

TOKENS = ["<unk>", "<end>", *map(chr, range(ord("a"), ord("z") + 1)), "Ġ", "th", "the"]
QUANTISED = "blk.0.ffn_up.weight"


def write_gguf(path, scale=lambda writer: None):
    """A random Qwen2 with one layer, of which one matrix is quantised to 8 bits. Returns the model with the weights
    that the file contains."""
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(TOKENS),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    model = Qwen2ForCausalLM(config).eval()
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN2, 1)
    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_block_count(1)
    writer.add_feed_forward_length(64)
    writer.add_head_count(2)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10000.0)
    scale(writer)
    writer.add_vocab_size(len(TOKENS))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(TOKENS)
    writer.add_token_types([3, 3, *[1] * (len(TOKENS) - 2)])
    writer.add_token_merges(["t h", "th e"])
    writer.add_eos_token_id(1)
    for name, weight in model.state_dict().items():
        stem, suffix = name.rsplit(".", 1)
        key = f"{names.get_name(stem)}.{suffix}"
        if key == QUANTISED:
            packed = gguf.quantize(weight.numpy(), gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor(key, packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
            weight.copy_(torch.from_numpy(gguf.dequantize(packed, gguf.GGMLQuantizationType.Q8_0)))
        else:
            writer.add_tensor(key, np.ascontiguousarray(weight.numpy()))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    write_gguf(path)
    return path


def test_a_gguf_file_becomes_a_folder_like_any_other(tmp_path):
    source = write_gguf(tmp_path / "tiny.gguf")
    convert_gguf(tmp_path / "tiny.gguf", tmp_path / "base")
    model, tokenizer = load_model(tmp_path / "base"), load_tokenizer(tmp_path / "base")
    for name, weight in source.state_dict().items():
        assert torch.equal(model.state_dict()[name], weight), name
    assert tokenizer.convert_ids_to_tokens(tokenizer("the cat").input_ids) == ["the", "Ġ", "c", "a", "t"]
    model.save_pretrained(tmp_path / "checkpoint")  # as in full tuning


def test_a_finished_conversion_is_kept_and_another_file_replaces_it(tmp_path, file):
    convert_gguf(file, tmp_path / "base")
    made = (tmp_path / "base" / "model.safetensors").stat().st_mtime_ns
    convert_gguf(file, tmp_path / "base")
    assert (tmp_path / "base" / "model.safetensors").stat().st_mtime_ns == made
    (tmp_path / "base" / "model.safetensors").write_bytes(b"damaged")
    convert_gguf(file, tmp_path / "base")
    load_model(tmp_path / "base")


def test_a_broken_file_is_named_and_leaves_nothing(tmp_path, file):
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(file.read_bytes()[:3000])
    with pytest.raises(ModelError, match=f"{broken} does not contain a model that transformers can dequantise"):
        convert_gguf(broken, tmp_path / "base")
    assert [path.name for path in tmp_path.iterdir()] == ["broken.gguf"]


def yarn(writer):
    writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
    writer.add_rope_scaling_factor(4.0)


SCALINGS = {
    "rope.scaling.type is yarn": yarn,
    "rope.scaling.factor is 2": lambda writer: writer.add_rope_scaling_factor(2.0),
    "it has rope_freqs.weight": lambda writer: writer.add_tensor("rope_freqs.weight", np.full(8, 8.0, np.float32)),
    "it has rope_factors_long.weight": lambda writer: writer.add_tensor(
        "rope_factors_long.weight", np.full(8, 2.0, np.float32)
    ),
}


@pytest.mark.parametrize("said", SCALINGS)
def test_positions_whose_scale_would_be_dropped_are_refused(tmp_path, said):
    write_gguf(tmp_path / "scaled.gguf", SCALINGS[said])
    with pytest.raises(ModelError, match=rf"scaled.gguf scales its positions \(.*{said}\), which transformers drops"):
        convert_gguf(tmp_path / "scaled.gguf", tmp_path / "base")
    assert not (tmp_path / "base").exists()


def test_a_scale_of_one_is_none(tmp_path):
    def scale(writer):
        writer.add_rope_scaling_type(gguf.RopeScalingType.NONE)
        writer.add_rope_scaling_factor(1.0)
        writer.add_tensor("rope_freqs.weight", np.ones(8, np.float32))

    write_gguf(tmp_path / "plain.gguf", scale)
    convert_gguf(tmp_path / "plain.gguf", tmp_path / "base")
    load_model(tmp_path / "base")


def test_files_are_found_by_path_and_by_provider(monkeypatch, file):
    module = ModuleType("ships_a_model")
    module.assemble = lambda: file
    monkeypatch.setitem(sys.modules, "ships_a_model", module)
    assert locate_gguf(GgufModel(source="gguf", path=str(file))) == file
    assert locate_gguf(GgufModel(source="gguf", provider="ships_a_model:assemble")) == file


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        ({"path": "nowhere.gguf"}, "there is no GGUF file at nowhere.gguf"),
        ({"provider": "no_such_package:assemble"}, "that provides no_such_package:assemble is not installed"),
        ({"provider": "json:assemble"}, "the module json has no function assemble"),
        ({"provider": "json:loads"}, r"json:loads\(\) does not return a GGUF file: loads\(\) missing"),
    ],
)
def test_a_missing_file_is_named(spec, line):
    with pytest.raises(ModelError, match=line):
        locate_gguf(GgufModel(source="gguf", **spec))
