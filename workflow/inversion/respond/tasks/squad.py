"""SQuAD's exact match and F1, as its official script for version 1.1 computes them."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalise(answer: str) -> str:
    """``answer`` in lower case without punctuation, articles and surplus spaces."""
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", answer.lower().translate(_PUNCTUATION)).split())


def f1(answer: str, truth: str) -> float:
    """The harmonic mean of precision and recall over the words of two normalised answers."""
    words, true_words = normalise(answer).split(), normalise(truth).split()
    common = (Counter(words) & Counter(true_words)).total()
    return 2 * common / (len(words) + len(true_words)) if common else 0.0


def process_results(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """Exact match and F1 of the generated answer to ``doc``: the best over the true answers."""
    truths = doc["answers"]["text"]
    return {
        "exact_match": float(any(normalise(results[0]) == normalise(truth) for truth in truths)),
        "f1": max(f1(results[0], truth) for truth in truths),
    }
