"""Questions to a chunk of a run's checkpoints on one loaded base model, and what is kept of the answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from inversion.config.datasets import Template
from inversion.config.evaluation import Prompt
from inversion.manifests import RESPONSES_FILE, ResponseManifest, Step
from inversion.models import Checkpoints
from inversion.records.answers import Response
from inversion.records.data import ConflictItem
from inversion.respond import VERSION
from inversion.respond.answers import encode_questions
from inversion.respond.contrast import answer_decoded
from inversion.respond.resumable import Kept, Measure, measure_checkpoints, weights_of


def respond(
    base: str | Path,
    base_digest: str,
    run_folder: str | Path,
    chunk: Sequence[Step],
    items: Sequence[ConflictItem],
    template: Template,
    prompts: Mapping[str, Prompt],
    max_new_tokens: int,
    batch_size: int,
) -> ResponseManifest:
    """Answer ``items``, in all ``prompts``, with every checkpoint of ``chunk``; they go to ``run_folder``/responses.

    Resumable, and raises, as :func:`~inversion.respond.resumable.measure_checkpoints`.
    """
    spec = {
        "version": VERSION,
        "items": [json.dumps(asdict(item), sort_keys=True) for item in items],
        "template": template.model_dump(mode="json"),
        "prompts": {name: prompt.model_dump(mode="json") for name, prompt in prompts.items()},
        "max_new_tokens": max_new_tokens,
    }

    def prepare() -> Measure[Response]:
        checkpoints = Checkpoints.on(base, base_digest, merging=True)
        questions = encode_questions(items, checkpoints.tokenizer, template, prompts)

        def answers(entry: Step) -> list[Response]:
            model = checkpoints.load(weights_of(entry, base, run_folder))
            return answer_decoded(
                model, checkpoints.tokenizer, questions, prompts, template, entry.step, max_new_tokens, batch_size
            )

        return answers

    kept = Kept("responses", RESPONSES_FILE, "answered")
    return measure_checkpoints(run_folder, kept, chunk, spec, prepare, Response)
