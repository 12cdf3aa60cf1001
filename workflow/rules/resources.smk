# The resources of jobs. A profile's set-resources takes precedence.

PROCESS_MB = 3_000
"""Main memory in MB of a process that has loaded the libraries and its data."""


def parameters(base):
    """The number of parameters of the base model at ``base``. Snakemake shows <TBD> until the file exists."""
    return json.loads(Path(base).read_text())["parameters"]


def memory_mb(bytes_a_parameter):
    """Main memory of a job that needs a number of bytes per parameter of its base model; 50 % more with every retry."""
    return lambda w, input, attempt: (
        (PROCESS_MB + parameters(input.base) * bytes_a_parameter // 10**6) * (attempt + 1) // 2
    )


def minutes(small, large):
    """The time limit of a job, which depends on whether its base model is large, and grows with every attempt."""
    return lambda w, input, attempt: (large if parameters(input.base) >= LARGE else small) * attempt


def training_memory_mb(all_weights, adapters):
    """Main memory of a job that computes gradients. Bytes per parameter depend on whether all weights are trained."""
    return lambda w, input, attempt: memory_mb(
        all_weights if STUDY.training_of(w.recipe).tuning.trains_all else adapters
    )(w, input, attempt)


def _gres_name():
    """The name of GPUs in --gres, if the profile sets it (gpu_gres); None if GPUs are requested with --gpus."""
    defaults = getattr(workflow.resource_settings.default_resources, "args", ())
    named = dict(entry.split("=", 1) for entry in defaults if "=" in entry)
    return named["gpu_gres"].strip("'\"") if "gpu_gres" in named else None


GRES = _gres_name()


def _require_one_flag():
    """Refuse a profile that would request GPUs with both --gpus and --gres, because Slurm accepts only one."""
    for rule, resources in (workflow.resource_settings.overwrite_resources or {}).items():
        other = next((key for key in ("gpu", "gpu_model") if GRES and key in resources.keys()), None)
        if other:
            raise UserError(
                f"the profile sets gpu_gres, so that GPUs are requested with --gres, and {other} of {rule}, which "
                "requests them with --gpus; set gres there instead, as in `gres: gpu:2`, or remove gpu_gres"
            )
        if not GRES and "gres" in resources.keys() and "gpu" not in resources.keys():
            raise UserError(
                f"the profile sets gres of {rule}, which also requests its GPUs with --gpus; set `gpu_gres: gpu` under "
                "default-resources, or add `gpu: 0` to the rule"
            )


_require_one_flag()


def one_gpu(wildcards, input):
    """One GPU for a large model, none for a small model, which uses whatever is available."""
    return int(parameters(input.base) >= LARGE)


def training_gpus(wildcards, input):
    """The number of GPUs that the study sets, but at least one for a large model."""
    return max(STUDY.training_of(wildcards.recipe).gpus, one_gpu(wildcards, input))


def by_gpus(count):
    """The number of GPUs that a job requests with --gpus: ``count(wildcards, input)``, or 0 if the site uses --gres."""
    return (lambda wildcards, input: 0) if GRES else count


def by_gres(count):
    """What a job requests with --gres, such as ``gpu:2``; empty unless the site uses --gres."""
    return lambda wildcards, input: (
        f"{GRES}:{number}" if GRES and (number := count(wildcards, input)) else ""
    )


def inspection_mb(size, attempt):
    """Main memory for loading weights of ``size`` bytes once, which grows with every attempt."""
    return (PROCESS_MB + 2 * size // 10**6) * attempt


def source_memory_mb(wildcards, input, attempt):
    """Main memory for inspecting or creating a base model for the first time."""
    spec = STUDY.models[wildcards.model]
    if spec.fetched:
        size = json.loads(Path(input.snapshot).read_text())["size"]
    elif spec.folder is not None:
        size = sum(file.stat().st_size for file in Path(spec.folder).glob("*.safetensors"))
    else:
        size = 10**9
    return inspection_mb(size, attempt)


def start_memory_mb(wildcards, input, attempt):
    """Main memory for verifying the first checkpoint of a series that has no base model. Snakemake shows <TBD> until
    the list of downloaded checkpoints exists."""
    spec = STUDY.series[wildcards.model]
    if spec.fetched:
        checkpoints = json.loads(Path(input.snapshots[0]).read_text())["checkpoints"]
        size = min(checkpoints, key=lambda checkpoint: checkpoint["step"])["size"]
    else:
        try:
            first = candidates(spec)[0].folder
        except (SeriesError, OSError, IndexError):
            return PROCESS_MB  # the job will say what is wrong
        size = sum(file.stat().st_size for file in first.glob("*.safetensors"))
    return inspection_mb(size, attempt)
