"""Label the responses of one run with every scorer, and judge the knowledge of its base model."""

from inversion.job import logged

import polars as pl

from inversion.artifacts import write_parquet
from inversion.config.run import Run
from inversion.manifests import CheckpointList, read_responses
from inversion.records.answers import Knowledge, KnowledgeProbe, Response
from inversion.records.data import ConflictItem
from inversion.records.frames import from_frame, read_frame, read_records, to_frame
from inversion.score.knowledge_filter import judge_probes
from inversion.score.labelling import label_run

with logged(snakemake.log[0]):
    wildcards, files = snakemake.wildcards, snakemake.input
    items = pl.concat([read_frame(path, ConflictItem) for path in files.sets])
    probes = [probe for path in files.probes for probe in read_records(path, KnowledgeProbe)]
    labels = label_run(
        Run(wildcards.model, wildcards.dataset, wildcards.recipe, int(wildcards.seed)),
        items,
        to_frame([response for path in files.responses for response in read_responses(path)], Response),
        CheckpointList.read(files.checkpoints).steps_per_epoch,
        to_frame(judge_probes(wildcards.model, from_frame(items, ConflictItem), probes), Knowledge),
    )
    write_parquet(snakemake.output.labels, labels)
