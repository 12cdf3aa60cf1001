"""Download the raw rows of one dataset on the Hub, so that the jobs that use them need no network."""

import os

os.environ["HF_HUB_OFFLINE"] = os.environ["PREFETCH_HF_HUB_OFFLINE"]  # read once, on import

from inversion.job import logged

from inversion.instruct.hub_rows import fetch_rows
from inversion.parquet import write_parquet

with logged(snakemake.log[0]):
    params = snakemake.params
    write_parquet(snakemake.output.rows, fetch_rows(params.id, params.revision, params.name, params.split))
