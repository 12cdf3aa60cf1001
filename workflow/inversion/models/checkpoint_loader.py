"""Loads the checkpoints of one base model, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import PreTrainedTokenizerBase

from inversion.config.training import TUNINGS, AdapterTuning
from inversion.models.adapters import ADAPTER_WEIGHTS, AdaptedBase, read_adapter_config
from inversion.models.base_model import load_model, restore_weights
from inversion.models.folder_tokenizer import ModelError, first_line, load_tokenizer

MERGEABLE = {kind.peft_type: kind.mergeable for kind in TUNINGS.values() if issubclass(kind, AdapterTuning)}
"""Whether adapters can be merged, by peft's name of their type. Adapters of other types are not merged."""


@dataclass
class CheckpointLoader:
    """Loads the checkpoints of one base model, one at a time.

    Adapters of any configuration are attached to a base that is loaded once, in its compute data type. Adapters that
    were trained on a quantised base (QLoRA) are attached to the unquantised base too, so that step 0 is the same model
    for all tuning methods. Full checkpoints replace the model. They are read with the library's loader, because names
    on disk can differ from those in memory (GPT-NeoX's output embedding).
    """

    base: Path
    digest: str
    """The hash of the base model, which adapters record."""
    model: Any
    """The model of the checkpoint that was loaded last."""
    tokenizer: PreTrainedTokenizerBase
    merging: bool
    """Whether adapters of a mergeable type are merged into the weights."""
    _adapted_base: AdaptedBase
    """The full model in memory, to which adapters are attached."""
    _model_folder: Path
    """The folder of that model."""
    _dtype: torch.dtype | None
    """The data type of the weights in memory; None for the default of :func:`~inversion.models.load_model`."""

    @classmethod
    def on(
        cls,
        base: str | Path,
        digest: str,
        merging: bool = False,
        tokenizer: str | Path | None = None,
        dtype: torch.dtype | None = None,
    ) -> CheckpointLoader:
        """Load the base model in the folder ``base``, whose hash is ``digest``, and the tokenizer in the folder
        ``tokenizer``, or by default that of the base.

        With ``merging`` a forward pass costs the same as for the base, but adapters cannot be trained. Adapters are
        merged in float32 only, because rounding the sum to bfloat16 loses much of a small adapter. ``dtype`` is as for
        :func:`~inversion.models.load_model`.
        """
        base, model = Path(base), load_model(base, dtype)
        merging = merging and model.dtype == torch.float32
        return cls(base, digest, model, load_tokenizer(tokenizer or base), merging, AdaptedBase(model), base, dtype)

    def load(self, folder: str | Path) -> Any:
        """The model with the weights in ``folder``, which is the base folder, a full checkpoint or an adapter.

        Raises :class:`ModelError` if they cannot be loaded, or if an adapter was trained on another base or has an
        unknown type.
        """
        folder = Path(folder)
        if (folder / ADAPTER_WEIGHTS).is_file():
            kind = self._require_base(folder)
            self._take(self.base)
            self.model = self._adapted_base.load(folder, self.merging and MERGEABLE.get(kind, False))
        else:
            self._take(folder)
            self.model = self._adapted_base.clear()
        return self.model

    def _take(self, folder: Path) -> None:
        """Load the full model in ``folder``, after releasing the previous one."""
        if folder != self._model_folder:
            self._model_folder = Path()  # no model, in case loading fails
            self.model = self._adapted_base = None  # type: ignore[assignment]  # the memory is needed for the next one
            self._adapted_base, self._model_folder = AdaptedBase(load_model(folder, self._dtype)), folder

    def _require_base(self, folder: Path) -> str:
        """peft's name of the adapter's type. Raises :class:`ModelError` if it was not trained on the base."""
        config = read_adapter_config(folder)
        trained_on = config["base_model_name_or_path"]
        if trained_on != self.digest:
            raise ModelError(
                f"the adapter in {folder} was trained on a different base from {self.base}: on {trained_on}, which is "
                f"not {self.digest}; finetune on this base, or restore the one that it was trained on"
            )
        return str(config["peft_type"])


def restore_checkpoint(model: Any, folder: str | Path) -> None:
    """Copy the weights in ``folder`` into a model from :func:`~inversion.models.load_for_tuning`: the weights of an
    adapter into its adapter, those of a full checkpoint or base model into the whole model.

    Raises :class:`ModelError` if they do not fit.
    """
    folder = Path(folder)
    if (folder / ADAPTER_WEIGHTS).is_file():
        _put_adapter(model, folder, "the model")
    else:
        restore_weights(model, folder)


def _put_adapter(model: Any, folder: Path, base: object) -> None:
    """Copy the adapter in ``folder`` into the adapter of ``model``. ``base`` is its name in errors."""
    # imported here because it takes seconds, and jobs without adapters do not need it
    from peft import set_peft_model_state_dict

    try:
        result = set_peft_model_state_dict(model, load_file(folder / ADAPTER_WEIGHTS))
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"the adapter in {folder} does not fit {base}: {first_line(error)}") from None
    if result.unexpected_keys:
        raise ModelError(f"the adapter in {folder} does not fit {base}, which has no {result.unexpected_keys[0]}")
