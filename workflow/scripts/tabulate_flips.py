"""The tables ``flips`` and ``flip_overlap``, from all items."""

from inversion.job import logged

from inversion.analyse.flips import flip_overlap, flips
from inversion.parquet import write_table
from inversion.records.answers import Item
from inversion.records.frames import read_frame

with logged(snakemake.log[0]):
    items, output = read_frame(snakemake.input.item_table, Item), snakemake.output
    write_table(output.parquet, output.csv, flips(items))
    write_table(output.overlap, output.overlap_csv, flip_overlap(items))
