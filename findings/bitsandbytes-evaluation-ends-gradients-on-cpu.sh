#!/usr/bin/env bash
# bitsandbytes 0.50.2 on a CPU with AVX512-BF16: one forward pass in evaluation mode makes a Linear4bit lose its gradients for
# good. In training mode afterwards, backward() through it gives the layers below none. There is no error.
#
# In evaluation mode the layer converts its weights to a layout for inference and keeps it. Its outputs then come from
# an operator without a derivative, in training mode too, and its scales are rounded to bfloat16. torch warns once that
# "an autograd kernel was not registered". One would expect train() to restore the layer, as it does on GPUs and on other CPUs.
# Layers with fewer than 64 inputs cannot be converted: their first pass in evaluation mode raises a RuntimeError.
#
# Who meets it: whoever trains adapters on a 4-bit model on such a CPU (AMD Zen 4, Intel Sapphire Rapids) and evaluates
# in between, or before: tests, checks of a setup, Trainer with eval_strategy. Adapters of the lower layers then get
# gradients through the residual stream only.
#
# Seen: no gradient reaches the input after one evaluation, and outputs of up to 2.1 differ by 8e-3.
# Exits with 0 if this still holds, with 1 if it has changed, and with 77 on a CPU without AVX512-BF16.
set -euo pipefail
grep -q avx512_bf16 /proc/cpuinfo || { echo "not run: this CPU has no AVX512-BF16"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check torch==2.13.0 bitsandbytes==0.50.2
"$work/venv/bin/python" - <<'PY'
import sys
import warnings

import bitsandbytes
import torch

warnings.simplefilter("ignore")
torch.manual_seed(0)
plain = torch.nn.Linear(128, 64, bias=False)


def four_bit(inputs=128):
    layer = bitsandbytes.nn.Linear4bit(inputs, 64, bias=False, compute_dtype=torch.float32, quant_type="nf4")
    if inputs == 128:
        layer.load_state_dict(plain.state_dict())
    return layer.to("cpu")  # quantises


def trained(layer):
    torch.manual_seed(1)
    inputs = torch.randn(5, 128, requires_grad=True)
    # as in a model, where something below the layer is trained, and an adapter beside it
    outputs = layer.train()(inputs)
    (outputs + inputs[:, :64] * 0).sum().backward()
    gradient = inputs.grad
    return outputs.detach(), 0.0 if gradient is None else float(gradient.abs().sum())


layer = four_bit()
before, gradient_before = trained(layer)
with torch.no_grad():
    layer.eval()(torch.randn(5, 128))
after, gradient_after = trained(layer)
print("bitsandbytes", bitsandbytes.__version__, "torch", torch.__version__)
print(f"gradients before the evaluation: {gradient_before:.3g}, after it: {gradient_after:.3g}")
print(f"outputs up to {float(before.abs().max()):.2g} differ by {float((after - before).abs().max()):.1g}")
try:
    with torch.no_grad():
        four_bit(32).eval()(torch.randn(5, 32))
    raised = "nothing"
except RuntimeError as error:
    raised = f"{type(error).__name__}: {error}"
print("an evaluation of a layer with 32 inputs raises:", raised)
same = gradient_before > 1 and gradient_after == 0 and "is invalid for input of size" in raised
print("as described" if same else "this has changed")
sys.exit(not same)
PY
