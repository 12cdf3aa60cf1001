"""List the checkpoints of one series, in chunks for one job each, after checking everything that could fail later."""

from pathlib import Path

from inversion.job import logged

from inversion.config.base import config_from_json
from inversion.config.series import Series
from inversion.manifests import BaseManifest, SeriesSnapshots
from inversion.respond.series_listing import examine_series

with logged(snakemake.log[0]):
    params, files, output = snakemake.params, snakemake.input, snakemake.output
    base = BaseManifest.read(files.base)
    listed, series = examine_series(
        spec=config_from_json(Series, params.series),
        base=base,
        location=base.location(files.base),
        run_folder=Path(output.checkpoints).parent,
        per_job=params.per_job,
        snapshots=SeriesSnapshots.read(files.snapshots[0]) if files.snapshots else None,
    )
    series.write(output.series)
    listed.write(output.checkpoints)
