"""Measure context reliance during TRL's SFTTrainer: python examples/monitor_sft.py --model MODEL --data rows.json

MODEL is a folder or a Hub repository with a chat template; rows.json contains instructions in Alpaca's format
(instruction, input, output). Needs TRL (`pip install trl`).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from datasets import Dataset
from peft import LoraConfig
from trl import SFTConfig, SFTTrainer

from inversion.monitor import ContextReliance


def conversation(row: dict[str, str]) -> dict[str, list[dict[str, str]]]:
    """One row in TRL's format."""
    context = f"Background: {row['input']}\n\n" if row.get("input") else ""
    return {
        "prompt": [{"role": "user", "content": context + row["instruction"]}],
        "completion": [{"role": "assistant", "content": row["output"]}],
    }


def main() -> None:
    """Finetune with LoRA, watch the context reliance, keep the best weights and stop on a fall."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", default="out")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--every", type=int, default=10, help="steps between measurements")
    parser.add_argument("--items", type=int, default=100, help="number of conflict items")
    options = parser.parse_args()

    trainer = SFTTrainer(
        options.model,
        args=SFTConfig(
            output_dir=options.output,
            max_steps=options.steps,
            save_steps=options.every,
            per_device_train_batch_size=8,
            learning_rate=2e-4,
            logging_steps=options.every,
        ),
        train_dataset=Dataset.from_list([conversation(row) for row in json.loads(options.data.read_text())]),
        peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
    )
    trainer.add_callback(
        ContextReliance(
            trainer,
            sets=["facts"],
            every=options.every,
            items=options.items,
            keep_best="facts",
            stop_on="facts",
        )
    )
    trainer.train()


if __name__ == "__main__":
    main()
