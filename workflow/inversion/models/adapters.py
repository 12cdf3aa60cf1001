"""One base model in memory that takes adapters of any configuration, one after the other, each as peft loads it.

Every adapter is put into the base by peft itself, with its own configuration. Before the next one comes, all modules
and weights of the base are put back as they were, whatever the adapter did to them: wrapped layers, trained copies of
modules, other biases, a larger vocabulary. Nothing of the base is copied that an adapter does not write into.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedModel

from inversion.artifacts import read_object
from inversion.models.folder_tokenizer import ModelError, first_line, read_config

ADAPTER_WEIGHTS = "adapter_model.safetensors"
ADAPTER_CONFIG = "adapter_config.json"
PREFIX = "base_model.model."
"""The prefix that peft adds to the names of the base's weights."""

EXACT_TYPES = ("LORA", "IA3", "LOHA", "LOKR")
"""Kinds of adapters (``peft_type``) that are compared with peft in the tests."""
DRAWN_WEIGHTS = ("pissa_niter", "corda", "loftq", "lora_ga", "eva")
"""Initialisations of LoRA that change the base by data or by chance: the base of training is no longer known."""


class AdaptedBase:
    """A base model that takes one adapter at a time; what it is without one is never lost."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model
        self._modules = {module: _shallow(module) for module in model.modules()}
        self._weights = {parameter: (parameter.data, parameter.requires_grad) for parameter in model.parameters()}
        self._vocabulary = model.config.get_text_config().vocab_size

    def clear(self) -> PreTrainedModel:
        """The base without any adapter."""
        for module, state in self._modules.items():
            module.__dict__.clear()
            module.__dict__.update(_copied(state))
        for parameter, (data, requires_grad) in self._weights.items():
            parameter.data = data
            parameter.requires_grad_(requires_grad)
        self.model.config.get_text_config().vocab_size = self._vocabulary
        return self.model.eval()

    @torch.no_grad()
    def load(self, folder: str | Path, merging: bool = False) -> Any:
        """The base with the adapter in ``folder``, in evaluation mode.

        With ``merging`` adapters are merged into new copies of the weights that they adapt, by peft's own layers, so
        that a forward pass costs what the base's costs. Raises :class:`ModelError` for an adapter that does not fit the
        base, or that cannot be loaded exactly.
        """
        # imported here: it takes seconds, and jobs without adapters do without it
        from peft import PeftModel

        self.clear()
        folder = Path(folder)
        read_adapter_config(folder)
        shapes = adapter_shapes(folder)
        self._make_room(folder, shapes)
        try:
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                adapted = PeftModel.from_pretrained(self.model, str(folder))
        except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:  # other shapes, other modules
            self.clear()
            base = self.model.name_or_path
            raise ModelError(f"the adapter in {folder} does not fit {base}: {first_line(error)}") from None
        missing = next((str(w.message) for w in said if "missing adapter keys" in str(w.message)), None)
        unknown = _unknown(adapted, shapes)
        if missing or unknown:
            self.clear()
            reason = f"the base has no {unknown[0]}" if unknown else first_line(ValueError(missing))
            raise ModelError(f"the adapter in {folder} does not fit {self.model.name_or_path}: {reason[:200]}")
        if merging:
            return self._merged(adapted, folder)
        return adapted.eval()

    def _make_room(self, folder: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Give weights of the base that the adapter's file replaces memory of their own, and a larger vocabulary where
        the adapter has one."""
        own = dict(self.model.named_parameters())
        replaced = {name: name.removeprefix(PREFIX).replace(".base_layer.", ".") for name in shapes}
        embedding, output = self.model.get_input_embeddings(), self.model.get_output_embeddings()
        rows = {
            shapes[name][0]
            for name, inner in replaced.items()
            if inner in own and own[inner] in {embedding.weight, getattr(output, "weight", None)}
        }
        resized = rows - {embedding.weight.shape[0]}
        if resized:
            tables = {own[inner] for inner in replaced.values() if inner in own}
            if len(rows) > 1 or not {embedding.weight, output.weight} <= tables:
                raise ModelError(
                    f"the adapter in {folder} belongs to a vocabulary of {max(resized)} words and does not contain all "
                    "of its embeddings, so some would be initialised at random; save it with "
                    "`save_embedding_layers=True`, or merge it into its base"
                )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.model.resize_token_embeddings(resized.pop(), mean_resizing=False)
        for inner in replaced.values():
            if inner in own:
                own[inner].data = own[inner].data.clone()

    def _merged(self, adapted: Any, folder: Path) -> Any:
        """The base with the adapter merged into copies of its weights, without the layers around them, and with the
        modules that were trained as a whole."""
        from peft.tuners.lora import LoraLayer  # the one family that a way of training declares to be mergeable
        from peft.utils.other import ModulesToSaveWrapper

        model = adapted.base_model.model
        layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, LoraLayer)}
        if any(any(getattr(layer, "lora_bias", {}).values()) for layer in layers.values()):
            return adapted.eval()  # a bias where the base may have none
        for layer in layers.values():
            for weight in layer.get_base_layer().parameters(recurse=False):
                weight.data = weight.data.clone()
            try:
                layer.merge()
            except (NotImplementedError, RuntimeError, ValueError) as error:
                self.clear()
                raise ModelError(f"the adapter in {folder} cannot be merged: {first_line(error)}") from None
        # adapters on two weights of one module (stacked experts) are nested: the outermost is replaced
        for name in [name for name in layers if not any(name.startswith(f"{outer}.") for outer in layers)]:
            _replace(model, name, layers[name].get_base_layer())
        for name, saved in [each for each in model.named_modules() if isinstance(each[1], ModulesToSaveWrapper)]:
            _replace(model, name, saved.unload_and_optionally_merge_module(True, False, None))
        return model.eval()


def read_adapter_config(folder: Path) -> dict[str, Any]:
    """The configuration of an adapter; raises :class:`ModelError` for one that cannot be loaded exactly."""
    config = read_object(folder / ADAPTER_CONFIG)
    kind = config.get("peft_type")
    if kind not in EXACT_TYPES:
        raise ModelError(
            f"the adapter in {folder} is of type {kind!r}, which is not supported; evaluate adapters of type "
            f"{', '.join(EXACT_TYPES)}, or merge it into its base (`merge_and_unload`) and list the whole models"
        )
    if config.get("alora_invocation_tokens"):
        raise ModelError(
            f"the adapter in {folder} is an activated LoRA, which depends on the position of its invocation in the "
            "text; it is not supported"
        )
    start = config.get("init_lora_weights")
    if isinstance(start, str) and start.startswith(DRAWN_WEIGHTS):
        raise ModelError(
            f"the adapter in {folder} starts from changed base weights (init_lora_weights: {start}), which cannot "
            "be reproduced exactly; save it as plain LoRA (`path_initial_model_for_weight_conversion` of peft's "
            "save_pretrained)"
        )
    return config


def adapter_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of an adapter's tensors, by name."""
    with safe_open(folder / ADAPTER_WEIGHTS, framework="pt") as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118


def require_fit(base: str | Path, folder: str | Path) -> None:
    """Raise :class:`ModelError` unless the adapter in ``folder`` fits the base model's configuration.

    No weights are read: peft puts the adapter into a model without memory, and shapes are compared.
    """
    from peft import PeftConfig, get_peft_model
    from peft.utils import get_peft_model_state_dict

    folder = Path(folder)
    read_adapter_config(folder)
    shapes = adapter_shapes(folder)
    try:
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = AutoModelForCausalLM.from_config(read_config(base), trust_remote_code=False)
            config = PeftConfig.from_pretrained(str(folder))
            if getattr(config, "init_lora_weights", True) is not False:
                config.init_lora_weights = True  # others look at the weights
            adapted = get_peft_model(model, config)
            expected = get_peft_model_state_dict(adapted, save_embedding_layers=False)
            unknown = _unknown(adapted, shapes)
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"the adapter in {folder} does not fit {base}: {first_line(error)}") from None
    for name, tensor in sorted(expected.items()):
        if name in shapes and shapes[name] != tuple(tensor.shape):
            raise ModelError(
                f"the adapter in {folder} does not fit {base}: {name} has the shape {list(shapes[name])}, and the base "
                f"needs {list(tensor.shape)}; name the base that it was trained on"
            )
    kind = f".{adapted.base_model.prefix}"  # as .lora_, in the names of all that an adapter of its type trains
    lacking = sorted(name for name in expected if name not in shapes and kind in name)
    if lacking or unknown:
        reason = f"it lacks {lacking[0]}" if lacking else f"the base has no {unknown[0]}"
        raise ModelError(
            f"the adapter in {folder} does not fit {base}: {reason}; name the base that it was trained on, or save the "
            "adapter again"
        )


def _unknown(adapted: Any, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """The adapter's tensors that no module of the adapted model takes up: peft passes them over in silence."""
    from peft.utils import get_peft_model_state_dict

    taken = set(get_peft_model_state_dict(adapted, save_embedding_layers=True))
    own = {f"{PREFIX}{name}" for name, _ in adapted.base_model.model.named_parameters(remove_duplicate=False)}
    return sorted(name for name in shapes if name not in taken and name not in own)


def _replace(model: nn.Module, name: str, module: nn.Module) -> None:
    """Put ``module`` in the place of the module ``name`` of ``model``."""
    parent, _, own = name.rpartition(".")
    setattr(model.get_submodule(parent), own, module)


def _shallow(module: nn.Module) -> dict[str, Any]:
    return _copied(module.__dict__)


def _copied(state: Mapping[str, Any]) -> dict[str, Any]:
    """A module's attributes, with its tables of submodules, parameters and hooks copied, without their contents."""
    return {name: copy.copy(value) if isinstance(value, dict) else value for name, value in state.items()}
