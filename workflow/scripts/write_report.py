"""Write the report, a single page that opens offline."""

from pathlib import Path

from inversion.job import logged

import polars as pl

from inversion.manifests import BaseManifest
from inversion.records.answers import Knowledge
from inversion.records.data import AuditFinding, SelectionCount
from inversion.records.frames import read_frame, to_frame
from inversion.records.tables import (
    Agreement,
    Contribution,
    ExperimentRow,
    FactorRate,
    FlipOverlap,
    Inversion,
    SeriesStep,
    Tradeoff,
)
from inversion.report import CaptionedFigure, Report, write_report

PAGES = Path(snakemake.scriptdir).parent / "report"


def page(name):
    """The text of a template or caption."""
    return (PAGES / name).read_text(encoding="utf-8")


with logged(snakemake.log[0]):
    params, files = snakemake.params, snakemake.input
    drawings = iter(files.figures)
    experiments = {
        name: [
            CaptionedFigure(f"{name}: {figure}", Path(next(drawings)).read_text(encoding="utf-8"), caption)
            for figure, caption in figures.items()
        ]
        for name, figures in params.experiments.items()
    }
    report = Report(
        introduction=page("workflow.rst"),
        experiments=experiments,
        inversions=read_frame(files.inversions, Inversion),
        experiment_rows=read_frame(files.experiment_table, ExperimentRow),
        contributions=read_frame(files.contributions, Contribution),
        knowledge=read_frame(files.knowledge, Knowledge),
        agreement=read_frame(files.agreement, Agreement),
        flip_overlap=read_frame(files.flip_overlap, FlipOverlap),
        factors=read_frame(files.factors, FactorRate),
        tradeoffs=read_frame(files.tradeoffs, Tradeoff),
        selections=pl.concat(
            [to_frame([], SelectionCount), *(read_frame(path, SelectionCount) for path in files.selections)]
        ),
        series=read_frame(files.series[0], SeriesStep) if files.series else to_frame([], SeriesStep),
        audit=read_frame(files.audit, AuditFinding),
        models={name: BaseManifest.read(path) for name, path in zip(params.models, files.models, strict=True)},
        configuration=params.configuration,
        items_per_set=params.items_per_set,
    )
    write_report(Path(snakemake.output.report), report, PAGES / "report.html.j2")
