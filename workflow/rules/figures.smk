# Figures of every experiment, and the report.


rule draw_figure:
    input:
        curves="results/tables/curves.parquet",
    output:
        expand("results/figures/{{figure}}-{{experiment}}.{suffix}", suffix=SUFFIXES),
    log:
        "results/logs/draw_figure/{figure}-{experiment}.log",
    params:
        runs=lambda w: STUDY.experiment_runs(w.experiment),
        code=code_of("draw_figure"),
    conda:
        "../../envs/inversion.yaml"
    script:
        "../scripts/draw_figure.py"
