"""The table ``tradeoffs``, from all items and, where the study has some, all benchmark scores."""

from inversion.job import logged

from inversion.analyse.tradeoffs import Comparison, Reference, judge_benchmarks, judge_items, tradeoffs
from inversion.artifacts import write_table
from inversion.config.run import Run
from inversion.records.answers import BenchmarkScore, Item
from inversion.records.frames import read_frame

with logged(snakemake.log[0]):
    params, files = snakemake.params, snakemake.input
    judged = judge_items(read_frame(files.item_table, Item))
    for path, run in zip(files.benchmarks, map(Run._make, params.runs), strict=True):
        scores = read_frame(path, BenchmarkScore)
        judged[run] |= judge_benchmarks(scores, run, params.metrics, params.id_benchmarks[run.dataset])
    experiments = {
        name: Comparison([Run(*run) for run in runs], prompts) for name, (runs, prompts) in params.experiments.items()
    }
    table = tradeoffs(judged, experiments, Reference(*params.reference))
    write_table(snakemake.output.parquet, snakemake.output.csv, table)
