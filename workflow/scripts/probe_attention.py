"""Where a run's checkpoints attend to in conflict prompts; each checkpoint's part stays in an undeclared folder."""

from pathlib import Path

from inversion.artifacts import write_parquet
from inversion.config.base import revive
from inversion.config.datasets import Template
from inversion.config.evaluation import Prompt
from inversion.config.probes import AttentionProbe
from inversion.job import logged
from inversion.manifests import BaseManifest, CheckpointList
from inversion.records.data import ConflictItem
from inversion.records.frames import read_records
from inversion.respond.attention_probe import probe_attention

with logged(snakemake.log[0]):
    params, files = snakemake.params, snakemake.input
    base = BaseManifest.read(files.base)
    masses = probe_attention(
        base=base.location(files.base),
        base_digest=base.digest,
        run_folder=Path(files.checkpoints).parent,
        steps=CheckpointList.read(files.checkpoints).steps,
        items=[item for path in files.sets for item in read_records(path, ConflictItem)],
        template=revive(Template, params.template),
        prompt=revive(Prompt, params.prompt),
        probe=revive(AttentionProbe, params.probe),
        batch_size=params.batch_size,
    )
    write_parquet(snakemake.output.masses, masses)
