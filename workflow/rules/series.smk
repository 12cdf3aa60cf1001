# Checkpoints that were trained elsewhere: found, verified and listed like those of a run.

import re
import subprocess

from inversion.series import look

# the base model of a series that names none is its first checkpoint
STARTS = [RUNS[run].dataset for run in SERIES if STUDY.series[RUNS[run].dataset].model is None]


def fetched_series(name):
    """What was fetched of a series, as a rule's input; none of one in a folder."""
    return [f"results/series/{name}/snapshots.json"] if STUDY.series[name].source == "hub" else []


def look_at(name):
    """What a series in a folder consists of now, so that checkpoints which appear are picked up."""
    spec = STUDY.series[name]
    return look(spec) if spec.source == "folder" else ""


def listing_of(name):
    """What decides which checkpoints a series has, as text; labels and the seed are the tables' alone."""
    return STUDY.series[name].model_dump_json(exclude={"labels", "seed"})


def warn_of_moved_branches():
    """Say which branches of series on the hub are not any more what was fetched; silent without a network."""
    files = [in_host(f"results/series/{RUNS[run].dataset}/commits.json") for run in SERIES]
    recorded = [file for file in files if Path(file).exists()]
    offline = os.environ["PREFETCH_HF_HUB_OFFLINE"]
    if recorded and offline.lower() not in ("1", "true", "yes", "on"):
        environment = os.environ | {"HF_HUB_OFFLINE": offline, "PYTHONPATH": str(WORKFLOW)}
        command = [sys.executable, "-m", "inversion.branches", *recorded]
        try:
            said = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60).stdout
        except subprocess.TimeoutExpired:
            said = ""
        for line in said.splitlines():
            print(f"warning: {line}", file=sys.stderr)


def step_labels(experiment):
    """What an experiment's figures call the steps of its series, by their names."""
    runs = STUDY.experiment_runs(experiment)
    return {run.dataset: labels for run in runs if (labels := STUDY.labels_of(run))}


ruleorder: prepare_start > prepare_base


rule prefetch_series:
    output:
        snapshots="results/series/{series}/snapshots.json",
    log:
        "results/logs/prefetch_series/{series}.log",
    localrule: True
    conda:
        "../../envs/inversion.yaml"
    params:
        # an undeclared file: which commits the branches were when they were first fetched
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
        mem_mb=lambda w, attempt: 32_000 * attempt,
        runtime=lambda w, attempt: 120 * attempt,
    params:
        series=lambda w: listing_of(w.model),
        look=lambda w: look_at(w.model),
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
        runtime=lambda w, attempt: 240 * attempt,  # all weights are read once, for their hashes
    params:
        series=lambda w: listing_of(w.dataset),
        look=lambda w: look_at(w.dataset),
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
