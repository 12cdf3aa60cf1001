# Finetuning, and the list of its checkpoints.


rule finetune:
    input:
        base="results/models/{model}/base.json",
        train_set=f"results/runs/{RUN}/train_set.parquet",
    output:
        manifest=f"results/runs/{RUN}/train.json",
    log:
        f"results/logs/finetune/{RUN}.log",
    benchmark:
        f"results/benchmarks/finetune/{RUN}.tsv"
    conda:
        "../../envs/inversion.yaml"
    threads: lambda w: max(1, STUDY.training_of(w.recipe).gpus)  # one per process
    resources:
        gpu=by_gpus(training_gpus),
        gres=by_gres(training_gpus),
        # a large model is loaded into main memory and, with full finetuning, gathered there for saving
        mem_mb=training_memory_mb(all_weights=16, adapters=6),
        # does not grow with every attempt, because each attempt resumes from the previous one
        attempt=lambda w, attempt: attempt,
        runtime=lambda w, input: minutes(small=120, large=1440)(w, input, attempt=1),
    params:
        # an undeclared folder, because Snakemake removes declared output before each attempt
        store=in_host(f"results/runs/{RUN}/checkpoints"),
        template=lambda w: template_of(w.dataset),
        training=lambda w: as_json(STUDY.training_of(w.recipe)),
        seed=lambda w: int(w.seed),
        version=train.VERSION,
    script:
        "../scripts/finetune.py"


checkpoint enumerate_checkpoints:
    input:
        manifest=f"results/runs/{RUN}/train.json",
        base="results/models/{model}/base.json",
    output:
        checkpoints=f"results/runs/{RUN}/checkpoints.json",
    log:
        f"results/logs/enumerate_checkpoints/{RUN}.log",
    wildcard_constraints:
        recipe=rf"(?!{EXTERNAL}/)[^/]+",
    localrule: True
    conda:
        "../../envs/inversion.yaml"
    params:
        per_job=STUDY.evaluation.checkpoints_per_job,
        code=code_of("enumerate_checkpoints"),
    script:
        "../scripts/enumerate_checkpoints.py"
