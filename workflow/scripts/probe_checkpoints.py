"""Run one probe on a run's checkpoints. The results of each checkpoint are in an undeclared folder."""

from pathlib import Path
from pkgutil import resolve_name

from inversion.job import logged

from inversion.config.base import config_from_json
from inversion.config.datasets import Template
from inversion.config.evaluation import Prompt
from inversion.config.probes import PROBES
from inversion.config.training import Training
from inversion.manifests import BaseManifest, CheckpointList
from inversion.parquet import write_parquet
from inversion.records.data import ConflictItem, Example
from inversion.records.frames import read_records
from inversion.respond.probing import ProbedRun

with logged(snakemake.log[0]):
    params, files = snakemake.params, snakemake.input
    probe = config_from_json(PROBES[snakemake.wildcards.probe], params.probe)
    base, listed = BaseManifest.read(files.base), CheckpointList.read(files.checkpoints)
    run_folder = Path(files.checkpoints).parent
    run = ProbedRun(
        base=base.location(files.base),
        base_digest=base.digest,
        folder=run_folder,
        steps=listed.steps,
        items=[item for path in files.sets for item in read_records(path, ConflictItem)],
        template=config_from_json(Template, params.template),
        prompt=config_from_json(Prompt, params.prompt),
        batch_size=params.batch_size,
        max_new_tokens=params.max_new_tokens,
        training=config_from_json(Training, params.training),
        seed=params.seed,
        examples=[example for path in files.train_set for example in read_records(path, Example)],
        tokenizer=listed.tokenizer_folder(run_folder),
    )
    write_parquet(snakemake.output.facts, resolve_name(probe.measure)(run, probe))
