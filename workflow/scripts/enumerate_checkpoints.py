"""List the checkpoints of one run, in chunks for one job each."""

from inversion.job import logged

from inversion.manifests import BaseManifest, CheckpointList, TrainManifest

with logged(snakemake.log[0]):
    listed = CheckpointList.of(
        TrainManifest.read(snakemake.input.manifest),
        BaseManifest.read(snakemake.input.base),
        snakemake.params.per_job,
    )
    listed.write(snakemake.output.checkpoints)
