"""Loads a base model and its tokenizer from a folder, and creates new world models."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    AutoModelForCausalLM,
    BitsAndBytesConfig,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils.logging import disable_progress_bar

from inversion.artifacts import ArtifactError, file_hashes, fingerprint, read_object
from inversion.config.models import Architecture
from inversion.manifests import BaseManifest, HubSnapshot
from inversion.models.devices import compute_dtype, device
from inversion.models.folder_tokenizer import ModelError, first_line, load_tokenizer, read_config

ATTENTION = "sdpa"
"""The implementation of attention; named, so that it does not depend on the installed packages."""

WEIGHTS = "model.safetensors"
WEIGHTS_INDEX = "model.safetensors.index.json"
PICKLED_WEIGHTS = "pytorch_model*.bin"
FLOATS = {"F64", "F32", "F16", "BF16"}
"""Data types of safetensors files that contain weights directly, not quantised."""
DEPENDS_ON_LENGTH = ("longrope", "dynamic")
"""Types of position scaling (``rope_type``) that depend on the longest sequence of a forward pass."""
_ORIGINAL = "original_max_position_embeddings"


# --- base models --------------------------------------------------------------------------------


def describe_base(
    folder: str | Path,
    source: str,
    listed_as: str,
    pretraining_loss: float | None = None,
    snapshot: HubSnapshot | None = None,
) -> BaseManifest:
    """The content of ``base.json`` for the model in ``folder``. Raises :class:`ModelError` if it cannot be loaded.

    A Hub model is identified by its ``snapshot``, because the Hub's cache can contain other files next to it.
    """
    require_plain_base(folder)
    read_config(folder)
    require_float_weights(folder)
    load_tokenizer(folder)
    model = load_model(folder)
    require_finite_weights(model, folder)
    return BaseManifest(
        source=source,
        folder=listed_as,
        digest=fingerprint([snapshot.id, snapshot.revision] if snapshot else file_hashes(folder)),
        architecture=type(model).__name__,
        parameters=model.num_parameters(),
        pretraining_loss=pretraining_loss,
        hub=snapshot,
    )


def new_model(architecture: Architecture, tokenizer: PreTrainedTokenizerBase, seed: int) -> PreTrainedModel:
    """A randomly initialised model of the given family and sizes, in float32 on the CPU."""
    sizes: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": architecture.hidden_size,
        "num_hidden_layers": architecture.layers,
        "num_attention_heads": architecture.heads,
        "intermediate_size": architecture.intermediate_size,
        "max_position_embeddings": architecture.max_positions,
        "initializer_range": architecture.initializer_range,
        "tie_word_embeddings": False,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    grouped = architecture.key_value_heads or architecture.heads
    match architecture.family:
        case "gpt_neox":
            # rotary embeddings on the whole head, because a quarter of a head of 16 is too small for positions
            rope = {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 1.0}
            config: Any = GPTNeoXConfig(**sizes, rope_parameters=rope)
        case "llama":
            config = LlamaConfig(**sizes, num_key_value_heads=grouped)
        case "mistral":
            config = MistralConfig(**sizes, num_key_value_heads=grouped, sliding_window=None)
    torch.manual_seed(seed)
    return AutoModelForCausalLM.from_config(
        config, dtype=torch.float32, attn_implementation=ATTENTION, trust_remote_code=False
    )


def load_model(
    folder: str | Path, dtype: torch.dtype | None = None, quantization: BitsAndBytesConfig | None = None
) -> PreTrainedModel:
    """The causal language model saved in ``folder``, in evaluation mode on :func:`device`.

    ``dtype`` defaults to :func:`compute_dtype`. Raises :class:`ModelError` if it cannot be loaded, if weights are
    missing (the library would initialise them randomly), or if they exist only as pickles.
    """
    disable_progress_bar()  # progress is logged as lines
    require_weights(folder)
    quantized: dict[str, Any] = (
        {"quantization_config": quantization, "device_map": {"": device()}} if quantization else {}
    )
    try:
        model, loaded = AutoModelForCausalLM.from_pretrained(
            str(folder),
            dtype=dtype or compute_dtype(count_parameters(folder)),
            attn_implementation=attention_of(folder),
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
            trust_remote_code=False,
            **quantized,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"{folder} does not contain a model that can be loaded: {first_line(error)}") from None
    _require_all_layers(model, loaded["unexpected_keys"], folder)
    _say_what_is_tied(model)
    if loaded["missing_keys"]:
        raise ModelError(
            f"the weights in {folder} do not contain {min(loaded['missing_keys'])}; save the complete model there"
        )
    return (model if quantization else model.to(device())).eval()


def attention_of(folder: str | Path) -> str:
    """The implementation of attention for the model in ``folder``: :data:`ATTENTION`, or ``eager`` if the former does
    not support the architecture (Gemma 2 with soft-capped attention scores; gpt-oss with attention sinks).

    Raises :class:`ModelError` if there is no configuration.
    """
    architecture = MODEL_FOR_CAUSAL_LM_MAPPING.get(type(read_config(folder)), None)
    return "eager" if architecture is not None and not architecture._supports_sdpa else ATTENTION


def count_parameters(folder: str | Path) -> int:
    """The number of parameters of the model in ``folder``, from its configuration. Its weights are not read.

    Raises :class:`ModelError` if there is no configuration of a causal language model.
    """
    config = read_config(folder)
    try:
        with torch.device("meta"):
            return int(AutoModelForCausalLM.from_config(config, trust_remote_code=False).num_parameters())
    except Exception as error:  # invalid sizes can raise anything
        raise ModelError(f"{folder} does not contain a model that can be loaded: {first_line(error)}") from None


def context_window(folder: str | Path) -> int | None:
    """The longest sequence, in tokens, that the model in ``folder`` reads exactly; None if its configuration sets no
    limit.

    Raises :class:`ModelError` if there is no configuration. See :func:`exact_window`.
    """
    return exact_window(read_config(folder))


def exact_window(config: PretrainedConfig) -> int | None:
    """The length up to which a model with this configuration computes every sequence in a batch as if it were alone;
    None if the configuration sets no limit.

    It is the context window of the model, or less. If the scaling of positions depends on the longest sequence of a
    forward pass (LongRoPE, dynamic scaling), it is the length at which the scaling first changes. If attention is
    divided into chunks (Llama 4), it is one chunk.
    """
    text = config.get_text_config(decoder=True)
    limits = [getattr(text, name, None) for name in ("max_position_embeddings", "attention_chunk_size")]
    rope = getattr(text, "rope_parameters", None) or {}
    for scaling in [rope, *(each for each in rope.values() if isinstance(each, dict))]:
        if scaling.get("rope_type") in DEPENDS_ON_LENGTH:
            limits += [scaling.get(_ORIGINAL), getattr(text, _ORIGINAL, None)]
    return min((limit for limit in limits if isinstance(limit, int) and limit > 0), default=None)


def require_plain_base(folder: str | Path) -> None:
    """Raise :class:`ModelError` if ``folder`` contains only an adapter, or quantised weights."""
    folder = Path(folder)
    adapter, config = folder / "adapter_config.json", folder / "config.json"
    if adapter.is_file() and not config.is_file():
        base = read_object(adapter).get("base_model_name_or_path", "another model")
        raise ModelError(
            f"{folder} contains an adapter of {base} but no base model; merge it first "
            "(`AutoPeftModelForCausalLM.from_pretrained(folder).merge_and_unload().save_pretrained(...)`)"
        )
    quantization = read_object(config).get("quantization_config") if config.is_file() else None
    if quantization:
        named = quantization if isinstance(quantization, dict) else {}
        method = named.get("quant_method", "an unnamed method")
        raise ModelError(
            f"the weights in {folder} are quantised ({method}), so every answer would come from rounded weights; "
            "use the model that they were made from, and `tuning: {method: qlora}` to train on a quantised copy of it"
        )


def require_weights(folder: str | Path) -> None:
    """Raise :class:`ModelError` unless ``folder`` contains all weight files of a model as safetensors."""
    folder = Path(folder)
    if (folder / WEIGHTS).is_file():
        return
    if (folder / WEIGHTS_INDEX).is_file():
        try:
            shards = set(map(str, read_object(folder / WEIGHTS_INDEX)["weight_map"].values()))
        except (ArtifactError, KeyError, TypeError, AttributeError):
            raise ModelError(f"{folder / WEIGHTS_INDEX} is not an index of weights; copy the model again") from None
        if outside := sorted(name for name in shards if Path(name).name != name):
            raise ModelError(
                f"{folder / WEIGHTS_INDEX} lists {outside[0]!r}, which is not in that folder; copy the model again"
            )
        lacking = sorted(name for name in shards if not (folder / name).is_file())
        if lacking:
            raise ModelError(f"{folder} lacks {lacking[0]}, which its {WEIGHTS_INDEX} lists; copy the model again")
        return
    if any(folder.glob(PICKLED_WEIGHTS)):
        raise ModelError(
            f"{folder} has its weights only as pickles (pytorch_model.bin), which can run arbitrary code when they are "
            "read; convert them to safetensors (`save_pretrained` writes them) first"
        )
    raise ModelError(f"{folder} contains no model weights ({WEIGHTS}); use the folder that `save_pretrained` wrote")


def require_float_weights(folder: str | Path) -> None:
    """Raise :class:`ModelError` if a weight in ``folder`` is stored as integers or in eight bits.

    Without a ``quantization_config`` the library would read such weights without their scales.
    """
    for file in sorted(Path(folder).glob("*.safetensors")):
        try:
            with safe_open(file, framework="pt") as tensors:
                for name in tensors.keys():  # noqa: SIM118 (it is no dictionary)
                    stored = tensors.get_slice(name).get_dtype()
                    if name.endswith(".weight") and stored not in FLOATS:
                        raise ModelError(
                            f"{file} stores {name} as {stored}, but its configuration has no quantisation; save the "
                            "model in bfloat16, float16 or float32"
                        )
        except SafetensorError as error:
            raise ModelError(
                f"{folder} does not contain a model that can be loaded: {file.name}: {first_line(error)}"
            ) from None


def require_finite_weights(model: nn.Module, folder: str | Path) -> None:
    """Raise :class:`ModelError`, naming ``folder`` and the weight, if one of ``model`` is not a finite number."""
    for name, weights in model.named_parameters():
        if not bool(torch.isfinite(weights).all()):
            raise ModelError(
                f"{name} in {folder} contains numbers that are not finite (NaN or infinite); copy it again"
            )


def _require_all_layers(model: PreTrainedModel, unexpected: Collection[str], folder: str | Path) -> None:
    """Raise :class:`ModelError` if the files contain more layers than the configuration, because the library ignores
    them."""
    layers = getattr(model.config.get_text_config(decoder=True), "num_hidden_layers", None)
    for name in sorted(unexpected):
        number = re.match(r"(?:model\.|transformer\.|gpt_neox\.|language_model\.)*(?:layers|h)\.(\d+)\.", name)
        if number and layers is not None and int(number[1]) >= layers:
            raise ModelError(
                f"the weights in {folder} have {name}, but its config.json counts {layers} layers "
                "(`num_hidden_layers`); copy the configuration that belongs to the weights"
            )


def _say_what_is_tied(model: PreTrainedModel) -> None:
    """If the files contain two embeddings, set in the configuration that they are not tied. The library loads both, but
    code that reads the configuration later (lm-eval's HFLM) would tie them again."""
    embedding, output = model.get_input_embeddings(), model.get_output_embeddings()
    text = model.config.get_text_config(decoder=True)
    if output is not None and text.tie_word_embeddings and output.weight is not embedding.weight:
        for config in (model.config, text):
            config.tie_word_embeddings = False


def restore_weights(model: PreTrainedModel, folder: str | Path) -> None:
    """Copy the weights saved in ``folder`` into ``model``, through the library's loader.

    Reading a file by the names in it would skip weights that have another name in memory (GPT-NeoX's output embedding).
    The Trainer's own resuming does this without an error.
    """
    model.load_state_dict(load_model(folder, model.dtype).state_dict())


def stop_token_ids(model: nn.Module, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The tokens that end a turn: those in the generation configuration, and the tokenizer's end-of-sequence token."""
    configured = getattr(model, "generation_config", None)
    ids = configured.eos_token_id if configured is not None else None
    stops = set(ids if isinstance(ids, list) else [] if ids is None else [ids])
    if tokenizer.eos_token_id is not None:
        stops.add(tokenizer.eos_token_id)
    return sorted(stops)
