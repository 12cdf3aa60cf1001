"""The items of one conflict or control set, and what the audit found in them."""

from inversion.artifacts import write_parquet
from inversion.conflict import load_set
from inversion.config import ConflictSet, World, revive
from inversion.job import logged
from inversion.records import AuditFinding, ConflictItem, read_records, to_frame
from inversion.world import build_world

with logged(snakemake.log[0]):
    params = snakemake.params
    world = build_world(revive(World, params.world)) if params.world else None
    excluded = [item for path in snakemake.input.excluded for item in read_records(path, ConflictItem)]
    items, findings = load_set(revive(ConflictSet, params.spec), snakemake.wildcards.set, world, excluded)
    write_parquet(snakemake.output.items, to_frame(items, ConflictItem))
    write_parquet(snakemake.output.audit, to_frame(findings, AuditFinding))
