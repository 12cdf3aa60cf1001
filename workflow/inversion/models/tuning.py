"""Prepares a model for training: selects the weights that a recipe trains, and adds adapters."""

from __future__ import annotations

import re
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers import BitsAndBytesConfig, PreTrainedModel

from inversion.config.training import AdapterTuning, FullTuning, QloraTuning, Tuning
from inversion.manifests import TrainedWeights
from inversion.models.base_model import count_parameters, load_model
from inversion.models.devices import compute_dtype
from inversion.models.folder_tokenizer import ModelError, first_line

if TYPE_CHECKING:
    from peft import LoraConfig

SEPARATE_QUERY_KEY = ("q_proj", "k_proj")
FUSED_QUERY_KEY_VALUE = "query_key_value"
FUSED_BY_HEAD = "gpt_neox"
"""The type of models whose fused projection is laid out per head as [q | k | v]. Others (Falcon) have another layout
under the same name."""


def load_for_tuning(folder: str | Path, digest: str, tuning: Tuning) -> Any:
    """The base model in ``folder``, in training mode, of which exactly the weights of ``tuning`` are trainable.

    Full tuning uses float32 master weights even if matrix products run in bfloat16. Adapters are trained on a base in
    :func:`compute_dtype`, or quantised to nf4 for QLoRA. ``digest`` is the hash of the base, which adapters record.
    Raises :class:`ModelError` for the reasons of :func:`load_model` and :func:`prepare_tuning`.
    """
    match tuning:
        case FullTuning():
            model = load_model(folder, torch.float32)
        case QloraTuning():
            # imported here because it is slow, and not needed for full tuning
            from peft import prepare_model_for_kbit_training

            quantization = BitsAndBytesConfig(
                load_in_4bit=True,
                bnb_4bit_quant_type="nf4",
                bnb_4bit_use_double_quant=tuning.double_quantization,
                bnb_4bit_compute_dtype=compute_dtype(count_parameters(folder)),
            )
            # norms, embeddings and output in float32; the Trainer sets activation checkpointing
            model = prepare_model_for_kbit_training(
                load_model(folder, quantization=quantization), use_gradient_checkpointing=False
            )
            keep_four_bit_layout(model)
        case _:
            model = load_model(folder)
    return prepare_tuning(model, digest, tuning).train()


def keep_four_bit_layout(model: nn.Module) -> None:
    """Keep bitsandbytes from rewriting the four-bit weights of ``model`` in evaluation mode.

    On CPUs with AVX512-BF16 it would convert them for inference at the first pass, for good: their scales are rounded,
    no gradient passes through them any more, and layers with fewer than 64 inputs fail.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False  # type: ignore[assignment]


def prepare_tuning(model: PreTrainedModel, digest: str, tuning: Tuning) -> Any:
    """``model`` with exactly the weights of ``tuning`` trainable, or with its adapters added.

    Query-key tuning trains ``q_proj`` and ``k_proj``. If query, key and value are one fused projection (GPT-NeoX), the
    gradients of the value rows are set to zero, so that these rows do not change. In a model that also reads images or
    sound, only the part that reads text is trained. An adapter's saved configuration names its base by ``digest``,
    never by a path. Raises :class:`ModelError` for a model with neither, or with another fused layout.
    """
    targets = _query_key_modules(model) if tuning.weights == "query_key" else None
    text = _text_model(model)
    match tuning:
        case AdapterTuning():
            from peft import get_peft_model

            adapter = resolve_name(tuning.adapter)(tuning, targets or "all-linear")
            if text:
                adapter.exclude_modules = rf"(?!{re.escape(text)}\.).*"
            try:
                tuned = get_peft_model(model, adapter)
            except (ValueError, NotImplementedError) as error:
                reason = first_line(error).removesuffix(".")
                fix = "set its `dropout` to 0" if "dropout" in reason else "change `tuning`"
                raise ModelError(
                    f"{type(model).__name__} does not take the adapters of `method: {tuning.method}` ({reason}); "
                    f"{fix}, or choose another model"
                ) from None
            saved = tuned.peft_config["default"]
            saved.base_model_name_or_path = digest  # not the model's folder
            for names in ("target_modules", "target_parameters"):  # a set's order differs from run to run
                if getattr(saved, names, None):
                    setattr(saved, names, sorted(getattr(saved, names)))
            by_row = ("lora_B", "lora_magnitude_vector")
            trained = [
                p for name, p in tuned.named_parameters() if p.requires_grad and any(part in name for part in by_row)
            ]
        case FullTuning():
            tuned = model
            output = model.get_output_embeddings()
            kept = {id(weight) for weight in output.parameters()} if output is not None else set()
            for name, parameter in model.named_parameters():
                of_text = name.startswith(text) or id(parameter) in kept
                chosen = targets is None or any(f".{target}." in name for target in targets)
                parameter.requires_grad_(of_text and chosen)
            trained = [p for p in model.parameters() if p.requires_grad]
    if targets == [FUSED_QUERY_KEY_VALUE]:
        for parameter in trained:
            _freeze_value_rows(parameter, head_size(model))
    return tuned


def _text_model(model: PreTrainedModel) -> str:
    """The name of the module that reads text, in a model that also reads images or sound; otherwise empty."""
    if model.config.get_text_config(decoder=True) is model.config:
        return ""
    decoder = model.get_decoder()
    return str(next(name for name, module in model.named_modules() if module is decoder))


def lora_config(tuning: AdapterTuning, modules: str | list[str]) -> LoraConfig:
    """The peft configuration of LoRA adapters on ``modules``, which are names or ``all-linear``."""
    from peft import LoraConfig

    return LoraConfig(
        task_type="CAUSAL_LM",
        r=tuning.rank,
        lora_alpha=tuning.alpha,
        lora_dropout=tuning.dropout,
        target_modules=modules,
    )


def dora_config(tuning: AdapterTuning, modules: str | list[str]) -> LoraConfig:
    """Like :func:`lora_config`, but the norm of every row of the adapted weights is trained separately (DoRA)."""
    config = lora_config(tuning, modules)
    config.use_dora = True
    return config


def trained_weights(model: Any) -> TrainedWeights:
    """The matrices that are trained in a model from :func:`prepare_tuning`."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    trained: set[str] = set()
    untrained: set[str] = set()
    four_bit: set[str] = set()
    adapted = _adapted_weights(base) if base is not model else None
    for name, parameter in base.named_parameters():
        if "lora_" in name or parameter.dim() < 2:
            continue
        own = name.replace(".base_layer", "")
        plain = re.sub(r"\.\d+(?=\.)", ".*", own)
        chosen = parameter.requires_grad if adapted is None else own in adapted
        (trained if chosen else untrained).add(plain)
        if hasattr(parameter, "quant_state"):
            four_bit.add(plain)
    return TrainedWeights(trained=sorted(trained), untrained=sorted(untrained), four_bit=sorted(four_bit))


def _adapted_weights(base: nn.Module) -> set[str]:
    """The names of the weights of ``base`` that have an adapter."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    return {
        f"{name.replace('.base_layer', '')}.{getattr(layer, 'parameter_name', 'weight')}"
        for name, layer in base.named_modules()
        if isinstance(layer, BaseTunerLayer)
    }


def fused_parameter_names(model: nn.Module) -> list[str]:
    """The names of the parameters of fused query-key-value projections, which must have no weight decay if value rows
    are frozen."""
    return [name for name, _ in model.named_parameters() if f".{FUSED_QUERY_KEY_VALUE}." in name]


def query_key_mask(model: nn.Module, name: str, parameter: nn.Parameter) -> torch.Tensor | None:
    """A mask of the entries of the parameter ``name`` that belong to query and key projections, which broadcasts to its
    shape; None if there are none.

    For a fused projection (GPT-NeoX) these are all rows except the value rows. The A matrix of an adapter on it, which
    query, key and value share, belongs completely. Raises :class:`ModelError` for a fused projection with another
    layout.
    """
    if any(f".{target}." in name for target in SEPARATE_QUERY_KEY):
        return torch.ones((), dtype=torch.bool)
    if f".{FUSED_QUERY_KEY_VALUE}." not in name:
        return None
    if "lora_A" in name:
        return torch.ones((), dtype=torch.bool)
    return _without_value_rows(parameter, head_size(model))


def value_rows(rows: int, head_size: int) -> torch.Tensor:
    """Boolean mask [rows]: the value rows of a fused projection, laid out per head as [q | k | v]."""
    return torch.arange(rows) % (3 * head_size) >= 2 * head_size


def head_size(model: Any) -> int:
    """The number of rows of a query, key or value in a fused projection. Raises :class:`ModelError` unless it is laid
    out by head."""
    config = model.config
    if config.model_type != FUSED_BY_HEAD:
        raise ModelError(
            f"which rows of {FUSED_QUERY_KEY_VALUE} are queries and keys is known only for {FUSED_BY_HEAD}, not "
            f"for {config.model_type}; choose `weights: all`, and remove `gradients` and `weights` from `probes`"
        )
    return int(config.hidden_size // config.num_attention_heads)


def _query_key_modules(model: PreTrainedModel) -> list[str]:
    names = {name.rsplit(".", 1)[-1] for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    if FUSED_QUERY_KEY_VALUE in names:
        head_size(model)
        return [FUSED_QUERY_KEY_VALUE]
    if names.issuperset(SEPARATE_QUERY_KEY):
        return list(SEPARATE_QUERY_KEY)
    raise ModelError(
        f"{type(model).__name__} has neither {' and '.join(SEPARATE_QUERY_KEY)} nor {FUSED_QUERY_KEY_VALUE} "
        "projections, so query-key tuning is not possible; choose `weights: all`"
    )


def _freeze_value_rows(parameter: nn.Parameter, head_size: int) -> None:
    keep = _without_value_rows(parameter, head_size).to(parameter.device)
    parameter.register_hook(lambda gradient: gradient * keep.to(gradient))  # type: ignore[no-untyped-call]


def _without_value_rows(parameter: nn.Parameter, head_size: int) -> torch.Tensor:
    """Boolean mask [rows, 1, ...] of a fused projection's parameter: all rows except the value rows."""
    return ~value_rows(parameter.shape[0], head_size).view((-1,) + (1,) * (parameter.dim() - 1))
