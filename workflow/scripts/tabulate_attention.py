"""The table ``attention``, from the attention masses of all runs."""

import polars as pl

from inversion.analyse.probe_tables import attention
from inversion.artifacts import write_table
from inversion.config.run import Run
from inversion.job import logged
from inversion.records.frames import read_frame
from inversion.records.measurements import AttentionMass

with logged(snakemake.log[0]):
    params, files = snakemake.params, snakemake.input
    table = pl.concat(
        attention(Run(*run), read_frame(path, AttentionMass), params.bootstrap)
        for run, path in zip(params.runs, files.masses, strict=True)
    )
    write_table(snakemake.output.parquet, snakemake.output.csv, table)
