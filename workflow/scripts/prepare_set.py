"""Prepare the items of one conflict or control set."""

from inversion.job import logged

from inversion.config.base import config_from_json
from inversion.config.sets import ConflictSet
from inversion.config.world import World
from inversion.conflict.files import excluded_items, load_items, source_items
from inversion.parquet import write_parquet
from inversion.records.data import ConflictItem, Example
from inversion.records.frames import read_records, to_frame
from inversion.world.facts import build_world

with logged(snakemake.log[0]):
    params = snakemake.params
    world = build_world(config_from_json(World, params.world)) if params.world else None
    questions = snakemake.input.questions
    examples = read_records(questions[0], Example) if questions else []
    spec = config_from_json(ConflictSet, params.spec)
    others = {
        name: source_items(config_from_json(ConflictSet, other), name, world) for name, other in params.excluded.items()
    }
    items = load_items(spec, snakemake.wildcards.set, world, excluded_items(spec, others), examples)
    write_parquet(snakemake.output.conflict_set, to_frame(items, ConflictItem))
