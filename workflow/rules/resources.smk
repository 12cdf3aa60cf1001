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


def one_gpu(wildcards, input):
    """One GPU for a large model; small ones use whatever is available."""
    return int(parameters(input.base) >= LARGE)


def training_gpus(wildcards, input):
    """The number that the study sets, and at least one GPU for a large model."""
    return max(STUDY.training_of(wildcards.recipe).gpus, one_gpu(wildcards, input))


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
