#!/usr/bin/env bash
# peft 0.21.2 with transformers 5.23.0: LoRA with target_modules="all-linear" succeeds on Llama 4, and the first forward pass
# then fails, because the router of the experts is among the adapted modules.
#
# The router is a subclass of nn.Linear that returns two tensors. "all-linear" chooses by class, wraps it, and the wrapper
# expects a single tensor. get_peft_model raises nothing, so the failure comes only when training begins, as an
# AttributeError about a tuple. One would expect all-linear to skip such a module, or to refuse it when it is wrapped.
#
# Who meets it: whoever finetunes Llama 4 (or Phi-MoE, whose router also returns a tuple) with all-linear, as QLoRA recipes do.
#
# Seen: get_peft_model lists the router among the adapted modules; the forward pass raises
# AttributeError: 'tuple' object has no attribute 'dtype'.
# Exits with 0 if this still holds, and with 1 if it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check torch==2.13.0 transformers==5.23.0 peft==0.21.2
"$work/venv/bin/python" - <<'PY'
import sys

import peft
import torch
import transformers
from peft import LoraConfig, get_peft_model
from transformers import Llama4ForCausalLM, Llama4TextConfig

config = Llama4TextConfig(
    vocab_size=50,
    hidden_size=32,
    intermediate_size=32,
    intermediate_size_mlp=32,
    num_hidden_layers=1,
    num_attention_heads=2,
    num_key_value_heads=2,
    head_dim=16,
    num_local_experts=4,
    pad_token_id=0,
)
ids = torch.arange(5)[None]
torch.manual_seed(0)
model = Llama4ForCausalLM(config).eval()
with torch.no_grad():
    print("without adapters:", tuple(model(ids).logits.shape))
adapted = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", target_modules="all-linear"))
routers = [name for name, module in adapted.named_modules() if name.endswith("router") and hasattr(module, "lora_A")]
print("peft", peft.__version__, "transformers", transformers.__version__)
print("adapted routers:", routers)
try:
    with torch.no_grad():
        adapted(ids)
    raised = "nothing"
except AttributeError as error:
    raised = f"{type(error).__name__}: {error}"
print("the forward pass raises:", raised)
same = bool(routers) and "tuple" in raised
print("as described" if same else "this has changed")
sys.exit(not same)
PY
