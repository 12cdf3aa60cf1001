"""Download one base model into the Hub's cache, so that the jobs that use it need no network."""

import os

os.environ["HF_HUB_OFFLINE"] = os.environ["PREFETCH_HF_HUB_OFFLINE"]  # read once, on import

from inversion.job import logged

from inversion.config.base import config_from_json
from inversion.config.models import HubModel
from inversion.models import prefetch

with logged(snakemake.log[0]):
    prefetch(config_from_json(HubModel, snakemake.params.model)).write(snakemake.output.snapshot)
