"""Gradients of a run's training examples by kind; each checkpoint's part stays in an undeclared folder."""

from pathlib import Path

from inversion.artifacts import write_parquet
from inversion.config.base import revive
from inversion.config.datasets import Template
from inversion.config.evaluation import Prompt
from inversion.config.probes import GradientProbe
from inversion.config.training import Training
from inversion.job import logged
from inversion.manifests import BaseManifest, CheckpointList
from inversion.records.data import ConflictItem, Example
from inversion.records.frames import read_records
from inversion.respond.gradient_probe import probe_gradients

with logged(snakemake.log[0]):
    params, files = snakemake.params, snakemake.input
    base = BaseManifest.read(files.base)
    norms = probe_gradients(
        base=base.location(files.base),
        base_digest=base.digest,
        run_folder=Path(files.checkpoints).parent,
        steps=CheckpointList.read(files.checkpoints).steps,
        examples=read_records(files.train_set, Example),
        items=[item for path in files.sets for item in read_records(path, ConflictItem)],
        template=revive(Template, params.template),
        prompt=revive(Prompt, params.prompt),
        training=revive(Training, params.training),
        seed=params.seed,
        probe=revive(GradientProbe, params.probe),
    )
    write_parquet(snakemake.output.norms, norms)
