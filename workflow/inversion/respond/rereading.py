"""Reads a batch of sequences many times, each time with a change to one layer at some tokens.

Only what can differ is computed again: the tokens from the first changed one on, because attention is causal, and the
layers from the changed one on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from inversion.models import exact_window
from inversion.models.transformer_modules import plain, transformer_modules
from inversion.respond.answers import keeps_keys_only
from inversion.respond.batches import pad, positions
from inversion.respond.kv_cache import PreallocatedKVCache


class Rereading:
    """A left-padded batch of ``sequences``, read once by ``model``, and again for every change.

    A change may affect the columns of the batch from ``begin`` on. Their keys and values, and those before them, are in
    memory, and so is what each layer gives at the columns from ``begin`` on.

    Models with other states than keys and values (state spaces, convolutions), or with keys and values that several
    layers share, read all tokens and all layers again. Sequences beyond the exact window
    (:func:`~inversion.models.exact_window`), where a prefix alone can have other keys, are read whole. Models whose
    layers share more than their outputs, or change them afterwards, read all layers again; whether a model does is
    tried, unless ``skips`` says it already.
    """

    def __init__(
        self,
        model: Any,
        sequences: Sequence[Sequence[int]],
        pad_id: int,
        begin: int = 0,
        skips: bool | None = None,
    ) -> None:
        self._model = model
        self._layers = transformer_modules(model).layers
        config = plain(model).config.get_text_config()
        partly = keeps_keys_only(model) and not getattr(config, "num_kv_shared_layers", 0)
        self._ids, self._mask = pad(sequences, pad_id, "left", model.device)
        window = exact_window(plain(model).config)
        self.begin = begin if partly and (window is None or self._ids.shape[1] <= window) else 0
        """The first column that is read again."""
        self._memory = PreallocatedKVCache(len(self._layers), *self._ids.shape) if self.begin else None
        if self._memory is not None:
            self._read(slice(self.begin), 0)
        self._outputs: list[Any] = []
        with ExitStack() as kept:
            for layer in self._layers:
                kept.callback(layer.register_forward_hook(self._keep).remove)
            self.own: Tensor = self._read(slice(self.begin, None), self.begin)
            """The logits after the last token of each sequence without a change: [sequences, vocabulary]."""
        self.skips = partly if skips is None else skips
        """Whether the layers before a change need not be computed again."""
        if skips is None and partly:
            self.skips = torch.equal(self.logits(len(self._layers) // 2), self.own)

    def _keep(self, module: nn.Module, arguments: Any, output: Any) -> None:
        self._outputs.append(output)

    def logits(self, layer: int = 0) -> Tensor:
        """The logits after the last token of each sequence: [sequences, vocabulary]. The layers before ``layer`` give
        what they gave without a change."""
        with ExitStack() as skipped:
            for index in range(layer if self.skips else 0):
                skipped.enter_context(_gives(self._layers[index], self._outputs[index]))
            return self._read(slice(self.begin, None), self.begin)

    def _read(self, columns: slice, before: int) -> Tensor:
        """Read some ``columns``, of which ``before`` are in memory."""
        mask = self._mask[:, : columns.stop]
        ids = self._ids[:, columns]
        logits: Tensor = self._model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions(mask)[:, columns],
            past_key_values=None if self._memory is None else self._memory.cache(before),
            use_cache=self._memory is not None,
            # as an index: see inversion.respond.answers.continue_prompts
            logits_to_keep=torch.tensor([ids.shape[1] - 1], device=ids.device),
        ).logits[:, -1]
        return logits


@contextmanager
def _gives(module: nn.Module, output: Any) -> Iterator[None]:
    """Within the block, ``module`` computes nothing and gives ``output``."""
    before = module.__dict__.get("forward")
    module.forward = lambda *_, **__: output
    try:
        yield
    finally:
        del module.forward
        if before is not None:
            module.forward = before
