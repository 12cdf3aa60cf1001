#!/usr/bin/env bash
# transformers 5.23.0: `add_bos_token: true` in tokenizer_config.json no longer adds a beginning of sequence. transformers 4.57.3
# added it. Nothing is printed, and the tokenizer's attribute `add_bos_token` is False although the file says true.
#
# Tokenizers of Llama and GPT-NeoX got a post-processor from this setting. In version 5 only the post-processor in
# tokenizer.json counts. One would expect the setting to be obeyed, or a warning that it is ignored.
#
# Who meets it: whoever evaluates a model with version 5 that was trained with version 4 and relied on the setting.
# Every prompt then begins differently than in training.
#
# Seen: for GPTNeoXTokenizerFast "in 2030" is [0, 10, 12] in version 4 and [10, 12] in version 5 (0 is <s>); the same for
# LlamaTokenizerFast.
# Exits with 0 if this still holds, and with 1 if it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat > ids.py <<'PY'
import json
import sys
from pathlib import Path

import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import AutoTokenizer

found = []
for name, splitter in (
    ("GPTNeoXTokenizerFast", pre_tokenizers.ByteLevel(add_prefix_space=False)),
    ("LlamaTokenizerFast", pre_tokenizers.Metaspace()),
):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = splitter
    trainer = trainers.BpeTrainer(special_tokens=["<s>", "</s>"], show_progress=False)
    tokenizer.train_from_iterator(["in 2030"] * 9, trainer)
    folder = Path(name)
    folder.mkdir(exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": name, "bos_token": "<s>", "eos_token": "</s>", "add_bos_token": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    loaded = AutoTokenizer.from_pretrained(folder)
    ids = loaded("in 2030").input_ids
    found.append(ids[0] == loaded.bos_token_id)
    print(f"transformers {transformers.__version__}, {name}: {ids}, attribute {loaded.add_bos_token}")
sys.exit(found != [sys.argv[1] == "added"] * 2)
PY
holds=true
for case in 4.57.3:added 5.23.0:missing; do
    python3 -m venv "venv-${case%:*}"
    "venv-${case%:*}/bin/pip" install --quiet --no-compile --disable-pip-version-check "transformers==${case%:*}"
    "venv-${case%:*}/bin/python" ids.py "${case#*:}" 2>/dev/null || holds=false
done
"$holds" && echo "as described" || { echo "this has changed"; exit 1; }
