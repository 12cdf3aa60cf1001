# Base models, and the context need of instruction data under them.


rule prepare_base:
    input:
        unpack(model_files),
    output:
        base="results/models/{model}/base.json",
    log:
        "results/logs/prepare_base/{model}.log",
    benchmark:
        "results/benchmarks/prepare_base/{model}.tsv"
    wildcard_constraints:
        model="|".join(map(re.escape, STUDY.models)) or "(?!)",
    conda:
        "../../envs/inversion.yaml"
    threads: 1
    resources:
        mem_mb=source_memory_mb,
        runtime=lambda w, attempt: 120 * attempt,
    params:
        model=lambda w: as_json(STUDY.models[w.model]),
        world=lambda w: world_of(STUDY.models[w.model]),
        basis=basis_of,
        checks=checks_of,
    script:
        "../scripts/prepare_base.py"


rule score_context_need:
    input:
        base="results/models/{model}/base.json",
        examples="results/data/examples/{dataset}.parquet",
    output:
        context_need="results/models/{model}/context_need/{dataset}.parquet",
    log:
        "results/logs/score_context_need/{model}/{dataset}.log",
    benchmark:
        "results/benchmarks/score_context_need/{model}/{dataset}.tsv"
    conda:
        "../../envs/inversion.yaml"
    threads: 1
    resources:
        mem_mb=memory_mb(4),
        runtime=minutes(small=60, large=480),
        gpu=by_gpus(one_gpu),
        gres=by_gres(one_gpu),
    params:
        template=lambda w: template_of(w.dataset),
        batch_size=STUDY.evaluation.batch_size,
        version=[respond.VERSION, respond.NEED_VERSION],
    script:
        "../scripts/score_context_need.py"


rule probe_knowledge:
    input:
        base="results/models/{model}/base.json",
        conflict_set="results/data/sets/{set}.parquet",
    output:
        probes="results/models/{model}/knowledge/{set}.parquet",
    log:
        "results/logs/probe_knowledge/{model}/{set}.log",
    benchmark:
        "results/benchmarks/probe_knowledge/{model}/{set}.tsv"
    conda:
        "../../envs/inversion.yaml"
    threads: 1
    resources:
        mem_mb=memory_mb(4),
        runtime=minutes(small=60, large=240),
        gpu=by_gpus(one_gpu),
        gres=by_gres(one_gpu),
    params:
        max_new_tokens=STUDY.evaluation.max_new_tokens,
        batch_size=STUDY.evaluation.batch_size,
        version=[respond.VERSION, respond.KNOWLEDGE_VERSION],
    script:
        "../scripts/probe_knowledge.py"
