"""Generate the responses of one chunk of a run's checkpoints, in an undeclared folder."""

from pathlib import Path

from inversion.job import logged

from inversion.config.base import config_from_json
from inversion.config.datasets import Template
from inversion.config.evaluation import Design, Evaluation
from inversion.conflict.design import chosen_items
from inversion.manifests import BaseManifest, CheckpointList
from inversion.records.data import ConflictItem
from inversion.records.frames import read_records
from inversion.respond.checkpoint_responses import respond

with logged(snakemake.log[0]):
    params, files = snakemake.params, snakemake.input
    base, listed = BaseManifest.read(files.base), CheckpointList.read(files.checkpoints)
    run_folder = Path(files.checkpoints).parent
    manifest = respond(
        base=base.location(files.base),
        base_digest=base.digest,
        run_folder=run_folder,
        chunk=listed.chunks[int(snakemake.wildcards.chunk)],
        items=chosen_items(
            [item for path in files.sets for item in read_records(path, ConflictItem)],
            Design(**params.design) if params.design else None,
        ),
        template=config_from_json(Template, params.template),
        prompts=config_from_json(Evaluation, params.prompts).prompts,
        max_new_tokens=params.max_new_tokens,
        batch_size=params.batch_size,
        tokenizer=listed.tokenizer_folder(run_folder),
    )
    manifest.write(snakemake.output.manifest)
