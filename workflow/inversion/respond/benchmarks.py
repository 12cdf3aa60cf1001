"""Runs benchmarks with lm-eval on a chunk of a run's checkpoints, and stores the score of every question.

Tasks are those of lm-eval, with its prompts and metrics, or ours in ``tasks/``. Questions come from the Hub's cache or
from a file. lm-eval's cache of answers is never used, because it does not distinguish checkpoints.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import lm_eval.tasks
import numpy as np
from lm_eval import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from transformers import PreTrainedTokenizerBase

from inversion.artifacts import sha256_file
from inversion.config.base import nearest
from inversion.config.evaluation import Benchmark
from inversion.config.tasks import TASKS
from inversion.manifests import BENCHMARKS_FILE, CheckpointEntry, MeasuredManifest
from inversion.models import CheckpointLoader
from inversion.records.answers import BenchmarkScore
from inversion.respond import BENCHMARK_VERSION
from inversion.respond.benchmark_files import benchmark_questions
from inversion.respond.resumable import MeasurePart, ResultFiles, measure_checkpoints, weights_of

OURS = Path(__file__).parent / "tasks"


def run_benchmarks(
    base: str | Path,
    base_digest: str,
    run_folder: str | Path,
    chunk: Sequence[CheckpointEntry],
    benchmarks: Mapping[str, Benchmark],
    batch_size: int,
    tokenizer: str | Path | None = None,
) -> MeasuredManifest:
    """Run ``benchmarks`` on every checkpoint of ``chunk``, and write the scores to ``run_folder``/benchmarks.

    Each benchmark is a separate part. Resuming and errors are those of
    :func:`~inversion.respond.resumable.measure_checkpoints`. Also raises :class:`ValueError` for the reasons of
    :func:`load_tasks` and :func:`evaluate`.
    """
    parts = {
        name: spec.model_dump(mode="json", exclude={"path", "metric"})
        | {"file": sha256_file(spec.path) if spec.path and Path(spec.path).is_file() else None}
        for name, spec in benchmarks.items()
    }

    def prepare() -> Callable[[CheckpointEntry], MeasurePart[BenchmarkScore]]:
        tasks = functools.cache(lambda name: load_tasks(name, benchmarks[name]))  # only those that are evaluated
        checkpoints = CheckpointLoader.on(base, base_digest, merging=True, tokenizer=tokenizer)

        def at(entry: CheckpointEntry) -> MeasurePart[BenchmarkScore]:
            model = checkpoints.load(weights_of(entry, base, run_folder))
            return lambda name: evaluate(
                model, checkpoints.tokenizer, name, benchmarks[name], tasks(name), entry.step, batch_size
            )

        return at

    files = ResultFiles("benchmarks", BENCHMARKS_FILE, "scored", parts=("benchmark",))
    return measure_checkpoints(run_folder, files, chunk, {"version": BENCHMARK_VERSION}, parts, prepare, BenchmarkScore)


def load_tasks(name: str, spec: Benchmark) -> list[Any]:
    """The lm-eval tasks of the benchmark ``name`` with their questions: a single task, or one task per subject.

    Raises :class:`ValueError` if lm-eval has no such task, if its questions are not available, or for the reasons of
    :func:`~inversion.respond.benchmark_files.benchmark_questions`.
    """
    manager = _task_manager(spec)
    known = TASKS.get(spec.task)
    task = known.file_task if known and known.file_task and spec.path else spec.task
    if task not in manager.all_tasks:
        raise ValueError(f"benchmarks.{name}.task: lm-eval has no task {task!r}{nearest(task, manager.all_tasks)}")
    changes: dict[str, Any] = {}
    if spec.few_shot is not None:
        changes["num_fewshot"] = spec.few_shot
    if spec.revision is not None:
        changes["dataset_kwargs"] = {"revision": spec.revision}
    if spec.path is not None:
        questions = datasets.Dataset.from_list(benchmark_questions(spec.path, spec.task))
        changes |= {
            "custom_dataset": lambda **_: datasets.DatasetDict(test=questions),
            "dataset_kwargs": None,
            "training_split": None,
            "validation_split": None,
            "fewshot_split": None,
            "test_split": "test",
            "num_fewshot": 0,
        }
    try:
        # lm-eval's public `load` can only override single tasks, but mmlu is a group of tasks
        built = manager._factory.build(manager._index[task], overrides=changes, registry=manager._index)
        return list(manager.load(built if isinstance(built, list) else [built])["tasks"].values())
    except (ConnectionError, FileNotFoundError, datasets.exceptions.DatasetsError) as error:
        raise ValueError(
            f"benchmarks.{name}: the questions of {task!r} are not complete in the Hub's cache "
            f"({str(error).splitlines()[0]}); fetch them with `snakemake --forcerun prefetch_benchmark` where there is "
            "network, or name a file under `path`"
        ) from None


def _task_manager(spec: Benchmark) -> TaskManager:
    known = TASKS.get(spec.task)
    if known is None:  # searching all of lm-eval's tasks takes a minute
        return TaskManager(include_path=str(OURS))
    theirs = [str(Path(lm_eval.tasks.__file__).parent / known.folder)] if known.folder else []
    return TaskManager(include_path=[str(OURS), *theirs], include_defaults=False)


def evaluate(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    name: str,
    spec: Benchmark,
    tasks: Sequence[Any],
    step: int,
    batch_size: int,
) -> list[BenchmarkScore]:
    """The scores of ``model`` on the benchmark ``name``: one row per question and metric.

    Raises :class:`ValueError` if the benchmark does not have the configured metric, or if the metric is not a mean over
    questions.
    """
    found = simple_evaluate(
        model=HFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch_size, softmax_dtype="float32"),
        tasks=list(tasks),
        task_manager=TaskManager(include_path=str(OURS), include_defaults=False),  # the tasks are already loaded
        limit=spec.limit,
        bootstrap_iters=0,
    )
    scores = [
        BenchmarkScore(
            step, name, task, sample["doc_id"], f"{metric},{sample['filter']}", float(np.float64(sample[metric]))
        )
        for task, samples in sorted(found["samples"].items())
        for sample in sorted(samples, key=lambda sample: (sample["doc_id"], sample["filter"]))
        for metric in sample["metrics"]
        if isinstance(sample[metric], int | float | np.number | np.bool_)
    ]
    _require_mean(name, spec.main_metric, scores, found["results"])
    return scores


def _require_mean(name: str, metric: str, scores: Sequence[BenchmarkScore], results: Mapping[str, Any]) -> None:
    """Raises :class:`ValueError` unless the means of ``scores`` equal those that lm-eval reports."""
    where = f"benchmarks.{name}.metric"
    for task in sorted({score.task for score in scores}):
        values = [score.score for score in scores if score.task == task and score.metric == metric]
        if not values:
            raise ValueError(f"{where}: {task} has no {metric!r}{nearest(metric, sorted({s.metric for s in scores}))}")
        if not np.isclose(np.mean(values), results[task][metric]):
            raise ValueError(f"{where}: {metric!r} of {task} is not a mean over questions; use another metric")
