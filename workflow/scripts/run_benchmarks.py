"""Run the benchmarks on one chunk of a run's checkpoints. The scores are in an undeclared folder."""

from pathlib import Path

from inversion.job import logged

from inversion.config.evaluation import Benchmark
from inversion.manifests import BaseManifest, CheckpointList
from inversion.respond.benchmarks import run_benchmarks

with logged(snakemake.log[0]):
    params, files = snakemake.params, snakemake.input
    base = BaseManifest.read(files.base)
    listed, run_folder = CheckpointList.read(files.checkpoints), Path(files.checkpoints).parent
    chunks = listed.benchmark_chunks(params.every, params.per_job)
    manifest = run_benchmarks(
        base=base.location(files.base),
        base_digest=base.digest,
        run_folder=run_folder,
        chunk=chunks[int(snakemake.wildcards.chunk)],
        benchmarks={name: Benchmark.model_validate_json(spec) for name, spec in params.benchmarks.items()},
        batch_size=params.batch_size,
        tokenizer=listed.tokenizer_folder(run_folder),
    )
    manifest.write(snakemake.output.manifest)
