"""Download one file that the study names by its address, so that the jobs that use it need no network."""

from inversion.job import logged

from inversion.artifacts import write_bytes
from inversion.fetch import fetch_file

with logged(snakemake.log[0]):
    # not a parameter of the rule, because the checksum identifies the file wherever it comes from
    mirror = snakemake.config.get("mirror")
    write_bytes(snakemake.output.file, fetch_file(snakemake.params.address, snakemake.wildcards.sha256, mirror))
