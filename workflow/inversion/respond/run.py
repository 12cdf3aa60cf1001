"""Questions to a chunk of a run's checkpoints on one loaded base model, and what is kept of the answers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from inversion.config.datasets import Template
from inversion.config.evaluation import Prompt
from inversion.manifests import RESPONSES_FILE, CheckpointEntry, MeasuredManifest
from inversion.models import CheckpointLoader, ModelError, context_window
from inversion.records.answers import Response
from inversion.records.data import ConflictItem
from inversion.respond import VERSION
from inversion.respond.answers import EncodedQuestion, encode_questions, refuse_long
from inversion.respond.contrast import answer_decoded
from inversion.respond.resumable import Kept, Measure, measure_checkpoints, weights_of


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
    """Answer ``items``, in all ``prompts``, with every checkpoint of ``chunk``; they go to ``run_folder``/responses.

    The answers of one set to one prompt are a separate part: it does not hang on what else is asked. ``tokenizer`` is
    the folder of another tokenizer than the base's; the digests of ``chunk`` then depend on it. Resumable, and raises,
    as :func:`~inversion.respond.resumable.measure_checkpoints`; :class:`~inversion.models.ModelError` if a
    checkpoint lacks tokens of the prompts.
    """
    sets: dict[str, list[ConflictItem]] = {}
    for item in items:
        sets.setdefault(item.set, []).append(item)
    asked = {f"{prompt}/{name}": (prompt, of_set) for prompt in prompts for name, of_set in sets.items()}
    spec = {"version": VERSION, "template": template.model_dump(mode="json"), "max_new_tokens": max_new_tokens}
    parts = {
        part: {"prompt": prompts[prompt].model_dump(mode="json"), "items": [item.identity() for item in of_set]}
        for part, (prompt, of_set) in asked.items()
    }

    def prepare() -> Callable[[CheckpointEntry], Measure[Response]]:
        checkpoints = CheckpointLoader.on(base, base_digest, merging=True, tokenizer=tokenizer)
        window = context_window(base)

        @functools.cache  # of the parts that are asked, for all checkpoints
        def questions(part: str) -> list[EncodedQuestion]:
            prompt, of_set = asked[part]
            encoded = encode_questions(of_set, checkpoints.tokenizer, template, {prompt: prompts[prompt]})
            if window is not None:
                refuse_long(encoded, window, max_new_tokens)
            return encoded

        for part in parts:  # what does not fit is refused before any checkpoint is asked
            questions(part)

        def at(entry: CheckpointEntry) -> Measure[Response]:
            model = checkpoints.load(weights_of(entry, base, run_folder))
            return lambda part: answer_decoded(
                model,
                checkpoints.tokenizer,
                _within_vocabulary(questions(part), model, entry.step),
                prompts,
                template,
                entry.step,
                max_new_tokens,
                batch_size,
            )

        return at

    kept = Kept("responses", RESPONSES_FILE, "answered", parts=("prompt", "set"))
    return measure_checkpoints(run_folder, kept, chunk, spec, parts, prepare, Response)


def _within_vocabulary(questions: list[EncodedQuestion], model: Any, step: int) -> list[EncodedQuestion]:
    """``questions``, all of whose tokens ``model`` has; raises :class:`ModelError` if it lacks one."""
    words = model.get_input_embeddings().weight.shape[0]
    highest = max(
        max(tokens, default=0)
        for question in questions
        for asked in (question.asked, question.closed)
        if asked is not None
        for tokens in (asked.prompt, *asked.answers)
    )
    if highest >= words:
        raise ModelError(
            f"step {step}: the template writes the token {highest}, but this checkpoint has only {words}; choose a "
            "template whose tokens it has or, if this is the base of a series with added tokens, set "
            "`ask_base: false`"
        )
    return questions
