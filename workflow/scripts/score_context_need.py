"""Score how much the base model needs the context of every example of a dataset."""

from inversion.job import logged

from inversion.config.base import config_from_json
from inversion.config.datasets import Template
from inversion.manifests import BaseManifest
from inversion.models import load_model, load_tokenizer
from inversion.parquet import write_parquet
from inversion.records.data import ContextNeed, Example
from inversion.records.frames import read_records, to_frame
from inversion.respond.context_need import context_need

with logged(snakemake.log[0]):
    folder = BaseManifest.read(snakemake.input.base).location(snakemake.input.base)
    scores = context_need(
        load_model(folder),
        load_tokenizer(folder),
        read_records(snakemake.input.examples, Example),
        config_from_json(Template, snakemake.params.template),
        snakemake.params.batch_size,
    )
    write_parquet(snakemake.output.context_need, to_frame(scores, ContextNeed))
