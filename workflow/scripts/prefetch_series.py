"""Download the checkpoints of one series into the Hub's cache, and record the commits of its branches."""

import os

os.environ["HF_HUB_OFFLINE"] = os.environ["PREFETCH_HF_HUB_OFFLINE"]  # read once, on import

from inversion.job import logged

from inversion.config.base import config_from_json
from inversion.config.series import Series
from inversion.models.hub import prefetch_series

with logged(snakemake.log[0]):
    params = snakemake.params
    prefetch_series(config_from_json(Series, params.series), params.commits).write(snakemake.output.snapshots)
