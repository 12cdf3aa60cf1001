"""The training set of one run: what its recipe selects and adds."""

from inversion.artifacts import write_parquet
from inversion.config import CounterfactualAugmentation, Dataset, Run, Selection, World, revive
from inversion.instruct.augment import build_training_set
from inversion.job import logged
from inversion.records import ContextNeed, Example, SelectionCount, read_records, to_frame
from inversion.world.facts import build_world

with logged(snakemake.log[0]):
    params, wildcards = snakemake.params, snakemake.wildcards
    scores = snakemake.input.context_need
    train_set, counts = build_training_set(
        run=Run(wildcards.model, wildcards.dataset, wildcards.recipe, int(wildcards.seed)),
        examples=read_records(snakemake.input.examples, Example),
        selection=revive(Selection, params.select) if params.select else None,
        augmentation=revive(CounterfactualAugmentation, params.augment) if params.augment else None,
        context_need=read_records(scores, ContextNeed) if scores else [],
        dataset=revive(Dataset, params.dataset) if params.dataset else None,
        world=build_world(revive(World, params.world)) if params.world else None,
    )
    write_parquet(snakemake.output.train_set, to_frame(train_set, Example))
    write_parquet(snakemake.output.selection, to_frame(counts, SelectionCount))
