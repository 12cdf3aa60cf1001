# Instruction examples, conflict sets, and the training set of every run.


rule prepare_examples:
    input:
        lambda w: rows_of(w.dataset),
    output:
        examples="results/data/examples/{dataset}.parquet",
    log:
        "results/logs/prepare_examples/{dataset}.log",
    conda:
        "../../envs/inversion.yaml"
    params:
        # all but the template, which decides how examples are written, not what they are
        dataset=lambda w: STUDY.datasets[w.dataset].model_dump_json(exclude={"template"}),
        world=lambda w: world_of(STUDY.datasets[w.dataset]),
        code=code_of("prepare_examples"),
    script:
        "../scripts/prepare_examples.py"


rule prepare_set:
    input:
        lambda w: source_files(w.set, *excluded_sets(w.set)),
    output:
        conflict_set="results/data/sets/{set}.parquet",
    log:
        "results/logs/prepare_set/{set}.log",
    conda:
        "../../envs/inversion.yaml"
    params:
        spec=lambda w: as_json(STUDY.sets[w.set]),
        excluded=lambda w: {name: as_json(STUDY.sets[name]) for name in excluded_sets(w.set)},
        world=lambda w: world_of(STUDY.sets[w.set]),
        code=code_of("prepare_set"),
    script:
        "../scripts/prepare_set.py"


rule audit_sets:
    input:
        source_files(*STUDY.sets),
    output:
        findings="results/data/audit.parquet",
    log:
        "results/logs/audit_sets.log",
    conda:
        "../../envs/inversion.yaml"
    params:
        sets=lambda w: {name: as_json(spec) for name, spec in STUDY.sets.items()},
        world=lambda w: as_json(STUDY.world),
        code=code_of("audit_sets"),
    script:
        "../scripts/audit_sets.py"


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
    conda:
        "../../envs/inversion.yaml"
    params:
        select=lambda w: as_json(STUDY.recipes[w.recipe].select),
        augment=lambda w: as_json(STUDY.recipes[w.recipe].augment),
        dataset=lambda w: (as_json(STUDY.datasets[w.dataset]) if STUDY.recipes[w.recipe].augment else ""),
        world=lambda w: (world_of(STUDY.datasets[w.dataset]) if STUDY.recipes[w.recipe].augment else ""),
        code=code_of("build_train_set"),
    script:
        "../scripts/build_train_set.py"
