"""Compares the probes `lens`, `patching` and `knockouts` with nnsight and TransformerLens on random models.

The pipeline uses PyTorch's own hooks. This script answers whether a library that is made for such experiments takes the
same models, adapters included, and gives the same numbers. Neither library is a dependency of the pipeline, so that the
script needs an environment of its own:

    python -m venv /tmp/libraries
    /tmp/libraries/bin/pip install -r requirements.lock nnsight==0.8.1 transformer-lens==4.3.0
    PYTHONPATH=workflow /tmp/libraries/bin/python benchmarks/probe_libraries.py

It writes benchmarks/results/probe_libraries.md.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import torch
from nnsight import NNsight
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, models
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    Gemma3TextConfig,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    PreTrainedTokenizerFast,
    Qwen3Config,
)

from inversion.records.data import ConflictItem
from inversion.respond.batches import pad, positions
from inversion.respond.knockout_probe import knockout_margins
from inversion.respond.lens_probe import lens_logits
from inversion.respond.milestones import LocatedItem, margins_of
from inversion.respond.patching_probe import Patch, patched_margins
from inversion.respond.probing import Divergence

RESULT = Path(__file__).parent / "results" / "probe_libraries.md"
PAD = 0
SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "vocab_size": 60,
    "max_position_embeddings": 64,
    "initializer_range": 0.3,
}
GROUPED = {**SIZES, "num_key_value_heads": 2, "head_dim": 8}


class Family(NamedTuple):
    """A family, and the names that a library without renaming needs for it."""

    config: Any
    layers: Callable[[Any], Any]
    attention: str
    projection: str
    norm: Callable[[Any], Any]
    head: str = "lm_head"
    attention_writes: str | None = None
    mlp_writes: str = "mlp"


LLAMA: dict[str, Any] = {
    "layers": lambda m: m.model.layers,
    "attention": "self_attn",
    "projection": "o_proj",
    "norm": lambda m: m.model.norm,
}
FAMILIES = {
    "Llama": Family(LlamaConfig(**GROUPED), **LLAMA),
    "Mistral": Family(MistralConfig(**GROUPED), **LLAMA),
    "GPT-NeoX": Family(
        GPTNeoXConfig(**SIZES), lambda m: m.gpt_neox.layers, "attention", "dense", lambda m: m.gpt_neox.final_layer_norm
    ),
    "Gemma 3": Family(
        Gemma3TextConfig(**GROUPED, sliding_window=6, final_logit_softcapping=5.0),
        **LLAMA,
        attention_writes="post_attention_layernorm",
        mlp_writes="post_feedforward_layernorm",
    ),
    "Qwen 3": Family(Qwen3Config(**GROUPED), **LLAMA),
}
ITEMS = [
    LocatedItem(
        Divergence(
            ConflictItem(f"i{row}", "made", "conflict", "?", "!", ["a"], ["b"], f"c{row}", "all"),
            [(7 * row + 3 * place) % 50 + 3 for place in range(length)],
            5 + row,
            20 + row,
        ),
        length,
        {
            "context": [1, 2, 3, 4],
            "question": [0, *range(5, length - 1)],
            "last": [length - 1],
            "all": list(range(length)),
            "subject": [6],
        },
    )
    for row, length in enumerate((12, 9, 15, 11))
]
POINTS = [item.divergence for item in ITEMS]


def random_model(family: Family, seed: int, adapted: bool = False) -> Any:
    """A random model in float32, with or without LoRA adapters that change it."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(family.config, dtype=torch.float32)
    if adapted:
        model = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False))
    return model.eval()


def read() -> dict[str, Tensor]:
    """The arguments of a forward pass over all items, left-padded."""
    ids, mask = pad([point.prefix for point in POINTS], PAD, "left", torch.device("cpu"))
    return {"input_ids": ids, "attention_mask": mask, "position_ids": positions(mask)}


def whole(model: Any, adapted: bool) -> Any:
    """The part of an nnsight model that is the causal language model."""
    return model.base_model.model if adapted else model


def first(output: Any) -> Tensor:
    """The states among the outputs of a module."""
    states: Tensor = output[0] if isinstance(output, tuple) else output
    return states


# --- the same experiments with nnsight ----------------------------------------------------------


def by_nnsight(family: Family, receiver: Any, donor: Any, patch: Patch, adapted: bool) -> Tensor:
    """The log-odds of ``receiver`` with one part taken from ``donor``."""
    taking, giving = NNsight(receiver), NNsight(donor)
    arguments, width = read(), int(max(len(point.prefix) for point in POINTS))
    rows = [row for row, item in enumerate(ITEMS) for _ in item.places[patch.positions]]
    places = [width - len(item.divergence.prefix) + place for item in ITEMS for place in item.places[patch.positions]]
    layer_of = lambda model: family.layers(model)[patch.layer]  # noqa: E731
    named = {"attention": family.attention_writes or family.attention, "mlp": family.mlp_writes}
    if patch.component == "head":
        with giving.trace(**arguments, use_cache=False):
            given = getattr(getattr(layer_of(whole(giving, adapted)), family.attention), family.projection).input.save()
        part = slice(8 * (patch.head or 0), 8 * (patch.head or 0) + 8)
        with taking.trace(**arguments, use_cache=False):
            states = getattr(getattr(layer_of(taking), family.attention), family.projection).input
            states[rows, places, part] = given[rows, places, part]
            logits = taking.output.logits[:, -1].save()
        return margins_of(logits, POINTS)
    with giving.trace(**arguments, use_cache=False):
        layer = layer_of(whole(giving, adapted))
        module = layer if patch.component == "residual" else getattr(layer, named[patch.component])
        given = module.output.save()
    with taking.trace(**arguments, use_cache=False):
        layer = layer_of(taking)
        module = layer if patch.component == "residual" else getattr(layer, named[patch.component])
        states = first(module.output)
        states[rows, places] = first(given)[rows, places]
        logits = taking.output.logits[:, -1].save()
    return margins_of(logits, POINTS)


def lens_by_nnsight(family: Family, model: Any, adapted: bool) -> Tensor:
    """The logits after each layer, without soft-capping."""
    wrapped = NNsight(model)
    with wrapped.trace(**read(), use_cache=False):
        own = whole(wrapped, adapted)
        left = torch.stack([first(layer.output)[:, -1] for layer in family.layers(own)], dim=1).save()
    inner = model.get_base_model() if adapted else model
    with torch.no_grad():
        logits: Tensor = inner.lm_head(family.norm(inner)(left))
    return logits


def cut_by_nnsight(family: Family, model: Any, layer: int, head: int, adapted: bool) -> Tensor:
    """The log-odds while one head does not read the context from the last token."""
    inner = model.get_base_model() if adapted else model
    inner.set_attn_implementation("eager")
    wrapped, width = NNsight(model), int(max(len(point.prefix) for point in POINTS))
    with wrapped.trace(**read(), use_cache=False):
        attention = getattr(family.layers(whole(wrapped, adapted))[layer], family.attention)
        given, named = attention.inputs
        mask = named["attention_mask"].expand(-1, 4, -1, -1).clone()
        for row, item in enumerate(ITEMS):
            begin = width - len(item.divergence.prefix)
            mask[row, head, -1, [begin + place for place in item.places["context"]]] = torch.finfo(mask.dtype).min
        attention.inputs = (given, {**named, "attention_mask": mask})
        logits = wrapped.output.logits[:, -1].save()
    inner.set_attn_implementation("sdpa")
    return margins_of(logits, POINTS)


# --- what is compared ---------------------------------------------------------------------------


def nnsight_rows() -> Iterator[str]:
    """The largest differences from nnsight by family, with whole models and with adapters."""
    patches = [
        Patch(component, layer, 1 if component == "head" else None, group)
        for component in ("residual", "attention", "mlp", "head")
        for layer in (0, 2)
        for group in ("context", "last")
    ]
    for name, family in FAMILIES.items():
        for adapted in (False, True):
            receiver, donor = random_model(family, 1), random_model(family, 2, adapted)
            with torch.no_grad():
                mine = patched_margins(receiver, donor, ITEMS, ITEMS, patches, PAD, 4).margins.T
                theirs = torch.stack([by_nnsight(family, receiver, donor, patch, adapted) for patch in patches])
                cuts = [[(0, 1)], [(2, 3)]]
                cut = knockout_margins(donor, ITEMS, cuts, PAD, 4).margins.T
                cut_there = torch.stack([cut_by_nnsight(family, donor, *heads[0], adapted) for heads in cuts])
                lens = lens_logits(donor, [point.prefix for point in POINTS], PAD)[:, 1:]
                lens_there = lens_by_nnsight(family, donor, adapted)
            if cap := getattr(family.config, "final_logit_softcapping", None):
                lens_there = torch.tanh(lens_there / cap) * cap
            apart = [float((one - other).abs().max()) for one, other in ((mine, theirs), (cut, cut_there))]
            apart.append(float((lens - lens_there).abs().max()))
            moved = float((mine - mine[:1]).abs().max())
            kind = "LoRA" if adapted else "whole"
            yield f"| {name} | {kind} | {apart[0]:.1e} | {apart[1]:.1e} | {apart[2]:.1e} | {moved:.1f} |"


def bridge_rows(folder: Path) -> Iterator[str]:
    """How far the logits of TransformerLens's bridge are from the model's, by family."""
    words = Tokenizer(models.WordLevel({f"w{index}": index for index in range(58)} | {"<pad>": 58, "<s>": 59}, "w0"))
    for name, family in FAMILIES.items():
        for adapted in (False, True):
            model = random_model(family, 2, adapted)
            place = folder / f"tiny-{name.replace(' ', '-').lower()}"
            if not adapted:
                model.save_pretrained(place)
                special = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "<s>"}
                PreTrainedTokenizerFast(tokenizer_object=words, **special).save_pretrained(place)
            ids = torch.tensor([POINTS[0].prefix])
            with torch.no_grad():
                own = model(ids).logits
                base = model
                if adapted:
                    with model.disable_adapter():
                        base = model(ids).logits
                try:
                    bridge = TransformerBridge.boot_transformers(
                        str(place), hf_model=model, tokenizer=AutoTokenizer.from_pretrained(place), device="cpu"
                    )
                    found = bridge(ids)
                    said = f"{float((found - own).abs().max()):.1e}"
                    if adapted:
                        said += f" (from the model without its adapters {float((found - base).abs().max()):.1e})"
                except Exception as error:
                    said = f"{type(error).__name__}: {error}"
            yield f"| {name} | {'LoRA' if adapted else 'whole'} | {said} |"


def main() -> None:
    """Measure, print and write the page."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    families = list(nnsight_rows())
    with tempfile.TemporaryDirectory() as folder:
        bridges = list(bridge_rows(Path(folder)))
    names = ("torch", "transformers", "peft", "nnsight", "transformer-lens")
    lines = [
        "# The probes against nnsight and TransformerLens",
        "",
        "Written by `benchmarks/probe_libraries.py`: " + ", ".join(f"{name} {version(name)}" for name in names) + ".",
        "Random models of four layers in float32, four left-padded prompts. Numbers are the largest absolute",
        "difference.",
        "",
        "## nnsight",
        "",
        "Log-odds (nats) of 16 patches and 2 knock-outs, and logits of the lens. The last column is the largest",
        "difference of a patch from the first one, so that equal numbers mean something.",
        "",
        "| family | donor | patching | knockouts | lens | patches differ by |",
        "| - | - | - | - | - | - |",
        *families,
        "",
        "## TransformerLens",
        "",
        "Logits of `TransformerBridge` (`HookedTransformer` was removed in version 4) against those of the model.",
        "",
        "| family | model | difference |",
        "| - | - | - |",
        *bridges,
    ]
    RESULT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
