"""Probe a base model's knowledge of a conflict set, without contexts."""

from inversion.job import logged

from inversion.manifests import BaseManifest
from inversion.models import context_window, load_model, load_tokenizer
from inversion.parquet import write_parquet
from inversion.records.answers import KnowledgeProbe
from inversion.records.data import ConflictItem
from inversion.records.frames import read_records, to_frame
from inversion.respond.answers import refuse_long_contexts
from inversion.respond.knowledge_probe import PLAIN, WORLD, can_probe, probe_knowledge

with logged(snakemake.log[0]):
    params, base = snakemake.params, BaseManifest.read(snakemake.input.base)
    folder = base.location(snakemake.input.base)
    items, tokenizer = read_records(snakemake.input.conflict_set, ConflictItem), load_tokenizer(folder)
    if (window := context_window(folder)) is not None:  # checked before any checkpoint is trained
        refuse_long_contexts(items, tokenizer, window, params.max_new_tokens)
    probes = probe_knowledge(
        load_model(folder),
        tokenizer,
        [item for item in items if can_probe(item)],
        WORLD if base.source == "world" else PLAIN,
        params.max_new_tokens,
        params.batch_size,
    )
    write_parquet(snakemake.output.probes, to_frame(probes, KnowledgeProbe))
