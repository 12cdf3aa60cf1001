"""The raw rows of one dataset on the hub; the jobs that use them need no network."""

import os

# read once, on import
os.environ["HF_HUB_OFFLINE"] = os.environ.get("PREFETCH_HF_HUB_OFFLINE", os.environ.get("HF_HUB_OFFLINE", "0"))

from inversion.artifacts import write_parquet
from inversion.instruct.hub import fetch_rows
from inversion.job import logged

with logged(snakemake.log[0]):
    params = snakemake.params
    write_parquet(snakemake.output.rows, fetch_rows(params.id, params.revision, params.name, params.split))
