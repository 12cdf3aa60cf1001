"""Converts base models in GGUF files into ordinary model folders, by dequantising them once."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PretrainedConfig
from transformers.utils.logging import disable_progress_bar

from inversion.artifacts import complete_folder, folder_fault, folder_note, sha256_file
from inversion.config.models import GgufModel
from inversion.models.base_model import ATTENTION
from inversion.models.folder_tokenizer import ModelError, first_line


def locate_gguf(spec: GgufModel) -> Path:
    """The file that ``spec`` names or that its package provides. Raises :class:`ModelError` if it does not exist."""
    if spec.path is not None:
        path, named = Path(spec.path), spec.path
    else:
        path, named = _provided(str(spec.provider)), str(spec.provider)
    if not path.is_file():
        raise ModelError(f"there is no GGUF file at {named}; correct the model's path or provider")
    return path


def convert_gguf(path: str | Path, folder: str | Path) -> None:
    """Dequantise the model in a GGUF file to float32 and save it, with its tokenizer, to ``folder``.

    A folder that was made from the same bytes is kept. Raises :class:`ModelError` if the library cannot read the file,
    or would ignore its scaling of positions.
    """
    path = Path(path)
    note = {"gguf": sha256_file(path)}
    if folder_fault(folder) is None and folder_note(folder) == note:
        return
    disable_progress_bar()
    try:
        # float32 is lossless for this file, and exact on every device
        model = AutoModelForCausalLM.from_pretrained(
            str(path.parent),
            gguf_file=path.name,
            dtype=torch.float32,
            attn_implementation=ATTENTION,
            trust_remote_code=False,
        )
        tokenizer = AutoTokenizer.from_pretrained(str(path.parent), gguf_file=path.name, trust_remote_code=False)
    except ImportError:
        raise ModelError(f"reading {path} needs the package gguf; install it (`pip install gguf`)") from None
    except Exception as error:  # reading a broken file can raise anything
        raise ModelError(
            f"{path} does not contain a model that transformers can dequantise: {first_line(error)}"
        ) from None
    scaling = _position_scaling(path)
    if scaling and not _scales_positions(model.config):
        raise ModelError(
            f"{path} scales its positions ({scaling}), which transformers drops when it dequantises the file, so every "
            "answer would be another model's; use the model's folder or Hub repository with safetensors instead"
        )
    model.hf_quantizer.remove_quantization_config(model)  # the model is no longer quantised, so it can be saved
    with complete_folder(folder, note) as unfinished:
        model.save_pretrained(unfinished)
        tokenizer.save_pretrained(unfinished)


def _position_scaling(path: Path) -> str | None:
    """How a GGUF file scales positions, as written in the file; None if it does not."""
    from gguf import GGUFReader  # an optional package

    reader = GGUFReader(path)
    for name, field in reader.fields.items():
        if name.endswith((".rope.scaling.type", ".rope.scaling.factor", ".rope.scale_linear")):
            value = field.contents()
            if value not in ("none", 0.0, 1.0):
                return f"{name} is {value:g}" if isinstance(value, float) else f"{name} is {value}"
    for tensor in reader.tensors:
        if tensor.name.startswith(("rope_freqs", "rope_factors")) and bool((tensor.data != 1).any()):
            return f"it has {tensor.name}"
    return None


def _scales_positions(config: PretrainedConfig) -> bool:
    rope = getattr(config.get_text_config(decoder=True), "rope_parameters", None) or {}
    kinds = [rope, *(each for each in rope.values() if isinstance(each, dict))]
    return any(each.get("rope_type", "default") != "default" for each in kinds)


def _provided(provider: str) -> Path:
    module, function = provider.split(":")
    try:
        return Path(getattr(import_module(module), function)())
    except ImportError as error:
        raise ModelError(
            f"the package that provides {provider} is not installed ({first_line(error)}); install it, or set the "
            "model's `path`"
        ) from None
    except AttributeError:
        raise ModelError(f"the module {module} has no function {function}; correct the model's provider") from None
    except Exception as error:
        raise ModelError(f"{provider}() does not return a GGUF file: {first_line(error)}") from None
