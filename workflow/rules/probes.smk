# Probes of every checkpoint, if the study has any. Probes are declared in inversion/config/probes.py; these rules are
# the same for all of them.


rule probe_checkpoints:
    input:
        base="results/models/{model}/base.json",
        checkpoints=f"results/runs/{RUN}/checkpoints.json",
        train_set=lambda w: (
            [f"results/runs/{RUN}/train_set.parquet"] if PROBES[w.probe].takes_gradients else []
        ),
        sets=set_files(PROBED),
    output:
        facts=f"results/runs/{RUN}/probes/{{probe}}.parquet",
    log:
        f"results/logs/probe_checkpoints/{{probe}}/{RUN}.log",
    benchmark:
        f"results/benchmarks/probe_{{probe}}/{RUN}.tsv"
    conda:
        "../../envs/inversion.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, input, attempt: (
            # weights and three gradients
            training_memory_mb(all_weights=20, adapters=6)
            if PROBES[w.probe].takes_gradients
            else memory_mb(4 * PROBES[w.probe].models_held)
        )(w, input, attempt),
        runtime=minutes(small=60, large=480),
        gpu=by_gpus(one_gpu),
        gres=by_gres(one_gpu),
    params:
        template=lambda w: template_of(w.dataset),
        # the first prompt, as in figures; its decoding method does not matter here
        prompt=next(iter(STUDY.evaluation.prompts.values())).model_dump_json(include={"instruction", "order"}),
        training=lambda w: as_json(STUDY.training_of(w.recipe)),
        seed=lambda w: int(w.seed),
        batch_size=STUDY.evaluation.batch_size,
        max_new_tokens=lambda w: STUDY.evaluation.max_new_tokens if PROBES[w.probe].writes_answers else 0,
        probe=lambda w: as_json(getattr(STUDY.probes, w.probe)),
        version=lambda w: PROBES[w.probe].version,
    script:
        "../scripts/probe_checkpoints.py"


rule tabulate_probe:
    input:
        facts=lambda w: [f"results/runs/{run}/probes/{w.probe}.parquet" for run in PROBE_RUNS[w.probe]],
    output:
        parquet="results/tables/{probe}.parquet",
        csv="results/tables/{probe}.csv",
    log:
        "results/logs/tabulate_probe/{probe}.log",
    conda:
        "../../envs/inversion.yaml"
    params:
        tabulate=lambda w: PROBES[w.probe].tabulate,
        record=lambda w: PROBES[w.probe].facts,
        runs=lambda w: [tuple(RUNS[run]) for run in PROBE_RUNS[w.probe]],
        bootstrap=STUDY.evaluation.bootstrap,
        code=lambda w: code_of("tabulate_probe", PROBES[w.probe].tabulate, PROBES[w.probe].facts),
    script:
        "../scripts/tabulate_probe.py"
