# The study: its validated configuration, and the lists that rules and targets expand. Every job parses this file, so
# it must not import anything slow.
import gc
import json
import os
import re
import signal
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path

import snakemake.exceptions
import yaml
from snakemake.logging import logger

# the folder of this workflow, even if another workflow imports it as a module
WORKFLOW = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parent
if not WORKFLOW.is_dir():
    raise snakemake.exceptions.WorkflowError(
        "this workflow comes with a library and has to be used from a local copy: clone it, or add it as a submodule, "
        'and write `snakefile: "path/to/the/clone/workflow/Snakefile"`'
    )
if str(WORKFLOW) not in sys.path:
    sys.path.insert(0, str(WORKFLOW))
IS_MODULE = not workflow.modifier.is_main_snakefile()

from inversion import respond, train, world
from inversion.artifacts import ArtifactError, file_hashes, fingerprint, sha256_file, visible_files
from inversion.config.figures import FIGURES
from inversion.config.files import ConfigError, read_values
from inversion.config.load import parse_config, require_inputs, with_source
from inversion.config.probes import PROBES
from inversion.config.run import RUN
from inversion.config.scorers import SCORERS
from inversion.config.series import EXTERNAL
from inversion.manifests import BaseManifest, CheckpointList, TrainManifest
from inversion.plan import LARGE
from inversion.seals import parquet_fault
from inversion.series import SeriesError, candidates, content_fingerprint
from inversion.source_code import SourceCode
from inversion.train.specification import training_specification
from main_process import (
    CHEAPER_JOBS,
    FolderLockedError,
    UserError,
    drop_default_limit,
    has_record,
    hold_folder,
    one_line,
)

# Snakemake and the imports above have created half a million objects, none of which is garbage. Later collections skip
# them, which saves a twentieth of the time of a plan.
gc.freeze()

# --configfile replaces the default study instead of being merged into it, which would also run the organism
DEFAULT_STUDY = os.path.relpath(WORKFLOW.parent / "config/config.yaml")
# Snakemake keeps the last of two equal keys, and reads `yes` as True. Each file is checked once.
_check_values = cache(read_values)
if not IS_MODULE and not workflow.overwrite_configfiles:
    with one_line(ConfigError):
        _check_values(DEFAULT_STUDY)

    configfile: DEFAULT_STUDY


def _study():
    if IS_MODULE:
        values, source = config or read_values(DEFAULT_STUDY), f"module {workflow.modifier.namespace}: config"
    else:
        values, source = config, " ".join(map(os.path.relpath, workflow.configfiles)) or "configuration"
        for file in workflow.configfiles:
            _check_values(os.path.relpath(file))
    study = parse_config(values, source)
    require_inputs(study, source)
    if any(prompt.instruction for prompt in study.evaluation.prompts.values()):
        # imported only here, because every job parses this file
        from inversion.world.vocabulary import require_known_words

        require_known_words(study, source)
    return study


def _require_writable(folder):
    place = Path(folder).absolute()
    while not place.exists():
        place = place.parent
    name = os.path.relpath(place)
    if not place.is_dir():
        raise UserError(f"{name} is not a folder, and all results are written below it; move it away")
    if not os.access(place, os.W_OK | os.X_OK):
        raise UserError(
            f"{name} is not writable, and all results are written below it; change its permissions"
        )


# Only the jobs of prefetch_ rules use the network, and they restore the user's settings. The variable is set here,
# because every job, including Slurm jobs, parses this file and passes its environment to its script.
os.environ.setdefault("PREFETCH_HF_HUB_OFFLINE", os.environ.get("HF_HUB_OFFLINE", "0"))
if not IS_MODULE:  # the jobs of a host workflow keep their own settings
    os.environ.update(CHEAPER_JOBS | os.environ | {"HF_HUB_OFFLINE": "1"})

# Slurm sends this signal to every process of a finetuning job before its time limit (profiles/slurm). The script
# handles it. It would kill Snakemake, which therefore ignores it; child processes inherit this.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)


if not IS_MODULE:
    snakemake.exceptions.LockException = FolderLockedError  # one line instead of five


onstart:
    hold_folder()
    drop_default_limit(workflow.scheduler)
    warn_of_moved_branches()


_modifier = workflow.modifier  # available only while Snakemake parses this file


def in_host(path):
    """A path in results/ as jobs see it: with the prefix that a host workflow can give to this module.

    It is needed for undeclared files only, because Snakemake adds the prefix to inputs and outputs.
    """
    return str(_modifier.modify_path(path))


def warn_of_moved_branches():
    """Warn about branches of Hub series that have moved since their download. Without a network it prints nothing."""
    files = [in_host(f"results/series/{RUNS[run].dataset}/commits.json") for run in SERIES]
    recorded = [file for file in files if Path(file).exists()]
    offline = os.environ.get("PREFETCH_HF_HUB_OFFLINE", "0")
    if recorded and offline.lower() not in ("1", "true", "yes", "on"):
        environment = os.environ | {"HF_HUB_OFFLINE": offline, "PYTHONPATH": str(WORKFLOW)}
        command = [sys.executable, "-m", "inversion.branches", *recorded]
        try:
            output = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=60
            ).stdout
        except subprocess.TimeoutExpired:
            output = ""
        for line in output.splitlines():
            print(f"warning: {line}", file=sys.stderr)


with one_line(ConfigError):
    STUDY = _study()
_require_writable(in_host("results"))

RUNS = {run.path: run for run in STUDY.runs()}
RUN_PATHS = list(RUNS)
# the runs that are trained here; all other runs are series
TRAINED = [run.path for run in STUDY.trained_runs()]
SERIES = [run for run in RUN_PATHS if run not in TRAINED]
MODELS = list(dict.fromkeys(run.model for run in RUNS.values()))
DATASETS = list(dict.fromkeys(RUNS[run].dataset for run in TRAINED))
TABLES = [
    "items",
    "curves",
    "inversions",
    "experiments",
    "contributions",
    "knowledge",
    "agreement",
    "style",
    "measures",
    "flips",
    "flip_overlap",
    "factors",
    "tradeoffs",
]
# the sets for which the base model's knowledge is probed without the context
PROBED = [name for name, spec in STUDY.sets.items() if spec.has_context and not spec.is_control]
SUFFIXES = ("svg", "pdf", "png")
KEEP = STUDY.evaluation.keep_checkpoints
DESIGN = STUDY.evaluation.design and STUDY.evaluation.design.model_dump()
# requested only if something is to be deleted
KEPT = [f"results/runs/{run}/kept.json" for run in TRAINED if KEEP != "all"]
FETCHED = "results/data/fetched"
ADDRESSES = {
    spec.sha256: spec.path
    for spec in (*STUDY.datasets.values(), *STUDY.sets.values())
    if getattr(spec, "sha256", None)
}
BENCHMARKS = {name: spec.model_dump_json() for name, spec in STUDY.benchmarks.items()}
# requested only if the study has benchmarks
BENCHMARKED = RUN_PATHS if BENCHMARKS else []
# the runs of each probe
PROBE_RUNS = {probe: [run.path for run in STUDY.probed_runs(probe)] for probe in PROBES}
TABLES += [probe for probe, runs in PROBE_RUNS.items() if runs]
TABLES += ["series"] if SERIES else []
TABLE_FILES = expand("results/tables/{table}.{suffix}", table=TABLES, suffix=("parquet", "csv"))
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


# --- invalid results that Snakemake does not detect -------------------------------


def _set_aside_damaged_tables():
    """Rename tables that are truncated or changed, so that they are created again. Jobs would refuse to read them."""
    folder = Path(in_host("results"))
    runs = [Path(in_host(f"results/runs/{run}")) for run in RUN_PATHS]
    tables = [
        *folder.glob("tables/*.parquet"),
        *folder.glob("data/*.parquet"),
        *folder.glob("data/examples/*.parquet"),
        *folder.glob("data/sets/*.parquet"),
        *folder.glob("models/*/*/*.parquet"),
        *(
            table
            for run in runs
            for pattern in ("*.parquet", "probes/*.parquet")
            for table in run.glob(pattern)
        ),
    ]
    for table in sorted(tables):
        if fault := parquet_fault(table):
            aside = table.with_name(f"{table.name}.damaged")
            table.rename(aside)
            logger.warning(f"{table} is damaged ({fault}): renamed to {aside.name}; a run makes it again")


def _date_back_other_trainings():
    """Make manifests with another training specification older than their inputs, so that their runs are trained again.

    Snakemake compares parameters with what it remembers in .snakemake; of results that were copied without it, the
    manifests still know what they were made from.
    """
    for path, run in RUNS.items():
        folder = Path(in_host(f"results/runs/{path}"))
        manifest, data = folder / "train.json", folder / "train_set.parquet"
        base = Path(in_host(f"results/models/{run.model}/base.json"))
        if has_record(manifest) or not all(file.is_file() for file in (manifest, data, base)):
            continue
        try:
            trained = TrainManifest.read(manifest).spec
            wanted = training_specification(
                BaseManifest.read(base).digest,
                sha256_file(data),
                with_source(STUDY.template_of(run.dataset)),
                STUDY.training_of(run.recipe),
                run.seed,
            )
        except ArtifactError:
            continue  # the job that reads it reports it
        if trained != wanted:
            os.utime(manifest, (1, 1))  # Snakemake treats a time of 0 as missing
            logger.warning(f"{manifest} is of another training specification; the run is trained again")


if workflow.is_main_process:
    _set_aside_damaged_tables()
    _date_back_other_trainings()
