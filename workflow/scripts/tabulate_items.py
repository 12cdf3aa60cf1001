"""The labels of all runs as one table."""

from inversion.job import logged

import polars as pl

from inversion.parquet import write_table
from inversion.records.answers import Item
from inversion.records.frames import read_frame

with logged(snakemake.log[0]):
    items = pl.concat([read_frame(path, Item) for path in snakemake.input.labels])
    write_table(snakemake.output.parquet, snakemake.output.csv, items)
