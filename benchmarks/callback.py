"""Measures the cost of the callback `ContextReliance` in a training with TRL's SFTTrainer.

The model is the random Llama of 50 M parameters of `evaluation.py`, trained with LoRA on all linear layers on generated
conversations. The trainings with and without the callback run in separate processes with the same seed, and their
weights must be equal bit for bit. Imports are not counted.

    OMP_NUM_THREADS=1 python benchmarks/callback.py
    OMP_NUM_THREADS=1 python benchmarks/callback.py --steps 2 --every 1 --items 4 --output /tmp/callback.md
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import torch
from datasets import Dataset
from evaluation import invented_items, make_run, peak_mb
from peft import LoraConfig
from safetensors.torch import load_file
from transformers import AutoTokenizer
from trl import SFTConfig, SFTTrainer

from inversion.artifacts import write_text
from inversion.monitor import ContextReliance
from inversion.records.data import ConflictItem

CHAT = (
    "{% for message in messages %}<|{{ message['role'] }}|>\n{{ message['content'] }}{{ eos_token }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


class Trained(NamedTuple):
    """The measurements of one training."""

    cpu: float
    """CPU seconds, without loading the model and the data."""
    measuring: float
    """CPU seconds that the callback's measurements took."""
    measurements: int
    peak_mb: float


class Clock(ContextReliance):
    """The callback, with the CPU time of its measurements."""

    seconds = 0.0

    def _visit(self, args: object, state: object, control: object) -> None:
        begin = time.process_time()
        super()._visit(args, state, control)
        self.seconds += time.process_time() - begin


def conversations(items: Sequence[ConflictItem]) -> Dataset:
    """For every item, its question with the context, and its parametric answer."""
    return Dataset.from_list(
        [
            {
                "prompt": [{"role": "user", "content": f"{item.context}\n\n{item.question}"}],
                "completion": [{"role": "assistant", "content": item.parametric_answers[0]}],
            }
            for item in items
        ]
    )


def train(folder: Path, name: str, steps: int, every: int, items: int) -> Trained:
    """Train once, and save the adapter in ``folder``/``name``. ``every`` is 0 for a training without the callback."""
    torch.manual_seed(0)
    trainer = SFTTrainer(
        str(folder / "base"),
        args=SFTConfig(
            output_dir=str(folder / f"{name}-out"),
            max_steps=steps,
            save_strategy="no",
            per_device_train_batch_size=4,
            learning_rate=2e-4,
            gradient_checkpointing=False,
            bf16=False,
            report_to="none",
            disable_tqdm=True,
        ),
        train_dataset=conversations(invented_items(100)),
        peft_config=LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM"),
    )
    watch = Clock(trainer, {"invented": invented_items(items)}, every=every, items=items) if every else None
    if watch:
        trainer.add_callback(watch)
    begin = time.process_time()
    trainer.train()
    taken = time.process_time() - begin
    trainer.save_model(str(folder / name))
    return Trained(taken, watch.seconds if watch else 0.0, len(watch.measurements) if watch else 0, peak_mb())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--every", type=int, default=5)
    parser.add_argument("--items", type=int, default=50)
    parser.add_argument("--output", default="benchmarks/results/callback.md")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make_run(folder, invented_items(100), checkpoints=0, rank=8)
        tokenizer = AutoTokenizer.from_pretrained(folder / "base")
        tokenizer.chat_template = CHAT
        tokenizer.save_pretrained(folder / "base")
        found = {}
        for name, every in (("alone", 0), ("watched", options.every)):
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
                found[name] = pool.submit(train, folder, name, options.steps, every, options.items).result()
        weights = [load_file(folder / name / "adapter_model.safetensors") for name in found]
    equal = weights[0].keys() == weights[1].keys() and all(map(torch.equal, *(one.values() for one in weights)))
    alone, watched = found["alone"], found["watched"]
    step = (watched.cpu - watched.measuring) / options.steps
    each = watched.measuring / watched.measurements
    lines = [
        f"# The callback on a Llama of 50 M parameters, CPU, {torch.get_num_threads()} thread(s)",
        "",
        f"{options.steps} steps of 4 conversations by TRL's SFTTrainer with LoRA of rank 8, float32; {options.items} "
        f"conflict items and 16 new tokens at each of {watched.measurements} measurements. CPU seconds.",
        "",
        "| training | CPU (s) | of that measuring | peak memory (MB) |",
        "| --- | --- | --- | --- |",
        f"| without the callback | {alone.cpu:.1f} | | {alone.peak_mb:.0f} |",
        f"| with it | {watched.cpu:.1f} | {watched.measuring:.1f} | {watched.peak_mb:.0f} |",
        "",
        f"A step takes {step:.2f} s and a measurement {each:.2f} s, as much as {each / step:.1f} steps: "
        f"{each / step / 50:.1%} of the training at every 50 steps. "
        f"Adapters after training: {'equal bit for bit' if equal else 'DIFFERENT'}.",
    ]
    write_text(options.output, "\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
