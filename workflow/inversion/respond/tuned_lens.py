"""The tuned lens: an affine translator for every layer, which makes the output of the layer readable for the model's
own final norm and output embedding (Belrose et al. 2023, arXiv 2303.08112).

The translators of a checkpoint are trained to match its own final distribution on prompts that are not evaluated. They
begin as the identity, so that without training the tuned lens is the logit lens. The last layer needs none.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutputWithPast

from inversion.models import ModelError
from inversion.models.transformer_modules import (
    deviation,
    input_passes,
    outputs_pass,
    plain,
    rounding,
    transformer_modules,
)
from inversion.records.data import ConflictItem
from inversion.respond.batches import pad, positions
from inversion.respond.probing import sample

TEXTS_PER_STEP = 16
"""Texts in one step of training."""
FEWEST_TEXTS = 10
_VALIDATED = 10
"""How often during training the translators are validated."""
_WEIGHT_STEP = 0.25
"""The learning rate of a translator's weights, times its size. Adam changes all weights by about the same amount, and
the change of a state grows with their number."""
_BIAS_STEP = 0.01
"""The learning rate of its bias."""
_LOGITS = 2**26
"""The maximum number of logits of one layer in one step: 256 MiB in float32. Training needs several times as much."""


def held_out(
    items: Iterable[ConflictItem], evaluated: Sequence[ConflictItem], count: int, seed: int
) -> list[ConflictItem]:
    """Up to ``count`` of ``items``, whose prompts are the texts on which translators are trained.

    None of them shares its cluster, its question or its context with an item in ``evaluated``. Raises
    :class:`ValueError` if fewer than :data:`FEWEST_TEXTS` are left.
    """
    taken = {(key, getattr(item, key)) for item in evaluated for key in ("cluster", "question", "context")}
    # an item and its controls have the same cluster, and some the same prompt
    texts = {
        (item.context, item.question_with_options): item
        for item in items
        if not taken & {(key, getattr(item, key)) for key in ("cluster", "question", "context") if getattr(item, key)}
    }
    if len(texts) < FEWEST_TEXTS:
        raise ValueError(
            f"`probes.lens.tuned` trains on prompts of items that the probe does not sample, and {len(texts)} of at "
            f"least {FEWEST_TEXTS} are left; lower `probes.lens.items`, or remove `tuned`"
        )
    return sample(list(texts.values()), lambda item: f"{item.set}/{item.item_id}", count, seed)


class Translators(nn.Module):
    """One affine translator for every depth below the last one, computed in float32.

    Inputs and outputs are measured in units of ``scales``, the size of the states at each depth, so that one learning
    rate suits all depths.
    """

    def __init__(self, scales: Tensor, size: int) -> None:
        super().__init__()
        self.scales = scales
        self.weights = nn.ParameterList(torch.zeros(size, size, device=scales.device) for _ in scales)
        self.biases = nn.ParameterList(torch.zeros(size, device=scales.device) for _ in scales)

    def forward(self, depth: int, states: Tensor) -> Tensor:
        """The states [..., size] of a depth, translated. Those of the last depth are returned unchanged."""
        if depth == len(self.weights):
            return states
        scale = self.scales[depth]
        own = states.float()
        change: Tensor = (own / scale) @ self.weights[depth].T + self.biases[depth]
        return (own + scale * change).to(states.dtype)


def train_translators(model: Any, prompts: Sequence[Sequence[int]], steps: int, pad_id: int, seed: int) -> Translators:
    """Translators for ``model``, trained for ``steps`` steps on ``prompts``.

    The loss is the Kullback-Leibler divergence from the model's final distribution, at all tokens but the first of each
    text, whose states differ from all others. A tenth of the texts is for validation. Each depth keeps the translator
    that was best on these, which can be the identity. The weights of ``model`` do not change. Raises
    :class:`~inversion.models.ModelError` for a model that does something else between its last layer and its logits.
    """
    shuffled = list(prompts)
    random.Random(seed).shuffle(shuffled)
    validation, training = (shuffled[: max(1, len(shuffled) // 10)], shuffled[max(1, len(shuffled) // 10) :])
    model.requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    validated = streams(model, validation[: 2 * TEXTS_PER_STEP], pad_id, generator)
    _require_readable(model, validation[0])
    translators = Translators(validated.float().square().mean((1, 2)).sqrt()[:-1], validated.shape[-1])
    optimizer = torch.optim.Adam(
        [
            {"params": list(translators.weights), "lr": _WEIGHT_STEP / validated.shape[-1]},
            {"params": list(translators.biases), "lr": _BIAS_STEP},
        ]
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / max(1, steps))
    best = [parameter.detach().clone() for parameter in translators.parameters()]
    least = _losses(model, translators, validated)
    for step in range(1, steps + 1):
        begin = (step - 1) * TEXTS_PER_STEP
        batch = [training[index % len(training)] for index in range(begin, begin + TEXTS_PER_STEP)]
        states = streams(model, batch, pad_id, generator)
        own = _own_logprobs(model, states)
        for depth in range(len(states) - 1):
            loss = divergence(own, read_out(model, translators(depth, states[depth])))
            loss.mean().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        schedule.step()
        if step % -(-steps // _VALIDATED) == 0 or step == steps:
            losses = _losses(model, translators, validated)
            with torch.no_grad():
                for index, (kept, parameter) in enumerate(zip(best, translators.parameters(), strict=True)):
                    depth = index % len(least)  # all weights come first, and then all biases
                    if losses[depth] < least[depth]:
                        kept.copy_(parameter)
            least = torch.minimum(least, losses)
    with torch.no_grad():
        for kept, parameter in zip(best, translators.parameters(), strict=True):
            parameter.copy_(kept)
    return translators.requires_grad_(False)


@torch.no_grad()
def streams(model: Any, prompts: Sequence[Sequence[int]], pad_id: int, generator: torch.Generator) -> Tensor:
    """The residual stream at every depth and at tokens of ``prompts``: [depths, tokens, size].

    The first token of each prompt is omitted. If the logits of the others would be too many, some are drawn.
    """
    modules, whole = transformer_modules(model), plain(model)
    ids, mask = pad(prompts, pad_id, "left", whole.device)
    places = (mask.cumsum(-1) > 1).flatten().nonzero().flatten().cpu()
    most = max(1, _LOGITS // whole.get_output_embeddings().weight.shape[0])
    if len(places) > most:
        places = places[torch.randperm(len(places), generator=generator)[:most].sort().values]
    places = places.to(whole.device)
    left: list[Tensor] = []

    def keep(stream: Tensor) -> None:
        left.append(stream.flatten(0, 1)[places])

    with input_passes(modules.layers[0], keep), outputs_pass(modules.layers, lambda _, stream: keep(stream)):
        model(input_ids=ids, attention_mask=mask, position_ids=positions(mask), use_cache=False, logits_to_keep=1)
    return torch.stack(left)


def read_out(model: Any, states: Tensor) -> Tensor:
    """The logits that ``model`` computes from states [tokens, size] of its last layer: float32 [tokens, vocabulary].

    Everything from the final norm to the logits is the model's own. Gradients flow back to ``states``.
    """
    whole = plain(model)
    ids = torch.zeros(1, 1, dtype=torch.long, device=states.device)
    with _ends_with(whole, transformer_modules(model).norm(states[None])):
        logits: Tensor = whole(input_ids=ids, use_cache=False).logits
    return logits[0].float()


@contextmanager
def _ends_with(whole: Any, normed: Tensor) -> Iterator[None]:
    """Within the block, the layers of the model are not computed, and their normed output is ``normed``."""
    decoder = whole.get_decoder()
    # libraries that place a model on several devices also set an attribute of the instance
    before = vars(decoder).get("forward")
    decoder.forward = lambda *_, **__: BaseModelOutputWithPast(last_hidden_state=normed)
    try:
        yield
    finally:
        if before is None:
            del decoder.forward
        else:
            decoder.forward = before


def divergence(own: Tensor, logits: Tensor) -> Tensor:
    """The Kullback-Leibler divergence (nats) of a lens from the model: the log-probabilities ``own`` [..., vocabulary]
    of the model, and the logits of the lens [..., vocabulary]."""
    return (own.exp() * (own - logits.log_softmax(-1))).sum(-1)


@torch.no_grad()
def _own_logprobs(model: Any, states: Tensor) -> Tensor:
    """The final log-probabilities of the model for states [depths, tokens, size]: [tokens, vocabulary]."""
    return read_out(model, states[-1]).log_softmax(-1)


@torch.no_grad()
def _losses(model: Any, translators: Translators, states: Tensor) -> Tensor:
    """The mean divergence at each depth below the last one: [depths - 1]."""
    own = _own_logprobs(model, states)
    read = (read_out(model, translators(depth, states[depth])) for depth in range(len(states) - 1))
    return torch.stack([divergence(own, logits).mean() for logits in read])


@torch.no_grad()
def _require_readable(model: Any, prompt: Sequence[int]) -> None:
    """Raises :class:`ModelError` unless :func:`read_out` gives the logits of the model."""
    whole = plain(model)
    ids = torch.tensor([list(prompt)], device=whole.device)
    left: list[Tensor] = []
    with outputs_pass(transformer_modules(model).layers[-1:], lambda _, stream: left.append(stream)):
        own = model(input_ids=ids, use_cache=False).logits[0].float()
    if not deviation(read_out(model, left[0][0]), own) <= rounding(whole.dtype):
        raise ModelError(
            f"{type(whole).__name__} does more than its final norm between the last layer and the output embedding, so "
            "no lens can be tuned for it; remove `probes.lens.tuned` for this model"
        )
