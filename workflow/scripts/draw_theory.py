"""Draw one figure of the theory in every format."""

from pathlib import Path

from inversion.job import logged

from inversion.plot import theory
from inversion.plot.style import save_figure
from inversion.records.frames import read_frame
from inversion.records.theory import TheoryPhase, TheoryStep

with logged(snakemake.log[0]):
    match snakemake.wildcards.drawing:
        case "attention":
            figure = theory.attention(read_frame(snakemake.input.steps, TheoryStep))
        case "gradients":
            figure = theory.gradients(read_frame(snakemake.input.steps, TheoryStep))
        case "phases":
            figure = theory.phases(read_frame(snakemake.input.phases, TheoryPhase), snakemake.params.k_a)
    save_figure(figure, Path(snakemake.output[0]).with_suffix(""))
