"""Draw one figure of one experiment in every format."""

from pathlib import Path
from pkgutil import resolve_name

from inversion.job import logged

import polars as pl

from inversion.analyse.benchmarks import LM_EVAL
from inversion.config.run import Run
from inversion.parquet import read_parquet
from inversion.plot.style import save_figure


def of_prompts(table):
    """The rows of the figure's prompts, or all rows of a table without prompts."""
    known = "prompt" in table.columns
    return table.filter(pl.col("prompt").is_in([*snakemake.params.prompts, LM_EVAL])) if known else table


with logged(snakemake.log[0]):
    params = snakemake.params
    tables = [of_prompts(read_parquet(path)) for path in snakemake.input.tables]
    named = {"labels": params.labels} if params.labels else {}
    figure = resolve_name(params.draw)(*tables, [Run(*run) for run in params.runs], **named)
    save_figure(figure, Path(snakemake.output[0]).with_suffix(""))
