# The study: its configuration, checked, and the lists that rules and targets expand. Every job parses this, so
# nothing here may be slow to import.
import json
import os
import signal
import sys
import threading
from functools import cache
from pathlib import Path

import yaml

WORKFLOW = Path(workflow.basedir) / "workflow"
if str(WORKFLOW) not in sys.path:
    sys.path.insert(0, str(WORKFLOW))

from inversion import respond, train, world
from inversion.artifacts import code_fingerprint, file_hashes, fingerprint, visible_files
from inversion.config.figures import FIGURES
from inversion.config.load import ConfigError, parse_config, read_values
from inversion.config.probes import PROBES
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
# the sets that the base model is asked without the context, for what it knows
PROBED = [name for name, spec in STUDY.sets.items() if spec.has_context and not spec.is_control]
SUFFIXES = ("svg", "pdf", "png")
KEEP = STUDY.evaluation.keep_checkpoints
# asked for only where something is to be removed
KEPT = [f"results/runs/{run}/kept.json" for run in RUN_PATHS if KEEP != "all"]
FETCHED = "results/data/fetched"
ADDRESSES = {
    spec.sha256: spec.path
    for spec in (*STUDY.datasets.values(), *STUDY.sets.values())
    if getattr(spec, "sha256", None)
}
BENCHMARKS = {name: spec.model_dump_json() for name, spec in STUDY.benchmarks.items()}
# asked for only where the study has benchmarks
BENCHMARKED = RUN_PATHS if BENCHMARKS else []
# the runs of each probe
PROBE_RUNS = {probe: [run.path for run in STUDY.probed_runs(probe)] for probe in PROBES}
TABLES += [probe for probe, runs in PROBE_RUNS.items() if runs]
FIGURE_FILES = [
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
    figure="|".join(FIGURES),
    probe="|".join(PROBES),
    experiment=r"[^/]+",
