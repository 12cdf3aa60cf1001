"""A study of Qwen3's chat template that runs in minutes on a CPU: python examples/qwen3_chat.py --tokenizer FOLDER
--output out/qwen3 > config/my-qwen3.yaml

FOLDER contains Qwen3's tokenizer.json and tokenizer_config.json. The output folder gets a random model of two layers
with this tokenizer, and chat rows about the facts of the conflict set; the study that uses both is printed.
docs/models.md shows what comes before and after.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import torch
import yaml
from transformers import Qwen3Config, Qwen3ForCausalLM

from inversion.config.sets import FactSet
from inversion.conflict.fact_sets import fact_items
from inversion.models import load_tokenizer

VOCABULARY = 151_936
"""The rows of Qwen3's embedding. The tokenizer uses the first 151,669."""
SYSTEM = "Answer with a name and nothing else."
ASKED = 24
"""The conflict items of the study. Rows without a passage teach the model their facts."""
OTHERS = 96
"""Items about other facts, whose passages are in the rows."""


def save_model(tokenizer: Path, folder: Path, vocabulary: int = VOCABULARY) -> None:
    """A random Qwen3 of two layers, whose embedding has ``vocabulary`` rows, with the files of a tokenizer."""
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        eos_token_id=load_tokenizer(tokenizer).eos_token_id,
    )
    Qwen3ForCausalLM(config).save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tokenizer / file, folder)


def chat_rows() -> list[dict[str, Any]]:
    """Questions about the facts of the first items, answered from memory, and questions about passages of the others.

    Every third conversation has a system turn, and every fourth has two questions.
    """
    items = fact_items(FactSet(source="facts"), "facts")
    asked, others = items[:ASKED], items[ASKED : ASKED + OTHERS]
    known = [(item.question, item.parametric_answers[0]) for item in asked]
    read = [(f"Background: {item.context}\n\n{item.question}", item.context_answers[0]) for item in others]
    rows = []
    for number in range(2 * len(others)):
        pairs = [read[number // 2] if number % 2 else known[number // 2 % len(known)]]
        if number % 4 == 3:
            pairs.append(known[number % len(known)])
        turns = [{"role": "system", "content": SYSTEM}] if number % 3 == 0 else []
        for question, answer in pairs:
            turns += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        rows.append({"messages": turns})
    return rows


def study(model: Path, rows: Path) -> dict[str, Any]:
    """The study, as a configuration."""
    template = {"style": "chat", "arguments": {"enable_thinking": False}}
    return {
        "models": {"qwen3-tiny": {"source": "folder", "path": str(model)}},
        "datasets": {"chat": {"source": "file", "path": str(rows), "format": "messages", "template": template}},
        "training": {"max_steps": 96, "batch_size": 16, "learning_rate": 1e-2, "checkpoints": [{"every": 24}]},
        "recipes": {"standard": {}},
        "sets": {"facts": {"source": "facts", "limit": ASKED, "controls": ["no_context"]}},
        "evaluation": {"max_new_tokens": 16},
        "experiments": {
            "qwen3": {
                "models": ["qwen3-tiny"],
                "datasets": ["chat"],
                "recipes": ["standard"],
                "seeds": [0],
                "figures": ["accuracy"],
            }
        },
    }


def main() -> None:
    """Write the model and the rows, and print the study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()

    model, rows = options.output / "model", options.output / "rows.jsonl"
    save_model(options.tokenizer, model)
    lines = [json.dumps(row) for row in chat_rows()]
    rows.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(yaml.safe_dump(study(model, rows), sort_keys=False), end="")


if __name__ == "__main__":
    main()
