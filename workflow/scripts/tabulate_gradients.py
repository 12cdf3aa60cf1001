"""The table ``gradients``, from the gradient norms of all runs."""

import polars as pl

from inversion.analyse.probe_tables import gradients
from inversion.artifacts import write_table
from inversion.config.run import Run
from inversion.job import logged
from inversion.records.frames import read_frame
from inversion.records.measurements import ExampleGradient

with logged(snakemake.log[0]):
    params, files = snakemake.params, snakemake.input
    table = pl.concat(
        gradients(Run(*run), read_frame(path, ExampleGradient), params.bootstrap)
        for run, path in zip(params.runs, files.norms, strict=True)
    )
    write_table(snakemake.output.parquet, snakemake.output.csv, table)
