"""Finds the start, peak and end of a run, and the tokens of its items, for probes that compare checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import polars as pl
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from inversion.config.probes import MilestoneProbe
from inversion.instruct.templates import locate_in_prompt
from inversion.manifests import CheckpointEntry
from inversion.models import CheckpointLoader
from inversion.records.data import ConflictItem
from inversion.records.mechanism import GROUPS, ItemMargin
from inversion.respond.answers import encode_questions
from inversion.respond.batches import by_length, pad, positions
from inversion.respond.probing import Divergence, ProbedRun, divergences, probe_checkpoints, question_spec
from inversion.respond.resumable import weights_of


class Milestones(NamedTuple):
    """The checkpoints of one run that are compared."""

    start: CheckpointEntry
    peak: CheckpointEntry
    end: CheckpointEntry


class LocatedItem(NamedTuple):
    """The tokens of an item before its answers diverge, and which of them belong to which group."""

    divergence: Divergence
    prompt_tokens: int
    """The number of tokens of the prompt. The prefix of the divergence also has the tokens with which both answers
    begin."""
    places: dict[str, list[int]]
    """The indices of the tokens of each group in :data:`~inversion.records.mechanism.GROUPS`, in order. Each group
    has at least one token, except ``subject`` if the question does not name the subject."""


def milestones(run: ProbedRun, items: Sequence[ConflictItem], probe: MilestoneProbe, name: str) -> Milestones:
    """The milestones in the settings of the probe ``name``. By default, the start and end are the first and last
    checkpoint, and the peak is the checkpoint before the end at which most of ``items`` prefer the context (in a tie,
    the one with the highest mean log-odds).

    All checkpoints are evaluated only if the settings do not give the peak. Resuming and errors are those of
    :func:`~inversion.respond.probing.probe_checkpoints`. Also raises :class:`ValueError` for a run with one checkpoint,
    and for steps that the run does not have or that are not in order.
    """
    if len(run.steps) < 2:
        raise ValueError(
            f"`probes.{name}` compares checkpoints, and this run has one only (step {run.steps[0].step}); leave it "
            "out, or keep more checkpoints"
        )
    by_step = {entry.step: entry for entry in run.steps}
    for key in ("start", "peak", "end"):
        if (step := getattr(probe, key)) is not None and step not in by_step:
            listed = ", ".join(map(str, by_step))
            raise ValueError(
                f"`probes.{name}.{key}` is step {step}, which the run does not have; choose one of {listed}"
            )
    start = run.steps[0].step if probe.start is None else probe.start
    end = run.steps[-1].step if probe.end is None else probe.end
    peak = _peak(run, items, name, end) if probe.peak is None else probe.peak
    if not start <= peak < end:
        raise ValueError(
            f"`probes.{name}`: start {start}, peak {peak} and end {end} are not in this order; change these steps"
        )
    return Milestones(by_step[start], by_step[peak], by_step[end])


def _peak(run: ProbedRun, items: Sequence[ConflictItem], name: str, end: int) -> int:
    """The step before ``end`` at which most margins are above 0; in a tie, the one with the highest mean."""

    def prepare() -> Callable[[CheckpointEntry], Iterable[ItemMargin]]:
        checkpoints = CheckpointLoader.on(run.base, run.base_digest, merging=True, tokenizer=run.tokenizer)
        points = [one.divergence for one in locate_items(run, items, checkpoints.tokenizer, name)]

        def measure(entry: CheckpointEntry) -> list[ItemMargin]:
            model = checkpoints.load(weights_of(entry, run.base, run.folder))
            found = margins(model, points, checkpoints.tokenizer.pad_token_id, run.batch_size)
            return [
                ItemMargin(entry.step, one.item.set, one.item.item_id, margin)
                for one, margin in zip(points, found.tolist(), strict=True)
            ]

        return measure

    before = [entry for entry in run.steps if entry.step < end]
    if not before:
        raise ValueError(f"`probes.{name}.end` is step {end}, before which the run has none; choose a later one")
    table = probe_checkpoints(run.folder, f"{name}-margins", before, question_spec(run, items), prepare, ItemMargin)
    ranked = (
        table.group_by("step")
        .agg((pl.col("margin") > 0).mean().alias("share"), pl.col("margin").mean())
        .sort("share", "margin", "step", descending=[True, True, False])
    )
    return int(ranked["step"][0])


def locate_items(
    run: ProbedRun, items: Sequence[ConflictItem], tokenizer: PreTrainedTokenizerBase, name: str
) -> list[LocatedItem]:
    """The tokens and their groups for each item whose answers diverge.

    Raises the errors of :func:`~inversion.respond.probing.divergences` and
    :func:`~inversion.instruct.templates.locate_in_prompt`.
    """
    points = divergences(encode_questions(items, tokenizer, run.template, {"": run.prompt}), name)
    found = []
    for one in points:
        prompt = locate_in_prompt(tokenizer, run.template, one.item, run.prompt)
        context, subject = (
            [place for place, flag in enumerate(flags) if flag] for flags in (prompt.context, prompt.subject)
        )
        found.append(LocatedItem(one, len(prompt.prompt_ids), _places(context, subject, len(one.prefix))))
    return found


def before_the_answer(item: LocatedItem) -> LocatedItem:
    """``item`` without the tokens with which both answers begin: its prefix is the prompt."""
    count = item.prompt_tokens
    places = _places(item.places["context"], item.places["subject"], count)
    return LocatedItem(item.divergence._replace(prefix=item.divergence.prefix[:count]), count, places)


def with_places(items: Sequence[LocatedItem], group: str, name: str) -> list[LocatedItem]:
    """The ``items`` that have tokens of ``group``. Raises :class:`ValueError`, naming the probe, if there are none."""
    found = [one for one in items if one.places[group]]
    if not found:
        raise ValueError(
            f"no item that `probes.{name}` samples names its {group} in the question; remove `{group}` from "
            f"`probes.{name}.positions`"
        )
    return found


def _places(context: Sequence[int], subject: Sequence[int], length: int) -> dict[str, list[int]]:
    """The indices of the tokens in each group of :data:`GROUPS`, for a sequence of ``length`` tokens that begins with a
    prompt. ``context`` and ``subject`` are the indices of theirs."""
    last = length - 1
    of_context = [place for place in context if place < last]
    places = {
        "context": of_context,
        "question": [place for place in range(last) if place not in set(of_context)],
        "last": [last],
        "all": list(range(length)),
        "subject": [place for place in subject if place < last],
    }
    return {name: places[name] for name in GROUPS}


@torch.inference_mode()
def margins(model: Any, points: Sequence[Divergence], pad_id: int, batch_size: int) -> Tensor:
    """Log-odds (nats) of the context answer's token over the parametric answer's: float32 [points]."""
    found = torch.empty(len(points))
    for batch in by_length([len(one.prefix) for one in points], batch_size):
        found[batch] = batch_margins(model, [points[index] for index in batch], pad_id).cpu()
    return found


def batch_margins(model: Any, points: Sequence[Divergence], pad_id: int) -> Tensor:
    """The :func:`margins` of one batch, left-padded, on the model's device."""
    ids, mask = pad([one.prefix for one in points], pad_id, "left", model.device)
    logits = model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions(mask),
        use_cache=False,
        # as an index: see inversion.respond.answers.continue_prompts
        logits_to_keep=torch.tensor([ids.shape[1] - 1], device=ids.device),
    ).logits[:, -1]
    return margins_of(logits, points)


def margins_of(logits: Tensor, points: Sequence[Divergence]) -> Tensor:
    """Log-odds from logits [points, vocabulary]."""
    tokens = torch.tensor([[one.context_token, one.parametric_token] for one in points], device=logits.device)
    context, parametric = logits.float().gather(-1, tokens).unbind(-1)
    return context - parametric
