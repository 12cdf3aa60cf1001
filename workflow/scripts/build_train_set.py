"""Build the training set of one run from the recipe's selections, additions and marks."""

from inversion.job import logged

from inversion.artifacts import write_text
from inversion.config.base import config_from_json
from inversion.config.datasets import Dataset
from inversion.config.recipes import Recipe
from inversion.config.run import Run
from inversion.config.training import Training
from inversion.config.world import World
from inversion.instruct.augment import TrainingSetInputs, build_training_set
from inversion.instruct.selection_page import token_counts
from inversion.manifests import BaseManifest
from inversion.parquet import write_parquet
from inversion.records.data import ConflictItem, ContextNeed, Example, SelectionCount
from inversion.records.frames import read_records, to_frame
from inversion.world.facts import build_world


def count_tokens(examples: list[Example]) -> list[int]:
    """The number of tokens of each example for the tokenizer of the run's model."""
    # imported here because it takes seconds, and recipes that keep all examples do not count tokens
    from inversion.models import load_tokenizer

    base = snakemake.input.base
    return token_counts(load_tokenizer(BaseManifest.read(base).location(base)), examples)


with logged(snakemake.log[0]):
    files, params, wildcards = snakemake.input, snakemake.params, snakemake.wildcards
    run = Run(wildcards.model, wildcards.dataset, wildcards.recipe, int(wildcards.seed))
    train_set, counts, page = build_training_set(
        run=run,
        examples=read_records(files.examples, Example),
        recipe=config_from_json(Recipe, params.recipe),
        count_tokens=count_tokens,
        inputs=TrainingSetInputs(
            dataset=config_from_json(Dataset, params.dataset) if params.dataset else None,
            world=build_world(config_from_json(World, params.world)) if params.world else None,
            context_need=read_records(files.context_need, ContextNeed) if files.context_need else [],
            sets={name: read_records(path, ConflictItem) for name, path in zip(params.sets, files.sets, strict=True)},
            matched={name: config_from_json(Recipe, text) for name, text in params.matched.items()},
            questions=read_records(files.questions[0], Example) if files.questions else [],
        ),
    )
    config_from_json(Training, params.training).require_enough(len(train_set), run.path)
    write_parquet(snakemake.output.train_set, to_frame(train_set, Example))
    write_parquet(snakemake.output.selection, to_frame(counts, SelectionCount))
    write_text(snakemake.output.page, page)
