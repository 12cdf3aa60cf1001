#!/usr/bin/env bash
# statsmodels 0.15.0: every call of `multipletests` runs a full garbage collection, so that correcting three p-values
# takes as long as the process has objects.
#
# Before it sorts the p-values, the function calls gc.collect(). In a fresh process that costs milliseconds; in one that holds
# millions of objects, or has imported torch and transformers, each call costs a large part of a second. One would
# expect the time to depend on the number of p-values only.
#
# Who meets it: simulations and property tests that correct a few p-values thousands of times.
#
# Seen: one collection per call; 0.04 s per call, and 0.46 s with 3 million small lists alive.
# Exits with 0 if this still holds, and with 1 if it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check statsmodels==0.15.0
"$work/venv/bin/python" - <<'PY'
import gc
import sys
import time

import statsmodels
from statsmodels.stats.multitest import multipletests

collections = []
gc.callbacks.append(lambda phase, info: collections.append(info["generation"]) if phase == "start" else None)


def seconds(calls=5):
    began = time.perf_counter()
    for _ in range(calls):
        multipletests([0.01, 0.02, 0.03], method="holm")
    return (time.perf_counter() - began) / calls


seconds()
collections.clear()
few = seconds()
full = collections.count(2)
alive = [[] for _ in range(3_000_000)]
many = seconds()
print("statsmodels", statsmodels.__version__)
print("full collections in 5 calls:", full)
print(f"seconds per call: {few:.4f}, with 3 million lists alive {many:.4f}")
same = full == 5 and many > 3 * few
print("as described" if same else "this has changed")
sys.exit(not same)
PY
