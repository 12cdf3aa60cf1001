"""Finetune one run. Its checkpoints are in an undeclared folder; the declared output is the manifest."""

from inversion.job import logged

from inversion.artifacts import sha256_file
from inversion.config.base import config_from_json
from inversion.config.datasets import Template
from inversion.config.training import Training
from inversion.manifests import BaseManifest
from inversion.records.data import Example
from inversion.records.frames import read_records
from inversion.train.finetune import finetune
from inversion.train.processes import requested_gpus

with logged(snakemake.log[0]):
    params, files = snakemake.params, snakemake.input
    base = BaseManifest.read(files.base)
    manifest = finetune(
        base=base.location(files.base),
        base_digest=base.digest,
        examples=read_records(files.train_set, Example),
        data_digest=sha256_file(files.train_set),
        template=config_from_json(Template, params.template),
        training=config_from_json(Training, params.training),
        seed=params.seed,
        store=params.store,
        processes=max(1, requested_gpus(snakemake.resources)),
        attempt=snakemake.resources.attempt,
    )
    manifest.write(snakemake.output.manifest)
