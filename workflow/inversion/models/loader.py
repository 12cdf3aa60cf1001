"""The checkpoints of one base model, loaded one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import PreTrainedTokenizerBase

from inversion.artifacts import read_json
from inversion.config.training import TUNINGS, AdapterTuning
from inversion.models.folder_tokenizer import ModelError, load_tokenizer
from inversion.models.load import first_line, load_model, restore_weights

ADAPTER_WEIGHTS = "adapter_model.safetensors"
ADAPTER_CONFIG = "adapter_config.json"
MERGEABLE = {kind.peft_type: kind.mergeable for kind in TUNINGS.values() if issubclass(kind, AdapterTuning)}
"""Whether adapters can be merged, by what peft calls their type; other types are refused."""


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
    """Whether adapters of a mergeable type are merged into the weights that they adapt."""
    unmerged: dict[str, torch.Tensor] = field(default_factory=dict)
    """Copies of the base's own adapted weights, by the name of their parameter."""

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

        Raises :class:`ModelError` where they do not load, or an adapter was made on another base or is of an unknown
        type.
        """
        folder = Path(folder)
        if (folder / ADAPTER_WEIGHTS).is_file():
            return self._load_adapter(folder)
        if self.adapted and folder == self.base:
            self._unmerge()
            self.model.base_model.disable_adapter_layers()
        else:
            self.model, self.adapted, self.unmerged = load_model(folder), False, {}
        return self.model

    def _load_adapter(self, folder: Path) -> Any:
        # imported here: it takes seconds, and jobs without adapters do without it
        from peft import PeftModel

        config = read_json(folder / ADAPTER_CONFIG)
        kind, trained_on = config.get("peft_type"), config["base_model_name_or_path"]
        if kind not in MERGEABLE:
            raise ModelError(
                f"the adapter in {folder} is of type {kind!r}, which is not supported; evaluate adapters of type "
                f"{', '.join(sorted(MERGEABLE))}, or merge it into its base and evaluate the whole model"
            )
        if trained_on != self.digest:
            raise ModelError(
                f"the adapter in {folder} was trained on another base than {self.base}: on {trained_on}, which is not "
                f"{self.digest}; finetune on this base, or put back the one that it was trained on"
            )
        self._unmerge()
        try:
            if not self.adapted:
                self.model, self.adapted = PeftModel.from_pretrained(self.model, str(folder)), True
            self.model.base_model.enable_adapter_layers()
        except (RuntimeError, ValueError) as error:  # other shapes, other modules
            raise ModelError(f"the adapter in {folder} does not fit {self.base}: {first_line(error)}") from None
        _put_adapter(self.model, folder, self.base)
        if self.merging and MERGEABLE[kind]:
            self._merge(folder)
        return self.model.eval()

    def _merge(self, folder: Path) -> None:
        """Merge the adapter into the base's own weights, layer by layer, as its type does it."""
        for name, layer in _adapted_layers(self.model):
            for part, weight in layer.get_base_layer().named_parameters(recurse=False):
                self.unmerged.setdefault(f"{name}.base_layer.{part}", weight.clone())
            try:
                layer.merge()
            except (NotImplementedError, RuntimeError, ValueError) as error:
                raise ModelError(f"the adapter in {folder} cannot be merged: {first_line(error)}") from None

    def _unmerge(self) -> None:
        """Put the base's own weights back exactly; peft would compute them and round."""
        for name, weight in self.unmerged.items():
            self.model.get_parameter(name).copy_(weight)
        for _, layer in _adapted_layers(self.model) if self.adapted else ():
            layer.merged_adapters.clear()


def _adapted_layers(model: Any) -> Iterator[tuple[str, Any]]:
    """The layers of a model with adapters that hold them, by name."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    return ((name, layer) for name, layer in model.named_modules() if isinstance(layer, BaseTunerLayer))


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
