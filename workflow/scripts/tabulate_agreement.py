"""The table ``agreement``, from all items."""

from inversion.job import logged

from inversion.analyse.agreement import agreement
from inversion.parquet import write_table
from inversion.records.answers import Item
from inversion.records.frames import read_frame

with logged(snakemake.log[0]):
    table = agreement(read_frame(snakemake.input.item_table, Item))
    write_table(snakemake.output.parquet, snakemake.output.csv, table)
