"""One figure of one experiment, in every format."""

from pathlib import Path

import polars as pl

from inversion import plot
from inversion.analyse_benchmarks import LM_EVAL
from inversion.config import Run
from inversion.job import logged
from inversion.records import CurvePoint, FactorRate, Tradeoff, read_frame

DRAWINGS = {
    "accuracy": (plot.accuracy, CurvePoint),
    "grid": (plot.grid, CurvePoint),
    "recipes": (plot.recipes, CurvePoint),
    "factors": (plot.factors, FactorRate),
    "tradeoffs": (plot.tradeoffs, Tradeoff),
}

with logged(snakemake.log[0]):
    params = snakemake.params
    draw, record = DRAWINGS[snakemake.wildcards.figure]
    table = read_frame(snakemake.input.table, record).filter(pl.col("prompt").is_in([*params.prompts, LM_EVAL]))
    figure = draw(table, [Run(*run) for run in params.runs])
    plot.save_figure(figure, Path(snakemake.output[0]).with_suffix(""))
