"""The figure of one probe and experiment, in every format."""

from pathlib import Path

import polars as pl

from inversion.config.run import Run
from inversion.job import logged
from inversion.plot import probe_figures
from inversion.plot.style import save_figure
from inversion.records.frames import read_frame
from inversion.records.measurements import AttentionPoint, GradientPoint
from inversion.records.tables import CurvePoint

with logged(snakemake.log[0]):
    files, params = snakemake.input, snakemake.params
    runs = [Run(*run) for run in params.runs]
    if snakemake.wildcards.probe == "attention":
        figure = probe_figures.attention(read_frame(files.table, AttentionPoint), runs)
    else:
        curves = read_frame(files.curves, CurvePoint).filter(pl.col("prompt") == params.prompt)
        figure = probe_figures.gradients(read_frame(files.table, GradientPoint), curves, runs)
    save_figure(figure, Path(snakemake.output[0]).with_suffix(""))
