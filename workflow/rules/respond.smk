# The responses of every checkpoint, and their labels.


rule generate_responses:
    input:
        base="results/models/{model}/base.json",
        checkpoints=f"results/runs/{RUN}/checkpoints.json",
        sets=expand("results/data/sets/{set}.parquet", set=STUDY.sets),
    output:
        manifest=f"results/runs/{RUN}/responses/chunk-{{chunk}}.json",
    log:
        f"results/logs/generate_responses/{RUN}/chunk-{{chunk}}.log",
    benchmark:
        f"results/benchmarks/generate_responses/{RUN}/chunk-{{chunk}}.tsv"
    conda:
        "../../envs/inversion.yaml"
    threads: 1
    resources:
        mem_mb=memory_mb(4),
        runtime=minutes(small=60, large=30 + 10 * STUDY.evaluation.checkpoints_per_job),
        gpu=by_gpus(one_gpu),
        gres=by_gres(one_gpu),
    params:
        template=lambda w: template_of(w.dataset),
        prompts=STUDY.evaluation.model_dump_json(include={"prompts"}),
        design=DESIGN,
        max_new_tokens=STUDY.evaluation.max_new_tokens,
        batch_size=STUDY.evaluation.batch_size,
        version=respond.VERSION,
    script:
        "../scripts/generate_responses.py"


rule run_benchmarks:
    input:
        base="results/models/{model}/base.json",
        checkpoints=f"results/runs/{RUN}/checkpoints.json",
        questions=benchmark_questions,
    output:
        manifest=f"results/runs/{RUN}/benchmarks/chunk-{{chunk}}.json",
    log:
        f"results/logs/run_benchmarks/{RUN}/chunk-{{chunk}}.log",
    benchmark:
        f"results/benchmarks/run_benchmarks/{RUN}/chunk-{{chunk}}.tsv"
    conda:
        "../../envs/inversion.yaml"
    threads: 1
    resources:
        mem_mb=memory_mb(4),
        runtime=minutes(small=120, large=120 * STUDY.evaluation.checkpoints_per_job),
        gpu=by_gpus(one_gpu),
        gres=by_gres(one_gpu),
    params:
        benchmarks=BENCHMARKS,
        every=STUDY.evaluation.benchmark_every,
        per_job=STUDY.evaluation.checkpoints_per_job,
        batch_size=STUDY.evaluation.batch_size,
        version=respond.BENCHMARK_VERSION,
    script:
        "../scripts/run_benchmarks.py"


rule collect_benchmarks:
    input:
        # chunks are known only after training, but problems with the questions are found before
        questions=benchmark_questions,
        chunks=benchmark_chunks,
    output:
        scores=f"results/runs/{RUN}/benchmarks.parquet",
    log:
        f"results/logs/collect_benchmarks/{RUN}.log",
    conda:
        "../../envs/inversion.yaml"
    params:
        code=code_of("collect_benchmarks"),
    script:
        "../scripts/collect_benchmarks.py"


rule label_responses:
    input:
        responses=response_chunks,
        checkpoints=f"results/runs/{RUN}/checkpoints.json",
        sets=expand("results/data/sets/{set}.parquet", set=STUDY.sets),
        probes=expand("results/models/{{model}}/knowledge/{set}.parquet", set=PROBED),
    output:
        labels=f"results/runs/{RUN}/labels.parquet",
    log:
        f"results/logs/label_responses/{RUN}.log",
    conda:
        "../../envs/inversion.yaml"
    params:
        design=DESIGN,
        code=code_of("label_responses", *(scorer.label for scorer in SCORERS.values())),
    script:
        "../scripts/label_responses.py"


# Its inputs include the outputs of all rules that read a run's weights.
rule thin_checkpoints:
    input:
        labels=f"results/runs/{RUN}/labels.parquet",
        benchmarks=([f"results/runs/{RUN}/benchmarks.parquet"] if BENCHMARKS else []),
        probes=run_probes,
        manifest=f"results/runs/{RUN}/train.json",
    output:
        kept=f"results/runs/{RUN}/kept.json",
    log:
        f"results/logs/thin_checkpoints/{RUN}.log",
    conda:
        "../../envs/inversion.yaml"
    params:
        store=in_host(f"results/runs/{RUN}/checkpoints"),
        keep=KEEP,
        code=code_of("thin_checkpoints"),
    script:
        "../scripts/thin_checkpoints.py"
