"""The checkpoints of one base model, loaded one after the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import PreTrainedTokenizerBase

from inversion.artifacts import read_json
from inversion.models.load import ModelError, first_line, load_model, load_tokenizer, restore_weights

ADAPTER_WEIGHTS = "adapter_model.safetensors"
ADAPTER_CONFIG = "adapter_config.json"


@dataclass
class CheckpointLoader:
    """The checkpoints of one base model, one in memory at a time.

    Adapters are swapped in place on a base that is loaded once, in the type that it computes in: also
    those that were trained on a quantised base (QLoRA), so that step 0 is the same model for all.
    Full checkpoints replace the model; they go through the library's loader, because names on disk may
    differ from those in memory (GPT-NeoX's output embedding does).
    """

    base: Path
    digest: str
    """The hash of the base model, by which adapters know it."""
    model: Any
    """The model, wrapped by peft once an adapter was loaded."""
    tokenizer: PreTrainedTokenizerBase
    adapted: bool = False
    """Whether peft wraps the model."""
    merging: bool = False
    """Whether adapters are added to the weights that they adapt."""
    unmerged: dict[str, torch.Tensor] = field(default_factory=dict)
    """Copies of these weights as they are in the base, by the name of their module."""

    @classmethod
    def on(cls, base: str | Path, digest: str, merging: bool = False) -> CheckpointLoader:
        """Load the base model and tokenizer in the folder ``base``, whose ``base.json`` says ``digest``.

        With ``merging`` a forward pass costs what the base's costs, and adapters cannot be trained. It is done in
        float32 only: a sum that is rounded to bfloat16 loses much of a small adapter.
        """
        model = load_model(base)
        return cls(Path(base), digest, model, load_tokenizer(base), merging=merging and model.dtype == torch.float32)

    @torch.no_grad()
    def load(self, folder: str | Path) -> Any:
        """The model with the weights in ``folder``: the base folder itself, a full checkpoint, or an adapter.

        Raises :class:`ModelError` where they do not load or an adapter was made on another base.
        """
        folder = Path(folder)
        if (folder / ADAPTER_WEIGHTS).is_file():
            return self._load_adapter(folder)
        if self.adapted and folder == self.base:
            self.model.base_model.disable_adapter_layers()
            for name, weight in self.unmerged.items():
                self.model.get_submodule(name).weight.copy_(weight)
        else:
            self.model, self.adapted, self.unmerged = load_model(folder), False, {}
        return self.model

    def _load_adapter(self, folder: Path) -> Any:
        # imported here: it takes seconds, and jobs without adapters do without it
        from peft import PeftModel

        trained_on = read_json(folder / ADAPTER_CONFIG)["base_model_name_or_path"]
        if trained_on != self.digest:
            raise ModelError(
                f"the adapter in {folder} was trained on another base than {self.base}: on {trained_on}, which is not "
                f"{self.digest}; finetune on this base, or put back the one that it was trained on"
            )
        try:
            if not self.adapted:
                self.model, self.adapted = PeftModel.from_pretrained(self.model, str(folder)), True
            self.model.base_model.enable_adapter_layers()
        except (RuntimeError, ValueError) as error:  # other shapes, other modules
            raise ModelError(f"the adapter in {folder} does not fit {self.base}: {first_line(error)}") from None
        _put_adapter(self.model, folder, self.base)
        if self.merging:
            self._merge()
        return self.model.eval()

    def _merge(self) -> None:
        """Add the adapter to the base's weights; not to what another adapter has left of them."""
        from peft.tuners.lora import LoraLayer

        for name, layer in self.model.named_modules():
            if isinstance(layer, LoraLayer):
                weight = layer.get_base_layer().weight
                unmerged = self.unmerged.setdefault(f"{name}.base_layer", weight.clone())
                torch.add(unmerged, layer.get_delta_weight("default"), out=weight)
        self.model.base_model.disable_adapter_layers()


def restore_checkpoint(model: Any, folder: str | Path) -> None:
    """Copy the weights in ``folder`` into a model that :func:`~inversion.models.load_for_tuning` made: those of an
    adapter into its adapter, those of a full checkpoint or base model into all of it.

    Raises :class:`ModelError` where they do not fit.
    """
    folder = Path(folder)
    if (folder / ADAPTER_WEIGHTS).is_file():
        _put_adapter(model, folder, "the model")
    else:
        restore_weights(model, folder)


def _put_adapter(model: Any, folder: Path, base: object) -> None:
    """Copy the adapter in ``folder`` into the adapter of ``model``; ``base`` names it in errors."""
    # imported here: it takes seconds, and jobs without adapters do without it
    from peft import set_peft_model_state_dict

    try:
        result = set_peft_model_state_dict(model, load_file(folder / ADAPTER_WEIGHTS))
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"the adapter in {folder} does not fit {base}: {first_line(error)}") from None
    if result.unexpected_keys:
        raise ModelError(f"the adapter in {folder} does not fit {base}, which has no {result.unexpected_keys[0]}")
