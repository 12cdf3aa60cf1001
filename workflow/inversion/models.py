"""Loading base models, making world models, and the weights that a recipe trains.

Knows model classes and devices, nothing of data.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, set_peft_model_state_dict
from safetensors.torch import load_file
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils.logging import disable_progress_bar

from inversion.artifacts import file_hashes, fingerprint
from inversion.config import Architecture, FullTuning, LoraTuning, Tuning
from inversion.manifests import BaseManifest

SEPARATE_QUERY_KEY = ("q_proj", "k_proj")
FUSED_QUERY_KEY_VALUE = "query_key_value"
ADAPTER_WEIGHTS = "adapter_model.safetensors"


class ModelError(ValueError):
    """A base model or checkpoint that cannot be used; the message names it and the mend."""


# --- devices ------------------------------------------------------------------------------------


def device() -> torch.device:
    """The first CUDA device, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def has_fast_bfloat16() -> bool:
    """Whether bfloat16 products are native; on CPUs they may be hundreds of times slower than float32."""
    return torch.cuda.is_available() and torch.cuda.is_bf16_supported()


def inference_dtype() -> torch.dtype:
    """bfloat16 where it is native, else float32; never the accident of a checkpoint's own type."""
    return torch.bfloat16 if has_fast_bfloat16() else torch.float32


def describe_base(
    folder: str | Path, source: str, listed_as: str, pretraining_loss: float | None = None
) -> BaseManifest:
    """What ``base.json`` says of the model in ``folder``; raises :class:`ModelError` where it does not load."""
    load_tokenizer(folder)
    model = load_model(folder)
    return BaseManifest(
        source=source,
        folder=listed_as,
        digest=fingerprint(file_hashes(folder)),
        architecture=type(model).__name__,
        parameters=model.num_parameters(),
        pretraining_loss=pretraining_loss,
    )


# --- base models --------------------------------------------------------------------------------


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
            # rotary over the whole head: a quarter of a head of 16 is too little to find positions with
            rope = {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 1.0}
            config: Any = GPTNeoXConfig(**sizes, rope_parameters=rope)
        case "llama":
            config = LlamaConfig(**sizes, num_key_value_heads=grouped)
        case "mistral":
            config = MistralConfig(**sizes, num_key_value_heads=grouped, sliding_window=None)
    torch.manual_seed(seed)
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="sdpa")


def load_tokenizer(folder: str | Path) -> PreTrainedTokenizerBase:
    """The tokenizer saved in ``folder``; raises :class:`ModelError` where there is none or it has no padding
    token."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} holds no tokenizer that loads: {_first_line(error)}") from None
    if tokenizer.pad_token_id is None:
        raise ModelError(f"the tokenizer in {folder} has no pad token; set pad_token in its tokenizer_config.json")
    return tokenizer


def load_model(folder: str | Path, dtype: torch.dtype | None = None) -> PreTrainedModel:
    """The causal language model saved in ``folder``, in evaluation mode on :func:`device`.

    ``dtype`` defaults to :func:`inference_dtype`. Raises :class:`ModelError` where it does not load.
    """
    disable_progress_bar()  # a line in a job's log is progress enough
    try:
        model = AutoModelForCausalLM.from_pretrained(
            str(folder),
            dtype=dtype or inference_dtype(),
            attn_implementation="sdpa",
            local_files_only=True,
            use_safetensors=True,
        )
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} holds no model that loads: {_first_line(error)}") from None
    return model.to(device()).eval()


def restore_weights(model: PreTrainedModel, folder: str | Path) -> None:
    """Copy the weights saved in ``folder`` into ``model``, through the library's loader.

    Reading the file by its own names would leave weights as they are that have another name in memory
    (GPT-NeoX's output embedding); the Trainer's resume does just that, without an error.
    """
    model.load_state_dict(load_model(folder, model.dtype).state_dict())


def stop_token_ids(model: nn.Module, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Tokens that end a turn: those of the generation configuration and the tokenizer's end of sequence."""
    configured = getattr(model, "generation_config", None)
    ids = configured.eos_token_id if configured is not None else None
    stops = set(ids if isinstance(ids, list) else [] if ids is None else [ids])
    if tokenizer.eos_token_id is not None:
        stops.add(tokenizer.eos_token_id)
    return sorted(stops)


# --- tuning -------------------------------------------------------------------------------------


def prepare_tuning(model: PreTrainedModel, tuning: Tuning) -> Any:
    """``model`` with exactly the weights of ``tuning`` left trainable (adapters added for LoRA).

    Query-key tuning trains ``q_proj`` and ``k_proj``; where query, key and value are one fused
    projection (GPT-NeoX), gradients of the value rows are zeroed, so that these rows stay as they were.
    Raises :class:`ModelError` for a model with neither.
    """
    targets = _query_key_modules(model) if tuning.weights == "query_key" else None
    match tuning:
        case LoraTuning():
            tuned = get_peft_model(
                model,
                LoraConfig(
                    task_type="CAUSAL_LM",
                    r=tuning.rank,
                    lora_alpha=tuning.alpha,
                    lora_dropout=tuning.dropout,
                    target_modules=targets or "all-linear",
                ),
            )
            trained = [p for name, p in tuned.named_parameters() if p.requires_grad and "lora_B" in name]
        case FullTuning():
            tuned = model
            for name, parameter in model.named_parameters():
                parameter.requires_grad_(targets is None or any(f".{target}." in name for target in targets))
            trained = [p for p in model.parameters() if p.requires_grad]
    if targets == [FUSED_QUERY_KEY_VALUE]:
        head_size = model.config.hidden_size // model.config.num_attention_heads
        for parameter in trained:
            _freeze_value_rows(parameter, head_size)
    return tuned


def fused_parameter_names(model: nn.Module) -> list[str]:
    """Parameters of fused query-key-value projections, which must not decay where value rows are frozen."""
    return [name for name, _ in model.named_parameters() if f".{FUSED_QUERY_KEY_VALUE}." in name]


def value_rows(rows: int, head_size: int) -> torch.Tensor:
    """Boolean mask [rows]: the value rows of a fused projection, laid out per head as [q | k | v]."""
    return torch.arange(rows) % (3 * head_size) >= 2 * head_size


def _query_key_modules(model: PreTrainedModel) -> list[str]:
    names = {name.rsplit(".", 1)[-1] for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    if FUSED_QUERY_KEY_VALUE in names:
        return [FUSED_QUERY_KEY_VALUE]
    if names.issuperset(SEPARATE_QUERY_KEY):
        return list(SEPARATE_QUERY_KEY)
    raise ModelError(
        f"{type(model).__name__} has neither {' and '.join(SEPARATE_QUERY_KEY)} nor {FUSED_QUERY_KEY_VALUE} "
        "projections, so query-key tuning is not possible; choose `weights: all`"
    )


def _freeze_value_rows(parameter: nn.Parameter, head_size: int) -> None:
    keep = ~value_rows(parameter.shape[0], head_size).to(parameter.device)
    shape = (-1,) + (1,) * (parameter.dim() - 1)
    keep = keep.view(shape)
    parameter.register_hook(lambda gradient: gradient * keep.to(gradient))  # type: ignore[no-untyped-call]


# --- checkpoints --------------------------------------------------------------------------------


@dataclass
class Checkpoints:
    """The checkpoints of one base model, one in memory at a time.

    Adapters are swapped in place on a base that is loaded once. Full checkpoints replace the model;
    they go through the library's loader, because names on disk may differ from those in memory
    (GPT-NeoX's output embedding does).
    """

    base: Path
    model: Any
    """The model, wrapped by peft once an adapter was loaded."""
    tokenizer: PreTrainedTokenizerBase

    @classmethod
    def on(cls, base: str | Path) -> Checkpoints:
        """Load the base model and tokenizer in the folder ``base``."""
        return cls(Path(base), load_model(base), load_tokenizer(base))

    def load(self, folder: str | Path) -> Any:
        """The model with the weights in ``folder``: the base folder itself, a full checkpoint, or an adapter.

        Raises :class:`ModelError` where they do not load or an adapter does not fit the base.
        """
        folder = Path(folder)
        if (folder / ADAPTER_WEIGHTS).is_file():
            return self._load_adapter(folder)
        if isinstance(self.model, PeftModel) and folder == self.base:
            self.model.base_model.disable_adapter_layers()
        else:
            self.model = load_model(folder)
        return self.model

    def _load_adapter(self, folder: Path) -> Any:
        try:
            if not isinstance(self.model, PeftModel):
                self.model = PeftModel.from_pretrained(self.model, str(folder)).eval()
            self.model.base_model.enable_adapter_layers()
            result = set_peft_model_state_dict(self.model, load_file(folder / ADAPTER_WEIGHTS))
        except (RuntimeError, ValueError) as error:  # other shapes, other modules
            raise ModelError(f"the adapter in {folder} does not fit {self.base}: {_first_line(error)}") from None
        if result.unexpected_keys:
            raise ModelError(
                f"the adapter in {folder} does not fit {self.base}, which has no {result.unexpected_keys[0]}"
            )
        return self.model.eval()


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
