#!/usr/bin/env bash
# datasets 5.2.0: one number in a column of texts turns the other texts of its block, and all texts that follow, into JSON
# source. The column stays a plain string column and nothing is printed.
#
# A reader of JSON Lines takes the file in blocks. The first block settles that `output` is a string. A later block holds
# one number among its texts; its values are then stored as JSON source: an answer of two lines reads
# `"first line\nsecond line"`, with the quotation marks and with a backslash and an n in place of the line break. One would
# expect an error (a number where a string was promised), or the number as the text "7" and the texts unchanged.
# The texts before that block are unchanged, so that a look at the first rows shows nothing.
#
# Who meets it: instruction data of some tens of megabytes in which one answer is a bare number. Models are then
# trained on quotation marks and on `\n` as two characters.
#
# Seen: 40,000 rows, number in row 30,000: rows 0 to 22,239 are right, 17,759 texts after them are JSON source.
# Exits with 0 where this still holds, and with 1 where it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check datasets==5.2.0 pyarrow==26.0.1
cd "$work"
"$work/venv/bin/python" - <<'PY'
import json
import sys

import datasets

answer = "first line\nsecond line " + "x" * 400
rows = [{"instruction": f"question {i}", "output": answer} for i in range(40_000)]
rows[30_000]["output"] = 7
with open("rows.jsonl", "w") as file:
    file.writelines(json.dumps(row) + "\n" for row in rows)

data = datasets.load_dataset("json", data_files="rows.jsonl", split="train", cache_dir="cache")
texts = data["output"][:]
changed = [i for i, text in enumerate(texts) if text == json.dumps(answer)]
print("datasets", datasets.__version__, data.features["output"])
print("texts that are JSON source now:", len(changed), "from row", changed[0] if changed else None)
print("row 0:     ", repr(texts[0][:30]))
print("last row:  ", repr(texts[-1][:30]))
print("the number:", repr(texts[30_000]))
same = (
    data.features["output"] == datasets.Value("string")
    and texts[0] == answer
    and texts[-1] == json.dumps(answer)
    and len(changed) > 1_000
)
print("as described" if same else "this has changed")
sys.exit(not same)
PY
