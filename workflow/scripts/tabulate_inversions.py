"""The tables ``inversions``, ``experiments`` and ``contributions``, from all items."""

from inversion.job import logged

from inversion.analyse.contributions import contributions
from inversion.analyse.experiments import experiments
from inversion.analyse.inversions import Primary, inversions
from inversion.config.run import Run
from inversion.parquet import write_table
from inversion.records.answers import Item
from inversion.records.frames import read_frame

with logged(snakemake.log[0]):
    params, output = snakemake.params, snakemake.output
    items = read_frame(snakemake.input.item_table, Item)
    primaries = {
        name: Primary([Run(*run) for run in runs], *analysis) for name, (runs, *analysis) in params.primaries.items()
    }
    found = inversions(items, params.bootstrap, margin=params.margin, scatter=params.scatter, experiments=primaries)
    write_table(output.parquet, output.csv, found)
    write_table(output.experiments, output.experiments_csv, experiments(found, primaries, params.reference))
    write_table(output.contributions, output.contributions_csv, contributions(items, found))
