"""The table ``knowledge``: which items of every conflict set each base model knows, and why it does not know the
rest."""

from inversion.job import logged

from inversion.parquet import write_table
from inversion.records.answers import Knowledge, KnowledgeProbe
from inversion.records.data import ConflictItem
from inversion.records.frames import read_records, to_frame
from inversion.score.knowledge_filter import judge_probes, refuse_swapped_by_memory

with logged(snakemake.log[0]):
    files = snakemake.input
    items = [item for path in files.sets for item in read_records(path, ConflictItem)]
    rows = [
        row
        for model, path in zip(snakemake.params.models, files.probes, strict=True)
        for row in judge_probes(model, items, read_records(path, KnowledgeProbe))
    ]
    refuse_swapped_by_memory(items, rows)
    write_table(snakemake.output.parquet, snakemake.output.csv, to_frame(rows, Knowledge))
