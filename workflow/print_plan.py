"""Print the estimated cost of a study, from Snakemake's list of jobs: python workflow/print_plan.py
config/my-study.yaml"""

import io
import sys
from contextlib import redirect_stdout, suppress
from pathlib import Path

import polars as pl
import yaml
from snakemake.api import SnakemakeApi
from snakemake.settings import types as settings

from inversion.config.study import Config
from inversion.manifests import BaseManifest, SeriesSnapshots
from inversion.plan import KnownCounts, PlannedJob, assumptions, detectable, plan, table
from inversion.series import SeriesError, candidates


def known(study: Config, results: Path) -> KnownCounts:
    """What is known from earlier runs in ``results`` and from the folders of series. Unreadable measured times are
    ignored."""
    seconds: dict[tuple[str, str], list[float]] = {}
    for file in sorted((results / "benchmarks").rglob("*.tsv")):
        rule, model, *_ = file.relative_to(results / "benchmarks").with_suffix("").parts
        with suppress(pl.exceptions.PolarsError, ValueError, IndexError):
            seconds.setdefault((rule, model), []).append(float(pl.read_csv(file, separator="\t")["s"][0]))
    return KnownCounts(
        parameters={
            file.parent.name: BaseManifest.read(file).parameters
            for file in sorted((results / "models").glob("*/base.json"))
        },
        examples={
            file.stem: pl.scan_parquet(file).select(pl.len()).collect().item()
            for file in sorted((results / "data/examples").glob("*.parquet"))
        },
        checkpoints={name: count for name in study.series if (count := found(study, name, results)) is not None},
        hours={key: sum(values) / len(values) / 3600 for key, values in seconds.items()},
    )


def found(study: Config, name: str, results: Path) -> int | None:
    """The number of checkpoints of a series; None if it has not been downloaded or has none."""
    spec, fetched = study.series[name], results / "series" / name / "snapshots.json"
    if spec.fetched and not fetched.exists():
        return None
    try:
        there = candidates(spec, SeriesSnapshots.read(fetched) if spec.fetched else None)
    except SeriesError:
        return None
    return sum(spec.steps is None or one.step in spec.steps for one in there)


def main(study_file: str) -> None:
    """Build the DAG without running anything, and print the plan."""
    names = yaml.safe_load(Path("profiles/default/config.yaml").read_text())["rerun-triggers"]
    triggers = frozenset(settings.RerunTrigger.parse_choices_list(names))
    with SnakemakeApi(settings.OutputSettings(quiet={settings.Quietness.ALL})) as api:
        try:
            workflow = api.workflow(
                resource_settings=settings.ResourceSettings(cores=1),
                config_settings=settings.ConfigSettings(configfiles=[Path(study_file)]),
                snakefile=Path("Snakefile"),
            )
            dag_api = workflow.dag(settings.DAGSettings(rerun_triggers=triggers, force_incomplete=True))
            with redirect_stdout(io.StringIO()):
                dag_api.printd3dag()  # of the calls that build the DAG, this one does nothing else
            # no public call gives the jobs
            built = workflow._workflow
        except Exception as error:  # in the study file, or in a file that it names
            message = " ".join(str(error).split())
            sys.exit(f"error: {message if study_file in message else f'{study_file}: {message}'}")
        jobs = [
            PlannedJob(job.rule.name, dict(job.wildcards_dict), not built.dag.needrun(job))
            for job in built.dag.jobs
            if job.output
        ]
    study = built.globals["STUDY"]
    try:
        facts = known(study, Path("results"))
    except (Exception, pl.exceptions.PanicException) as error:  # in a damaged result
        sys.exit(f"error: {' '.join(str(error).split())}")
    print(table(plan(study, [rule.name for rule in built.rules], jobs, facts)))
    print("\nsmallest falls of context reliance that it can detect:", *detectable(study, facts), sep="\n  ")
    print("\nestimated from:", *assumptions(study, facts), sep="\n  ")


if __name__ == "__main__":
    main(sys.argv[1])
