"""One figure of one experiment, in every format."""

from pathlib import Path

from inversion import plot
from inversion.config import Run
from inversion.job import logged
from inversion.records import CurvePoint, FactorRate, read_frame

DRAWINGS = {
    "accuracy": (plot.accuracy, CurvePoint),
    "grid": (plot.grid, CurvePoint),
    "recipes": (plot.recipes, CurvePoint),
    "factors": (plot.factors, FactorRate),
}

with logged(snakemake.log[0]):
    params = snakemake.params
    draw, record = DRAWINGS[snakemake.wildcards.figure]
    table = read_frame(snakemake.input.table, record).filter(prompt=params.prompt)
    figure = draw(table, [Run(*run) for run in params.runs])
    plot.save_figure(figure, Path(snakemake.output[0]).with_suffix(""))
