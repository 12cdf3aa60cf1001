"""Simulate the one-layer transformer: check the claims, and compute the trajectories and the phase diagrams."""

from inversion.job import logged

from inversion.config.base import config_from_json
from inversion.config.theory import Theory
from inversion.parquet import write_parquet, write_table
from inversion.records.frames import to_frame
from inversion.records.theory import TheoryClaim, TheoryPhase, TheoryStep
from inversion.theory.claims import check_claims
from inversion.theory.descent import phases, trajectories

with logged(snakemake.log[0]):
    theory = config_from_json(Theory, snakemake.params.theory)
    write_table(snakemake.output.parquet, snakemake.output.csv, to_frame(check_claims(theory), TheoryClaim))
    write_parquet(snakemake.output.steps, to_frame(trajectories(theory), TheoryStep))
    write_parquet(snakemake.output.phases, to_frame(phases(theory), TheoryPhase))
