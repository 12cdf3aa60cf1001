"""The table ``attention``, from the attention masses of all runs."""

import polars as pl

from inversion.analyse.probes import attention
from inversion.artifacts import write_table
from inversion.config import Run
from inversion.job import logged
from inversion.records import AttentionMass, read_frame

with logged(snakemake.log[0]):
    params, files = snakemake.params, snakemake.input
    table = pl.concat(
        attention(Run(*run), read_frame(path, AttentionMass), params.bootstrap)
        for run, path in zip(params.runs, files.masses, strict=True)
    )
    write_table(snakemake.output.parquet, snakemake.output.csv, table)
