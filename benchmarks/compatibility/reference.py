"""What the library's numbers are compared with: transformers and peft alone, every row by itself.

No packing, no padding, no cache, no merged adapters, and the eager implementation of attention.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, prepare_model_for_kbit_training
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig

from inversion.instruct.templates import EncodedConversation

Weights = Mapping[str, Tensor]
"""The weights of a model by name."""
Mask = Callable[[str, nn.Parameter], Tensor | None]
"""Which entries of a parameter are trained, by its name: a mask that broadcasts to it, or None for none."""


def load(
    folder: Path,
    adapter: Path | None = None,
    quantized: bool = False,
    attention: str = "eager",
    layers: int | None = None,
) -> Any:
    """The model in ``folder`` in float32 and evaluation mode, with the adapter in another folder.

    With ``layers`` it has no more than these.
    """
    four_bits = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
    )
    extra = {"quantization_config": four_bits, "device_map": {"": "cpu"}} if quantized else {}
    config = AutoConfig.from_pretrained(folder)
    if layers is not None:
        text = config.get_text_config(decoder=True)
        text.num_hidden_layers = layers
        if getattr(text, "layer_types", None):
            text.layer_types = text.layer_types[:layers]
    model = AutoModelForCausalLM.from_pretrained(
        folder, config=config, dtype=torch.float32, attn_implementation=attention, **extra
    )
    return (PeftModel.from_pretrained(model, adapter) if adapter else model).eval()


def adapted(model: Any, rank: int, alpha: float, modules: Any, quantized: bool) -> Any:
    """``model`` with LoRA on ``modules``, as peft draws it after the seed 0."""
    if quantized:
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    config = LoraConfig(task_type="CAUSAL_LM", r=rank, lora_alpha=alpha, target_modules=modules)
    return get_peft_model(model, config)


def logits(model: Any, ids: Sequence[int]) -> Tensor:
    """Float32 [tokens, vocabulary] of one row."""
    found: Tensor = model(input_ids=torch.tensor([list(ids)]), use_cache=False).logits[0]
    return found.float()


@torch.no_grad()
def logprobs(model: Any, ids: Sequence[int]) -> Tensor:
    """Log-probabilities (nats) after every token of one row: float32 [tokens, vocabulary]."""
    return logits(model, ids).log_softmax(-1)


def loss(model: Any, row: EncodedConversation) -> Tensor:
    """The summed loss (nats) of the labelled tokens of one row."""
    ids, labelled = torch.tensor(row.input_ids), torch.tensor(row.loss_mask)
    return nn.functional.cross_entropy(
        logits(model, row.input_ids)[:-1][labelled[1:]], ids[1:][labelled[1:]], reduction="sum"
    )


def backward(model: Any, rows: Sequence[EncodedConversation]) -> float:
    """The mean loss of the labelled tokens of all ``rows``, whose gradients are added to the weights'."""
    tokens = sum(sum(row.loss_mask[1:]) for row in rows)
    total = 0.0
    for row in rows:
        part = loss(model, row) / tokens
        part.backward()
        total += part.item()
    return total


def train(
    model: Any, steps: Sequence[Sequence[EncodedConversation]], learning_rate: float, trained: Mask | None = None
) -> list[float]:
    """Train ``model`` with AdamW, gradients clipped to 1; returns the loss of each step.

    Entries outside ``trained`` get no gradient.
    """
    model.train()
    parameters = {name: each for name, each in model.named_parameters() if each.requires_grad}
    masks = {name: trained(name, each) if trained else torch.ones(()) for name, each in parameters.items()}
    parameters = {name: each for name, each in parameters.items() if masks[name] is not None}
    optimizer = torch.optim.AdamW(parameters.values(), lr=learning_rate, weight_decay=0.0)
    losses = []
    for rows in steps:
        model.zero_grad(set_to_none=True)
        losses.append(backward(model, rows))
        for name, each in parameters.items():
            if each.grad is not None:
                each.grad *= masks[name]
        nn.utils.clip_grad_norm_(parameters.values(), 1.0)
        optimizer.step()
    model.eval()
    return losses


def answer(model: Any, prompt: Sequence[int], stops: set[int], most: int) -> list[int]:
    """The greedy answer without its stop token, at most ``most`` tokens."""
    generated: list[int] = []
    for _ in range(most):
        token = int(logprobs(model, [*prompt, *generated])[-1].argmax())
        if token in stops:
            break
        generated.append(token)
    return generated


def answer_logprobs(model: Any, prompt: Sequence[int], tokens: Sequence[int]) -> list[float]:
    """The log-probability of each of ``tokens`` after ``prompt``."""
    found = logprobs(model, [*prompt, *tokens])[len(prompt) - 1 : -1]
    return found.gather(-1, torch.tensor(list(tokens))[:, None])[:, 0].tolist()


def margin(model: Any, ids: Sequence[int], one: int, other: int) -> float:
    """Log-odds (nats) of the token ``one`` against ``other`` after a row."""
    after = logprobs(model, ids)[-1]
    return float(after[one] - after[other])


GROUPS = {
    "query_key": re.compile(r"\.(q|k)_(proj|norm)\."),
    "value_output": re.compile(r"\.(v_proj|o_proj|dense)\."),
    "mlp": re.compile(r"\.mlp\."),
}
"""The names of the weights in each group that the probe ``weights`` exchanges. All others are the group ``rest``."""


def weights(model: Any) -> Weights:
    """The weights of a model by name."""
    return {name: parameter.data for name, parameter in model.named_parameters()}


def _share(name: str, weight: Tensor, group: str, fused: int | None) -> Tensor:
    """Which rows of a weight belong to ``group``. ``fused`` is the size of a head in a projection of GPT-NeoX's
    layout, in which the first two thirds of each head's rows are its query and key."""
    if ".query_key_value." in name:
        assert fused is not None
        of_query_key = torch.arange(len(weight)) % (3 * fused) < 2 * fused
        chosen = {"query_key": of_query_key, "value_output": ~of_query_key}.get(group, torch.zeros(len(weight)) > 0)
    else:
        groups = [each for each, pattern in GROUPS.items() if pattern.search(name)] or ["rest"]
        chosen = torch.full((len(weight),), groups == [group])
    return chosen.view(-1, *[1] * (weight.dim() - 1))


def exchanged(own: Weights, taken: Weights, group: str, fused: int | None) -> Weights:
    """The weights ``own`` with one group replaced by ``taken``."""
    return {name: torch.where(_share(name, own[name], group, fused), taken[name], own[name]) for name in own}


def update_norm(before: Weights, after: Weights, group: str, fused: int | None) -> float:
    """The Euclidean norm of the update of one group."""
    squares = [
        float(((after[name] - before[name]).double() * _share(name, before[name], group, fused)).square().sum())
        for name in before
    ]
    return math.sqrt(sum(squares))


def take(model: Any, replaced: Weights) -> None:
    """Replace the weights of a model."""
    for name, parameter in model.named_parameters():
        parameter.data = replaced[name]


@contextmanager
def replaced(
    donor: tuple[Any, nn.Module], module: nn.Module, ids: Sequence[int], places: Sequence[int]
) -> Iterator[None]:
    """Within the block, the output of ``module`` at some tokens of a row is that of a module of another model, given as
    model and module."""
    given: list[Tensor] = []

    def first(output: Any) -> Tensor:
        tensor: Tensor = output[0] if isinstance(output, tuple) else output
        return tensor

    def replace(_: nn.Module, __: Any, output: Any) -> Any:
        changed = first(output).clone()
        changed[:, list(places)] = given[0][:, list(places)]
        return (changed, *output[1:]) if isinstance(output, tuple) else changed

    model, source = donor
    keeping = source.register_forward_hook(lambda _, __, output: given.append(first(output)))
    logits(model, ids)
    keeping.remove()
    handle = module.register_forward_hook(replace)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def without_head(number: int, head: int, keys: Sequence[int]) -> Iterator[None]:
    """In the attention that is computed as the ``number``-th of a forward pass, ``head`` does not read ``keys`` from
    the last token: the scores that go into the softmax are changed."""
    plain, count = nn.functional.softmax, 0

    def softmax(scores: Tensor, *arguments: Any, **named: Any) -> Tensor:
        nonlocal count
        if scores.dim() == 4:
            if count == number:
                scores = scores.clone()
                scores[0, head, -1, list(keys)] = -math.inf
            count += 1
        return plain(scores, *arguments, **named)

    nn.functional.softmax = softmax
    try:
        yield
    finally:
        nn.functional.softmax = plain
