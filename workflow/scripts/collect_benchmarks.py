"""Collect the benchmark scores of one run, one row per question."""

from inversion.job import logged

import polars as pl

from inversion.measured_folders import read_benchmarks
from inversion.parquet import write_parquet

with logged(snakemake.log[0]):
    write_parquet(snakemake.output.scores, pl.concat(map(read_benchmarks, snakemake.input.chunks)))
