"""Prepare the first checkpoint of a series that names no model as its base model."""

from inversion.job import logged

from inversion.config.base import config_from_json
from inversion.config.series import Series
from inversion.manifests import SeriesSnapshots
from inversion.respond.series_listing import describe_start

with logged(snakemake.log[0]):
    params, files = snakemake.params, snakemake.input
    snapshots = SeriesSnapshots.read(files.snapshots[0]) if files.snapshots else None
    describe_start(config_from_json(Series, params.series), snapshots).write(snakemake.output.base)
