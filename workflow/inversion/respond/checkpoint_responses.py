"""Generates and stores the responses of a chunk of a run's checkpoints, which share one loaded base model."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from inversion.artifacts import fingerprint
from inversion.config.datasets import Template
from inversion.config.evaluation import Prompt
from inversion.manifests import RESPONSES_FILE, CheckpointEntry, MeasuredManifest
from inversion.models import CheckpointLoader, ModelError, context_window
from inversion.records.answers import Response
from inversion.records.data import ConflictItem
from inversion.respond import VERSION
from inversion.respond.answers import EncodedQuestion, encode_questions, refuse_long
from inversion.respond.contrast import answer_decoded
from inversion.respond.resumable import MeasurePart, ResultFiles, measure_checkpoints, weights_of

_DIGEST = 16
"""The number of hexadecimal digits of an item's hash that are stored."""


def respond(
    base: str | Path,
    base_digest: str,
    run_folder: str | Path,
    chunk: Sequence[CheckpointEntry],
    items: Sequence[ConflictItem],
    template: Template,
    prompts: Mapping[str, Prompt],
    max_new_tokens: int,
    batch_size: int,
    tokenizer: str | Path | None = None,
) -> MeasuredManifest:
    """Answer ``items`` under all ``prompts`` with every checkpoint of ``chunk``, and write the responses to
    ``run_folder``/responses.

    The responses to one set under one prompt are a separate part, which does not depend on the other sets and prompts.
    If its items change, only new and changed items are answered.
    ``tokenizer`` is the folder of a tokenizer that replaces the base model's; the digests of ``chunk`` then include it.
    Resuming and errors are those of :func:`~inversion.respond.resumable.measure_checkpoints`. Also raises
    :class:`~inversion.models.ModelError` if a checkpoint does not have all tokens of the prompts.
    """
    sets: dict[str, list[ConflictItem]] = {}
    for item in items:
        sets.setdefault(item.set, []).append(item)
    set_by_part = {f"{prompt}/{name}": (prompt, of_set) for prompt in prompts for name, of_set in sets.items()}
    spec = {"version": VERSION, "template": template.model_dump(mode="json"), "max_new_tokens": max_new_tokens}
    parts = {
        part: {"prompt": prompts[prompt].model_dump(mode="json"), "items": [item.identity() for item in of_set]}
        for part, (prompt, of_set) in set_by_part.items()
    }
    digests = {
        part: {
            item.item_id: fingerprint({"prompt": spec_of_part["prompt"], "item": identity})[:_DIGEST]
            for item, identity in zip(set_by_part[part][1], spec_of_part["items"], strict=True)
        }
        for part, spec_of_part in parts.items()
    }

    def prepare() -> Callable[[CheckpointEntry], MeasurePart[Response]]:
        checkpoints = CheckpointLoader.on(base, base_digest, merging=True, tokenizer=tokenizer)
        window = context_window(base)

        @functools.cache  # encoded once for all checkpoints, and only for parts that are needed
        def questions(part: str) -> list[EncodedQuestion]:
            prompt, of_set = set_by_part[part]
            encoded = encode_questions(of_set, checkpoints.tokenizer, template, {prompt: prompts[prompt]})
            if window is not None:
                refuse_long(encoded, window, max_new_tokens)
            return encoded

        for part in parts:  # prompts that do not fit are refused before any checkpoint is evaluated
            questions(part)

        def at(entry: CheckpointEntry) -> MeasurePart[Response]:
            model = checkpoints.load(weights_of(entry, base, run_folder))

            def answer(part: str, ids: Collection[str]) -> list[Response]:
                chosen = set(ids)
                asked = [question for question in questions(part) if question.item.item_id in chosen]
                _within_vocabulary(asked, model, entry.step)
                return answer_decoded(
                    model, checkpoints.tokenizer, asked, prompts, template, entry.step, max_new_tokens, batch_size
                )

            return answer

        return at

    files = ResultFiles("responses", RESPONSES_FILE, "answered", parts=("prompt", "set"))
    return measure_checkpoints(run_folder, files, chunk, spec, parts, prepare, Response, digests)


def _within_vocabulary(questions: list[EncodedQuestion], model: Any, step: int) -> None:
    """Raises :class:`ModelError` if ``model`` lacks a token of ``questions``."""
    words = model.get_input_embeddings().weight.shape[0]
    highest = max(
        max(tokens, default=0)
        for question in questions
        for encoded in (question.with_context, question.without_context)
        if encoded is not None
        for tokens in (encoded.prompt, *encoded.answers)
    )
    if highest >= words:
        raise ModelError(
            f"step {step}: the template writes the token {highest}, but this checkpoint has only {words}; choose a "
            "template whose tokens it has or, if this is the base of a series with added tokens, set "
            "`ask_base: false`"
        )
