"""The open search for a regime in which the model organism inverts: run with
``python benchmarks/organism/search.py REGIME ... --families llama --seeds 0 1``.

A regime is a world, a way to pretrain on it and mixtures to finetune on, all in the words of the study's
configuration, as changes to its defaults. Models, documents, examples and conflict items are those of the pipeline;
only checkpoints are not kept. Each finetuning appends one row to ``tried.tsv`` beside this script. A base takes about
75 s of one core, a finetuning about 30 s.
"""

import argparse
import copy
import csv
import itertools
import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import torch
from transformers import TrainerCallback

from inversion.config import WORLD_TEMPLATE, Architecture, Pretraining, World, WorldDataset, WorldSet
from inversion.conflict.world_sets import world_items
from inversion.instruct.templates import encode_example, encode_prompt
from inversion.instruct.world_mixture import world_examples
from inversion.models import new_model
from inversion.respond.batches import pad
from inversion.train.packing import PackedData, training_order
from inversion.train.run import Optimization, make_trainer
from inversion.world.documents import encoded_documents
from inversion.world.facts import build_world
from inversion.world.tokenizer import build_tokenizer

TABLE = Path(__file__).with_name("tried.tsv")
STEPS = 250
EVALUATED = (0, 10, 20, 30, 40, 60, 80, 100, 130, 170, 210, 250)
SETS = {"conflict": 200, "new_facts": 100, "matching": 50, "recall": 50}


@dataclass(frozen=True)
class Mixture:
    """What a base is finetuned on, and how."""

    data: dict
    """Changes to the defaults of a world dataset."""
    learning_rate: float = 5e-4


@dataclass(frozen=True)
class Regime:
    """Changes to the defaults of world, pretraining and its documents, and the mixtures tried on each base."""

    mixtures: tuple[Mixture, ...]
    documents: dict
    pretraining: dict = field(default_factory=lambda: {"steps": 600})
    world: dict = field(default_factory=lambda: {"known_subjects": 128, "held_out": 0.5})
    architecture: dict = field(default_factory=dict)


def mixture(critical, both, same_relation=0.3, learning_rate=5e-4):
    """A mixture by its shares of C and C+S examples; the rest are S examples."""
    data = {"context_critical": critical, "context_and_memory": both, "passages": {"same_relation": same_relation}}
    return Mixture(data, learning_rate)


READ = {"repeated_questions": True, "facts": 0.35}
"""Documents with which every family knows its facts and reads from passages after 600 steps."""
MIXTURES = mixture(0.40, 0.50), mixture(0.30, 0.60)
REGIMES = {
    # dialogues with wrong answers: is memory, less sure in the chat format, first overtaken and then restored?
    f"noise-{wrong:g}-dialogues-{dialogues:g}": Regime(
        MIXTURES, READ | {"wrong_answers": wrong, "dialogues": dialogues}
    )
    for wrong, dialogues in itertools.product((0.2, 0.35, 0.5), (0.03, 0.06))
} | {
    # passages that sometimes agree with memory: is memory kept in play where there is a passage?
    f"noise-0.35-contradictions-{share:g}": Regime(
        MIXTURES, READ | {"wrong_answers": 0.35, "dialogues": 0.06, "contradictions": share}
    )
    for share in (0.6, 0.75, 0.85)
}
# what else one of these bases was finetuned on: fewer C points, more ambiguity, a larger learning rate
REGIMES["noise-0.35-dialogues-0.06-mixtures"] = Regime(
    (
        mixture(0.30, 0.45),
        mixture(0.20, 0.60),
        mixture(0.10, 0.60),
        mixture(0.20, 0.60, same_relation=0.8),
        mixture(0.40, 0.50, same_relation=0.8),
        mixture(0.25, 0.55, learning_rate=1e-3),
        mixture(0.15, 0.35),
    ),
    REGIMES["noise-0.35-dialogues-0.06"].documents,
)


class Asked:
    """The questions that every checkpoint is asked; answers are single tokens, so one forward pass does."""

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
        """By set, the share of right answers in percent (the passage's where there is one); under conflict also the
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
    """Measures a copy of the model at some steps: training needs the model's own attention and mode."""

    def __init__(self, asked, steps):
        self.asked, self.steps, self.measured = asked, steps, {}

    def look(self, step, model):
        self.copy = copy.deepcopy(model).eval() if not self.measured else self.copy
        self.copy.load_state_dict(model.state_dict())
        self.measured[step] = self.asked.measure(self.copy)

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
    """World, tokenizer and base model of a regime, as the pipeline makes them."""
    world_spec = World(**regime.world)
    spec = Pretraining.model_validate({"seed": seed, "documents": regime.documents} | regime.pretraining)
    heads = {"key_value_heads": 2} if family == "mistral" else {}
    architecture = Architecture(family=family, **heads, **regime.architecture)
    world = build_world(world_spec)
    tokenizer = build_tokenizer(world, architecture.max_positions)
    stream = encoded_documents(world, spec.documents, WORLD_TEMPLATE, tokenizer, seed, spec.sequence_length)
    rows = list(itertools.islice(stream, spec.steps * spec.batch_size))
    model = new_model(architecture, tokenizer, seed).train()
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
    model.set_attn_implementation("sdpa")
    return world, tokenizer, model


def finetuned(world, tokenizer, base, mix):
    """What finetuning ``base`` on a mixture does, by step."""
    examples = world_examples(world, WorldDataset.model_validate({"source": "world"} | mix.data), "searched")
    encoded = [encode_example(tokenizer, WORLD_TEMPLATE, example) for example in examples]
    watch = _Watch(Asked(world, tokenizer), EVALUATED)
    model = copy.deepcopy(base)
    watch.look(0, model)
    _train(
        model.train(),
        [row.input_ids for row in encoded],
        [row.label_mask for row in encoded],
        32,
        STEPS,
        0,
        [watch],
        learning_rate=mix.learning_rate,
        scheduler="cosine",
        scheduler_options={},
        warmup_steps=10,
        weight_decay=0.0,
        micro_batch_tokens=2048,
    )
    return watch.measured


def row(name, regime, family, seed, mix, measured):
    """One line of the table."""
    conflict = {step: point["conflict"] for step, point in measured.items()}
    peak = max(conflict, key=conflict.get)
    series = {
        key: " ".join(str(point[key]) for point in measured.values())
        for key in ("conflict", "memory", "gap", "new_facts", "matching", "recall")
    }
    return {
        "regime": name,
        "family": family,
        "seed": seed,
        "C/C+S": f"{mix.data['context_critical']:g}/{mix.data['context_and_memory']:g}",
        "start": conflict[0],
        "peak": conflict[peak],
        "peak_step": peak,
        "end": conflict[STEPS],
        "rise": conflict[peak] - conflict[0],
        "fall": conflict[peak] - conflict[STEPS],
        "steps": " ".join(map(str, measured)),
        **series,
        "settings": json.dumps(
            {
                "world": regime.world,
                "pretraining": regime.pretraining,
                "documents": regime.documents,
                "architecture": regime.architecture,
                "mixture": mix.data,
                "learning_rate": mix.learning_rate,
            },
            sort_keys=True,
        ),
    }


def append(line):
    """Add a row to the table."""
    new = not TABLE.exists()
    with TABLE.open("a", newline="") as file:
        quoting = {"quoting": csv.QUOTE_NONE, "quotechar": None}  # the settings are JSON
        writer = csv.DictWriter(file, list(line), delimiter="\t", lineterminator="\n", **quoting)
        if new:
            writer.writeheader()
        writer.writerow(line)


def main():
    """Try the regimes named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("regimes", nargs="*", metavar="REGIME", help=f"all where none is named: {', '.join(REGIMES)}")
    parser.add_argument("--families", nargs="+", default=["llama", "mistral", "gpt_neox"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="of pretraining")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name, family, seed in itertools.product(args.regimes or REGIMES, args.families, args.seeds):
        regime = REGIMES[name]
        world, tokenizer, base = pretrained(regime, family, seed)
        for mix in regime.mixtures:
            line = row(name, regime, family, seed, mix, finetuned(world, tokenizer, base, mix))
            append(line)
            print(*(f"{key} {value}" for key, value in line.items() if key != "settings"), sep="\n  ", flush=True)


if __name__ == "__main__":
    main()
