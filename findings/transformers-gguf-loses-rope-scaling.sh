#!/usr/bin/env bash
# transformers 5.23.0, gguf 0.19.0: a GGUF file that states a scaling of its rotary positions is loaded without it.
#
# llama.cpp's converter writes a Llama whose configuration has rope_parameters {"rope_type": "linear", "factor": 4.0} with
# the keys llama.rope.scaling.type and llama.rope.scaling.factor, and a Llama 3.1 with the tensor rope_freqs.weight.
# transformers reads such keys for gpt-oss only. For Llama it neither applies them nor warns, so that a model with a
# longer context window is silently another function of its positions. One would expect the scaling, or an error as
# for an architecture that is not supported.
#
# Who meets it: whoever evaluates or finetunes a model with an extended context from a GGUF file.
#
# Seen: rope_type is "default", and the lowest rotary frequency is that of a model without scaling.
# Exits with 0 if this still holds, and with 1 if it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check torch==2.13.0 transformers==5.23.0 gguf==0.19.0 accelerate==1.15.0
cd "$work"
"$work/venv/bin/python" - <<'PY'
import logging
import sys

import gguf
import numpy as np
import torch
import transformers
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

HIDDEN, HEADS, INNER, VOCABULARY = 64, 4, 128, 32
FACTOR = 4.0
warnings = []


class Keep(logging.Handler):
    def emit(self, record):
        warnings.append(record.getMessage())


def write(path):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(4096)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(1)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
    writer.add_rope_scaling_factor(FACTOR)
    writer.add_vocab_size(VOCABULARY)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([f"t{n}" for n in range(VOCABULARY)])
    rng = np.random.default_rng(0)
    shapes = {"token_embd": (VOCABULARY, HIDDEN), "output": (VOCABULARY, HIDDEN), "output_norm": (HIDDEN,)}
    shapes |= {f"blk.0.attn_{name}": (HIDDEN, HIDDEN) for name in ("q", "k", "v", "output")}
    shapes |= {f"blk.0.ffn_{name}": (INNER, HIDDEN) for name in ("gate", "up")} | {"blk.0.ffn_down": (HIDDEN, INNER)}
    shapes |= {"blk.0.attn_norm": (HIDDEN,), "blk.0.ffn_norm": (HIDDEN,)}
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", (0.1 * rng.standard_normal(shape)).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


write("model.gguf")
stated = {name: field.contents() for name, field in gguf.GGUFReader("model.gguf").fields.items() if ".rope." in name}
transformers.utils.logging.get_logger("transformers").addHandler(Keep())
model = AutoModelForCausalLM.from_pretrained(".", gguf_file="model.gguf")
plain = LlamaForCausalLM(
    LlamaConfig(hidden_size=HIDDEN, num_attention_heads=HEADS, intermediate_size=INNER, num_hidden_layers=1, vocab_size=VOCABULARY)
)
found, without = (one.model.rotary_emb.inv_freq for one in (model, plain))
print("transformers", transformers.__version__)
print("in the file:", {name: value for name, value in stated.items() if "scaling" in name})
print("in the configuration:", model.config.rope_parameters)
print(f"lowest rotary frequency {float(found.min()):.6f}; without scaling {float(without.min()):.6f}")
about = [text for text in warnings if "rope" in text.lower() or "scaling" in text.lower()]
print("warnings about positions:", about)
same = model.config.rope_parameters.get("rope_type") == "default" and torch.equal(found, without) and not about
same = same and stated.get("llama.rope.scaling.factor") == FACTOR
print("as described" if same else "this has changed")
sys.exit(not same)
PY
