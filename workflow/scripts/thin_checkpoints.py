"""Remove the weights of one run that the study does not keep, after its responses are labelled."""

from inversion.job import logged

from inversion.analyse.inversions import steps_to_keep
from inversion.manifests import TrainManifest
from inversion.records.answers import Item
from inversion.records.frames import read_frame
from inversion.train.store import thin_checkpoints

with logged(snakemake.log[0]):
    params, files = snakemake.params, snakemake.input
    keep = steps_to_keep(read_frame(files.labels, Item), params.keep)
    kept = thin_checkpoints(params.store, TrainManifest.read(files.manifest), keep, params.keep)
    kept.write(snakemake.output.kept)
