"""Compares the training speed on instruction data with that of the plain Trainer, which pads batches and computes all
logits.

Both train the same random model on the same batches in the same order, and are measured alternately. Only tokens of the
rows count, not padding.

    python benchmarks/training.py ../shared/data/sft/alpaca_en_demo.json
    python benchmarks/training.py ROWS --shape llama-2-7b --lora-rank 128 --batch-size 64 \
        --micro-batch-tokens 8192 --plain-micro-batch 16
"""

from __future__ import annotations

import argparse
import tempfile
import time
from typing import Any, NamedTuple

import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import (
    AutoModelForCausalLM,
    DataCollatorForSeq2Seq,
    LlamaConfig,
    PreTrainedTokenizerFast,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from inversion.artifacts import write_text
from inversion.config.datasets import AlpacaTemplate, FileDataset
from inversion.config.training import FullTuning, LoraTuning
from inversion.instruct.sources import load_examples
from inversion.instruct.templates import encode_example
from inversion.models import prepare_tuning
from inversion.train.packing import IGNORED, PackedData, training_order
from inversion.train.trainer import Optimization, make_trainer

SHAPES = {
    "llama-50m": {
        "hidden_size": 512,
        "intermediate_size": 1376,
        "num_hidden_layers": 6,
        "num_attention_heads": 8,
        "num_key_value_heads": 8,
    },
    "llama-2-7b": {
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 32,
    },
}
VOCABULARY = 32_000
BF16_PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12}
"""Dense bfloat16 operations per second, as stated by the vendor."""
CUDA = torch.cuda.is_available()


class Measured(NamedTuple):
    wall_s: float
    cpu_s: float
    first_loss: float


class Clock(TrainerCallback):
    """Times the steps alone, without setting up."""

    def now(self) -> tuple[float, float]:
        if CUDA:
            torch.cuda.synchronize()
        return time.perf_counter(), time.process_time()

    def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
        self.begin = self.now()

    def on_train_end(self, *args: Any, **kwargs: Any) -> None:
        self.end = self.now()

    def measured(self, trainer: Trainer) -> Measured:
        wall, cpu = (end - begin for begin, end in zip(self.begin, self.end, strict=True))
        return Measured(wall, cpu, next(entry["loss"] for entry in trainer.state.log_history if "loss" in entry))


def encoded_rows(path: str) -> list[dict[str, list[int]]]:
    """The rows in the Alpaca template, tokenized by a byte-level BPE that is trained on them."""
    examples = load_examples(FileDataset(source="file", path=path, format="alpaca"), "alpaca")
    bpe = ByteLevelBPETokenizer()
    texts = [message.content for example in examples for message in example.messages]
    bpe.train_from_iterator(texts, vocab_size=VOCABULARY, special_tokens=["<s>", "</s>"], show_progress=False)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe._tokenizer, bos_token="<s>", eos_token="</s>")
    tokenizer.pad_token = "</s>"
    rows = [encode_example(tokenizer, AlpacaTemplate(), example) for example in examples]
    characters = sum(map(len, texts))
    print(f"{len(rows)} rows, {sum(len(row.input_ids) for row in rows)} tokens ({characters} characters in turns)")
    return [
        {
            "input_ids": row.input_ids,
            "labels": [t if m else IGNORED for t, m in zip(row.input_ids, row.loss_mask, strict=True)],
        }
        for row in rows
    ], tokenizer


def new_model(options: argparse.Namespace) -> torch.nn.Module:
    config = LlamaConfig(
        vocab_size=VOCABULARY, max_position_embeddings=4096, tie_word_embeddings=False, **SHAPES[options.shape]
    )
    lora = options.lora_rank is not None
    torch.manual_seed(0)
    with torch.device("cuda" if CUDA else "cpu"):
        dtype = torch.bfloat16 if CUDA and lora else torch.float32
        model = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation="sdpa")
    rank = options.lora_rank
    tuning = LoraTuning(method="lora", rank=rank, alpha=2.0 * rank) if lora else FullTuning()
    return prepare_tuning(model, "random", tuning).train()


def packed(options: argparse.Namespace, data: PackedData, folder: str) -> Measured:
    optimization = Optimization(
        learning_rate=1e-4,
        scheduler="constant",
        scheduler_options={},
        warmup_steps=0,
        weight_decay=0.0,
        max_grad_norm=1.0,
        seed=0,
        micro_batch_tokens=options.micro_batch_tokens,
        activation_checkpointing=options.activation_checkpointing,
    )
    clock = Clock()
    trainer = make_trainer(new_model(options), data, optimization, folder, [clock])
    trainer.train()
    return clock.measured(trainer)


def plain(options: argparse.Namespace, rows: list[dict[str, Any]], tokenizer: Any, folder: str) -> Measured:
    clock = Clock()
    trainer = Trainer(
        model=new_model(options),
        args=TrainingArguments(
            output_dir=folder,
            max_steps=len(rows) // options.batch_size,
            per_device_train_batch_size=options.plain_micro_batch,
            gradient_accumulation_steps=options.batch_size // options.plain_micro_batch,
            train_sampling_strategy="sequential",
            learning_rate=1e-4,
            lr_scheduler_type="constant",
            bf16=CUDA,
            activation_checkpointing=options.activation_checkpointing,
            activation_checkpointing_kwargs={"use_reentrant": False},
            use_cpu=not CUDA,
            save_strategy="no",
            logging_steps=1,
            report_to="none",
            disable_tqdm=True,
            remove_unused_columns=False,
        ),
        train_dataset=rows,
        data_collator=DataCollatorForSeq2Seq(tokenizer),
        callbacks=[clock],
    )
    trainer.train()
    return clock.measured(trainer)


def share_of_peak(options: argparse.Namespace, tokens_per_s: float, labelled: float) -> float | None:
    """Share of the device's bfloat16 rate in products with weights; a backward pass to frozen weights is half."""
    peak = next((rate for name, rate in BF16_PEAKS.items() if CUDA and name in torch.cuda.get_device_name()), None)
    if peak is None:
        return None
    shape = SHAPES[options.shape]
    layer = 4 * shape["hidden_size"] ** 2 + 3 * shape["hidden_size"] * shape["intermediate_size"]
    products = shape["num_hidden_layers"] * layer + labelled * VOCABULARY * shape["hidden_size"]
    return tokens_per_s * products * (4 if options.lora_rank else 6) / peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", help="a JSON file of Alpaca rows")
    parser.add_argument("--shape", choices=SHAPES, default="llama-50m")
    parser.add_argument("--lora-rank", type=int, help="train adapters instead of all weights")
    parser.add_argument("--batch-size", type=int, default=32, help="examples a step")
    parser.add_argument("--steps", type=int, default=4, help="steps a round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--micro-batch-tokens", type=int, default=2048)
    parser.add_argument("--plain-micro-batch", type=int, default=8, help="examples in a forward pass of the Trainer")
    parser.add_argument("--activation-checkpointing", action="store_true")
    parser.add_argument("--output", default="benchmarks/results/training.md")
    options = parser.parse_args()

    rows, tokenizer = encoded_rows(options.rows)
    order = training_order(len(rows), options.batch_size, options.steps, seed=0)
    data = PackedData.of(
        [row["input_ids"] for row in rows], [[label != IGNORED for label in row["labels"]] for row in rows], order
    )
    ordered = [rows[example] for example in order.flatten().tolist()]
    tokens = data.tokens_from(0)
    labelled = sum(label != IGNORED for row in ordered for label in row["labels"]) / tokens
    measured: dict[str, list[Measured]] = {"plain": [], "packed": []}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds + CUDA):  # on a GPU the first round warms up
            measured["plain"].append(plain(options, ordered, tokenizer, folder))
            measured["packed"].append(packed(options, data, folder))
            print({name: times[-1] for name, times in measured.items()}, flush=True)
            if CUDA and number == 0:
                measured = {"plain": [], "packed": []}

    def rate(name: str, clock: str) -> float:
        return tokens * options.rounds / sum(getattr(times, clock) for times in measured[name])

    names = {"plain": "plain Trainer, padded, all logits", "packed": "packed, labelled logits"}
    device = torch.cuda.get_device_name() if CUDA else f"CPU, {torch.get_num_threads()} thread(s)"
    lines = [
        f"# {options.shape}, {f'LoRA rank {options.lora_rank}' if options.lora_rank else 'all weights'}, {device}",
        "",
        f"{options.rounds} alternating rounds of {options.steps} steps of {options.batch_size} rows, {tokens} tokens a "
        f"round, {labelled:.0%} of them labelled; torch {torch.__version__}. Forward passes: "
        f"{options.plain_micro_batch} rows (plain), at most {options.micro_batch_tokens} tokens (packed).",
        "",
        "| | tokens/s | tokens/CPU second | share of bf16 peak | loss of the first step |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, title in names.items():
        share = share_of_peak(options, rate(name, "wall_s"), labelled)
        lines.append(
            f"| {title} | {rate(name, 'wall_s'):.0f} | {rate(name, 'cpu_s'):.0f} | "
            f"{'' if share is None else f'{share:.1%}'} | {measured[name][0].first_loss:.4f} |"
        )
    wall, cpu = (rate("packed", clock) / rate("plain", clock) for clock in ("wall_s", "cpu_s"))
    lines.append(f"| ratio | {wall:.2f} | {cpu:.2f} | | |")
    write_text(options.output, "\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
