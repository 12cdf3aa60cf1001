# The resources of jobs; a profile's set-resources takes precedence.

PROCESS_MB = 3_000
"""Main memory of a process with the libraries and its data loaded."""


def parameters(base):
    """Parameters of the base model at ``base``; Snakemake shows <TBD> until the file exists."""
    return json.loads(Path(base).read_text())["parameters"]


def memory_mb(bytes_a_parameter):
    """Main memory of a job that needs that many bytes per parameter of its base model; half as much again per retry."""
    return lambda w, input, attempt: (
        (PROCESS_MB + parameters(input.base) * bytes_a_parameter // 10**6) * (attempt + 1) // 2
    )


def minutes(small, large):
    """The time limit of a job, by whether its base model is large; more with every attempt."""
    return lambda w, input, attempt: (large if parameters(input.base) >= LARGE else small) * attempt


def training_memory_mb(all_weights, adapters):
    """Main memory of a job that takes gradients: bytes for each parameter, by whether all weights train."""
    return lambda w, input, attempt: memory_mb(
        all_weights if STUDY.training_of(w.recipe).tuning.trains_all else adapters
    )(w, input, attempt)


def _gres_name():
    """What a site calls GPUs in --gres, where the profile sets it (gpu_gres); None where --gpus asks for them."""
    defaults = getattr(workflow.resource_settings.default_resources, "args", ())
    named = dict(entry.split("=", 1) for entry in defaults if "=" in entry)
    return named["gpu_gres"].strip("'\"") if "gpu_gres" in named else None


GRES = _gres_name()


def _require_one_flag():
    """Stop where the profile would ask for GPUs by --gpus and by --gres, of which Slurm takes one."""
    for rule, asked in (workflow.resource_settings.overwrite_resources or {}).items():
        other = next((key for key in ("gpu", "gpu_model") if GRES and key in asked.keys()), None)
        if other:
            raise UserError(
                f"the profile sets gpu_gres, so that GPUs are asked for by --gres, and {other} of {rule}, which asks "
                "by --gpus; set gres there instead, as in `gres: gpu:2`, or remove gpu_gres"
            )
        if not GRES and "gres" in asked.keys() and "gpu" not in asked.keys():
            raise UserError(
                f"the profile sets gres of {rule}, which asks for its GPUs by --gpus too; set `gpu_gres: gpu` under "
                "default-resources, or add `gpu: 0` to the rule"
            )


_require_one_flag()


def one_gpu(wildcards, input):
    """One GPU for a large model; small ones use whatever is available."""
    return int(parameters(input.base) >= LARGE)


def training_gpus(wildcards, input):
    """The number that the study sets, and at least one GPU for a large model."""
    return max(STUDY.training_of(wildcards.recipe).gpus, one_gpu(wildcards, input))


def by_gpus(count):
    """How many GPUs a job asks for by --gpus: ``count`` of its wildcards and input, or none where a site wants --gres."""
    return (lambda wildcards, input: 0) if GRES else count


def by_gres(count):
    """What a job asks for by --gres, as ``gpu:2``: nothing unless a site wants it."""
    return lambda wildcards, input: (
        f"{GRES}:{number}" if GRES and (number := count(wildcards, input)) else ""
    )


def source_memory_mb(wildcards, input, attempt):
    """Main memory for a base model that is inspected or created for the first time, more with every attempt."""
    spec = STUDY.models[wildcards.model]
    if spec.fetched:
        size = json.loads(Path(input.snapshot).read_text())["size"]
    elif spec.folder is not None:
        size = sum(file.stat().st_size for file in Path(spec.folder).glob("*.safetensors"))
    else:
        size = 10**9
    return (PROCESS_MB + 2 * size // 10**6) * attempt
