# From the labels of all runs to the tables that users rely on.


rule tabulate_items:
    input:
        labels=expand("results/runs/{run}/labels.parquet", run=RUN_PATHS),
    output:
        parquet="results/tables/items.parquet",
        csv="results/tables/items.csv",
    log:
        "results/logs/tabulate_items.log",
    params:
        code=code_of("tabulate_items"),
    conda:
        "../../envs/inversion.yaml"
    script:
        "../scripts/tabulate_items.py"


rule tabulate_curves:
    input:
        items="results/tables/items.parquet",
    output:
        parquet="results/tables/curves.parquet",
        csv="results/tables/curves.csv",
    log:
        "results/logs/tabulate_curves.log",
    params:
        bootstrap=STUDY.evaluation.bootstrap,
        code=code_of("tabulate_curves"),
    conda:
        "../../envs/inversion.yaml"
    script:
        "../scripts/tabulate_curves.py"


rule tabulate_inversions:
    input:
        items="results/tables/items.parquet",
    output:
        parquet="results/tables/inversions.parquet",
        csv="results/tables/inversions.csv",
    log:
        "results/logs/tabulate_inversions.log",
    params:
        bootstrap=STUDY.evaluation.bootstrap,
        code=code_of("tabulate_inversions"),
    conda:
        "../../envs/inversion.yaml"
    script:
        "../scripts/tabulate_inversions.py"
