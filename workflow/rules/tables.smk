# Tables, which are computed from the labels of all runs.


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
        runs=[tuple(RUNS[run]) for run in BENCHMARKED],
        metrics={name: spec.main_metric for name, spec in STUDY.benchmarks.items()},
        id_benchmarks={run.dataset: STUDY.id_benchmarks(run.dataset) for run in RUNS.values()},
        code=code_of("tabulate_curves"),
    script:
        "../scripts/tabulate_curves.py"


rule tabulate_inversions:
    input:
        item_table="results/tables/items.parquet",
    output:
        parquet="results/tables/inversions.parquet",
        csv=report(
            "results/tables/inversions.csv",
            caption="../report/inversions-table.rst",
            category="Tables",
            labels={"table": "inversions"},
        ),
        experiments="results/tables/experiments.parquet",
        experiments_csv="results/tables/experiments.csv",
        contributions="results/tables/contributions.parquet",
        contributions_csv="results/tables/contributions.csv",
    log:
        "results/logs/tabulate_inversions.log",
    conda:
        "../../envs/inversion.yaml"
    params:
        bootstrap=STUDY.evaluation.bootstrap,
        margin=STUDY.evaluation.margin,
        scatter=STUDY.evaluation.scatter,
        primaries={
            name: ([tuple(run) for run in runs], *analysis)
            for name in STUDY.experiments
            for runs, *analysis in [STUDY.primary_analysis(name)]
        },
        reference=STUDY.reference_recipe(),
        code=code_of("tabulate_inversions"),
    script:
        "../scripts/tabulate_inversions.py"


rule tabulate_knowledge:
    input:
        probes=expand("results/models/{model}/knowledge/{set}.parquet", model=MODELS, set=PROBED),
        sets=set_files(PROBED),
    output:
        parquet="results/tables/knowledge.parquet",
        csv="results/tables/knowledge.csv",
    log:
        "results/logs/tabulate_knowledge.log",
    conda:
        "../../envs/inversion.yaml"
    params:
        models=[model for model in MODELS for _ in PROBED],
        code=code_of("tabulate_knowledge"),
    script:
        "../scripts/tabulate_knowledge.py"


rule tabulate_style:
    input:
        item_table="results/tables/items.parquet",
    output:
        style="results/tables/style.parquet",
        style_csv="results/tables/style.csv",
        measures="results/tables/measures.parquet",
        measures_csv="results/tables/measures.csv",
    log:
        "results/logs/tabulate_style.log",
    conda:
        "../../envs/inversion.yaml"
    params:
        code=code_of("tabulate_style"),
    script:
        "../scripts/tabulate_style.py"


rule tabulate_agreement:
    input:
        item_table="results/tables/items.parquet",
    output:
        parquet="results/tables/agreement.parquet",
        csv="results/tables/agreement.csv",
    log:
        "results/logs/tabulate_agreement.log",
    conda:
        "../../envs/inversion.yaml"
    params:
        code=code_of("tabulate_agreement"),
    script:
        "../scripts/tabulate_agreement.py"


rule tabulate_flips:
    input:
        item_table="results/tables/items.parquet",
    output:
        parquet="results/tables/flips.parquet",
        csv="results/tables/flips.csv",
        overlap="results/tables/flip_overlap.parquet",
        overlap_csv="results/tables/flip_overlap.csv",
    log:
        "results/logs/tabulate_flips.log",
    conda:
        "../../envs/inversion.yaml"
    params:
        code=code_of("tabulate_flips"),
    script:
        "../scripts/tabulate_flips.py"


rule tabulate_factors:
    input:
        item_table="results/tables/items.parquet",
    output:
        parquet="results/tables/factors.parquet",
        csv="results/tables/factors.csv",
    log:
        "results/logs/tabulate_factors.log",
    conda:
        "../../envs/inversion.yaml"
    params:
        code=code_of("tabulate_factors"),
    script:
        "../scripts/tabulate_factors.py"


rule tabulate_tradeoffs:
    input:
        item_table="results/tables/items.parquet",
        benchmarks=expand("results/runs/{run}/benchmarks.parquet", run=BENCHMARKED),
    output:
        parquet="results/tables/tradeoffs.parquet",
        csv=report(
            "results/tables/tradeoffs.csv",
            caption="../report/tradeoffs-table.rst",
            category="Tables",
            labels={"table": "tradeoffs"},
        ),
    log:
        "results/logs/tabulate_tradeoffs.log",
    conda:
        "../../envs/inversion.yaml"
    params:
        runs=[tuple(RUNS[run]) for run in BENCHMARKED],
        metrics={name: spec.main_metric for name, spec in STUDY.benchmarks.items()},
        id_benchmarks={run.dataset: STUDY.id_benchmarks(run.dataset) for run in RUNS.values()},
        experiments={
            name: ([tuple(run) for run in STUDY.experiment_runs(name)], STUDY.compared_prompts(name))
            for name in STUDY.experiments
        },
        reference=(STUDY.reference_recipe(), next(iter(STUDY.evaluation.prompts))),
        code=code_of("tabulate_tradeoffs"),
    script:
        "../scripts/tabulate_tradeoffs.py"
