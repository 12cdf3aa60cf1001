"""Measures the cost of the selections at the size of Alpaca, on generated rows. Run ``python benchmarks/recipes.py``.

- fact overlap: 52,000 rows against 2,000 names, in seconds;
- context need: rows per second of a Llama of 50 M random parameters (vocabulary 32,000), against the same model run
  on the same batches with nothing done to its output, both with the logits that each needs and with all of them.
"""

import argparse
import json
import random
import time

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from inversion.config.recipes import NoFactOverlapSelection
from inversion.instruct.selections import SelectionInputs, select
from inversion.instruct.templates import EncodedConversation
from inversion.records.data import ConflictItem, Example, Message
from inversion.respond import context_need
from inversion.respond.batches import pad


def timed(work):
    """Seconds that ``work`` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def overlap(rows=52_000, names=2_000):
    """Seconds to find the rows that name a fact, and how many do."""
    rng = random.Random(0)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyzé", k=rng.randint(2, 10))) for _ in range(60_000)]
    chosen = [" ".join(rng.sample(words, rng.randint(1, 2))).title() for _ in range(names)]
    items = [ConflictItem(str(n), "s", "conflict", "q", "c", [], [name], "x", "s") for n, name in enumerate(chosen)]
    examples = []
    for number in range(rows):
        text = [" ".join(rng.choices(words, k=count)).capitalize() + "." for count in (12, 45)]
        messages = [Message("user", text[0]), Message("assistant", text[1])]
        examples.append(Example(str(number), messages, None, None, None, None))
    selection = NoFactOverlapSelection(by="no_fact_overlap", sets=("s",))
    start = time.perf_counter()
    (step,) = select(examples, [selection], 0, SelectionInputs(sets={"s": items}))
    return {"rows": rows, "names": names, "dropped": len(step.dropped), "seconds": time.perf_counter() - start}


def scoring(rows=48, batch_size=16):
    """Rows per second of the score of context need, and as a share of what the bare model reaches."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 512, "intermediate_size": 1408, "num_hidden_layers": 6, "num_attention_heads": 8}
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = LlamaForCausalLM(LlamaConfig(vocab_size=32_000, **sizes)).to(device).eval()
    rng = random.Random(0)
    encoded = []
    for _ in range(rows):
        prompt, answer = rng.randint(20, 60), rng.randint(5, 100)
        ids = [rng.randrange(3, 32_000) for _ in range(prompt + answer)]
        encoded.append(EncodedConversation(ids, [False] * prompt + [True] * answer))
    lengths = [len(row.input_ids) for row in encoded]
    tails = [sum(row.loss_mask) + 1 for row in encoded]

    @torch.inference_mode()
    def bare(**options):
        for batch in context_need._batches(lengths, tails, 32_000, batch_size):
            ids, mask = pad([encoded[i].input_ids for i in batch], 0, "left", model.device)
            model(input_ids=ids, attention_mask=mask, use_cache=False, **options)
        if device == "cuda":
            torch.cuda.synchronize()

    def scored():
        context_need.answer_losses(model, encoded, 0, batch_size)

    scored()  # warm
    seconds = {
        "scored": min(timed(scored) for _ in range(2)),
        "bare, all logits": min(timed(bare) for _ in range(2)),
        "bare, one logit a row": min(timed(lambda: bare(logits_to_keep=1)) for _ in range(2)),
    }
    return {
        "device": device,
        "parameters": model.num_parameters(),
        "rows": rows,
        "rows_per_second": {name: rows / value for name, value in seconds.items()},
        "share_of_bare_all_logits": seconds["bare, all logits"] / seconds["scored"],
        "share_of_bare_one_logit": seconds["bare, one logit a row"] / seconds["scored"],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    torch.set_num_threads(parser.parse_args().threads)
    print(json.dumps({"overlap": overlap(), "context_need": scoring()}, indent=2))
