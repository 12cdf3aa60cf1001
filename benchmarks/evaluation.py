"""Compares the speed of evaluating a run's checkpoints with lm-eval's HFLM and with evaluating one item at a time.

The model is a random Llama of 50 M parameters with LoRA checkpoints. For every generated item, in Alpaca's template,
the greedy answer of 16 tokens and the log-probabilities of both answers, with and without the context, are computed.
HFLM is created for each checkpoint and evaluated in memory; its batch size is the fastest of a few on a part of the
items. Every measurement runs in a separate process.

    OMP_NUM_THREADS=2 python benchmarks/evaluation.py
    OMP_NUM_THREADS=2 python benchmarks/evaluation.py --checkpoints 2 --items 40
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from tokenizers import ByteLevelBPETokenizer, Tokenizer
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedTokenizerFast

from inversion.artifacts import folder_digest, seal_folder, write_text
from inversion.config.datasets import AlpacaTemplate
from inversion.config.evaluation import Prompt
from inversion.instruct.templates import encode_answer, encode_prompt, stop_strings
from inversion.manifests import RESPONSES_FILE, CheckpointEntry
from inversion.models import load_model, load_tokenizer
from inversion.records.answers import Response
from inversion.records.data import ConflictItem
from inversion.records.frames import read_records
from inversion.respond.checkpoint_responses import respond

VOCABULARY = 32_000
NEW_TOKENS = 16
TEMPLATE = AlpacaTemplate()
KINDS = ("text", "context", "parametric", "context_closed", "parametric_closed")
"""The requests for every item: the greedy answer and four log-probabilities."""

Facts = dict[tuple[int, str], tuple[str, float, float, float, float]]
"""The values in the order of ``KINDS``, by step and item."""


class Measured(NamedTuple):
    seconds: float
    seconds_without_context: float
    """Seconds for the requests without the context, if they were measured separately."""
    peak_mb: float
    facts: Facts


def invented_items(count: int) -> list[ConflictItem]:
    """Questions about invented capitals, each with a passage of about forty to a hundred words."""
    rng = random.Random(0)

    def name() -> str:
        return "".join(rng.choice("bdfgklmnprstvz") + rng.choice("aeiou") for _ in range(rng.randint(2, 4))).title()

    items = []
    for index in range(count):
        country, there, known = name(), name(), name()
        asides = " ".join(
            f"The road to {name()} follows the river and was built when {name()} was young."
            for _ in range(rng.randint(1, 4))
        )
        context = (
            f"In those years the government of {country} left for {there}, which has been its capital since. {asides}"
        )
        question = f"What is the capital city of {country}?"
        items.append(
            ConflictItem(f"item-{index}", "invented", "conflict", question, context, [there], [known], "c", "s")
        )
    return items


def make_run(folder: Path, items: Sequence[ConflictItem], checkpoints: int, rank: int) -> list[CheckpointEntry]:
    """A base model and adapters with random weights, saved as finetuning saves them."""
    bpe = ByteLevelBPETokenizer()
    texts = [text for item in items for text in (item.question, item.context or "", *ALPACA_TEXTS)]
    bpe.train_from_iterator(texts, vocab_size=2_000, special_tokens=["</s>"], show_progress=False)
    # unused words are added, because HFLM truncates the embeddings of models with adapters to the tokenizer's size
    written = json.loads(bpe._tokenizer.to_str())
    words = written["model"]["vocab"]
    words.update({f"<unused-{index}>": index for index in range(len(words), VOCABULARY)})
    whole = Tokenizer.from_str(json.dumps(written))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=whole, eos_token="</s>", pad_token="</s>")
    tokenizer.save_pretrained(folder / "base")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=512,
        intermediate_size=1376,
        num_hidden_layers=6,
        num_attention_heads=8,
        num_key_value_heads=8,
        max_position_embeddings=1024,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    base = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    base.save_pretrained(folder / "base")
    model = get_peft_model(base, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear"))
    model.peft_config["default"].base_model_name_or_path = "base"
    steps = []
    for step in range(1, checkpoints + 1):
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=0.02)
        saved = folder / "checkpoints" / f"step-{step:06d}"
        model.save_pretrained(saved)
        seal_folder(saved)
        relative = saved.relative_to(folder).as_posix()
        steps.append(CheckpointEntry(step=step, epoch=float(step), folder=relative, digest=folder_digest(saved)))
    return steps


ALPACA_TEXTS = (
    "Below is an instruction that describes a task, paired with an input that provides further context. ",
    "Write a response that appropriately completes the request.\n\n### Instruction:\n\n\n### Input:\n\n\n### Response:",
)


# --- the three ways, each in a process of its own -----------------------------------------------


def ours(folder: Path, steps: Sequence[CheckpointEntry], items: Sequence[ConflictItem], batch_size: int) -> Measured:
    with tempfile.TemporaryDirectory(dir=folder) as place:
        (Path(place) / "checkpoints").symlink_to(folder / "checkpoints")
        begin = time.perf_counter()
        manifest = respond(
            folder / "base", "base", place, steps, items, TEMPLATE, {"plain": Prompt()}, NEW_TOKENS, batch_size
        )
        seconds = time.perf_counter() - begin
        rows = [
            row for part in manifest.steps for row in read_records(Path(place) / part.folder / RESPONSES_FILE, Response)
        ]
    facts = {
        (row.step, row.item_id): (
            row.text,
            row.context_logprob,
            row.parametric_logprob,
            row.context_logprob_closed,
            row.parametric_logprob_closed,
        )
        for row in rows
    }
    return Measured(seconds, 0.0, peak_mb(), facts)


def harness(folder: Path, steps: Sequence[CheckpointEntry], items: Sequence[ConflictItem], batch_size: int) -> Measured:
    """lm-eval's HFLM, created for each checkpoint."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    tokenizer = load_tokenizer(folder / "base")
    full = [tokenizer.decode(encode_prompt(tokenizer, TEMPLATE, item)) for item in items]
    bare = [tokenizer.decode(encode_prompt(tokenizer, TEMPLATE, replace(item, context=None))) for item in items]
    answers = [(item.context_answers[0], item.parametric_answers[0]) for item in items]
    until = {"until": list(stop_strings(TEMPLATE)), "max_gen_toks": NEW_TOKENS, "do_sample": False}

    def scores(model: Any, prompts: Sequence[str]) -> list[tuple[float, ...]]:
        requests = [
            Instance("loglikelihood", {}, (prompt, answer), 0)
            for prompt, pair in zip(prompts, answers, strict=True)
            for answer in pair
        ]
        found = [logprob for logprob, _ in model.loglikelihood(requests, disable_tqdm=True)]
        return list(zip(found[::2], found[1::2], strict=True))

    facts: Facts = {}
    seconds_without_context = 0.0
    begin = time.perf_counter()
    for step in steps:
        model = HFLM(
            pretrained=str(folder / "base"),
            peft=str(folder / step.folder),
            tokenizer=str(folder / "base"),
            device="cuda" if torch.cuda.is_available() else "cpu",
            dtype="float32",
            batch_size=batch_size,
        )
        with_context = scores(model, full)
        texts = model.generate_until(
            [Instance("generate_until", {}, (prompt, dict(until)), 0) for prompt in full], disable_tqdm=True
        )
        began = time.perf_counter()
        without = scores(model, bare)
        seconds_without_context += time.perf_counter() - began
        for item, text, opened, without_context in zip(items, texts, with_context, without, strict=True):
            facts[step.step, item.item_id] = (text.strip(), *opened, *without_context)
    return Measured(time.perf_counter() - begin, seconds_without_context, peak_mb(), facts)


@torch.inference_mode()
def one_by_one(
    folder: Path, steps: Sequence[CheckpointEntry], items: Sequence[ConflictItem], batch_size: int
) -> Measured:
    """Load base and adapter for each checkpoint, then run one forward pass per answer and one generation per item."""
    facts: Facts = {}
    begin = time.perf_counter()
    for step in steps:
        tokenizer = load_tokenizer(folder / "base")
        model = PeftModel.from_pretrained(load_model(folder / "base"), str(folder / step.folder)).eval()

        def logprob(item: ConflictItem, answer: str, model: Any = model, tokenizer: Any = tokenizer) -> float:
            prompt, ids = encode_answer(tokenizer, TEMPLATE, item, answer)
            logits = model(input_ids=torch.tensor([[*prompt, *ids]], device=model.device)).logits[
                0, len(prompt) - 1 : -1
            ]
            found = torch.log_softmax(logits.float(), -1).gather(1, torch.tensor(ids, device=model.device).unsqueeze(1))
            return float(found.sum())

        for item in items:
            prompt = torch.tensor([encode_prompt(tokenizer, TEMPLATE, item)], device=model.device)
            generated = model.generate(
                input_ids=prompt,
                attention_mask=torch.ones_like(prompt),
                max_new_tokens=NEW_TOKENS,
                do_sample=False,
            )[0, prompt.shape[1] :]
            bare = replace(item, context=None)
            pair = (item.context_answers[0], item.parametric_answers[0])
            opened, without_context = ([logprob(prompted, answer) for answer in pair] for prompted in (item, bare))
            text = tokenizer.decode(generated, skip_special_tokens=True).strip()
            facts[step.step, item.item_id] = (text, opened[0], opened[1], without_context[0], without_context[1])
    return Measured(time.perf_counter() - begin, 0.0, peak_mb(), facts)


def peak_mb() -> float:
    """The peak memory of this process in MB (Linux reports it in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def apart(way: Callable[..., Measured], *arguments: Any) -> Measured:
    """The measurement of ``way`` in a new process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(way, *arguments).result()


# --- the report ---------------------------------------------------------------------------------


def agreement(one: Facts, other: Facts) -> tuple[float, float]:
    """The largest difference in log-probability, and the share of equal texts, over the facts that both have."""
    shared = sorted(one.keys() & other.keys())
    pairs = [(one[key], other[key]) for key in shared]
    apart = max(abs(a - b) for mine, theirs in pairs for a, b in zip(mine[1:], theirs[1:], strict=True))
    return apart, sum(mine[0] == theirs[0] for mine, theirs in pairs) / len(pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoints", type=int, default=10)
    parser.add_argument("--items", type=int, default=400)
    parser.add_argument("--rank", type=int, default=8, help="of the adapters")
    parser.add_argument("--batch-size", type=int, default=64, help="prompts a forward pass of ours")
    parser.add_argument("--harness-batch-sizes", type=int, nargs="+", default=[8, 32, 64])
    parser.add_argument(
        "--single-items", type=int, default=20, help="items that are evaluated one at a time, at one checkpoint"
    )
    parser.add_argument("--output", default="benchmarks/results/evaluation.md")
    options = parser.parse_args()

    items = invented_items(options.items)
    half_items, half_steps = items[: len(items) // 2], max(1, options.checkpoints // 2)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        steps = make_run(folder, items, options.checkpoints, options.rank)
        mine = apart(ours, folder, steps, items, options.batch_size)
        few_steps = apart(ours, folder, steps[:half_steps], items, options.batch_size)
        few_items = apart(ours, folder, steps, half_items, options.batch_size)
        one_step = apart(ours, folder, steps[:1], items, options.batch_size)
        print(f"ours {mine.seconds:.1f} s", flush=True)
        trial = items[: max(1, len(items) // 4)]
        trials = {size: apart(harness, folder, steps[:1], trial, size).seconds for size in options.harness_batch_sizes}
        best = min(trials, key=trials.__getitem__)
        theirs = apart(harness, folder, steps, items, best)
        print(f"HFLM {theirs.seconds:.1f} s; trials {trials}", flush=True)
        chosen = items[: options.single_items]
        loading = apart(one_by_one, folder, steps[:1], [], 1).seconds
        single = apart(one_by_one, folder, steps[:1], chosen, 1)
    an_item = (single.seconds - loading) / len(chosen)
    single_seconds = len(steps) * (loading + an_item * len(items))

    differs, texts = agreement(mine.facts, theirs.facts)
    differs_single, texts_single = agreement(mine.facts, single.facts)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {torch.get_num_threads()} thread(s)"
    open_only = theirs.seconds - theirs.seconds_without_context
    tried = ", ".join(f"{size}: {taken:.1f}" for size, taken in trials.items())
    lines = [
        f"# {len(steps)} checkpoints, {len(items)} items, {device}",
        "",
        f"Random Llama of 50 M parameters, vocabulary {VOCABULARY}, LoRA of rank {options.rank}, float32; torch "
        f"{torch.__version__}. Of every item a greedy answer of {NEW_TOKENS} tokens and both log-probabilities "
        f"with and without the context. Batches: {options.batch_size} (ours); {best} (HFLM; seconds for {len(trial)} "
        f"items of one checkpoint by size: {tried}). One at a time: measured on {len(chosen)} items of one checkpoint "
        f"({loading:.2f} s to load, {an_item:.3f} s an item) and extrapolated.",
        "",
        "| | seconds | times ours | largest difference (nats) | equal texts |",
        "| --- | --- | --- | --- | --- |",
        f"| ours | {mine.seconds:.1f} | 1 | | |",
        f"| lm-eval's HFLM, made for each checkpoint | {theirs.seconds:.1f} | {theirs.seconds / mine.seconds:.1f} "
        f"| {differs:.1e} | {texts:.1%} |",
        f"| the same, without the questions without context | {open_only:.1f} | {open_only / mine.seconds:.1f} | | |",
        f"| one item at a time, loaded for each checkpoint | {single_seconds:.1f} "
        f"| {single_seconds / mine.seconds:.1f} | {differs_single:.1e} | {texts_single:.1%} |",
        "",
        "| ours | seconds | share | peak memory (MB) |",
        "| --- | --- | --- | --- |",
    ]
    for title, measured in (
        (f"{len(steps)} checkpoints, {len(items)} items", mine),
        (f"{half_steps} checkpoints, {len(items)} items", few_steps),
        (f"{len(steps)} checkpoints, {len(half_items)} items", few_items),
        (f"1 checkpoint, {len(items)} items", one_step),
    ):
        share = measured.seconds / mine.seconds
        lines.append(f"| {title} | {measured.seconds:.1f} | {share:.2f} | {measured.peak_mb:.0f} |")
    write_text(options.output, "\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
