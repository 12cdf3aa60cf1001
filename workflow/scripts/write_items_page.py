"""Write the page of items, which shows every run's answers to every conflict item."""

from pathlib import Path

from inversion.job import logged

import polars as pl

from inversion.items_page import ItemTables, write_items_page
from inversion.records.answers import Item
from inversion.records.data import ConflictItem
from inversion.records.frames import read_frame, to_frame
from inversion.records.tables import Flip, Inversion

with logged(snakemake.log[0]):
    files = snakemake.input
    tables = ItemTables(
        items=read_frame(files.item_table, Item),
        conflict_items=pl.concat(
            [to_frame([], ConflictItem), *(read_frame(path, ConflictItem) for path in files.sets)]
        ),
        inversions=read_frame(files.inversions, Inversion),
        flips=read_frame(files.flips, Flip),
    )
    template = Path(snakemake.scriptdir).parent / "report" / "items.html.j2"
    write_items_page(snakemake.output.page, tables, template)
