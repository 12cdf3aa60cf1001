"""Faults of results, of answers generated elsewhere, of selections, and of the command ``inversion``."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

import polars as pl
from errors.cases import Case, Section, write
from errors.data import lines

from inversion import cli
from inversion.artifacts import folder_digest, folder_fault, read_json, seal_folder
from inversion.config.recipes import CounterfactualAugmentation, NoFactOverlapSelection, RandomSelection, Recipe
from inversion.config.run import Run
from inversion.config.training import Training
from inversion.exchange import read_answers
from inversion.fetch import fetch_file
from inversion.instruct.augment import TrainingSetInputs, build_training_set, counterfactuals
from inversion.instruct.selections import SelectionInputs, select
from inversion.manifests import BaseManifest, CheckpointList, TrainManifest
from inversion.parquet import read_parquet, write_parquet
from inversion.records.data import ConflictItem, Example, Message
from inversion.records.frames import read_records
from inversion.train.store import open_store, thin_checkpoints

# --- selections ----------------------------------------------------------------------------------


def example(number: int, context: str | None = None) -> Example:
    messages = [Message("user", f"Who leads town {number}?"), Message("assistant", f"Ann{number}")]
    return Example(f"own-{number:06d}", messages, context, None, None, None)


EXAMPLES = [example(number) for number in range(4)]
RUN = Run("llama", "own", "standard", 0)
OVERLAP = NoFactOverlapSelection(by="no_fact_overlap", sets=("capitals",))
NAMELESS = ConflictItem("i", "capitals", "conflict", "Who?", "Ann.", ["Ann"], [], "who", "capitals")


def selected(what: str, recipe: Recipe, fix: str | None = None, **inputs: Any) -> Case:
    return Case(what, lambda: select(EXAMPLES, recipe.select, 0, SelectionInputs(**inputs)), fix)


def recipe(*selections: dict[str, Any]) -> Recipe:
    return Recipe.model_validate_json(json.dumps({"select": selections}))


CONTEXT_ONLY = recipe({"by": "context_only"})
SELECTIONS = Section(
    "Selections and training sets",
    "By the rule `build_train_set`, before a run is trained.",
    [
        selected("A selection that keeps no example", CONTEXT_ONLY, "use data with contexts, or another selection"),
        selected("A selection by scores that were not made", recipe({"by": "context_need", "drop": 0.5})),
        Case(
            "A set without the names that a selection compares",
            lambda: select(EXAMPLES, [OVERLAP], 0, SelectionInputs({}, {"capitals": [NAMELESS]})),
        ),
        Case(
            "A selection as large as a recipe that keeps more",
            lambda: select(
                EXAMPLES,
                [RandomSelection(by="random", drop=0.75), RandomSelection(by="random", like="half")],
                0,
                SelectionInputs({}, {}, {"half": (RandomSelection(by="random", drop=0.5),)}),
            ),
        ),
        Case(
            "Two examples of one id",
            lambda: build_training_set(RUN, [*EXAMPLES, EXAMPLES[0]], Recipe(), len),
            "remove one",
        ),
        Case(
            "Counterfactual examples without a world",
            lambda: counterfactuals(CounterfactualAugmentation(share=0.5), 4, TrainingSetInputs(), 0),
            "name the data under `augment.dataset`",
        ),
        Case(
            "More counterfactual examples than the data give",
            lambda: counterfactuals(
                CounterfactualAugmentation(share=0.5, dataset="qa"), 4, TrainingSetInputs(questions=EXAMPLES), 0
            ),
            "lower share, or set augment.dataset to other data",
        ),
        Case("Fewer examples than a batch", lambda: Training(batch_size=32).require_enough(4, RUN.path)),
        Case(
            "A warm-up as long as the training on few examples",
            lambda: Training(batch_size=2, epochs=1.0, warmup_steps=10).require_enough(4, RUN.path),
        ),
        Case(
            "More steps than anyone waits for",
            lambda: Training(batch_size=1, epochs=10_000.0).require_enough(10_000, RUN.path),
        ),
    ],
)

# --- results -------------------------------------------------------------------------------------

TABLE = pl.DataFrame({"a": [1, 2, 3]})


def damaged(what: str, damage: Callable[[bytes], bytes], read: Callable[[str], object] = read_parquet) -> Case:
    """A table after ``damage`` to its bytes."""

    def cause() -> object:
        write_parquet("results/tables/items.parquet", TABLE)
        content = Path("results/tables/items.parquet").read_bytes()
        return read(write("results/tables/items.parquet", damage(content)))

    return Case(what, cause)


def flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def store(what: str, spoil: Callable[[Path], object], read: Callable[[Path], object], fix: str | None = None) -> Case:
    """A sealed folder of a checkpoint after ``spoil``."""

    def cause() -> object:
        folder = Path("results/runs/llama/own/standard/seed0/checkpoints/step-000010")
        write(str(folder / "model.safetensors"), "weights")
        seal_folder(folder)
        spoil(folder)
        return read(folder)

    return Case(what, cause, fix)


def fault(folder: Path) -> None:
    if found := folder_fault(folder):
        raise ValueError(found)


def rewrite(content: str) -> Callable[[Path], object]:
    return lambda folder: write(str(folder / "model.safetensors"), content)


AGAIN = "run `snakemake --forcerun` with the manifest that the job names: undamaged checkpoints are kept"
MANIFEST = "results/runs/llama/own/standard/seed0/train.json"


def locked() -> None:
    """Two processes that train one run."""
    with open_store("results/runs/x/checkpoints", "spec"), open_store("results/runs/x/checkpoints", "spec"):
        pass


def thinned() -> object:
    manifest = TrainManifest.model_construct(spec="other", steps=[])
    return thin_checkpoints("results/runs/x/checkpoints", manifest, [], "none")


RESULTS = Section(
    "Results that are missing or damaged",
    "By the job that reads them. Snakemake's main process finds tables that are cut short or changed, renames them and "
    "makes them again.",
    [
        Case("A table that is not there", lambda: read_parquet("results/tables/items.parquet"), "rerun"),
        damaged("A table that is truncated", lambda content: content[: len(content) // 2]),
        damaged("A table in which one bit is another", flip),
        damaged("A table that is empty", lambda content: b""),
        damaged("A table of another stage", lambda content: content, lambda path: read_records(path, Example)),
        Case("A manifest that is not there", lambda: TrainManifest.read(MANIFEST), "rerun"),
        Case("A manifest that is truncated", lambda: TrainManifest.read(write(MANIFEST, '{"spec": '))),
        Case("A manifest without a key", lambda: BaseManifest.read(write("results/models/m/base.json", "{}"))),
        Case("A manifest that is a list", lambda: CheckpointList.read(write("checkpoints.json", "[]"))),
        Case("An empty JSON file", lambda: read_json(write("series.json", ""))),
        store("A checkpoint that is truncated", rewrite("w"), fault, AGAIN),
        store("A checkpoint that was changed", rewrite("Weights"), fault, AGAIN),
        store("A checkpoint without its weights", lambda folder: (folder / "model.safetensors").unlink(), fault, AGAIN),
        store("A checkpoint without its marker", lambda folder: (folder / "complete.json").unlink(), fault, AGAIN),
        store("A marker that is truncated", lambda folder: write(str(folder / "complete.json"), "{"), fault, AGAIN),
        store("An empty marker", lambda folder: write(str(folder / "complete.json"), "{}"), folder_digest),
        Case("Two jobs that train one run", locked),
        Case("Weights to be removed that belong to another training", thinned),
    ],
)

# --- files from elsewhere ------------------------------------------------------------------------

ROW = {"step": 10, "set": "facts", "item_id": "q1", "text": "Paris"}
REPAIR = "correct the row"
FINISHED = "name one of the runs that are listed, or finish the run first"


def answers(what: str, *rows: dict[str, Any], fix: str = REPAIR) -> Case:
    return Case(what, lambda: read_answers(write("answers.jsonl", lines(*rows))), fix)


def command(what: str, *arguments: str, fix: str | None = None, prepare: Callable[[], object] = dict) -> Case:
    """A call of the command ``inversion``."""

    def cause() -> None:
        prepare()
        said = StringIO()
        with redirect_stderr(said):
            status = cli.main(arguments)
        if status:
            raise ValueError(said.getvalue().removeprefix("error: ").strip())

    return Case(what, cause, fix)


def another_checkpoint() -> None:
    write("out/config.json", "{}")
    write("out/model.safetensors", "x")


ELSEWHERE = Section(
    "Answers from elsewhere and the command line",
    "By `inversion`, by the readers of answers, and by the rules `prefetch_*`.",
    [
        answers("An answer without a text", {**ROW, "text": None}),
        answers("A step that is text", ROW, {**ROW, "step": "10", "item_id": "q2"}),
        answers("A step below zero", {**ROW, "step": -1}),
        answers("A step that is too large", {**ROW, "step": 10**20}),
        answers("A text with half of a surrogate pair", {**ROW, "text": "\ud800"}),
        answers("A log-probability above zero", {**ROW, "context_logprob": 0.5}),
        answers("A log-probability that is not a number", {**ROW, "context_logprob": float("nan")}),
        answers("An item that is answered twice", ROW, ROW, fix="remove one"),
        answers("A file without answers", fix="name a file with answers"),
        Case("Answers that are not there", lambda: read_answers("answers.jsonl"), "correct the path"),
        Case("Answers by step that are not there", lambda: read_answers("step{step}.jsonl"), "correct the pattern"),
        Case("Answers that are not JSON Lines", lambda: read_answers(write("answers.jsonl", "{"))),
        Case("Answers that are not Parquet", lambda: read_answers(write("a.parquet", "{")), "export them again"),
        Case("A log that is not inspect's", lambda: read_answers(write("log-1.json", "{}"), "inspect")),
        Case(
            "A download from a mirror that is not there",
            lambda: fetch_file("https://localhost:1/a.json", "0" * 64, "nowhere"),
        ),
        Case("A download without a network", lambda: fetch_file("https://localhost:1/a.json", "0" * 64)),
        command(
            "`inversion init` of a folder that is not there",
            "init",
            "--checkpoints",
            "nowhere",
            fix="correct the folder",
        ),
        command(
            "`inversion init` of a folder without checkpoints",
            *("init", "--checkpoints", "out"),
            prepare=lambda: Path("out").mkdir(),
            fix="name the folder that holds the checkpoints",
        ),
        command("`inversion init` of a checkpoint itself", "init", "--checkpoints", "out", prepare=another_checkpoint),
        command("`inversion export` of a run that is not there", "export", "my-sft", "answers.jsonl", fix=FINISHED),
        command("`inversion compare` of runs that are not there", "compare", "one", "two", fix=FINISHED),
    ],
)
