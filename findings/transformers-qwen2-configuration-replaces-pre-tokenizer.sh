#!/usr/bin/env bash
# transformers 5.23.0: next to a config.json of the type qwen2, AutoTokenizer replaces the normaliser and the pre-tokenizer
# of tokenizer.json by Qwen2's own, so that the same file gives other token ids. Nothing is printed.
#
# The class in tokenizer_config.json does not matter: `TokenizersBackend`, which save_pretrained writes itself, and
# `PreTrainedTokenizerFast` are overridden too. One would expect a tokenizer that was saved to load with the same ids, whatever
# the model next to it.
#
# Who meets it: whoever trains a model of Qwen2's architecture with a vocabulary of their own. The tokenizer is right
# while the model is trained, and another one as soon as both are loaded from one folder: digits are split one by one, and texts
# are normalised (NFC).
#
# Seen: after save_pretrained of the tokenizer alone the ids are the same; with {"model_type": "qwen2"} in config.json
# " 2030" is five tokens in place of one. Other types (llama, gpt_neox, qwen3) leave the tokenizer unchanged.
# Exits with 0 if this still holds, and with 1 if it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check transformers==5.23.0 tokenizers==0.23.3
cd "$work"
"$work/venv/bin/python" - 2>/dev/null <<'PY'
import json
import sys
from pathlib import Path

import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

own = Tokenizer(models.BPE())
own.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
own.decoder = decoders.ByteLevel()
alphabet = pre_tokenizers.ByteLevel.alphabet()
trainer = trainers.BpeTrainer(special_tokens=["</s>"], initial_alphabet=alphabet, show_progress=False)
own.train_from_iterator(["in 2030 it moved"] * 9, trainer)
text = "in 2030"
wanted = own.encode(text).ids

folder = Path("model")
PreTrainedTokenizerFast(tokenizer_object=own, eos_token="</s>").save_pretrained(folder)
written = json.loads((folder / "tokenizer_config.json").read_text())["tokenizer_class"]
print("transformers", transformers.__version__, "wrote the class", written)
same = {}
for kind in (None, "llama", "gpt_neox", "qwen3", "qwen2"):
    if kind:
        (folder / "config.json").write_text(json.dumps({"model_type": kind}))
    loaded = AutoTokenizer.from_pretrained(folder)
    tokens = loaded.convert_ids_to_tokens(loaded(text).input_ids)
    same[kind] = loaded(text).input_ids == wanted
    print(f"config.json: {kind}: {type(loaded).__name__}, {tokens}, the same ids: {same[kind]}")
holds = not same["qwen2"] and all(value for kind, value in same.items() if kind != "qwen2")
print("as described" if holds else "this has changed")
sys.exit(not holds)
PY
