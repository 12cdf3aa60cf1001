# Configuration, the run table and what rules need to know of them. Parsed by every job: nothing heavy.
import json
import os
import signal
import sys
import threading
from functools import cache
from pathlib import Path
from typing import get_args

import yaml

WORKFLOW = Path(workflow.basedir) / "workflow"
if str(WORKFLOW) not in sys.path:
    sys.path.insert(0, str(WORKFLOW))

from inversion import conflict, respond, train, world
from inversion.artifacts import code_fingerprint, file_hashes, fingerprint, visible_files
from inversion.config.load import ConfigError, parse_config, read_values
from inversion.config.study import Figure
from inversion.manifests import CheckpointList
from inversion.plan import LARGE


def _study():
    source = " ".join(map(os.path.relpath, workflow.configfiles)) or "configuration"
    try:
        for file in workflow.configfiles:
            read_values(os.path.relpath(file))  # of a key said twice Snakemake takes the last
        study = parse_config(config, source)
        for key, path in study.local_files().items():
            if not Path(path).exists():
                raise ConfigError(f"{source}: `{key}`: there is no {path}, as seen from {os.getcwd()}")
        if any(prompt.instruction for prompt in study.evaluation.prompts.values()):
            # imported where it is needed only: every job parses this file
            from inversion.world.vocabulary import require_known_words

            require_known_words(study, source)
        return study
    except ConfigError as error:
        # one line for a person, not a traceback into this file
        sys.exit(f"error: {error}")


def _require_writable(folder):
    place = Path(folder).absolute()
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        sys.exit(
            f"error: {os.path.relpath(place)} is no folder, and all that is made belongs there; move it away"
        )
    if not os.access(place, os.W_OK | os.X_OK):
        sys.exit(
            f"error: {os.path.relpath(place)} is not writable, and all that is made belongs there; mend its permissions"
        )


# No job uses the network but those of prefetch_ rules, which get back what the user had. Set here, because
# every job parses this file, also under Slurm, and hands its environment on to its script.
os.environ.setdefault("PREFETCH_HF_HUB_OFFLINE", os.environ.get("HF_HUB_OFFLINE", "0"))
os.environ.update(HF_HUB_OFFLINE="1")

# Slurm sends it to every process of a finetuning job before its time limit (profiles/slurm). It is meant for the
# script, which listens; Snakemake, which would die of it, hands on that it is ignored to all that it starts.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)


onstart:
    # Snakemake's default limit of 100 jobs a second wakes its scheduler every second, once more for each job that has
    # ended: after some hundred jobs that takes half a core. Another limit is the user's own.
    limiter = workflow.scheduler.job_rate_limiter
    if limiter is not None and (limiter.max_jobs, limiter.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None


STUDY = _study()
_require_writable("results")

RUNS = {run.path: run for run in STUDY.runs()}
RUN_PATHS = list(RUNS)
MODELS = list(dict.fromkeys(run.model for run in RUNS.values()))
DATASETS = list(dict.fromkeys(run.dataset for run in RUNS.values()))
TABLES = [
    "items",
    "curves",
    "inversions",
    "knowledge",
    "agreement",
    "flips",
    "flip_overlap",
    "factors",
    "tradeoffs",
]
# not controls, nor memo-trap, whose conflict stands in the question: there is no context to leave out
PROBED = [
    name
    for name, spec in STUDY.sets.items()
    if getattr(spec, "kind", "conflict") == "conflict" and getattr(spec, "format", "release") == "release"
]
SUFFIXES = ("svg", "pdf", "png")
KEEP = STUDY.evaluation.keep_checkpoints
# asked for only where something is to be removed
KEPT = [f"results/runs/{run}/kept.json" for run in RUN_PATHS if KEEP != "all"]
FETCHED = "results/data/fetched"
ADDRESSES = {
    spec.sha256: spec.path
    for spec in (*STUDY.datasets.values(), *STUDY.sets.values())
    if spec.source == "file" and spec.sha256
}
BENCHMARKS = {name: spec.model_dump_json() for name, spec in STUDY.benchmarks.items()}
# asked for only where the study has benchmarks
BENCHMARKED = RUN_PATHS if BENCHMARKS else []
# the runs of each probe
PROBES = {probe: [run.path for run in STUDY.probed_runs(probe)] for probe in ("attention", "gradients")}
TABLES += [probe for probe, runs in PROBES.items() if runs]
FIGURE_KINDS = get_args(Figure)
FIGURES = [
    f"results/figures/{figure}-{name}.{suffix}"
    for name, experiment in STUDY.experiments.items()
    for figure in experiment.figures
    for suffix in SUFFIXES
]


wildcard_constraints:
    model=r"[^/]+",
    dataset=r"[^/]+",
    recipe=r"[^/]+",
    seed=r"\d+",
    sha256=r"[0-9a-f]{64}",
    file=r"[^/]+",
    set=r"[^/]+",
    benchmark=r"[^/]+",
    chunk=r"\d+",
    figure="|".join(kind for kind in FIGURE_KINDS if kind not in PROBES),
    probe="|".join(PROBES),
    experiment=r"[^/]+",


# A rule reruns when the code that it reaches changes in what it does, library included, and not for a
# comment: Snakemake's own code trigger looks at the script's time stamp only (profiles/default).
@cache
def code_of(script):
    """Fingerprint of a script and of the library modules that it reaches."""
    return code_fingerprint(WORKFLOW / "scripts" / f"{script}.py", WORKFLOW / "inversion")


def as_json(model):
    """A part of the configuration as text, or an empty string where there is none."""
    return model.model_dump_json() if model is not None else ""


def files_of(spec):
    """The file behind a dataset or set, as a rule's input; none behind generated ones."""
    return [spec.local_path(FETCHED)] if spec.source == "file" else []


def local(spec):
    """A set with the file that is read in the place of the address that it was fetched from."""
    return (
        spec.model_copy(update={"path": path, "sha256": None})
        if (path := next(iter(files_of(spec)), None))
        else spec
    )


def rows_of(dataset):
    """The file with a dataset's rows: the user's, or what was fetched; none behind generated ones."""
    spec = STUDY.datasets[dataset]
    return [f"results/data/raw/{dataset}.parquet"] if spec.source == "hub" else files_of(spec)


def model_files(wildcards):
    """What a base model is made from, as a rule's named inputs: none for a model of the invented world."""
    spec = STUDY.models[wildcards.model]
    match spec.source:
        case "folder":
            # beside the configuration, which must be there, all that is hashed
            return {
                "files": list(
                    dict.fromkeys([f"{spec.path}/config.json", *map(str, visible_files(spec.path))])
                )
            }
        case "gguf" if spec.path is not None:
            return {"gguf": spec.path}
        case "hub":
            return {"snapshot": f"results/models/{wildcards.model}/snapshot.json"}
    return {}


def source_files(*names):
    """The users' files behind conflict sets."""
    return [path for name in names for path in files_of(STUDY.sets[name])]


def excluded_sets(name):
    """The sets whose items the set ``name`` leaves out."""
    spec = STUDY.sets[name]
    return spec.exclude if spec.source == "file" else ()


def questions_of(spec):
    """The examples behind what is made from question-answering data: a set of substitutions, an augmentation."""
    return [f"results/data/examples/{name}.parquet"] if (name := getattr(spec, "dataset", None)) else []


def changes_data(recipe):
    """Whether a recipe selects or adds examples."""
    return bool(STUDY.recipes[recipe].select or STUDY.recipes[recipe].augment)


def adds_from_world(recipe):
    """Whether a recipe adds examples of the world."""
    augment = STUDY.recipes[recipe].augment
    return augment is not None and augment.dataset is None


def needs_scores(recipe):
    """Whether the base model's context need decides what a recipe keeps or marks."""
    return STUDY.recipes[recipe].indicator is not None or any(
        selection.by == "context_need" for selection in STUDY.selections_of(recipe)
    )


def compared_sets(recipe):
    """The sets that a recipe's data must not overlap, sorted: those that it names, and for substitutions all."""
    if questions_of(STUDY.recipes[recipe].augment):
        return sorted(STUDY.sets)
    selections = [s for s in STUDY.selections_of(recipe) if s.by == "no_fact_overlap"]
    return sorted({name for selection in selections for name in selection.sets})


def set_files(names):
    """The prepared items of sets."""
    return [f"results/data/sets/{name}.parquet" for name in names]


def probe_files(probe):
    """What a probe found in all of its runs."""
    return [f"results/runs/{run}/probes/{probe}.parquet" for run in PROBES[probe]]


def run_probes(wildcards):
    """What the probes of one run found."""
    run = "{model}/{dataset}/{recipe}/seed{seed}".format(**wildcards)
    return [f"results/runs/{run}/probes/{probe}.parquet" for probe, runs in PROBES.items() if run in runs]


def data_of(recipe):
    """What a recipe does to its data, as text."""
    return recipe.model_dump_json(include={"select", "augment", "indicator"})


def world_of(spec):
    """The world, for what is made from it; rules of other sources do not depend on it."""
    return as_json(STUDY.world) if spec.source == "world" else ""


def facts_version(*names):
    """The version of the facts that ship with the project, for sets that are made from them."""
    return conflict.VERSION if any(STUDY.sets[name].source == "facts" for name in names) else 0


# --- resources: what a job asks of a machine or a cluster; a profile's set-resources goes before it -----

PROCESS_MB = 3_000
"""Main memory of a process with the libraries and its data loaded."""


def parameters(base):
    """Parameters of the base model at ``base``; Snakemake shows <TBD> as long as the file is not there."""
    return json.loads(Path(base).read_text())["parameters"]


def memory_mb(bytes_a_parameter):
    """Main memory of a job that holds so many bytes for each parameter of its base model, by half more a retry."""
    return lambda w, input, attempt: (
        (PROCESS_MB + parameters(input.base) * bytes_a_parameter // 10**6) * (attempt + 1) // 2
    )


def minutes(small, large):
    """The time limit of a job, by whether its base model is large; more with every attempt."""
    return lambda w, input, attempt: (large if parameters(input.base) >= LARGE else small) * attempt


def trains_all(recipe):
    """Whether a recipe trains all weights and no adapters."""
    return STUDY.training_of(recipe).tuning.method == "full"


def one_gpu(wildcards, input):
    """One GPU for a large model; small ones take what is there."""
    return int(parameters(input.base) >= LARGE)


def training_gpus(wildcards, input):
    """What the study says, and at least one GPU for a large model."""
    return max(STUDY.training_of(wildcards.recipe).gpus, one_gpu(wildcards, input))


def source_memory_mb(wildcards, input, attempt):
    """Main memory for a base model that is looked at or made for the first time, more with every attempt."""
    spec = STUDY.models[wildcards.model]
    match spec.source:
        case "hub":
            size = json.loads(Path(input.snapshot).read_text())["size"]
        case "folder":
            size = sum(file.stat().st_size for file in Path(spec.path).glob("*.safetensors"))
        case _:
            size = 10**9
    return (PROCESS_MB + 2 * size // 10**6) * attempt


def response_chunks(wildcards):
    """The response files of all chunks of a run's checkpoints."""
    listed = checkpoints.enumerate_checkpoints.get(**wildcards).output.checkpoints
    folder = Path(listed).parent / "responses"
    return [f"{folder}/chunk-{chunk:03d}.json" for chunk in range(len(CheckpointList.read(listed).chunks))]


def benchmark_chunks(wildcards):
    """The score files of all chunks of a run's checkpoints that take the benchmarks."""
    listed = checkpoints.enumerate_checkpoints.get(**wildcards).output.checkpoints
    folder = Path(listed).parent / "benchmarks"
    evaluation = STUDY.evaluation
    chunks = CheckpointList.read(listed).benchmark_chunks(
        evaluation.benchmark_every, evaluation.checkpoints_per_job
    )
    return [f"{folder}/chunk-{chunk:03d}.json" for chunk in range(len(chunks))]


def benchmark_questions(wildcards):
    """What the benchmarks' questions come from: the users' files, and those in the hub's cache."""
    return [
        spec.path if spec.path else f"results/data/benchmarks/{name}.json"
        for name, spec in STUDY.benchmarks.items()
    ]
