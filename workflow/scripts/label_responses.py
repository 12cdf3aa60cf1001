"""Judge the responses of one run with every scorer, and what its base model knows."""

from inversion.artifacts import write_parquet
from inversion.config.run import Run
from inversion.job import logged
from inversion.manifests import CheckpointList, read_responses
from inversion.records.answers import Item, KnowledgeProbe
from inversion.records.data import ConflictItem
from inversion.records.frames import read_records, to_frame
from inversion.score import judge_probes, label_run

with logged(snakemake.log[0]):
    wildcards, files = snakemake.wildcards, snakemake.input
    items = [item for path in files.sets for item in read_records(path, ConflictItem)]
    probes = [probe for path in files.probes for probe in read_records(path, KnowledgeProbe)]
    labels = label_run(
        Run(wildcards.model, wildcards.dataset, wildcards.recipe, int(wildcards.seed)),
        items,
        [response for path in files.responses for response in read_responses(path)],
        CheckpointList.read(files.checkpoints).steps_per_epoch,
        judge_probes(wildcards.model, items, probes),
    )
    write_parquet(snakemake.output.labels, to_frame(labels, Item))
