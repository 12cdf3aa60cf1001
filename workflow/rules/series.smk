# Checkpoints trained elsewhere: found, verified and listed like those of a run.

# the base model of a series without `model` is its first checkpoint
STARTS = [RUNS[run].dataset for run in SERIES if STUDY.series[RUNS[run].dataset].model is None]


rule prefetch_series:
    output:
        snapshots="results/series/{series}/snapshots.json",
    log:
        "results/logs/prefetch_series/{series}.log",
    localrule: True
    conda:
        "../../envs/inversion.yaml"
    params:
        # an undeclared file with the commits of the branches at their first download
        commits=lambda w: in_host(f"results/series/{w.series}/commits.json"),
        series=lambda w: STUDY.series[w.series].model_dump_json(
            include={"source", "id", "revisions", "subfolders", "revision", "steps"}
        ),
    script:
        "../scripts/prefetch_series.py"


rule prepare_start:
    input:
        snapshots=lambda w: fetched_series(w.model),
    output:
        base="results/models/{model}/base.json",
    log:
        "results/logs/prepare_start/{model}.log",
    wildcard_constraints:
        model="|".join(map(re.escape, STARTS)) or "(?!)",
    conda:
        "../../envs/inversion.yaml"
    threads: 1
    resources:
        mem_mb=start_memory_mb,
        runtime=lambda w, attempt: 120 * attempt,
    params:
        series=lambda w: listing_of(w.model),
        content=lambda w: content_of_series(w.model),
        version=respond.VERSION,
    script:
        "../scripts/prepare_start.py"


checkpoint list_series:
    input:
        base="results/models/{model}/base.json",
        snapshots=lambda w: fetched_series(w.dataset),
    output:
        checkpoints="results/runs/{model}/{dataset}/{recipe}/seed{seed}/checkpoints.json",
        series="results/runs/{model}/{dataset}/{recipe}/seed{seed}/series.json",
    log:
        "results/logs/list_series/{model}/{dataset}/{recipe}/seed{seed}.log",
    wildcard_constraints:
        recipe=EXTERNAL,
    conda:
        "../../envs/inversion.yaml"
    threads: 1
    resources:
        runtime=lambda w, attempt: 240 * attempt,  # all weights are read once to compute their hashes
    params:
        series=lambda w: listing_of(w.dataset),
        content=lambda w: content_of_series(w.dataset),
        per_job=STUDY.evaluation.checkpoints_per_job,
        code=code_of("list_series"),
    script:
        "../scripts/list_series.py"


rule tabulate_series:
    input:
        series=expand("results/runs/{run}/series.json", run=SERIES),
        labels=expand("results/runs/{run}/labels.parquet", run=SERIES),
    output:
        parquet="results/tables/series.parquet",
        csv="results/tables/series.csv",
    log:
        "results/logs/tabulate_series.log",
    conda:
        "../../envs/inversion.yaml"
    params:
        runs=[tuple(RUNS[run]) for run in SERIES],
        labels=[STUDY.labels_of(RUNS[run]) for run in SERIES],
        code=code_of("tabulate_series"),
    script:
        "../scripts/tabulate_series.py"
