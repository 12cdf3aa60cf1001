"""What a base model says to the items of a conflict set without their context."""

from inversion.artifacts import write_parquet
from inversion.job import logged
from inversion.manifests import BaseManifest
from inversion.models import load_model, load_tokenizer
from inversion.records.answers import KnowledgeProbe
from inversion.records.data import ConflictItem
from inversion.records.frames import read_records, to_frame
from inversion.respond.knowledge import PLAIN, WORLD, can_be_asked, probe_knowledge

with logged(snakemake.log[0]):
    params, base = snakemake.params, BaseManifest.read(snakemake.input.base)
    folder = base.location(snakemake.input.base)
    probes = probe_knowledge(
        load_model(folder),
        load_tokenizer(folder),
        [item for item in read_records(snakemake.input.conflict_set, ConflictItem) if can_be_asked(item)],
        WORLD if base.source == "world" else PLAIN,
        params.max_new_tokens,
        params.batch_size,
    )
    write_parquet(snakemake.output.probes, to_frame(probes, KnowledgeProbe))
