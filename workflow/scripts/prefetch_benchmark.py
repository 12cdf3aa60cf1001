"""Download the questions of one benchmark into the Hub's cache, so that the jobs that use them need no network."""

import os

os.environ["HF_HUB_OFFLINE"] = os.environ["PREFETCH_HF_HUB_OFFLINE"]  # read once, on import

from inversion.job import logged

from inversion.artifacts import write_json
from inversion.config.evaluation import Benchmark
from inversion.respond.benchmarks import load_tasks

with logged(snakemake.log[0]):
    name = snakemake.wildcards.benchmark
    tasks = load_tasks(name, Benchmark.model_validate_json(snakemake.params.benchmark))
    write_json(snakemake.output.questions, {task.config.task: len(task.eval_docs) for task in tasks})
