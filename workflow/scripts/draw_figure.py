"""One figure of one experiment, in every format."""

from pathlib import Path

import polars as pl

from inversion.analyse.benchmarks import LM_EVAL
from inversion.config.run import Run
from inversion.job import logged
from inversion.plot.curves import accuracy, grid, recipes
from inversion.plot.factors import factors
from inversion.plot.style import save_figure
from inversion.plot.tradeoffs import tradeoffs
from inversion.records.frames import read_frame
from inversion.records.tables import CurvePoint, FactorRate, Tradeoff

DRAWINGS = {
    "accuracy": (accuracy, CurvePoint),
    "grid": (grid, CurvePoint),
    "recipes": (recipes, CurvePoint),
    "factors": (factors, FactorRate),
    "tradeoffs": (tradeoffs, Tradeoff),
}

with logged(snakemake.log[0]):
    params = snakemake.params
    draw, record = DRAWINGS[snakemake.wildcards.figure]
    table = read_frame(snakemake.input.table, record).filter(pl.col("prompt").is_in([*params.prompts, LM_EVAL]))
    figure = draw(table, [Run(*run) for run in params.runs])
    save_figure(figure, Path(snakemake.output[0]).with_suffix(""))
