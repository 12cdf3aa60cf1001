# From the labels of all runs to the tables that users rely on.


rule tabulate_items:
    input:
        labels=expand("results/runs/{run}/labels.parquet", run=RUN_PATHS),
    output:
        parquet="results/tables/items.parquet",
        csv="results/tables/items.csv",
    log:
        "results/logs/tabulate_items.log",
    conda:
        "../../envs/inversion.yaml"
    params:
        code=code_of("tabulate_items"),
    script:
        "../scripts/tabulate_items.py"


rule tabulate_curves:
    input:
        item_table="results/tables/items.parquet",
        benchmarks=expand("results/runs/{run}/benchmarks.parquet", run=BENCHMARKED),
        checkpoints=expand("results/runs/{run}/checkpoints.json", run=BENCHMARKED),
    output:
        parquet="results/tables/curves.parquet",
        csv="results/tables/curves.csv",
    log:
        "results/logs/tabulate_curves.log",
    conda:
        "../../envs/inversion.yaml"
    params:
        bootstrap=STUDY.evaluation.bootstrap,
        runs=[tuple(RUNS[run]) for run in BENCHMARKED],
        metrics={name: spec.main_metric for name, spec in STUDY.benchmarks.items()},
        id_benchmarks={dataset: STUDY.id_benchmarks(dataset) for dataset in DATASETS},
        code=code_of("tabulate_curves"),
    script:
        "../scripts/tabulate_curves.py"


rule tabulate_inversions:
    input:
        item_table="results/tables/items.parquet",
    output:
        parquet="results/tables/inversions.parquet",
        csv="results/tables/inversions.csv",
    log:
        "results/logs/tabulate_inversions.log",
    conda:
        "../../envs/inversion.yaml"
    params:
        bootstrap=STUDY.evaluation.bootstrap,
        code=code_of("tabulate_inversions"),
    script:
        "../scripts/tabulate_inversions.py"
