"""Label the responses of one run with every scorer, and judge the knowledge of its base model."""

from inversion.job import logged

from inversion.config.evaluation import Design
from inversion.config.run import Run
from inversion.conflict.design import chosen_items
from inversion.manifests import CheckpointList
from inversion.measured_folders import read_responses
from inversion.parquet import write_parquet
from inversion.records.answers import Knowledge, KnowledgeProbe, Response
from inversion.records.data import ConflictItem
from inversion.records.frames import read_records, to_frame
from inversion.score.knowledge_filter import judge_probes
from inversion.score.labelling import label_run

with logged(snakemake.log[0]):
    wildcards, files, design = snakemake.wildcards, snakemake.input, snakemake.params.design
    items = [item for path in files.sets for item in read_records(path, ConflictItem)]
    probes = [probe for path in files.probes for probe in read_records(path, KnowledgeProbe)]
    labels = label_run(
        Run(wildcards.model, wildcards.dataset, wildcards.recipe, int(wildcards.seed)),
        to_frame(chosen_items(items, Design(**design) if design else None), ConflictItem),
        to_frame([response for path in files.responses for response in read_responses(path)], Response),
        CheckpointList.read(files.checkpoints).steps_per_epoch,
        to_frame(judge_probes(wildcards.model, items, probes), Knowledge),
    )
    write_parquet(snakemake.output.labels, labels)
