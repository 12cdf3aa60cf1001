"""The table ``tradeoffs``, from all items and all benchmark scores, if the study has benchmarks."""

from inversion.job import logged

from inversion.analyse.tradeoffs import ComparedRuns, Reference, benchmark_scores, item_scores, tradeoffs
from inversion.config.run import Run
from inversion.parquet import write_table
from inversion.records.answers import BenchmarkScore, Item
from inversion.records.frames import read_frame

with logged(snakemake.log[0]):
    params, files = snakemake.params, snakemake.input
    run_scores = item_scores(read_frame(files.item_table, Item))
    for path, run in zip(files.benchmarks, map(Run._make, params.runs), strict=True):
        scores = read_frame(path, BenchmarkScore)
        run_scores[run] |= benchmark_scores(scores, run, params.metrics, params.id_benchmarks[run.dataset])
    experiments = {
        name: ComparedRuns([Run(*run) for run in runs], prompts) for name, (runs, prompts) in params.experiments.items()
    }
    table = tradeoffs(run_scores, experiments, Reference(*params.reference))
    write_table(snakemake.output.parquet, snakemake.output.csv, table)
