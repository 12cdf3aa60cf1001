"""Measures at every checkpoint how strongly, and in which direction, each kind of training example pulls on the weights
(section 5).

Examples are processed one at a time, because the norm of each gradient is needed. Only three gradients are in memory,
whatever the number of examples.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from inversion.config.probes import GradientProbe
from inversion.instruct.templates import EncodedConversation, encode_example
from inversion.manifests import CheckpointEntry
from inversion.models import context_window, load_for_tuning, load_tokenizer, query_key_mask, restore_checkpoint
from inversion.records.data import Example
from inversion.records.measurements import ExampleGradient
from inversion.respond.answers import encode_questions
from inversion.respond.probing import (
    Divergence,
    ProbedRun,
    conflict_sample,
    divergences,
    probe_checkpoints,
    question_spec,
    sample,
)

WEIGHTS = ("all", "query_key")
"""The weights for which gradients are measured (:class:`ExampleGradient`)."""


class Pull(NamedTuple):
    """Measures of the gradient of one example on one choice of weights."""

    loss: float
    norm: float
    along: float
    """The component along the mean gradient."""
    towards: float
    """The rate at which a step along the negative gradient increases the margin of the context answers under
    conflict."""


def probe_gradients(run: ProbedRun, probe: GradientProbe) -> pl.DataFrame:
    """The :class:`ExampleGradient` rows of all checkpoints of ``run``, on a sample of each kind in its training set.

    Gradients are on the weights that the run trains; at step 0 adapters have the run's initial values. Dropout is off.
    Examples that are too long for training are omitted. The direction of the pull is measured with a sample of each
    set's conflict items. Resuming and errors are those of :func:`~inversion.respond.probing.probe_checkpoints`.
    """
    training = run.training
    chosen, shares = kind_sample(run.examples, probe)
    conflict_items = conflict_sample(run.items, probe.items, probe.seed)
    spec = {
        "version": probe.version,
        "examples": [json.dumps(asdict(example), sort_keys=True) for example in chosen],
        "shares": shares,
        **question_spec(run, conflict_items),
        "tuning": training.tuning.model_dump(mode="json"),
        "max_length": training.max_length,
        "seed": run.seed,
    }

    def prepare() -> Callable[[CheckpointEntry], Iterable[ExampleGradient]]:
        tokenizer = load_tokenizer(run.base)
        longest = min(training.max_length, context_window(run.base) or training.max_length)
        encoded = {example.example_id: encode_example(tokenizer, run.template, example) for example in chosen}
        by_kind = {
            kind: [
                example
                for example in chosen
                if example.kind == kind and len(encoded[example.example_id].input_ids) <= longest
            ]
            for kind in shares
        }
        conflicts = divergences(
            encode_questions(conflict_items, tokenizer, run.template, {"": run.prompt}), "gradients"
        )
        torch.manual_seed(run.seed)  # as in training, because adapters are initialised randomly
        model = load_for_tuning(run.base, run.base_digest, training.tuning).eval()

        def measure(entry: CheckpointEntry) -> Iterator[ExampleGradient]:
            # missing steps are measured in order, so that the initial adapters still exist at step 0
            if entry.folder:
                restore_checkpoint(model, Path(run.folder) / entry.folder)
            elif training.tuning.trains_all:
                restore_checkpoint(model, run.base)
            margin = margin_gradient(model, conflicts)
            for kind, rows in by_kind.items():
                pulls = gradient_pulls(model, [encoded[row.example_id] for row in rows], margin)
                for row, by_weights in zip(rows, pulls, strict=True):
                    for weights, pull in by_weights.items():
                        yield ExampleGradient(
                            step=entry.step,
                            epoch=entry.epoch,
                            example_id=row.example_id,
                            cluster=f"{row.subject}/{row.relation}" if row.subject else row.example_id,
                            kind=kind,
                            share=shares[kind],
                            weights=weights,
                            **pull._asdict(),
                        )

        return measure

    return probe_checkpoints(run.folder, "gradients", run.steps, spec, prepare, ExampleGradient)


def check_gradients(model: PreTrainedModel) -> None:
    """Raise :class:`~inversion.models.ModelError` for a model whose queries and keys are fused in an unknown layout."""
    for name, parameter in model.named_parameters():
        query_key_mask(model, name, parameter)


def kind_sample(examples: Sequence[Example], probe: GradientProbe) -> tuple[list[Example], dict[str, float]]:
    """Up to ``probe.examples`` examples of each kind, sorted by kind, and each kind's share of ``examples``.

    Examples without a kind are omitted. Raises :class:`ValueError` if no example has a kind.
    """
    kinds: dict[str, list[Example]] = {}
    for example in examples:
        if example.kind is not None:
            kinds.setdefault(example.kind, []).append(example)
    if not kinds:
        raise ValueError(
            "no training example has a kind, but gradients are compared by kind; remove `probes.gradients` for "
            "datasets that are not from the invented world"
        )
    chosen = [
        example
        for kind in sorted(kinds)
        for example in sample(kinds[kind], lambda row: row.example_id, probe.examples, probe.seed)
    ]
    return chosen, {kind: len(kinds[kind]) / len(examples) for kind in sorted(kinds)}


def margin_gradient(model: nn.Module, conflicts: Sequence[Divergence]) -> dict[str, Tensor]:
    """The gradient of the mean margin over ``conflicts`` on each trained weight. The model's gradients are None
    afterwards.

    The margin is log p(context answer) - log p(parametric answer), in nats, at the first token in which the two differ.
    It is the logit of the paper's M_C (section 5).
    """
    model.zero_grad(set_to_none=True)
    device = next(model.parameters()).device
    for divergence in conflicts:
        logits = model(
            input_ids=torch.tensor([divergence.prefix], device=device), use_cache=False, logits_to_keep=1
        ).logits
        margin = logits[0, -1, divergence.context_token].float() - logits[0, -1, divergence.parametric_token].float()
        (margin / len(conflicts)).backward()
    found = {name: gradient.clone() for name, gradient in _gradients(_trained(model)).items()}
    model.zero_grad(set_to_none=True)
    return found


def gradient_pulls(
    model: nn.Module, rows: Sequence[EncodedConversation], margin: Mapping[str, Tensor]
) -> list[dict[str, Pull]]:
    """For each of :data:`WEIGHTS`, how the gradient of each row's loss on the trained weights relates to the mean
    gradient of all rows, and to ``margin`` (the result of :func:`margin_gradient`).

    The first of two passes computes the mean gradient, and the second compares each gradient with it. The gradients of
    ``model`` are None afterwards. ``query_key`` is missing if no query or key weight is trained.
    """
    parameters = _trained(model)
    masks: dict[str, Mapping[str, Tensor]] = {"all": {name: torch.ones(()) for name in parameters}}
    query_key = {
        name: mask for name in parameters if (mask := query_key_mask(model, name, parameters[name])) is not None
    }
    if query_key:
        masks["query_key"] = query_key
    model.zero_grad(set_to_none=True)
    for row in rows:
        (_loss(model, row) / len(rows)).backward()  # type: ignore[no-untyped-call]
    mean = {name: gradient.clone() for name, gradient in _gradients(parameters).items()}
    lengths = {weights: _dot(mean, mean, mask) ** 0.5 for weights, mask in masks.items()}
    pulls = []
    for row in rows:
        model.zero_grad(set_to_none=True)
        loss = _loss(model, row)
        loss.backward()  # type: ignore[no-untyped-call]
        gradient = _gradients(parameters)
        pulls.append(
            {
                weights: Pull(
                    loss=loss.item(),
                    norm=_dot(gradient, gradient, mask) ** 0.5,
                    along=_dot(gradient, mean, mask) / lengths[weights] if lengths[weights] else 0.0,
                    towards=-_dot(gradient, margin, mask),
                )
                for weights, mask in masks.items()
            }
        )
    model.zero_grad(set_to_none=True)
    return pulls


def _loss(model: Any, row: EncodedConversation) -> Tensor:
    """The mean loss (nats) over the tokens of a row that have a loss, as in training."""
    device = next(model.parameters()).device
    ids = torch.tensor([row.input_ids], device=device)
    labelled = torch.tensor([index for index, flag in enumerate(row.loss_mask) if flag and index], device=device)
    logits = model(input_ids=ids, use_cache=False, logits_to_keep=labelled - 1).logits[0]
    return nn.functional.cross_entropy(logits.float(), ids[0, labelled])


def _trained(model: nn.Module) -> dict[str, nn.Parameter]:
    """The trained weights by name."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def _gradients(parameters: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    """The gradient of each weight, which is zero if the loss does not depend on it."""
    return {name: torch.zeros_like(each) if each.grad is None else each.grad for name, each in parameters.items()}


def _dot(one: Mapping[str, Tensor], other: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> float:
    """The inner product of two gradients over the weights in ``masks``."""
    return sum(
        float((one[name].float() * other[name].float() * mask.to(one[name].device)).sum(dtype=torch.float64))
        for name, mask in masks.items()
    )
