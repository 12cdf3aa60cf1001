# The one-layer transformer of the paper's section 5: its table and figures.


rule simulate_theory:
    output:
        parquet="results/tables/theory.parquet",
        csv="results/tables/theory.csv",
        steps="results/theory/steps.parquet",
        phases="results/theory/phases.parquet",
    log:
        "results/logs/simulate_theory.log",
    conda:
        "../../envs/inversion.yaml"
    threads: 1
    params:
        theory=as_json(STUDY.theory),
        code=code_of("simulate_theory"),
    script:
        "../scripts/simulate_theory.py"


rule draw_theory:
    input:
        steps="results/theory/steps.parquet",
        phases="results/theory/phases.parquet",
    output:
        [f"results/figures/theory-{{drawing}}.{suffix}" for suffix in SUFFIXES],
    log:
        "results/logs/draw_theory/{drawing}.log",
    wildcard_constraints:
        drawing="attention|gradients|phases",
    conda:
        "../../envs/inversion.yaml"
    params:
        k_a=STUDY.theory.k_a,
        code=code_of("draw_theory"),
    script:
        "../scripts/draw_theory.py"
