"""The table ``curves``, from all items and all benchmark scores, if the study has benchmarks."""

from inversion.job import logged

from inversion.analyse.benchmarks import with_benchmarks
from inversion.analyse.curves import curves
from inversion.config.run import Run
from inversion.manifests import CheckpointList
from inversion.parquet import write_table
from inversion.records.answers import BenchmarkScore, Item
from inversion.records.frames import read_frame

with logged(snakemake.log[0]):
    params, files = snakemake.params, snakemake.input
    table = curves(read_frame(files.item_table, Item))
    for path, listed, run in zip(files.benchmarks, files.checkpoints, params.runs, strict=True):
        table = with_benchmarks(
            table,
            Run(*run),
            read_frame(path, BenchmarkScore),
            params.metrics,
            params.id_benchmarks[Run(*run).dataset],
            CheckpointList.read(listed).steps_per_epoch,
        )
    write_table(snakemake.output.parquet, snakemake.output.csv, table)
