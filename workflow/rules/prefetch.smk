# The only rules that use the network. They run on the machine on which snakemake runs, even with Slurm.


rule prefetch_model:
    output:
        snapshot="results/models/{model}/snapshot.json",
    log:
        "results/logs/prefetch_model/{model}.log",
    localrule: True
    conda:
        "../../envs/inversion.yaml"
    params:
        model=lambda w: as_json(STUDY.models[w.model]),
    script:
        "../scripts/prefetch_model.py"


rule prefetch_dataset:
    output:
        rows="results/data/raw/{dataset}.parquet",
    log:
        "results/logs/prefetch_dataset/{dataset}.log",
    localrule: True
    conda:
        "../../envs/inversion.yaml"
    params:
        id=lambda w: STUDY.datasets[w.dataset].id,
        revision=lambda w: STUDY.datasets[w.dataset].revision,
        name=lambda w: STUDY.datasets[w.dataset].name,
        split=lambda w: STUDY.datasets[w.dataset].split,
    script:
        "../scripts/prefetch_dataset.py"


rule prefetch_set:
    output:
        rows="results/data/raw/sets/{set}.parquet",
    log:
        "results/logs/prefetch_set/{set}.log",
    localrule: True
    conda:
        "../../envs/inversion.yaml"
    params:
        id=lambda w: STUDY.sets[w.set].id,
        revision=lambda w: STUDY.sets[w.set].revision,
        name=lambda w: STUDY.sets[w.set].name,
        split=lambda w: STUDY.sets[w.set].split,
    script:
        "../scripts/prefetch_dataset.py"


rule prefetch_benchmark:
    output:
        questions="results/data/benchmarks/{benchmark}.json",
    log:
        "results/logs/prefetch_benchmark/{benchmark}.log",
    localrule: True
    conda:
        "../../envs/inversion.yaml"
    params:
        benchmark=lambda w: BENCHMARKS[w.benchmark],
    script:
        "../scripts/prefetch_benchmark.py"


rule prefetch_file:
    output:
        file=f"{FETCHED}/{{sha256}}/{{file}}",
    log:
        "results/logs/prefetch_file/{sha256}/{file}.log",
    localrule: True
    conda:
        "../../envs/inversion.yaml"
    params:
        address=lambda w: ADDRESSES[w.sha256],
    script:
        "../scripts/prefetch_file.py"
