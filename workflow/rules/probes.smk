# What is measured inside every checkpoint, where the study asks for it.

# as in figures, the first one; how it is decoded makes no difference here
PROBE_PROMPT = next(iter(STUDY.evaluation.prompts.values())).model_dump_json(include={"instruction", "order"})


rule probe_attention:
    input:
        base="results/models/{model}/base.json",
        checkpoints="results/runs/{model}/{dataset}/{recipe}/seed{seed}/checkpoints.json",
        sets=set_files(PROBED),
    output:
        masses="results/runs/{model}/{dataset}/{recipe}/seed{seed}/probes/attention.parquet",
    log:
        "results/logs/probe_attention/{model}/{dataset}/{recipe}/seed{seed}.log",
    benchmark:
        "results/benchmarks/probe_attention/{model}/{dataset}/{recipe}/seed{seed}.tsv"
    conda:
        "../../envs/inversion.yaml"
    threads: 1
    resources:
        mem_mb=memory_mb(4),
        runtime=minutes(small=60, large=480),
        gpu=one_gpu,
    params:
        template=lambda w: as_json(STUDY.template_of(w.dataset)),
        prompt=PROBE_PROMPT,
        probe=as_json(STUDY.probes.attention),
        batch_size=STUDY.evaluation.batch_size,
        version=respond.ATTENTION_VERSION,
    script:
        "../scripts/probe_attention.py"


rule probe_gradients:
    input:
        base="results/models/{model}/base.json",
        checkpoints="results/runs/{model}/{dataset}/{recipe}/seed{seed}/checkpoints.json",
        train_set="results/runs/{model}/{dataset}/{recipe}/seed{seed}/train_set.parquet",
        sets=set_files(PROBED),
    output:
        norms="results/runs/{model}/{dataset}/{recipe}/seed{seed}/probes/gradients.parquet",
    log:
        "results/logs/probe_gradients/{model}/{dataset}/{recipe}/seed{seed}.log",
    benchmark:
        "results/benchmarks/probe_gradients/{model}/{dataset}/{recipe}/seed{seed}.tsv"
    conda:
        "../../envs/inversion.yaml"
    threads: 1
    resources:
        # weights and three gradients
        mem_mb=training_memory_mb(all_weights=20, adapters=6),
        runtime=minutes(small=60, large=480),
        gpu=one_gpu,
    params:
        template=lambda w: as_json(STUDY.template_of(w.dataset)),
        prompt=PROBE_PROMPT,
        training=lambda w: as_json(STUDY.training_of(w.recipe)),
        seed=lambda w: int(w.seed),
        probe=as_json(STUDY.probes.gradients),
        version=respond.GRADIENTS_VERSION,
    script:
        "../scripts/probe_gradients.py"


rule tabulate_attention:
    input:
        masses=probe_files("attention"),
    output:
        parquet="results/tables/attention.parquet",
        csv="results/tables/attention.csv",
    log:
        "results/logs/tabulate_attention.log",
    conda:
        "../../envs/inversion.yaml"
    params:
        runs=[tuple(RUNS[run]) for run in PROBES["attention"]],
        bootstrap=STUDY.evaluation.bootstrap,
        code=code_of("tabulate_attention"),
    script:
        "../scripts/tabulate_attention.py"


rule tabulate_gradients:
    input:
        norms=probe_files("gradients"),
    output:
        parquet="results/tables/gradients.parquet",
        csv="results/tables/gradients.csv",
    log:
        "results/logs/tabulate_gradients.log",
    conda:
        "../../envs/inversion.yaml"
    params:
        runs=[tuple(RUNS[run]) for run in PROBES["gradients"]],
        bootstrap=STUDY.evaluation.bootstrap,
        code=code_of("tabulate_gradients"),
    script:
        "../scripts/tabulate_gradients.py"


rule draw_probe:
    input:
        table="results/tables/{probe}.parquet",
        curves=lambda w: "results/tables/curves.parquet" if w.probe == "gradients" else [],
    output:
        [
            (
                report(
                    f"results/figures/{{probe}}-{{experiment}}.{suffix}",
                    caption="../report/{probe}.rst",
                    category="{experiment}",
                    labels={"figure": "{probe}"},
                )
                if suffix == "svg"
                else f"results/figures/{{probe}}-{{experiment}}.{suffix}"
            )
            for suffix in SUFFIXES
        ],
    log:
        "results/logs/draw_probe/{probe}-{experiment}.log",
    conda:
        "../../envs/inversion.yaml"
    params:
        runs=lambda w: [tuple(run) for run in STUDY.experiment_runs(w.experiment)],
        prompt=next(iter(STUDY.evaluation.prompts)),
        code=code_of("draw_probe"),
    script:
        "../scripts/draw_probe.py"
