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
        # everything except the template, which does not change the examples
        dataset=lambda w: STUDY.datasets[w.dataset]
        .with_downloads_in(in_host(FETCHED))
        .model_dump_json(exclude={"template"}),
        world=lambda w: world_of(STUDY.datasets[w.dataset]),
        code=code_of("prepare_examples"),
    script:
        "../scripts/prepare_examples.py"


rule prepare_set:
    input:
        lambda w: source_files(w.set, *STUDY.sets[w.set].excluded),
        questions=lambda w: questions_of(STUDY.sets[w.set].question_data),
    output:
        conflict_set="results/data/sets/{set}.parquet",
    log:
        "results/logs/prepare_set/{set}.log",
    conda:
        "../../envs/inversion.yaml"
    params:
        spec=lambda w: as_json(set_source(w.set)),
        excluded=lambda w: {name: as_json(set_source(name)) for name in STUDY.sets[w.set].excluded},
        world=lambda w: world_of(STUDY.sets[w.set]),
        version=lambda w: items_version(w.set),
        code=lambda w: code_of("prepare_set", *readers(w.set, *STUDY.sets[w.set].excluded)),
    script:
        "../scripts/prepare_set.py"


rule audit_sets:
    input:
        source_files(*STUDY.sets),
        questions=[path for spec in STUDY.sets.values() for path in questions_of(spec.question_data)],
    output:
        findings="results/data/audit.parquet",
    log:
        "results/logs/audit_sets.log",
    conda:
        "../../envs/inversion.yaml"
    params:
        sets=lambda w: {name: as_json(set_source(name)) for name in STUDY.sets},
        questions=[name for name, spec in STUDY.sets.items() if spec.question_data is not None],
        world=lambda w: next(filter(None, map(world_of, STUDY.sets.values())), ""),
        version=items_version(*STUDY.sets),
        code=code_of("audit_sets", *readers(*STUDY.sets)),
    script:
        "../scripts/audit_sets.py"


rule build_train_set:
    input:
        examples="results/data/examples/{dataset}.parquet",
        base=lambda w: "results/models/{model}/base.json" if changes_data(w.recipe) else [],
        context_need=lambda w: (
            "results/models/{model}/context_need/{dataset}.parquet" if needs_scores(w.recipe) else []
        ),
        sets=lambda w: set_files(compared_sets(w.recipe)),
        questions=lambda w: questions_of(augmented_from(w.recipe)),
    output:
        train_set=f"results/runs/{RUN}/train_set.parquet",
        selection=f"results/runs/{RUN}/selection.parquet",
        page=f"results/runs/{RUN}/selection.md",
    log:
        f"results/logs/build_train_set/{RUN}.log",
    conda:
        "../../envs/inversion.yaml"
    params:
        recipe=lambda w: data_of(STUDY.recipes[w.recipe]),
        matched=lambda w: {name: data_of(other) for name, other in STUDY.matched_recipes(w.recipe).items()},
        sets=lambda w: compared_sets(w.recipe),
        dataset=lambda w: as_json(STUDY.datasets[w.dataset]) if adds_from_world(w.recipe) else "",
        world=lambda w: world_of(STUDY.datasets[w.dataset]) if adds_from_world(w.recipe) else "",
        # only the settings on which it depends whether there are enough examples
        training=lambda w: STUDY.training_of(w.recipe).model_dump_json(
            include={"epochs", "max_steps", "batch_size", "warmup_steps"}
        ),
        code=code_of("build_train_set"),
    script:
        "../scripts/build_train_set.py"
