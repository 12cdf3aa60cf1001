"""One file that the study names by its address; the jobs that use it need no network."""

from inversion.artifacts import write_bytes
from inversion.fetch import fetch_file
from inversion.job import logged

with logged(snakemake.log[0]):
    params = snakemake.params
    write_bytes(snakemake.output.file, fetch_file(params.address, snakemake.wildcards.sha256, params.mirror))
