"""The tables ``style`` and ``measures``, from all items."""

from inversion.job import logged

from inversion.analyse.answer_style import answer_style
from inversion.analyse.published_measures import published_measures
from inversion.parquet import write_table
from inversion.records.answers import Item
from inversion.records.frames import read_frame

with logged(snakemake.log[0]):
    items, output = read_frame(snakemake.input.item_table, Item), snakemake.output
    write_table(output.style, output.style_csv, answer_style(items))
    write_table(output.measures, output.measures_csv, published_measures(items))
