"""Train a series with TRL's SFTTrainer and LoRA: python examples/sft_series.py --model MODEL --data rows.json --output
out

MODEL is a folder or a Hub repository with a chat template, or a GGUF file, which is dequantised into a folder
next to the output. rows.json contains instructions in Alpaca's format (instruction, input, output). Needs TRL
(`pip install trl`), and `pip install gguf` for GGUF files. docs/series.md shows what comes next.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from datasets import Dataset
from monitor_sft import conversation
from peft import LoraConfig
from trl import SFTConfig, SFTTrainer

from inversion.models.gguf import convert_gguf


def main() -> None:
    """Finetune, and save checkpoints during training."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=Path("out/sft"))
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--save-steps", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--max-length", type=int, default=512, help="tokens of an example; the rest is cut off")
    options = parser.parse_args()

    model = options.model
    if model.endswith(".gguf"):
        model = str((options.output.parent / Path(model).stem).resolve())
        convert_gguf(options.model, model)
    cuda = torch.cuda.is_available()
    trainer = SFTTrainer(
        model,
        args=SFTConfig(
            output_dir=str(options.output),
            max_steps=options.steps,
            save_steps=options.save_steps,
            per_device_train_batch_size=options.batch_size,
            max_length=options.max_length,
            learning_rate=2e-4,
            logging_steps=options.save_steps,
            bf16=cuda,
            gradient_checkpointing=cuda,  # saves memory but costs time
        ),
        train_dataset=Dataset.from_list([conversation(row) for row in json.loads(options.data.read_text())]),
        peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
    )
    trainer.train()


if __name__ == "__main__":
    main()
