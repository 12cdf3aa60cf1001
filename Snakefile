"""Context-parametric inversion: evaluates every checkpoint of models x instruction data x recipes x seeds."""

from snakemake.utils import min_version

min_version("9.21.1")


include: "workflow/rules/common.smk"
include: "workflow/rules/inputs.smk"
include: "workflow/rules/resources.smk"
include: "workflow/rules/prefetch.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/series.smk"
include: "workflow/rules/respond.smk"
include: "workflow/rules/probes.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/theory.smk"


if workflow.is_main_process:
    SOURCES.remember()

if not IS_MODULE:

    report: "workflow/report/workflow.rst"


rule all:
    default_target: True
    input:
        "results/report.html",
        "results/items.html",
        TABLE_FILES,
        FIGURE_FILES,
        KEPT,


rule examples:
    input:
        expand("results/data/examples/{dataset}.parquet", dataset=DATASETS),


rule checkpoints:
    input:
        expand("results/runs/{run}/train.json", run=TRAINED),
        expand("results/runs/{run}/checkpoints.json", run=SERIES),


rule responses:
    input:
        expand("results/runs/{run}/labels.parquet", run=RUN_PATHS),
        KEPT,


rule tables:
    input:
        TABLE_FILES,


rule figures:
    input:
        FIGURE_FILES,


rule theory:
    input:
        "results/tables/theory.parquet",
        expand(
            "results/figures/theory-{drawing}.{suffix}",
            drawing=["attention", "gradients", "phases"],
            suffix=SUFFIXES,
        ),
