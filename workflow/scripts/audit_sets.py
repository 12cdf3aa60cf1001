"""Audit the conflict and control sets. This runs before any model."""

from inversion.job import logged

from inversion.config.base import config_from_json
from inversion.config.sets import ConflictSet
from inversion.config.world import World
from inversion.conflict.audit import audit_set
from inversion.conflict.files import read_source
from inversion.parquet import write_parquet
from inversion.records.data import AuditFinding, Example
from inversion.records.frames import read_records, to_frame
from inversion.world.facts import build_world

with logged(snakemake.log[0]):
    params = snakemake.params
    world = build_world(config_from_json(World, params.world)) if params.world else None
    sets = {name: config_from_json(ConflictSet, spec) for name, spec in params.sets.items()}
    examples = {
        name: read_records(path, Example)
        for name, path in zip(params.questions, snakemake.input.questions, strict=True)
    }
    read = {name: read_source(spec, name, world, examples.get(name, [])) for name, spec in sets.items()}
    sources = {name: source.items for name, source in read.items()}
    findings = [finding for name in sets for finding in audit_set(name, sets, sources, read[name])]
    write_parquet(snakemake.output.findings, to_frame(findings, AuditFinding))
