#!/usr/bin/env bash
# transformers 5.23.0: a Falcon model with ALiBi gives other logits with attn_implementation="eager" than with "sdpa",
# because eager attention adds the ALiBi bias twice.
#
# The model adds the bias to the causal mask, and the eager branch of its attention adds it to the scores as well before
# it adds that mask. SDPA only receives the mask. One would expect both implementations to compute the same model up to
# rounding; asking for eager, as one does to get attention weights, silently evaluates a different one.
#
# Who meets it: whoever compares attention maps, probes or generations of Falcon-RW models across implementations.
#
# Seen: logits differ by 1e-2 on a tiny random model, whose logits are up to 0.6; SDPA with the bias doubled equals eager
# to rounding. With rotary positions (alibi=False) both implementations agree.
# Exits with 0 if this still holds, and with 1 if it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check torch==2.13.0 transformers==5.23.0
"$work/venv/bin/python" - <<'PY'
import sys

import torch
import transformers
from transformers import FalconConfig, FalconForCausalLM
from transformers.models.falcon import modeling_falcon

ids = torch.arange(20)[None]


def logits(implementation, alibi, times=1):
    original = modeling_falcon.build_alibi_tensor
    modeling_falcon.build_alibi_tensor = lambda *args, **kwargs: times * original(*args, **kwargs)
    config = FalconConfig(vocab_size=50, hidden_size=32, num_attention_heads=4, num_hidden_layers=1, alibi=alibi)
    config._attn_implementation = implementation
    torch.manual_seed(0)
    model = FalconForCausalLM(config).eval()
    with torch.no_grad():
        found = model(ids).logits
    modeling_falcon.build_alibi_tensor = original
    return found


def apart(one, other):
    return float((one - other).abs().max())


sdpa, eager = logits("sdpa", True), logits("eager", True)
print("transformers", transformers.__version__)
print(f"largest logit {float(sdpa.abs().max()):.2g}")
print(f"ALiBi: eager against sdpa {apart(eager, sdpa):.1e}")
print(f"ALiBi: eager against sdpa with the bias doubled {apart(eager, logits('sdpa', True, 2)):.1e}")
print(f"rotary positions: eager against sdpa {apart(logits('eager', False), logits('sdpa', False)):.1e}")
same = apart(eager, sdpa) > 1e-3 and apart(eager, logits("sdpa", True, 2)) < 1e-5
same = same and apart(logits("eager", False), logits("sdpa", False)) < 1e-5
print("as described" if same else "this has changed")
sys.exit(not same)
PY
