# Instruction examples, conflict sets, and the training set of every run.


rule prepare_examples:
    input:
        lambda w: source_file(STUDY.datasets[w.dataset]),
    output:
        examples="results/data/examples/{dataset}.parquet",
    log:
        "results/logs/prepare_examples/{dataset}.log",
    params:
        dataset=lambda w: as_json(STUDY.datasets[w.dataset]),
        world=lambda w: world_of(STUDY.datasets[w.dataset]),
        code=code_of("prepare_examples"),
    conda:
        "../../envs/inversion.yaml"
    script:
        "../scripts/prepare_examples.py"


rule prepare_set:
    input:
        source=lambda w: source_file(STUDY.sets[w.set]),
        excluded=lambda w: expand("results/data/sets/{set}.parquet", set=excluded_sets(w.set)),
    output:
        items="results/data/sets/{set}.parquet",
        audit="results/data/audit/{set}.parquet",
    log:
        "results/logs/prepare_set/{set}.log",
    params:
        spec=lambda w: as_json(STUDY.sets[w.set]),
        world=lambda w: world_of(STUDY.sets[w.set]),
        code=code_of("prepare_set"),
    conda:
        "../../envs/inversion.yaml"
    script:
        "../scripts/prepare_set.py"


rule build_train_set:
    input:
        examples="results/data/examples/{dataset}.parquet",
        context_need=lambda w: (
            "results/models/{model}/context_need/{dataset}.parquet" if needs_scores(w.recipe) else []
        ),
    output:
        train_set="results/runs/{model}/{dataset}/{recipe}/seed{seed}/train_set.parquet",
        selection="results/runs/{model}/{dataset}/{recipe}/seed{seed}/selection.parquet",
    log:
        "results/logs/build_train_set/{model}/{dataset}/{recipe}/seed{seed}.log",
    params:
        select=lambda w: as_json(STUDY.recipes[w.recipe].select),
        augment=lambda w: as_json(STUDY.recipes[w.recipe].augment),
        dataset=lambda w: as_json(STUDY.datasets[w.dataset]) if STUDY.recipes[w.recipe].augment else "",
        world=lambda w: world_of(STUDY.datasets[w.dataset]) if STUDY.recipes[w.recipe].augment else "",
        code=code_of("build_train_set"),
    conda:
        "../../envs/inversion.yaml"
    script:
        "../scripts/build_train_set.py"


def excluded_sets(name):
    """The sets whose items the set ``name`` leaves out."""
    spec = STUDY.sets[name]
    return spec.exclude if spec.source == "file" else ()


def needs_scores(recipe):
    """Whether a recipe selects by the base model's context need."""
    select = STUDY.recipes[recipe].select
    return select is not None and select.by == "context_need"
