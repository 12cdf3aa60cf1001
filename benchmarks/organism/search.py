"""Searches for a regime in which the model organism inverts. Run it with
``python benchmarks/organism/search.py REGIME ... --families llama --seeds 0 1``.

A regime in ``regimes.yaml`` is a world, a way to pretrain on it, and the finetuning data and settings of each base
model, written as changes to the default configuration of a study. Models, documents, examples and conflict items are
those of the pipeline, but checkpoints are not kept. Each finetuning appends a row to ``tried.tsv`` in this folder. A
base takes about two minutes on one core, a finetuning about half a minute.
"""

import argparse
import copy
import csv
import itertools
import json
import tempfile
from pathlib import Path
from typing import Any

import torch
import yaml
from transformers import TrainerCallback

from inversion.config import organism
from inversion.config.datasets import WORLD_TEMPLATE, WorldDataset
from inversion.config.models import WorldModel
from inversion.config.sets import WorldSet
from inversion.config.training import Training
from inversion.config.world import World
from inversion.conflict.world_sets import world_items
from inversion.instruct.templates import encode_example, encode_prompt
from inversion.instruct.world_mixture import world_examples
from inversion.models import new_model
from inversion.models.tuning import prepare_tuning
from inversion.respond.batches import pad
from inversion.train.packing import PackedData, training_order
from inversion.train.trainer import Optimization, make_trainer
from inversion.world.documents import encoded_documents
from inversion.world.facts import build_world
from inversion.world.tokenizer import build_tokenizer

TABLE = Path(__file__).with_name("tried.tsv")
REGIMES = yaml.safe_load(Path(__file__).with_name("regimes.yaml").read_text())
EVALUATED = (0, 5, 10, 15, 20, 30, 40, 60, 80, 100, 130, 160, 200, 250, 300)
SETS = {"conflict": 200, "new_facts": 60, "matching": 50, "recall": 50}


class Evaluation:
    """The questions for every checkpoint. Answers are single tokens, so one forward pass is sufficient."""

    def __init__(self, world, tokenizer):
        self.sets = {}
        for kind, count in SETS.items():
            items = world_items(world, WorldSet(source="world", kind=kind, items=count), kind)
            prompts = [encode_prompt(tokenizer, WORLD_TEMPLATE, item) for item in items]
            tokens, mask = pad(prompts, tokenizer.pad_token_id, "left", torch.device("cpu"))
            wanted = [(item.context_answers or item.parametric_answers)[0] for item in items]
            memory = [(item.parametric_answers or item.context_answers)[0] for item in items]
            ids = [torch.tensor(tokenizer.convert_tokens_to_ids(answers)) for answers in (wanted, memory)]
            self.sets[kind] = tokens, mask, *ids

    @torch.inference_mode()
    def measure(self, model):
        """By set, the share of right answers in percent (the passage's if there is one); under conflict also the
        share of parametric answers and how much likelier the passage's answer is than that, in nats."""
        measured = {}
        for kind, (tokens, mask, wanted, memory) in self.sets.items():
            places = (mask.cumsum(1) - 1).clamp(min=0)
            logits = model(input_ids=tokens, attention_mask=mask, position_ids=places, logits_to_keep=1).logits[:, -1]
            measured[kind] = _percent(logits.argmax(1) == wanted)
            if kind == "conflict":
                measured["memory"] = _percent(logits.argmax(1) == memory)
                gap = logits.gather(1, wanted[:, None]) - logits.gather(1, memory[:, None])
                measured["gap"] = round(gap.mean().item(), 1)
        return measured


class _Watch(TrainerCallback):
    """Measures the model at some steps, in evaluation mode and with another attention implementation than in
    training."""

    def __init__(self, evaluation, steps):
        self.evaluation, self.steps, self.measured = evaluation, steps, {}

    def look(self, step, model):
        config: Any = model.config
        attention, training = config._attn_implementation, model.training
        config._attn_implementation = "sdpa"
        self.measured[step] = self.evaluation.measure(model.eval())
        config._attn_implementation = attention
        model.train(training)

    def on_step_end(self, args, state, control, model=None, **kwargs):
        if state.global_step in self.steps:
            self.look(state.global_step, model)


def _percent(hits):
    return round(100 * hits.float().mean().item())


def _train(model, rows, masks, batch_size, steps, seed, callbacks=(), **optimization):
    data = PackedData.of(rows, masks, training_order(len(rows), batch_size, steps, seed))
    settings = Optimization(max_grad_norm=1.0, seed=seed, **optimization)
    with tempfile.TemporaryDirectory() as folder:
        make_trainer(model, data, settings, folder, callbacks).train()


def pretrained(regime, family, seed):
    """The world, tokenizer and base model of a regime, made as in the pipeline."""
    heads = {"key_value_heads": 2} if family == "mistral" else {}
    pretraining = {"seed": seed, "documents": regime.get("documents", {})} | regime.get("pretraining", {})
    architecture = {"family": family} | heads | regime.get("architecture", {})
    model_spec = {"source": "world", "architecture": architecture, "pretraining": pretraining}
    model_spec = WorldModel.model_validate(model_spec, strict=False)
    spec = model_spec.pretraining
    world = build_world(World.model_validate(regime.get("world", {})))
    tokenizer = build_tokenizer(world, model_spec.architecture.max_positions)
    stream = encoded_documents(world, spec.documents, WORLD_TEMPLATE, tokenizer, seed, spec.sequence_length)
    rows = list(itertools.islice(stream, spec.steps * spec.batch_size))
    model = new_model(model_spec.architecture, tokenizer, seed).train()
    _train(
        model,
        rows,
        [[True] * len(row) for row in rows],
        spec.batch_size,
        spec.steps,
        seed,
        learning_rate=spec.learning_rate,
        scheduler="cosine_with_min_lr",
        scheduler_options={"min_lr_rate": spec.final_learning_rate},
        warmup_steps=spec.warmup_steps,
        weight_decay=spec.weight_decay,
        micro_batch_tokens=spec.batch_size * spec.sequence_length,
    )
    return world, tokenizer, model


def finetuned(world, tokenizer, base, mixture, training):
    """The effect of finetuning ``base`` on a mixture, by step."""
    dataset = WorldDataset.model_validate({"source": "world"} | mixture, strict=False)
    encoded = [encode_example(tokenizer, WORLD_TEMPLATE, e) for e in world_examples(world, dataset, "searched")]
    torch.manual_seed(0)  # adapters are drawn at random
    model = prepare_tuning(copy.deepcopy(base), "searched", training.tuning)
    watch = _Watch(Evaluation(world, tokenizer), {*EVALUATED, training.max_steps})
    watch.look(0, model)
    _train(
        model.train(),
        [row.input_ids for row in encoded],
        [row.loss_mask for row in encoded],
        training.batch_size,
        training.max_steps,
        0,
        [watch],
        learning_rate=training.learning_rate,
        scheduler=training.scheduler,
        scheduler_options={},
        warmup_steps=training.warmup_steps,
        weight_decay=training.weight_decay,
        micro_batch_tokens=training.micro_batch_tokens,
    )
    return watch.measured


def row(name, regime, family, seed, mixture, training, measured):
    """One line of the table."""
    conflict = {step: point["conflict"] for step, point in measured.items()}
    peak, last = max(conflict, key=conflict.get), max(conflict)
    dataset = WorldDataset.model_validate({"source": "world"} | mixture, strict=False)
    series = {
        key: " ".join(str(point[key]) for point in measured.values())
        for key in ("conflict", "memory", "gap", "new_facts", "matching", "recall")
    }
    settings = {key: value for key, value in regime.items() if key != "tried"}
    return {
        "regime": name,
        "family": family,
        "seed": seed,
        "C/C+S": f"{dataset.context_critical:g}/{dataset.context_and_memory:g}",
        "start": conflict[0],
        "peak": conflict[peak],
        "peak_step": peak,
        "end": conflict[last],
        "rise": conflict[peak] - conflict[0],
        "fall": conflict[peak] - conflict[last],
        "steps": " ".join(map(str, measured)),
        **series,
        "settings": json.dumps(settings | {"mixture": mixture, "training": training}, sort_keys=True),
    }


def append(line):
    """Add a row to the table."""
    with TABLE.open("a", newline="") as file:
        quoting = {"quoting": csv.QUOTE_NONE, "quotechar": None}  # the settings are JSON
        csv.DictWriter(file, list(line), delimiter="\t", lineterminator="\n", **quoting).writerow(line)


def main():
    """Try the regimes named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("regimes", nargs="+", metavar="REGIME", choices=list(REGIMES), help=", ".join(REGIMES))
    parser.add_argument("--families", nargs="+", default=["llama", "mistral", "gpt_neox"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="of pretraining")
    args = parser.parse_args()
    torch.set_num_threads(1)
    usual = organism.default().training
    for name, family, seed in itertools.product(args.regimes, args.families, args.seeds):
        regime = REGIMES[name]
        world, tokenizer, base = pretrained(regime, family, seed)
        for tried in regime["tried"]:
            mixture, changes = tried.get("mixture", {}), tried.get("training", {})
            training = Training.model_validate(usual.model_dump() | changes, strict=False)
            line = row(
                name, regime, family, seed, mixture, changes, finetuned(world, tokenizer, base, mixture, training)
            )
            append(line)
            print(*(f"{key} {value}" for key, value in line.items() if key != "settings"), sep="\n  ", flush=True)


if __name__ == "__main__":
    main()
