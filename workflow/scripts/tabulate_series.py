"""The table ``series``: where the checkpoints of every series come from, with notes on them."""

from inversion.job import logged

from inversion.analyse.series_table import series_steps
from inversion.config.run import Run
from inversion.manifests import SeriesManifest
from inversion.parquet import write_table
from inversion.records.answers import Item
from inversion.records.frames import read_frame, to_frame
from inversion.records.tables import SeriesStep

with logged(snakemake.log[0]):
    params, files = snakemake.params, snakemake.input
    rows = [
        row
        for run, names, manifest, labels in zip(params.runs, params.labels, files.series, files.labels, strict=True)
        for row in series_steps(Run(*run), SeriesManifest.read(manifest), read_frame(labels, Item), names)
    ]
    write_table(snakemake.output.parquet, snakemake.output.csv, to_frame(rows, SeriesStep))
