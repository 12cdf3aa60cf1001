"""Attaches adapters of any configuration to one base model in memory, one after the other, exactly as peft does.

peft itself attaches every adapter, with the adapter's own configuration. Before the next adapter, all modules and
weights of the base are restored, whatever the adapter changed: wrapped layers, trained copies of modules, biases, or a
larger vocabulary. Only the parts of the base that an adapter overwrites are copied.
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
"""Types of adapters (``peft_type``) that the tests compare with peft."""
DRAWN_WEIGHTS = ("pissa_niter", "corda", "loftq", "lora_ga", "eva")
"""LoRA initialisations that change the base depending on data or random numbers, so that the base of the training is
not known."""


class AdaptedBase:
    """A base model to which one adapter at a time can be attached, and which can always be restored."""

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

        With ``merging``, peft merges the adapter into copies of the adapted weights, so that a forward pass costs the
        same as for the base. Raises :class:`ModelError` for an adapter that does not fit the base or cannot be loaded
        exactly.
        """
        # imported here: it takes seconds, and jobs without adapters do without it
        from peft import PeftModel

        self.clear()
        folder = Path(folder)
        read_adapter_config(folder)
        shapes = adapter_shapes(folder)
        self._make_room(folder, shapes)
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                adapted = PeftModel.from_pretrained(self.model, str(folder))
        except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:  # other shapes, other modules
            self.clear()
            base = self.model.name_or_path
            raise ModelError(f"the adapter in {folder} does not fit {base}: {first_line(error)}") from None
        missing = next((str(w.message) for w in caught if "missing adapter keys" in str(w.message)), None)
        unknown = _unknown(adapted, shapes)
        if missing or unknown:
            self.clear()
            reason = f"the base has no {unknown[0]}" if unknown else first_line(ValueError(missing))
            raise ModelError(f"the adapter in {folder} does not fit {self.model.name_or_path}: {reason[:200]}")
        if merging:
            return self._merged(adapted, folder)
        return adapted.eval()

    def _make_room(self, folder: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Copy the weights of the base that the adapter's file replaces, and enlarge the vocabulary if that of the
        adapter is larger."""
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
        """The base with the adapter merged into copies of its weights, without adapter layers, and with the modules
        that were trained completely."""
        from peft.tuners.lora import LoraLayer  # the only family of adapters that is declared to be mergeable
        from peft.utils.other import ModulesToSaveWrapper

        model = adapted.base_model.model
        layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, LoraLayer)}
        if any(any(getattr(layer, "lora_bias", {}).values()) for layer in layers.values()):
            return adapted.eval()  # an adapter can add biases that the base does not have
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
    """The configuration of an adapter. Raises :class:`ModelError` if the adapter cannot be loaded exactly."""
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

    No weights are read. peft attaches the adapter to a model on the meta device, and shapes are compared.
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
                config.init_lora_weights = True  # other initialisations read the weights
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
    kind = f".{adapted.base_model.prefix}"  # part of all names of its weights: .lora_
    lacking = sorted(name for name in expected if name not in shapes and kind in name)
    if lacking or unknown:
        reason = f"it lacks {lacking[0]}" if lacking else f"the base has no {unknown[0]}"
        raise ModelError(
            f"the adapter in {folder} does not fit {base}: {reason}; name the base that it was trained on, or save the "
            "adapter again"
        )


def _unknown(adapted: Any, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """The tensors of the adapter that belong to no module of the adapted model, which peft would silently ignore."""
    from peft.utils import get_peft_model_state_dict

    taken = set(get_peft_model_state_dict(adapted, save_embedding_layers=True))
    own = {f"{PREFIX}{name}" for name, _ in adapted.base_model.model.named_parameters(remove_duplicate=False)}
    return sorted(name for name in shapes if name not in taken and name not in own)


def _replace(model: nn.Module, name: str, module: nn.Module) -> None:
    """Replace the module ``name`` of ``model`` by ``module``."""
    parent, _, own = name.rpartition(".")
    setattr(model.get_submodule(parent), own, module)


def _shallow(module: nn.Module) -> dict[str, Any]:
    return _copied(module.__dict__)


def _copied(state: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of a module. Its dictionaries of submodules, parameters and hooks are copied, but not their
    values."""
    return {name: copy.copy(value) if isinstance(value, dict) else value for name, value in state.items()}
