# Inputs and params of rules, as functions of the study.


# A rule reruns if the behaviour of its code, including the library, changes, but not for a comment. Snakemake's own
# code trigger only compares the script's time stamp, and is switched off (profiles/default).
SOURCES = SourceCode(WORKFLOW / "inversion", ".snakemake/source-code.json")


@cache
def code_of(script, *implementations):
    """The fingerprint of a script and of the library modules that it imports.

    ``implementations`` are the references (``module:function``) that the script resolves while it runs; its imports
    do not show them.
    """
    modules = [reference.partition(":")[0] for reference in implementations]
    return SOURCES.fingerprint(WORKFLOW / "scripts" / f"{script}.py", modules)


def as_json(model):
    """A part of the configuration as text, or an empty string if there is none."""
    return model.model_dump_json() if model is not None else ""


def files_of(source):
    """The files from which a dataset, set or model is read. A host workflow's prefix does not apply to users' files."""
    return [path if path.startswith(FETCHED) else local(path) for path in source.files(FETCHED)]


def template_of(dataset):
    """The template of a dataset as text. If it is in a file, the content is included, so that changes are noticed."""
    return as_json(with_source(STUDY.template_of(dataset)))


def basis_of(wildcards):
    """Other inputs on which a base model's preparation depends: the code versions for a world model, and for other
    models the chat templates by dataset, which are checked before training."""
    if STUDY.models[wildcards.model].from_world:
        return [train.VERSION, world.VERSION]
    templates = STUDY.templates_of(wildcards.model)
    return [[name, template_of(name)] for name, template in templates.items() if template.style == "chat"]


def checks_of(wildcards):
    """What is tried with a base model before anything is trained: the tuning methods of its runs, references of
    functions for their probes and decoding, and probes that must fit its size, if there are any. None for a model of
    the world, whose families and sizes are known."""
    if STUDY.models[wildcards.model].from_world:
        return {"tunings": [], "functions": []}
    tunings = [as_json(tuning) for tuning in STUDY.tunings_of(wildcards.model)]
    probes = {name: as_json(probe) for name, probe in STUDY.sized_probes_of(wildcards.model).items()}
    checks = {"tunings": tunings, "functions": STUDY.checks_of(wildcards.model)}
    return checks | ({"probes": probes} if probes else {})


def rows_of(dataset):
    """The files with a dataset's rows: the user's files or downloaded ones; empty for a generated dataset."""
    spec = STUDY.datasets[dataset]
    return [f"results/data/raw/{dataset}.parquet"] if spec.fetched else files_of(spec)


def model_files(wildcards):
    """The source of a base model as a rule's named inputs; empty for a model of the invented world."""
    spec = STUDY.models[wildcards.model]
    if spec.fetched:
        return {"snapshot": f"results/models/{wildcards.model}/snapshot.json"}
    files = files_of(spec)
    if spec.folder is not None:
        # the configuration, which must exist, and every file that is hashed
        files += map(local, [f"{spec.folder}/config.json", *map(str, visible_files(spec.folder))])
    return {"files": list(dict.fromkeys(files))} if files else {}


def fetched_set(name):
    """The file to which the rows of a Hub conflict set are downloaded."""
    return f"results/data/raw/sets/{name}.parquet"


def set_source(name):
    """A conflict set as a script reads it: from the user's file, from a downloaded file, or generated."""
    spec = STUDY.sets[name]
    return (
        spec.in_file(in_host(fetched_set(name))) if spec.fetched else spec.with_downloads_in(in_host(FETCHED))
    )


def source_files(*names):
    """The files from which conflict sets are read."""
    sets = [(name, STUDY.sets[name]) for name in names]
    return [path for name, spec in sets for path in ([fetched_set(name)] if spec.fetched else files_of(spec))]


def readers(*names):
    """The references of the functions that read the conflict sets ``names``, without repetition."""
    return sorted({reference for name in names for reference in STUDY.sets[name].implementations})


def questions_of(name):
    """The examples of the dataset from which a conflict set or an augmentation is made; empty if there is none."""
    return [f"results/data/examples/{name}.parquet"] if name is not None else []


def augmented_from(recipe):
    """The dataset from which a recipe makes examples; None if it adds none, or makes them from the world."""
    augment = STUDY.recipes[recipe].augment
    return augment.dataset if augment is not None else None


def changes_data(recipe):
    """Whether a recipe selects or adds examples."""
    return bool(STUDY.recipes[recipe].select or STUDY.recipes[recipe].augment)


def adds_from_world(recipe):
    """Whether a recipe adds examples of the world."""
    augment = STUDY.recipes[recipe].augment
    return augment is not None and augment.dataset is None


def needs_scores(recipe):
    """Whether a recipe selects or marks examples by the base model's context need."""
    return STUDY.recipes[recipe].indicator is not None or any(
        selection.needs_scores for selection in STUDY.selections_of(recipe)
    )


def compared_sets(recipe):
    """The sets with which a recipe's data must not overlap, sorted: those that it names, or all for substitutions."""
    if augmented_from(recipe) is not None:
        return sorted(STUDY.sets)
    return sorted({name for selection in STUDY.selections_of(recipe) for name in selection.compared_sets})


def set_files(names):
    """The prepared items of sets."""
    return [f"results/data/sets/{name}.parquet" for name in names]


def run_probes(wildcards):
    """The facts that the probes of one run recorded."""
    run = RUN.format(**wildcards)
    return [f"results/runs/{run}/probes/{probe}.parquet" for probe, runs in PROBE_RUNS.items() if run in runs]


def data_of(recipe):
    """The part of a recipe that changes its data, as text."""
    return recipe.model_dump_json(include={"select", "augment", "indicator"})


def world_of(spec):
    """The world as text if a source is made from it, otherwise empty, so that other rules do not depend on it."""
    return as_json(STUDY.world) if spec.from_world else ""


def items_version(*names):
    """The versions of the items that ship with the project among the sets ``names``; 0 if there are none."""
    return max((STUDY.sets[name].version for name in names), default=0)


def listed_checkpoints(wildcards):
    """The list of the checkpoints of a run or series, once it exists."""
    run = RUN.format(**wildcards)
    listing = checkpoints.list_series if run in SERIES else checkpoints.enumerate_checkpoints
    return listing.get(**wildcards).output.checkpoints


def response_chunks(wildcards):
    """The response files of all chunks of a run's checkpoints."""
    listed = listed_checkpoints(wildcards)
    folder = f"results/runs/{RUN}/responses".format(**wildcards)
    return [f"{folder}/chunk-{chunk:03d}.json" for chunk in range(len(CheckpointList.read(listed).chunks))]


def benchmark_chunks(wildcards):
    """The score files of all chunks of the checkpoints of a run that run the benchmarks."""
    listed = listed_checkpoints(wildcards)
    folder = f"results/runs/{RUN}/benchmarks".format(**wildcards)
    evaluation = STUDY.evaluation
    chunks = CheckpointList.read(listed).benchmark_chunks(
        evaluation.benchmark_every, evaluation.checkpoints_per_job
    )
    return [f"{folder}/chunk-{chunk:03d}.json" for chunk in range(len(chunks))]


def benchmark_questions(wildcards):
    """The sources of the benchmarks' questions: the user's files, and files in the Hub's cache."""
    return [
        local(spec.path) if spec.path else f"results/data/benchmarks/{name}.json"
        for name, spec in STUDY.benchmarks.items()
    ]


def caption_of(figure):
    """The caption of a figure: its page in report/, or a description of what the figure shows if it has none."""
    page = WORKFLOW / "report" / f"{figure}.rst"
    shows = FIGURES[figure].shows
    return page.read_text(encoding="utf-8") if page.is_file() else f"{shows[:1].upper()}{shows[1:]}.\n"


def fetched_series(name):
    """The downloaded checkpoints of a series as a rule's input; empty for a series in a folder."""
    return [f"results/series/{name}/snapshots.json"] if STUDY.series[name].fetched else []


def content_of_series(name):
    """A fingerprint of the current content of a series in a folder, so that new checkpoints are noticed."""
    spec = STUDY.series[name]
    return "" if spec.fetched else content_fingerprint(spec)


def listing_of(name):
    """The settings that determine a series' checkpoints, as text. Labels and the seed only matter for tables."""
    return STUDY.series[name].model_dump_json(exclude={"labels", "seed"})


def step_labels(experiment):
    """For each series of an experiment, the names of its steps in figures."""
    runs = STUDY.experiment_runs(experiment)
    return {run.dataset: labels for run in runs if (labels := STUDY.labels_of(run))}
