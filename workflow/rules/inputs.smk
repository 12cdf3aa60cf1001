# Inputs and params of rules, as functions of the study.


# A rule reruns when the code that it uses, library included, changes in what it does, but not for a
# comment: Snakemake's own code trigger looks at the script's time stamp only (profiles/default).
@cache
def code_of(script, *implementations):
    """Fingerprint of a script and of the library modules that it imports.

    ``implementations`` are the references (``module:function``) that the script resolves while it runs; its imports
    do not show them.
    """
    modules = [reference.partition(":")[0] for reference in implementations]
    return code_fingerprint(WORKFLOW / "scripts" / f"{script}.py", WORKFLOW / "inversion", modules)


def as_json(model):
    """A part of the configuration as text, or an empty string if there is none."""
    return model.model_dump_json() if model is not None else ""


def files_of(source):
    """The files that a dataset, set or model is read from; a host workflow's prefix does not apply to the user's own."""
    return [path if path.startswith(FETCHED) else local(path) for path in source.files(FETCHED)]


def template_of(dataset):
    """The template of a dataset, as text; that of a file with its content, so that a change of the file is seen."""
    return as_json(with_source(STUDY.template_of(dataset)))


def basis_of(wildcards):
    """Other inputs that determine whether a base model can be used: for a model of the world the code versions; for
    others the chat templates, by dataset, which are tried before anything is trained."""
    if STUDY.models[wildcards.model].from_world:
        return [train.VERSION, world.VERSION]
    templates = STUDY.templates_of(wildcards.model)
    return [[name, template_of(name)] for name, template in templates.items() if template.style == "chat"]


def rows_of(dataset):
    """The files with a dataset's rows: the user's, or what was downloaded; none of a generated one."""
    spec = STUDY.datasets[dataset]
    return [f"results/data/raw/{dataset}.parquet"] if spec.fetched else files_of(spec)


def model_files(wildcards):
    """The source of a base model, as a rule's named inputs: none for a model of the invented world."""
    spec = STUDY.models[wildcards.model]
    if spec.fetched:
        return {"snapshot": f"results/models/{wildcards.model}/snapshot.json"}
    files = files_of(spec)
    if spec.folder is not None:
        # the configuration, which must exist, and everything that is hashed
        files += map(local, [f"{spec.folder}/config.json", *map(str, visible_files(spec.folder))])
    return {"files": list(dict.fromkeys(files))} if files else {}


def fetched_set(name):
    """Where the rows of a conflict set of the Hub are downloaded to."""
    return f"results/data/raw/sets/{name}.parquet"


def set_source(name):
    """A conflict set as a script reads it: from a file of the user's or a downloaded one, or generated."""
    spec = STUDY.sets[name]
    return spec.in_file(in_host(fetched_set(name))) if spec.fetched else spec.located(in_host(FETCHED))


def source_files(*names):
    """The files that conflict sets are read from."""
    sets = [(name, STUDY.sets[name]) for name in names]
    return [path for name, spec in sets for path in ([fetched_set(name)] if spec.fetched else files_of(spec))]


def readers(*names):
    """References of the functions that read the conflict sets ``names``, without repetition."""
    return sorted({reference for name in names for reference in STUDY.sets[name].implementations})


def questions_of(name):
    """The examples of the dataset that a conflict set or an augmentation is made from; none if it has none."""
    return [f"results/data/examples/{name}.parquet"] if name is not None else []


def augmented_from(recipe):
    """The dataset that a recipe makes examples from; None if it adds none, or makes them from the world."""
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
    """Whether the base model's context need decides what a recipe keeps or marks."""
    return STUDY.recipes[recipe].indicator is not None or any(
        selection.needs_scores for selection in STUDY.selections_of(recipe)
    )


def compared_sets(recipe):
    """The sets that a recipe's data must not overlap, sorted: those that it names, and for substitutions all."""
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
    """A recipe's changes to its data, as text."""
    return recipe.model_dump_json(include={"select", "augment", "indicator"})


def world_of(spec):
    """The world, for sources made from it; rules of other sources do not depend on it."""
    return as_json(STUDY.world) if spec.from_world else ""


def items_version(*names):
    """The versions of the items that ship with the project, for the sets ``names``; 0 if none do."""
    return max((STUDY.sets[name].version for name in names), default=0)


def listed_checkpoints(wildcards):
    """The list of a run's or a series' checkpoints, once it exists."""
    run = RUN.format(**wildcards)
    listing = checkpoints.list_series if run in SERIES else checkpoints.enumerate_checkpoints
    return listing.get(**wildcards).output.checkpoints


def response_chunks(wildcards):
    """The response files of all chunks of a run's checkpoints."""
    listed = listed_checkpoints(wildcards)
    folder = f"results/runs/{RUN}/responses".format(**wildcards)
    return [f"{folder}/chunk-{chunk:03d}.json" for chunk in range(len(CheckpointList.read(listed).chunks))]


def benchmark_chunks(wildcards):
    """The score files of all chunks of a run's checkpoints that take the benchmarks."""
    listed = listed_checkpoints(wildcards)
    folder = f"results/runs/{RUN}/benchmarks".format(**wildcards)
    evaluation = STUDY.evaluation
    chunks = CheckpointList.read(listed).benchmark_chunks(
        evaluation.benchmark_every, evaluation.checkpoints_per_job
    )
    return [f"{folder}/chunk-{chunk:03d}.json" for chunk in range(len(chunks))]


def benchmark_questions(wildcards):
    """The sources of the benchmarks' questions: the user's files, and those in the Hub's cache."""
    return [
        local(spec.path) if spec.path else f"results/data/benchmarks/{name}.json"
        for name, spec in STUDY.benchmarks.items()
    ]


def caption_of(figure):
    """The caption of a kind of figure: its page in report/, or if it has none, what the figure shows."""
    page = WORKFLOW / "report" / f"{figure}.rst"
    shows = FIGURES[figure].shows
    return page.read_text(encoding="utf-8") if page.is_file() else f"{shows[:1].upper()}{shows[1:]}.\n"


def fetched_series(name):
    """The downloaded checkpoints of a series, as a rule's input; none for one in a folder."""
    return [f"results/series/{name}/snapshots.json"] if STUDY.series[name].fetched else []


def look_at(name):
    """The current content of a series in a folder, so that new checkpoints are picked up."""
    spec = STUDY.series[name]
    return "" if spec.fetched else look(spec)


def listing_of(name):
    """The settings that determine a series' checkpoints, as text; labels and the seed are used only in tables."""
    return STUDY.series[name].model_dump_json(exclude={"labels", "seed"})


def step_labels(experiment):
    """The names of the steps of an experiment's series in figures, by series."""
    runs = STUDY.experiment_runs(experiment)
    return {run.dataset: labels for run in runs if (labels := STUDY.labels_of(run))}
