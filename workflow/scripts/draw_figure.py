"""One figure of one experiment, in every format."""

from pathlib import Path

from inversion import plot
from inversion.config import Run
from inversion.job import logged
from inversion.records import CurvePoint, read_frame

DRAWINGS = {"accuracy": plot.accuracy, "grid": plot.grid, "recipes": plot.recipes}

with logged(snakemake.log[0]):
    params = snakemake.params
    curves = read_frame(snakemake.input.curves, CurvePoint).filter(prompt=params.prompt)
    figure = DRAWINGS[snakemake.wildcards.figure](curves, [Run(*run) for run in params.runs])
    plot.save_figure(figure, Path(snakemake.output[0]).with_suffix(""))
