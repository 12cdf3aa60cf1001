"""Prepare one base model from any source, and check it. ``base.json`` names its folder."""

from pathlib import Path

from inversion.job import logged

from inversion.config.base import config_from_json
from inversion.config.datasets import WORLD_TEMPLATE, Template
from inversion.config.models import FolderModel, GgufModel, HubModel, Model, WorldModel
from inversion.config.probes import PROBES
from inversion.config.training import Tuning
from inversion.config.world import World
from inversion.instruct.template_check import check_template
from inversion.manifests import HubSnapshot
from inversion.models import convert_gguf, describe_base, load_tokenizer, locate_gguf, vocabulary_size
from inversion.respond.answer_check import check_answers
from inversion.train.pretrain import pretrain
from inversion.train.tuning_check import check_tunings

with logged(snakemake.log[0]):
    params = snakemake.params
    spec = config_from_json(Model, params.model)
    made = Path(snakemake.output.base).parent / "base"
    match spec:
        case WorldModel():
            loss = pretrain(config_from_json(World, params.world), spec, WORLD_TEMPLATE, made.parent)
            base = describe_base(made, spec.source, made.name, loss)
        case FolderModel():
            base = describe_base(spec.path, spec.source, spec.path)
        case HubModel():
            snapshot = HubSnapshot.read(snakemake.input.snapshot)
            base = describe_base(snapshot.location(), spec.source, spec.id, snapshot=snapshot)
        case GgufModel():
            convert_gguf(locate_gguf(spec), made)
            base = describe_base(made, spec.source, made.name)
    if not isinstance(spec, WorldModel):
        folder = base.location(snakemake.output.base)
        tokenizer = load_tokenizer(folder)
        for dataset, template in params.basis:
            check_template(tokenizer, config_from_json(Template, template), dataset, vocabulary_size(folder))
        probes = [config_from_json(PROBES[name], probe) for name, probe in params.checks.get("probes", {}).items()]
        check_answers(folder, params.checks["functions"], probes)
        check_tunings(folder, [config_from_json(Tuning, tuning) for tuning in params.checks["tunings"]])
    base.write(snakemake.output.base)
