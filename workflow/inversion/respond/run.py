"""Questions to a chunk of a run's checkpoints on one loaded base model, and what is kept of the answers."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from inversion.artifacts import (
    ArtifactError,
    complete_folder,
    fingerprint,
    folder_digest,
    folder_fault,
    folder_note,
    write_parquet,
)
from inversion.config import Prompt, Template
from inversion.manifests import RESPONSES_FILE, ResponseFolder, ResponseManifest, Step, removed_steps
from inversion.models import Checkpoints
from inversion.records import ConflictItem, Response, to_frame
from inversion.respond import VERSION
from inversion.respond.answers import encode_questions
from inversion.respond.contrast import answer_decoded

logger = logging.getLogger(__name__)


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

    Each checkpoint's responses are a folder that is complete or absent, so that a job that was killed
    goes on where it stopped. Raises :class:`ArtifactError` for a damaged or removed checkpoint.
    """
    run_folder = Path(run_folder)
    wanted = {
        entry.step: fingerprint(
            {
                "version": VERSION,
                "checkpoint": entry.digest,
                "items": [json.dumps(asdict(item), sort_keys=True) for item in items],
                "template": template.model_dump(mode="json"),
                "prompts": {name: prompt.model_dump(mode="json") for name, prompt in prompts.items()},
                "max_new_tokens": max_new_tokens,
            }
        )
        for entry in chunk
    }
    missing = [entry for entry in chunk if not is_answered(_folder(run_folder, entry.step), wanted[entry.step])]
    if missing:
        logger.info("%d of %d checkpoints to question, %d items each", len(missing), len(chunk), len(items))
        for entry in missing:
            require_checkpoint(run_folder, entry)
        checkpoints = Checkpoints.on(base, base_digest, merging=True)
        questions = encode_questions(items, checkpoints.tokenizer, template, prompts)
        for entry in missing:
            model = checkpoints.load(run_folder / entry.folder if entry.folder else Path(base))
            responses = answer_decoded(
                model, checkpoints.tokenizer, questions, prompts, template, entry.step, max_new_tokens, batch_size
            )
            with complete_folder(_folder(run_folder, entry.step), {"spec": wanted[entry.step]}) as folder:
                write_parquet(folder / RESPONSES_FILE, to_frame(responses, Response))
            logger.info("step %d answered", entry.step)
    folders = {entry.step: _folder(run_folder, entry.step) for entry in chunk}
    return ResponseManifest(
        steps=[
            ResponseFolder(step=step, folder=folder.relative_to(run_folder).as_posix(), digest=folder_digest(folder))
            for step, folder in folders.items()
        ]
    )


def require_checkpoint(run_folder: Path, entry: Step) -> None:
    """Raises :class:`ArtifactError` unless the weights of ``entry`` can be loaded; those of step 0 are the base's."""
    if not entry.folder:
        return
    weights, manifest = run_folder / entry.folder, run_folder / "train.json"
    if entry.step in removed_steps(weights.parent):
        raise ArtifactError(
            f"{weights} was removed by `keep_checkpoints` when its answers were judged, and cannot be asked anything "
            f"new; to train the run again delete {weights.parent} and {manifest}, then rerun"
        )
    fault = folder_fault(weights)
    if fault:
        raise ArtifactError(f"{fault}; make it again with `snakemake --forcerun {manifest}`: what is sound is kept")


def _folder(run_folder: Path, step: int) -> Path:
    return run_folder / "responses" / f"step-{step:06d}"


def is_answered(folder: Path, spec: str) -> bool:
    """Whether ``folder`` is complete and holds what the specification ``spec`` asks for."""
    fault = folder_fault(folder)
    if fault and folder.exists():
        logger.warning("responses are damaged and will be made again: %s", fault)
    return fault is None and folder_note(folder).get("spec") == spec
