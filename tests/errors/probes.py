"""Faults of probes: runs that cannot be compared, and models whose modules are not known."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from elsewhere import TEMPLATE, conflict_rows
from errors.cases import Case, Section
from errors.models import base
from peft import IA3Config, get_peft_model
from transformers import AutoModelForCausalLM, FalconConfig, GPT2Config

from inversion.artifacts import folder_digest, seal_folder
from inversion.config.datasets import ChatTemplate
from inversion.config.evaluation import Prompt
from inversion.config.probes import KnockoutProbe, LensProbe, PatchingProbe, TunedLens, WeightsProbe
from inversion.config.training import Training
from inversion.manifests import CheckpointEntry
from inversion.models.transformer_modules import transformer_modules
from inversion.models.weight_parts import weight_parts
from inversion.records.data import ConflictItem
from inversion.respond.knockout_probe import probe_knockouts
from inversion.respond.lens_probe import probe_lens
from inversion.respond.patching_probe import probe_patching
from inversion.respond.probing import ProbedRun
from inversion.respond.weights_probe import probe_weights

ITEMS = [
    ConflictItem(
        f"i{number}", "capitals", "conflict", row["question"], row["context"], [row["answer"]], [row["memory_answer"]],
        f"c{number}", "all",
    )
    for number, row in enumerate(conflict_rows()[:3])
]  # fmt: skip


def probed(
    what: str,
    probe: Callable[..., object],
    settings: Any,
    items: list[ConflictItem] = ITEMS,
    steps: tuple[int, ...] = (0, 10, 20),
    change: Callable[[Any], Any] | None = None,
    fix: str | None = None,
) -> Case:
    """A run whose checkpoints are all the base model, except that ``change`` modifies the last one."""

    def cause() -> object:
        folder = base()
        entries = [CheckpointEntry(step=step, epoch=step / 10, folder="", digest=f"d{step}") for step in steps]
        if change:
            changed = Path("checkpoints/step-000020")
            made = change(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32))
            made.save_pretrained(changed, **({"save_embedding_layers": False} if change is adapted else {}))
            seal_folder(changed)
            entries[-1] = CheckpointEntry(step=20, epoch=2.0, folder=str(changed), digest=folder_digest(changed))
        template = ChatTemplate(text=TEMPLATE)
        run = ProbedRun(folder, "base", Path().resolve(), entries, items, template, Prompt(), 4, Training(), 0)
        return probe(run, settings)

    return Case(what, cause, fix)


def adapted(model: Any) -> Any:
    adapter = get_peft_model(model, IA3Config(target_modules=["k_proj"], feedforward_modules=[]))
    adapter.peft_config["default"].base_model_name_or_path = "base"
    return adapter


def other_positions(model: Any) -> Any:
    model.config.rope_parameters["rope_theta"] = 50.0
    return model


def more_words(model: Any) -> Any:
    model.resize_token_embeddings(408, mean_resizing=False)
    return model


def of_family(what: str, look: Callable[[Any], object], config: Any) -> Case:
    """A random model of a family whose modules the probe does not know."""
    return Case(what, lambda: look(AutoModelForCausalLM.from_config(config)))


GPT2 = GPT2Config(vocab_size=8, n_embd=4, n_head=2, n_layer=1)
FALCON = FalconConfig(vocab_size=8, hidden_size=4, num_attention_heads=2, num_hidden_layers=1)
ONE_CLUSTER = [dataclasses.replace(item, cluster="c") for item in ITEMS]
NO_CONTEXT = [dataclasses.replace(item, context=None) for item in ITEMS]

PROBES = Section(
    "Probes",
    "By the rule `probe_checkpoints`. The steps of a probe are checked before any weights are loaded.",
    [
        probed("A run of one checkpoint", probe_patching, PatchingProbe(), steps=(0,)),
        probed("The peak at a step that the run does not have", probe_weights, WeightsProbe(peak=15)),
        probed("A start after the peak", probe_knockouts, KnockoutProbe(start=10, peak=0)),
        probed(
            "Patches of a layer that the model does not have", probe_patching, PatchingProbe(peak=10, layers=(0, 40))
        ),
        probed(
            "Patches at the subject of questions that do not name it",
            probe_patching,
            PatchingProbe(peak=10, positions=("last", "subject")),
        ),
        probed("More heads together than there are", probe_knockouts, KnockoutProbe(peak=10, together=99)),
        probed(
            "Heads chosen on items of one cluster", probe_knockouts, KnockoutProbe(peak=10, together=1), ONE_CLUSTER
        ),
        probed("An end with nothing before it", probe_weights, WeightsProbe(end=0)),
        probed("A probe of sets without contexts", probe_lens, LensProbe(), NO_CONTEXT),
        probed("No subject in the questions", probe_lens, LensProbe(positions=("subject",))),
        probed("A tuned lens without other items", probe_lens, LensProbe(tuned=TunedLens())),
        probed("Items that are all of one cluster", probe_patching, PatchingProbe(peak=10), ONE_CLUSTER),
        of_family("Layers under another name", transformer_modules, FALCON),
        of_family("Weights under another name", weight_parts, GPT2),
        of_family("A fused projection of another layout", weight_parts, FALCON),
        probed("Adapters that cannot be merged", probe_weights, WeightsProbe(peak=10), change=adapted),
        probed("Checkpoints with different vocabularies", probe_weights, WeightsProbe(peak=10), change=more_words),
        probed(
            "Checkpoints with different configurations", probe_weights, WeightsProbe(peak=10), change=other_positions
        ),
    ],
)
