"""The table of one probe, from its results in all of its runs."""

from pkgutil import resolve_name

from inversion.job import logged

import polars as pl

from inversion.config.run import Run
from inversion.parquet import write_table
from inversion.records.frames import read_frame

with logged(snakemake.log[0]):
    params, files = snakemake.params, snakemake.input
    tabulate, record = resolve_name(params.tabulate), resolve_name(params.record)
    table = pl.concat(
        tabulate(Run(*run), read_frame(path, record), params.bootstrap)
        for run, path in zip(params.runs, files.facts, strict=True)
    )
    write_table(snakemake.output.parquet, snakemake.output.csv, table)
