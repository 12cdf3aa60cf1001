"""Loads base models and checkpoints, and selects the weights that a recipe trains.

The package depends on model classes and devices, but not on data.
"""

import logging

from inversion.models.base_model import (
    context_window,
    count_parameters,
    describe_base,
    exact_window,
    load_model,
    new_model,
    restore_weights,
    stop_token_ids,
)
from inversion.models.checkpoint_loader import CheckpointLoader, restore_checkpoint
from inversion.models.devices import compute_dtype, device, has_native_bfloat16
from inversion.models.folder_tokenizer import ModelError, load_tokenizer, vocabulary_size
from inversion.models.gguf import convert_gguf, locate_gguf
from inversion.models.hub import prefetch
from inversion.models.tuning import (
    fused_parameter_names,
    load_for_tuning,
    prepare_tuning,
    query_key_mask,
    trained_weights,
    value_rows,
)

# peft imports it, and it would complain in every job about a package that none of them needs
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)

__all__ = [
    "CheckpointLoader",
    "ModelError",
    "compute_dtype",
    "context_window",
    "convert_gguf",
    "count_parameters",
    "describe_base",
    "device",
    "exact_window",
    "fused_parameter_names",
    "has_native_bfloat16",
    "load_for_tuning",
    "load_model",
    "load_tokenizer",
    "locate_gguf",
    "new_model",
    "prefetch",
    "prepare_tuning",
    "query_key_mask",
    "restore_checkpoint",
    "restore_weights",
    "stop_token_ids",
    "trained_weights",
    "value_rows",
    "vocabulary_size",
]
