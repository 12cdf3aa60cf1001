"""Read the instruction examples of one dataset from its source."""

from inversion.job import logged

from inversion.config.base import config_from_json
from inversion.config.datasets import Dataset
from inversion.config.world import World
from inversion.instruct.sources import load_examples
from inversion.parquet import write_parquet
from inversion.records.data import Example
from inversion.records.frames import to_frame
from inversion.world.facts import build_world

with logged(snakemake.log[0]):
    params = snakemake.params
    world = build_world(config_from_json(World, params.world)) if params.world else None
    rows = next(iter(snakemake.input), None)
    examples = load_examples(config_from_json(Dataset, params.dataset), snakemake.wildcards.dataset, world, rows)
    write_parquet(snakemake.output.examples, to_frame(examples, Example))
