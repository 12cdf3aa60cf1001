"""Architectures that cannot be trained, evaluated or probed exactly."""

from __future__ import annotations

from typing import Any

import torch
import transformers
from errors.cases import Case, Section
from transformers import AutoModelForCausalLM

from inversion.config.evaluation import CONTRAST_CHECK
from inversion.config.probes import PROBES, KnockoutProbe, PatchingProbe, Probe
from inversion.config.training import FullTuning, LoraTuning, Tuning
from inversion.respond.answer_check import check_answers
from inversion.train.tuning_check import check_tunings

SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 64}
MIXTRAL = {"intermediate_size": 32, "num_key_value_heads": 1, "num_local_experts": 4}
GPT2 = {"n_embd": 16, "n_layer": 2, "n_head": 2, "vocab_size": 64}
LFM2 = {**SIZES, "num_key_value_heads": 1, "intermediate_size": 32, "layer_types": ["conv", "full_attention"]}


def _saved(config: str, settings: dict[str, Any]) -> str:
    """A folder with a random model with these settings."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(getattr(transformers, config)(**settings), dtype=torch.float32)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained("model")
    return "model"


def trained(what: str, tuning: Tuning, config: str, fix: str | None = None, **settings: Any) -> Case:
    """A model that a study trains with ``tuning``."""
    return Case(what, lambda: check_tunings(_saved(config, settings), [tuning]), fix)


def sized(what: str, probe: Probe) -> Case:
    """A model of a study with a probe that must fit its number of layers and heads."""
    return Case(what, lambda: check_answers(_saved("LlamaConfig", {**SIZES, "intermediate_size": 32}), [], [probe]))


def checked(what: str, check: str | None, config: str, fix: str | None = None, **settings: Any) -> Case:
    """A model of a study with a probe or a decoding method."""
    assert check is not None
    return Case(what, lambda: check_answers(_saved(config, settings), [check]), fix)


ARCHITECTURES = Section(
    "Architectures",
    "By the rule `prepare_base`, which tries the tuning methods, the probes and the decoding of the study with the "
    "model.",
    [
        trained("A model whose attention reads across packed rows", FullTuning(), "FalconConfig", **SIZES),
        trained("Layers that keep a state along the row", FullTuning(), "Lfm2Config", **LFM2),
        trained(
            "Query-key tuning of a model with one projection for all",
            FullTuning(weights="query_key"),
            "GPT2Config",
            **GPT2,
        ),
        trained(
            "Dropout in adapters on stacked experts",
            LoraTuning(method="lora", rank=2, dropout=0.1),
            "MixtralConfig",
            **SIZES,
            **MIXTRAL,
        ),
        sized("Answers patched at a layer that the model does not have", PatchingProbe(answers=(2,))),
        sized("More heads together than the model has", KnockoutProbe(together=5)),
        checked("Contrastive decoding of a model with a state", CONTRAST_CHECK, "Lfm2Config", **LFM2),
        checked("The probe `attention` on a model with other layers", PROBES["attention"].check, "Lfm2Config", **LFM2),
        checked("The probe `lens` on a model with other names", PROBES["lens"].check, "FalconConfig", **SIZES),
    ],
)
