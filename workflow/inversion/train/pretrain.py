"""Pretrains world models: tiny language models that learn the invented world."""

from __future__ import annotations

import shutil
from itertools import islice
from pathlib import Path

from inversion.artifacts import MARKER, complete_folder, fingerprint, folder_fault, folder_note
from inversion.config.datasets import ChatTemplate
from inversion.config.models import WorldModel
from inversion.config.world import World
from inversion.manifests import TrainManifest
from inversion.models import new_model
from inversion.train import VERSION
from inversion.train.packing import PackedData, training_order
from inversion.train.store import open_store
from inversion.train.trainer import Optimization, train
from inversion.world import VERSION as DOCUMENTS_VERSION
from inversion.world.documents import encoded_documents
from inversion.world.facts import build_world
from inversion.world.tokenizer import build_tokenizer


def pretrain(
    world_spec: World,
    spec: WorldModel,
    template: ChatTemplate,
    folder: str | Path,
) -> float:
    """Pretrain a world model, write its weights and tokenizer to ``folder``/base, and return its last training loss.

    A finished base model with the same specification is kept. An interrupted pretraining resumes.
    """
    pretraining = spec.pretraining
    spec_hash = fingerprint(
        {
            "version": VERSION,
            "world": world_spec.model_dump(mode="json"),
            "model": spec.model_dump(mode="json"),
            "template": template.model_dump(mode="json"),
            "documents": DOCUMENTS_VERSION,
        }
    )
    base = Path(folder) / "base"
    if folder_fault(base) is None and folder_note(base).get("spec") == spec_hash:
        return float(folder_note(base)["loss"])

    world = build_world(world_spec)
    tokenizer = build_tokenizer(world, spec.architecture.max_positions)

    def pack() -> tuple[PackedData, int]:
        documents = encoded_documents(
            world, pretraining.documents, template, tokenizer, pretraining.seed, pretraining.sequence_length
        )
        rows = list(islice(documents, pretraining.steps * pretraining.batch_size))
        order = training_order(len(rows), pretraining.batch_size, pretraining.steps, pretraining.seed)
        return PackedData.of(rows, [[True] * len(row) for row in rows], order), 0

    store = Path(folder) / "pretraining"
    schedule = _resume_points(pretraining.steps)
    with open_store(store, spec_hash) as opened:
        manifest = opened.read_manifest()
        if manifest is None:
            opened.keep_data(pack)
            with opened.resuming(schedule) as start:
                train(
                    model=new_model(spec.architecture, tokenizer, pretraining.seed).train(),
                    data=opened.read_data()[0],
                    optimization=Optimization(
                        learning_rate=pretraining.learning_rate,
                        scheduler="cosine_with_min_lr",
                        scheduler_options={"min_lr_rate": pretraining.final_learning_rate},
                        warmup_steps=pretraining.warmup_steps,
                        weight_decay=pretraining.weight_decay,
                        max_grad_norm=1.0,
                        seed=pretraining.seed,
                        micro_batch_tokens=pretraining.batch_size * pretraining.sequence_length,
                    ),
                    schedule=schedule,
                    store=opened,
                    spec=spec_hash,
                    start=start,
                )
            manifest = TrainManifest.read(opened.manifest_path)
        loss = manifest.loss[-1].loss
        with complete_folder(base, {"spec": spec_hash, "loss": loss}) as unfinished:
            for file in opened.step_folder(pretraining.steps).iterdir():
                if file.name != MARKER:
                    shutil.copy2(file, unfinished)
            tokenizer.save_pretrained(unfinished)
    shutil.rmtree(store)
    return loss


def _resume_points(steps: int) -> list[int]:
    """The steps from which pretraining can resume: every quarter."""
    return sorted({steps * quarter // 4 for quarter in range(1, 5)} - {0})
