# Figures of every experiment, the report, and the page of items next to it.


rule draw_figure:
    input:
        tables=lambda w: [f"results/tables/{table}.parquet" for table in FIGURES[w.figure].tables],
    output:
        [
            (
                report(
                    f"results/figures/{{figure}}-{{experiment}}.{suffix}",
                    caption="../report/caption.rst",
                    category="{experiment}",
                    labels={"figure": "{figure}"},
                )
                if suffix == "svg"
                else f"results/figures/{{figure}}-{{experiment}}.{suffix}"
            )
            for suffix in SUFFIXES
        ],
    log:
        "results/logs/draw_figure/{figure}-{experiment}.log",
    conda:
        "../../envs/inversion.yaml"
    params:
        draw=lambda w: FIGURES[w.figure].draw,
        # a function, because Snakemake's report does not expand wildcards in the names of captions
        caption=lambda w: caption_of(w.figure),
        runs=lambda w: [tuple(run) for run in STUDY.experiment_runs(w.experiment)],
        labels=lambda w: step_labels(w.experiment) if FIGURES[w.figure].names_steps else {},
        prompts=lambda w: (
            STUDY.compared_prompts(w.experiment)
            if FIGURES[w.figure].prompts == "compared"
            else list(STUDY.evaluation.prompts)[:1]
        ),
        code=lambda w: code_of("draw_figure", FIGURES[w.figure].draw),
    script:
        "../scripts/draw_figure.py"


rule write_report:
    input:
        figures=[path for path in FIGURE_FILES if path.endswith(".svg")],
        inversions="results/tables/inversions.parquet",
        experiment_table="results/tables/experiments.parquet",
        contributions="results/tables/contributions.parquet",
        knowledge="results/tables/knowledge.parquet",
        agreement="results/tables/agreement.parquet",
        flip_overlap="results/tables/flip_overlap.parquet",
        factors="results/tables/factors.parquet",
        tradeoffs="results/tables/tradeoffs.parquet",
        selections=expand("results/runs/{run}/selection.parquet", run=TRAINED),
        series=["results/tables/series.parquet"] if SERIES else [],
        audit="results/data/audit.parquet",
        models=expand("results/models/{model}/base.json", model=MODELS),
    output:
        report=report(
            "results/report.html",
            caption="../report/workflow.rst",
            category="Report",
            labels={"page": "All experiments"},
        ),
    log:
        "results/logs/write_report.log",
    conda:
        "../../envs/inversion.yaml"
    params:
        experiments={
            name: {figure: caption_of(figure) for figure in experiment.figures}
            for name, experiment in STUDY.experiments.items()
        },
        models=MODELS,
        configuration=lambda w: yaml.safe_dump(STUDY.model_dump(mode="json"), sort_keys=False),
        items_per_set=DESIGN and DESIGN["items"],
        pages=fingerprint(file_hashes(WORKFLOW / "report")),
        code=code_of("write_report"),
    script:
        "../scripts/write_report.py"


rule write_items_page:
    input:
        item_table="results/tables/items.parquet",
        inversions="results/tables/inversions.parquet",
        flips="results/tables/flips.parquet",
        sets=set_files(name for name, spec in STUDY.sets.items() if not spec.is_control),
    output:
        page=report(
            "results/items.html",
            caption="../report/items.rst",
            category="Report",
            labels={"page": "Items"},
        ),
    log:
        "results/logs/write_items_page.log",
    conda:
        "../../envs/inversion.yaml"
    params:
        template=sha256_file(WORKFLOW / "report/items.html.j2"),
        code=code_of("write_items_page"),
    script:
        "../scripts/write_items_page.py"
