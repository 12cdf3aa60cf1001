"""Estimates the cost of a study before it is run, from its configuration: jobs, GPU hours, disk and downloads.

Hours come from earlier jobs of the same rule and model, if there are any. Everything else is estimated from the numbers
below, to within a factor of two or three. :func:`assumptions` lists them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from inversion.config.probes import Probe
from inversion.config.run import Run
from inversion.config.study import Config
from inversion.config.tasks import TASKS, BenchmarkTask

FLOPS = 1.5e14
"""Operations per second that an 80 GB GPU sustains in bfloat16."""
BYTES_A_SECOND = 1.0e12
"""Bytes per second that it reads from its memory, which limits generation."""
LARGE = 1_000_000_000
"""Models with at least this many parameters run on a GPU."""
MODEL_PARAMETERS = 7e9
"""Assumed number of parameters of a model whose name does not give it."""
EXAMPLES = 100_000
"""Assumed number of examples of a dataset that has not been prepared."""
TOKENS_AN_EXAMPLE = 400
"""Assumed number of tokens per example, unless ``max_length`` is smaller."""
SERIES_CHECKPOINTS = 20
"""Assumed number of checkpoints of a Hub series that has not been downloaded."""
ITEMS = 500
"""Assumed number of items of a conflict set that does not give it."""
TOKENS_A_QUESTION = 150
FEWEST_ITEMS = 50
"""The smallest sample of a set that is proposed."""
ALMOST = 0.015
"""How much larger the fall may be that a proposed sample detects."""
LAYERS = 32
"""Assumed number of layers of a model whose hours are estimated, for probes whose cost depends on it."""
OTHER_TASK = BenchmarkTask("", "", questions=10_000, tokens_read=500)
"""The assumed cost of a task that is not in :data:`~inversion.config.tasks.TASKS`."""
LOADING_HOURS = 0.02
"""Hours to load a checkpoint or a base model."""
GPU_RULES = (
    "score_context_need",
    "probe_knowledge",
    "finetune",
    "generate_responses",
    "run_benchmarks",
    "probe_checkpoints",
)
"""The rules that request GPUs if the base model is large."""
DATASET_GB = 1.0
"""Assumed download size of an instruction dataset on the Hub, in GB."""


@dataclass(frozen=True)
class PlannedJob:
    """A job of the workflow: its rule, its wildcards, and whether it is finished."""

    rule: str
    wildcards: Mapping[str, str]
    done: bool

    @property
    def stage(self) -> str:
        """The name of its row in the plan: its rule, or for probes the name of the probe."""
        return f"probe_{self.wildcards['probe']}" if self.rule == "probe_checkpoints" else self.rule


@dataclass(frozen=True)
class KnownCounts:
    """Counts and times from earlier runs, if there are any."""

    parameters: Mapping[str, int] = field(default_factory=dict)
    """Number of parameters of each base model that has been prepared."""
    examples: Mapping[str, int] = field(default_factory=dict)
    """Number of examples of each dataset that has been prepared."""
    checkpoints: Mapping[str, int] = field(default_factory=dict)
    """Number of checkpoints of each series whose folder exists or that has been downloaded."""
    hours: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """Mean hours of a job by rule and model."""


@dataclass(frozen=True)
class Stage:
    """The jobs of one rule or of one probe. Hours and gigabytes are those of unfinished jobs."""

    rule: str
    jobs: int
    done: int
    gpu_hours: float = 0.0
    disk_gb: float = 0.0
    download_gb: float = 0.0
    measured: bool = False
    """Whether the hours come from earlier jobs."""


def plan(study: Config, rules: Sequence[str], jobs: Sequence[PlannedJob], known: KnownCounts) -> list[Stage]:
    """One row for each of ``rules`` that has ``jobs``, in order.

    Snakemake does not know the jobs for responses and benchmarks before a run's checkpoints exist. For such runs their
    number is computed here.
    """
    jobs = [*jobs, *_unknown_chunks(study, jobs, known)]
    stages = {stage: None for rule in rules for stage in [job.stage for job in jobs if job.rule == rule]}
    return [_stage(study, stage, [job for job in jobs if job.stage == stage], known) for stage in stages]


def checkpoints(study: Config, run: Run, known: KnownCounts) -> int:
    """The number of checkpoints of a run, without the base model; for a series, without its start."""
    if run.dataset in study.series:
        spec = study.series[run.dataset]
        return _series_checkpoints(study, run.dataset, known) - (spec.model is None or not spec.ask_base)
    training = study.training_of(run.recipe)
    return sum(step > 0 for step in training.checkpoint_steps(_steps(study, run, known)))


def _series_checkpoints(study: Config, name: str, known: KnownCounts) -> int:
    """The number of checkpoints of a series: those that were found, or otherwise those that its configuration lists."""
    spec = study.series[name]
    listed = len(spec.steps or spec.listed_checkpoints()) or SERIES_CHECKPOINTS
    return known.checkpoints.get(name, listed)


def parameters(study: Config, model: str, known: KnownCounts) -> float:
    """The number of parameters of a base model: of the prepared model, or otherwise from its architecture or name."""
    if model in known.parameters:
        return known.parameters[model]
    spec = study.models.get(model) or study.series[model]  # a series without a model is its own base
    if getattr(spec, "from_world", False):
        return 1e6
    named = re.search(r"(\d+(?:\.\d+)?)(b|m)(?![a-z])", f"{getattr(spec, 'id', '')} {model}".lower())
    return float(named[1]) * (1e9 if named[2] == "b" else 1e6) if named else MODEL_PARAMETERS


def assumptions(study: Config, known: KnownCounts) -> list[str]:
    """The assumptions of the estimates, one line each."""
    models = {model: parameters(study, model, known) for model in dict.fromkeys(run.model for run in study.runs())}
    datasets = dict.fromkeys(run.dataset for run in study.runs())
    guessed = [name for name in datasets if name not in known.examples and name not in study.series]
    series = {name: _series_checkpoints(study, name, known) for name in datasets if name in study.series}
    lines = [f"model {name}: {count / 1e9:.3g}e9 parameters" for name, count in models.items()]
    if guessed:
        lines.append(f"{EXAMPLES} examples each, counted once they are prepared: {', '.join(guessed)}")
    for name, count in series.items():
        lines.append(f"series {name}: {count} checkpoints{'' if name in known.checkpoints else ', not counted yet'}")
    return [
        *lines,
        f"at most {TOKENS_AN_EXAMPLE} tokens per example, {TOKENS_A_QUESTION} per question, {ITEMS} items per set that "
        "sets no number",
        *(
            f"benchmark {name}: {task.questions} questions, each {task.tokens_read} tokens read and "
            f"{task.tokens_written} written"
            for name, task in ((name, TASKS.get(spec.task, OTHER_TASK)) for name, spec in study.benchmarks.items())
        ),
        f"a GPU of 80 GB performs {FLOPS:.2g} operations and reads {BYTES_A_SECOND:.2g} bytes of memory per second; "
        f"models below {LARGE:.0e} parameters use none",
        "disk: checkpoints of all runs at once, before any is deleted, and the resume states of the largest run",
    ]


def detectable(study: Config, known: KnownCounts) -> list[str]:
    """The smallest falls that each experiment detects, one line per number of checkpoints and seeds of its runs.

    They are those of the primary analysis for the smallest and the largest conflict set, with the scatter of
    checkpoints in the study (``evaluation.scatter``). Series whose checkpoints are not known yet are omitted.
    """
    # imported here because it imports scipy, and every job of the workflow imports this module for one constant
    from inversion.analyse.power import AUTOCORRELATION, POWER

    sizes = sorted({_set_items(study, spec) for spec in study.sets.values()})
    lines, largest = [], 0
    for name in study.experiments:
        runs = [
            run
            for run in study.experiment_runs(name)
            if run.recipe in study.recipes or run.dataset in known.checkpoints
        ]
        groups: dict[tuple[int, int], list[str]] = {}
        for group in dict.fromkeys(run[:3] for run in runs):
            seeds = sum(run[:3] == group for run in runs)
            count = 1 + checkpoints(study, next(run for run in runs if run[:3] == group), known)
            groups.setdefault((count, seeds), []).append(group[1])
            largest = max(largest, count)
        for (count, seeds), datasets in groups.items():
            found = [
                _falls(items, count, seeds, len(runs) * len(study.sets), study)
                for items in dict.fromkeys([sizes[0], sizes[-1]])
            ]
            where = f"{name}, {', '.join(dict.fromkeys(datasets))} ({_counted(count, 'checkpoint')})"
            lines.append(f"{where}: {'; '.join(found)}")
    if lines and study.evaluation.design is None:
        lines += _fewer_items(sizes[-1], largest, study)
    return [
        *lines,
        f"assumed: checkpoints scatter by {100 * study.evaluation.scatter:g} points around their trend "
        f"(autocorrelation {AUTOCORRELATION:g}), the fall is linear after a rise in the first fifth, "
        "seeds differ by scatter only, "
        f"and the verdict of a run is corrected for all runs and sets of its experiment; power {POWER:.0%}",
    ]


def _fewer_items(items: int, checkpoints: int, study: Config) -> list[str]:
    """The smallest tenth of a set's ``items`` that detects almost the same fall in one run, as a line that proposes it;
    none if all of them are needed."""
    from inversion.analyse.power import detectable_fall

    margin, scatter = study.evaluation.margin, study.evaluation.scatter

    def fall(count: int) -> float:
        return detectable_fall(count, checkpoints, 1, 1, margin, scatter).run

    whole = fall(items)
    for tenths in range(1, 8):
        count = math.ceil(items * tenths / 10)
        if count >= FEWEST_ITEMS and (found := fall(count)) <= whole + ALMOST:
            return [
                f"`evaluation.design: {{items: {count}}}` evaluates {100 * count / items:.0f} % of the largest set and "
                f"detects a fall of {100 * found:.1f} instead of {100 * whole:.1f} points in one run, before correction"
            ]
    return []


def _falls(items: int, checkpoints: int, seeds: int, tests: int, study: Config) -> str:
    """The smallest falls that are detected in a set with ``items`` items, in words."""
    from inversion.analyse.power import detectable_fall

    found = detectable_fall(items, checkpoints, seeds, tests, study.evaluation.margin, study.evaluation.scatter)
    run = "no fall" if math.isnan(found.run) else f"a fall of {100 * found.run:.0f} points"
    mean = "one run per recipe: descriptive" if seeds == 1 else f"{seeds} seeds: descriptive"
    if not math.isnan(found.mean):
        mean = f"{100 * found.mean:.0f} points in the mean of {seeds} seeds"
    return f"{_counted(items, 'item')}: {run} in one run, {mean}"


def _counted(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"


def table(stages: Iterable[Stage]) -> str:
    """The plan as text, with a line of totals."""
    stages = list(stages)
    total = Stage(
        "total",
        jobs=sum(stage.jobs for stage in stages),
        done=sum(stage.done for stage in stages),
        gpu_hours=sum(stage.gpu_hours for stage in stages),
        disk_gb=sum(stage.disk_gb for stage in stages),
        download_gb=sum(stage.download_gb for stage in stages),
    )
    head = f"{'stage':<22}{'jobs':>6}{'cached':>8}{'to do':>7}{'GPU hours':>11}{'disk GB':>9}{'download GB':>13}"
    rows = [
        f"{stage.rule:<22}{stage.jobs:>6}{stage.done:>8}{stage.jobs - stage.done:>7}{stage.gpu_hours:>11.1f}"
        f"{stage.disk_gb:>9.1f}{stage.download_gb:>13.1f}{'  measured' if stage.measured else ''}"
        for stage in [*stages, total]
    ]
    return "\n".join([head, *rows])


def _stage(study: Config, rule: str, jobs: Sequence[PlannedJob], known: KnownCounts) -> Stage:
    to_do = [job for job in jobs if not job.done]
    measured = [job for job in to_do if (rule, job.wildcards.get("model", "")) in known.hours]
    hours = [known.hours.get((rule, job.wildcards.get("model", ""))) or _hours(study, job, known) for job in to_do]
    return Stage(
        rule=rule,
        jobs=len(jobs),
        done=len(jobs) - len(to_do),
        gpu_hours=sum(_gpus(study, job, known) * each for job, each in zip(to_do, hours, strict=True)),
        disk_gb=_disk_gb(study, to_do, known),
        download_gb=sum(_download_gb(study, job, known) for job in to_do),
        measured=bool(measured),
    )


def _run(job: PlannedJob) -> Run:
    w = job.wildcards
    return Run(w["model"], w["dataset"], w["recipe"], int(w["seed"]))


def _examples(dataset: str, study: Config, known: KnownCounts) -> int:
    return known.examples.get(dataset) or getattr(study.datasets[dataset], "examples", None) or EXAMPLES


def _steps(study: Config, run: Run, known: KnownCounts) -> int:
    return study.training_of(run.recipe).total_steps(_examples(run.dataset, study, known))


def _set_items(study: Config, spec: object) -> int:
    """The number of conflict items of a set that every checkpoint answers. A set that does not give its number is
    assumed to have :data:`ITEMS`."""
    items: int = getattr(spec, "items", None) or getattr(spec, "limit", None) or ITEMS
    return min(items, study.evaluation.design.items) if study.evaluation.design else items


def _items(study: Config) -> int:
    """The number of questions per checkpoint. Those with contrastive decoding count twice."""
    sets = sum(_set_items(study, spec) * (1 + len(getattr(spec, "controls", ()))) for spec in study.sets.values())
    return sets * sum(1 if prompt.decoding is None else 2 for prompt in study.evaluation.prompts.values())


def _gpus(study: Config, job: PlannedJob, known: KnownCounts) -> int:
    """The number of GPUs that the rules request for a job."""
    model = job.wildcards.get("model")
    if model is None or job.rule not in GPU_RULES or parameters(study, model, known) < LARGE:
        return 0
    return max(1, study.training_of(job.wildcards["recipe"]).gpus) if job.rule == "finetune" else 1


def _hours(study: Config, job: PlannedJob, known: KnownCounts) -> float:
    """Estimated hours of a job on each of its GPUs."""
    if not _gpus(study, job, known):
        return 0.0
    count = parameters(study, job.wildcards["model"], known)
    forward = 2 * count / FLOPS / 3600  # a token
    match job.rule:
        case "finetune":
            run = _run(job)
            training = study.training_of(run.recipe)
            tokens = _steps(study, run, known) * training.batch_size * min(TOKENS_AN_EXAMPLE, training.max_length)
            # backward costs two forward passes if all weights are trained, one with adapters; recomputing one more
            passes = (3 if training.tuning.trains_all else 2) + training.activation_checkpointing
            return tokens * passes * forward / max(1, training.gpus) + LOADING_HOURS
        case "score_context_need":
            return 2 * _examples(job.wildcards["dataset"], study, known) * TOKENS_AN_EXAMPLE * forward + LOADING_HOURS
        case "generate_responses" | "run_benchmarks":
            chunk = study.evaluation.checkpoints_per_job
            total = _evaluated_checkpoints(study, job.rule, _run(job), known)
            each = _answering_hours if job.rule == "generate_responses" else _benchmarking_hours
            return min(chunk, total - chunk * int(job.wildcards["chunk"])) * each(study, count)
        case "probe_checkpoints":
            probe: Probe = getattr(study.probes, job.wildcards["probe"])
            tokens = probe.examples_read * TOKENS_AN_EXAMPLE
            tokens += (probe.questions_read * len(study.sets) + probe.texts_read) * TOKENS_A_QUESTION
            once = probe.questions_read_once(LAYERS) * len(study.sets) * TOKENS_A_QUESTION * forward
            return (1 + checkpoints(study, _run(job), known)) * (tokens * forward + LOADING_HOURS) + once
    return _answering_hours(study, count)


def _answering_hours(study: Config, count: float) -> float:
    """Hours for one checkpoint's responses: questions are read with and without the context, and answers generated."""
    items = _items(study)
    reading = 2 * items * TOKENS_A_QUESTION * 2 * count / FLOPS
    batches = math.ceil(items / study.evaluation.batch_size)
    writing = batches * study.evaluation.max_new_tokens * 2 * count / BYTES_A_SECOND
    return (reading + writing) / 3600 + LOADING_HOURS


def _benchmarking_hours(study: Config, count: float) -> float:
    """Hours for one checkpoint's benchmarks: questions are read, and answers generated if the task needs them."""
    seconds = 0.0
    for spec in study.benchmarks.values():
        task = TASKS.get(spec.task, OTHER_TASK)
        questions = min(task.questions, spec.limit * task.subjects) if spec.limit else task.questions
        batches = math.ceil(questions / study.evaluation.batch_size)
        seconds += questions * task.tokens_read * 2 * count / FLOPS
        seconds += batches * task.tokens_written * 2 * count / BYTES_A_SECOND
    return seconds / 3600 + LOADING_HOURS


def _evaluated_checkpoints(study: Config, rule: str, run: Run, known: KnownCounts) -> int:
    """The number of a run's checkpoints that a rule evaluates, including the base model."""
    listed = 1 + checkpoints(study, run, known)
    if rule == "generate_responses":
        return listed
    every = study.evaluation.benchmark_every
    return math.ceil(listed / every) + ((listed - 1) % every > 0)


def _unknown_chunks(study: Config, jobs: Iterable[PlannedJob], known: KnownCounts) -> list[PlannedJob]:
    jobs = list(jobs)
    chunks = []
    for rule, then in (("generate_responses", "label_responses"), ("run_benchmarks", "collect_benchmarks")):
        there = {_run(job) for job in jobs if job.rule == rule}
        for run in [_run(job) for job in jobs if job.rule == then]:
            if run not in there:
                count = math.ceil(
                    _evaluated_checkpoints(study, rule, run, known) / study.evaluation.checkpoints_per_job
                )
                wildcards = run._asdict() | {"seed": str(run.seed)}
                chunks += [PlannedJob(rule, wildcards | {"chunk": str(chunk)}, done=False) for chunk in range(count)]
    return chunks


def _trained(study: Config, run: Run, known: KnownCounts) -> float:
    """The number of parameters that a run trains."""
    return study.training_of(run.recipe).tuning.trained_parameters(parameters(study, run.model, known))


def _disk_gb(study: Config, jobs: Sequence[PlannedJob], known: KnownCounts) -> float:
    """Checkpoints take 4 bytes per trained parameter for adapters and 2 for full models; each of the two resume states
    takes 8 more."""
    if not jobs or jobs[0].rule != "finetune":
        return 0.0
    runs = [_run(job) for job in jobs]
    bytes_each = {
        run: (2 if study.training_of(run.recipe).tuning.trains_all else 4) * _trained(study, run, known) for run in runs
    }
    weights = sum(checkpoints(study, run, known) * bytes_each[run] for run in runs)
    return (weights + 2 * 8 * max(_trained(study, run, known) for run in runs)) / 1e9


def _download_gb(study: Config, job: PlannedJob, known: KnownCounts) -> float:
    match job.rule:
        case "prefetch_model":
            return 2 * parameters(study, job.wildcards["model"], known) / 1e9
        case "prefetch_series":
            name = job.wildcards["series"]
            each = 2 * parameters(study, study.series[name].model or name, known) / 1e9  # whole models
            return _series_checkpoints(study, name, known) * each
        case "prefetch_dataset":
            return DATASET_GB
        case "prefetch_file":
            return 0.001
    return 0.0
