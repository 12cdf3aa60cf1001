"""One file that the study names by its address; the jobs that use it need no network."""

from inversion.job import logged

from inversion.artifacts import write_bytes
from inversion.fetch import fetch_file

with logged(snakemake.log[0]):
    # no parameter of the rule: wherever a file comes from, its checksum says what it is
    mirror = snakemake.config.get("mirror")
    write_bytes(snakemake.output.file, fetch_file(snakemake.params.address, snakemake.wildcards.sha256, mirror))
