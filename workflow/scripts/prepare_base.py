"""One base model: pretrained on the invented world, or found in a folder."""

from pathlib import Path

from inversion.config import WORLD_TEMPLATE, FolderModel, Model, World, revive
from inversion.job import logged
from inversion.models import describe_base
from inversion.train.pretrain import pretrain

with logged(snakemake.log[0]):
    params = snakemake.params
    spec = revive(Model, params.model)
    here = Path(snakemake.output.base).parent
    if isinstance(spec, FolderModel):
        base = describe_base(spec.path, spec.source, spec.path)
    else:
        loss = pretrain(revive(World, params.world), spec, WORLD_TEMPLATE, here)
        base = describe_base(here / "base", spec.source, "base", loss)
    base.write(snakemake.output.base)
