#!/usr/bin/env bash
# transformer-lens 4.3.0 with peft 0.21.2 and transformers 5.23.0: TransformerBridge takes a GPT-NeoX with unmerged LoRA adapters
# without an error or warning, but its logits are neither those of the adapted model nor those of the base model.
#
# The same call refuses adapted Llama, Mistral, Gemma 3 and Qwen 3 models with an AttributeError, and a GPT-NeoX whose adapters are
# merged is exact. One would expect the unmerged one to be exact or to be refused as well.
#
# Who meets it: whoever looks inside LoRA checkpoints of Pythia with TransformerLens. Merging the adapters first gives the right logits.
#
# Seen: the largest difference of the logits is 1e-6 with merged adapters, and more than 0.1 with unmerged ones, both from the adapted
# and from the base model.
# Exits with 0 if this still holds, and with 1 if it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check torch==2.13.0 transformers==5.23.0 peft==0.21.2 \
    transformer-lens==4.3.0
cd "$work"
HF_HUB_OFFLINE=1 "$work/venv/bin/python" - <<'PY'
import copy
import sys
from importlib.metadata import version

import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, models
from transformer_lens.model_bridge import TransformerBridge
from transformers import AutoTokenizer, GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

torch.manual_seed(0)
config = GPTNeoXConfig(
    vocab_size=60,
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=64,
    max_position_embeddings=64,
    initializer_range=0.3,
)
base = GPTNeoXForCausalLM(config).eval()
words = Tokenizer(models.WordLevel({f"w{index}": index for index in range(58)} | {"<pad>": 58, "<s>": 59}, "w0"))
special = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "<s>"}
base.save_pretrained("model")
PreTrainedTokenizerFast(tokenizer_object=words, **special).save_pretrained("model")
tokenizer = AutoTokenizer.from_pretrained("model")
ids = torch.arange(3, 15)[None]


def through_bridge(model):
    bridge = TransformerBridge.boot_transformers("model", hf_model=model, tokenizer=tokenizer, device="cpu")
    return bridge(ids)


with torch.no_grad():
    plain = base(ids).logits
    adapted = get_peft_model(copy.deepcopy(base), LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)).eval()
    own = adapted(ids).logits
    merged = copy.deepcopy(adapted).merge_and_unload().eval()
    right = float((through_bridge(merged) - own).abs().max())
    found = through_bridge(adapted)
    from_adapted, from_base = float((found - own).abs().max()), float((found - plain).abs().max())
print(*(f"{name} {version(name)}" for name in ("transformer-lens", "peft", "transformers", "torch")))
print(f"merged adapters: {right:.0e} from the adapted model")
print(f"unmerged adapters: {from_adapted:.2f} from the adapted model, {from_base:.2f} from the base model")
same = right < 1e-3 and from_adapted > 0.1 and from_base > 0.1
print("as described" if same else "this has changed")
sys.exit(not same)
PY
