"""Kills, damaged files and bad input, through the real DAG."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time

import pytest
import yaml

pytestmark = pytest.mark.workflow

RUN = "runs/llama/mixture/standard/seed0"


def longer(study):
    """One run that takes long enough to be killed halfway."""
    study["training"].update(max_steps=300, checkpoints=[{"every": 10}])
    study["recipes"] = {"standard": {}}
    study["experiments"]["recipes"].update(recipes=["standard"], figures=["accuracy"])


def weights(checkout):
    folder = checkout.result(f"{RUN}/checkpoints")
    return {f.parent.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in folder.glob("step-*/*.safetensors")}


def kill_in_training(checkout, after):
    """Run until the checkpoint of a step exists, then kill every process as in a node failure."""
    process = checkout.start("checkpoints")
    marker = checkout.result(f"{RUN}/checkpoints/state-{after:06d}/complete.json")
    deadline = time.monotonic() + 600  # long, so that a busy machine does not make a test fail
    while not marker.exists():
        assert process.poll() is None, "training ended before it could be killed"
        assert time.monotonic() < deadline, "no checkpoint appeared"
        time.sleep(0.01)
    checkout.kill(process)
    assert not checkout.result(f"{RUN}/train.json").exists()


@pytest.fixture(scope="module")
def undisturbed(finished, tmp_path_factory):
    """The longer study without interruption, trained on the model and data of the smallest study."""
    checkout = finished.copy(tmp_path_factory.mktemp("undisturbed"))
    checkout.study(longer)
    checkout.run("checkpoints")
    return checkout


@pytest.mark.parametrize("truncated", [False, True], ids=["killed", "killed, and its newest checkpoint truncated"])
def test_killed_training_resumes_and_equals_an_uninterrupted_one(undisturbed, rerun, truncated):
    rerun.study(longer)
    kill_in_training(rerun, after=100)
    steps = sorted(rerun.result(f"{RUN}/checkpoints").glob("step-*"))
    if truncated:
        damaged = steps[-1] / "model.safetensors"
        damaged.write_bytes(damaged.read_bytes()[:1000])
    rerun.run("--unlock")  # as the error of a plain run recommends
    rerun.run("checkpoints")
    log = rerun.result(f"logs/finetune/{RUN.removeprefix('runs/')}.log").read_text()
    newest = int(steps[-1].name.removeprefix("step-"))
    resumed = int(re.search(r"resuming from step (\d+) of 300", log)[1])
    # a kill between a step's weights and its resume state costs one more interval
    assert newest - 20 <= resumed <= (newest - 10 if truncated else newest)
    if truncated:
        assert f"{steps[-1].name}/model.safetensors has 1000 bytes" in log
    assert weights(rerun) == weights(undisturbed)
    assert len(weights(rerun)) == 30


def test_a_damaged_checkpoint_stops_the_responses_and_the_fix_works(rerun):
    weights_file = rerun.result(f"{RUN}/checkpoints/step-000004/model.safetensors")
    good = weights_file.read_bytes()
    weights_file.write_bytes(good[:-8])
    rerun.study(lambda s: s["evaluation"].update(max_new_tokens=2))
    done = rerun.run("responses", check=False)
    assert done.returncode
    assert "step-000004/model.safetensors has" in done.stderr
    fix = re.search(r"`snakemake (--forcerun \S+)`", done.stderr)[1]
    rerun.run("responses", *fix.split())
    assert weights_file.read_bytes() == good


def test_deleted_and_damaged_tables_are_named_and_created_again(rerun):
    """They are created again by a plain run, without a model. A truncated table keeps its time stamp, as after a full
    disk."""
    names = ["tables/items.parquet", "tables/flips.csv", "figures/accuracy-recipes.pdf", f"{RUN}/labels.parquet"]
    before = {name: rerun.result(name).read_bytes() for name in names}
    for name in names:
        file = rerun.result(name)
        state = file.stat()
        if name.endswith(".parquet"):
            file.write_bytes(before[name][:100])
            os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
        else:
            file.unlink()
    done = rerun.run()
    for name in names:
        assert rerun.result(name).read_bytes() == before[name]
        if name.endswith(".parquet"):
            assert f"results/{name} is damaged (it is truncated, at 100 bytes)" in done.stderr
            assert rerun.result(f"{name}.damaged").stat().st_size == 100
    ran = set(re.findall(r"^(?:local)?(?:rule|checkpoint) (\w+):", done.stderr, re.M)) - {"all"}
    assert {"label_responses", "tabulate_items", "tabulate_flips", "draw_figure"} <= ran
    assert all(rule.startswith(("label_", "tabulate_", "draw_", "write_")) for rule in ran)
    assert rerun.plan() == set()


def test_results_without_snakemakes_metadata_are_rerun_only_if_needed(rerun):
    """Results are copied without .snakemake. The manifests contain the learning rate of their training."""
    shutil.rmtree(rerun.folder / ".snakemake")
    assert rerun.plan() == set()
    rerun.study(lambda s: s["recipes"]["counterfactual"].update(training={"learning_rate": 1.0e-3}))
    planned = rerun.plan()
    assert [job.wildcards for job in planned if job.rule == "finetune"] == [
        "model=llama, dataset=mixture, recipe=counterfactual, seed=0"
    ]
    assert {"label_responses", "tabulate_curves"} <= {job.rule for job in planned}


BAD_STUDIES = {
    "unknown key": (lambda s: s.update(trainnig={}), "unknown key `trainnig`; did you mean 'training'?"),
    "unknown nested key": (
        lambda s: s["recipes"]["counterfactual"]["augment"].update(shre=0.1),
        "unknown key `recipes.counterfactual.augment.shre`; did you mean 'share'?",
    ),
    "wrong type": (lambda s: s["training"].update(max_steps="many"), "`training.max_steps` is 'many'"),
    "fraction outside [0, 1]": (
        lambda s: s["recipes"]["context-critical"]["select"][0].update(drop=1.5),
        "`recipes.context-critical.select.0.drop` is 1.5",
    ),
    "a recipe that removes everything": (
        lambda s: s["recipes"]["context-critical"]["select"][0].update(drop=1.0),
        "`recipes.context-critical.select.0.drop` is 1.0",
    ),
    "unknown model": (
        lambda s: s["experiments"]["recipes"].update(models=["lama"]),
        "experiments.recipes.models: no model is named 'lama'; did you mean 'llama'?",
    ),
    "duplicate run": (
        lambda s: s["experiments"]["recipes"].update(seeds=[0, 0]),
        "experiments.recipes lists the run llama/mixture/standard/seed0 twice",
    ),
    "words that no world model knows": (
        lambda s: s.setdefault("evaluation", {}).update(prompts={"asked": {"instruction": "answer plainly"}}),
        "evaluation.prompts.asked.instruction: models of the world, as",
    ),
    "no world": (lambda s: s.pop("world"), "the key `world` is missing"),
}


PARSE = """
import sys
from pathlib import Path
from snakemake.api import SnakemakeApi
from snakemake.exceptions import WorkflowError
from snakemake.settings.types import ConfigSettings, ResourceSettings

for study in sys.argv[1:]:
    with SnakemakeApi() as api:
        try:
            config = ConfigSettings(configfiles=[Path(study)])
            api.workflow(ResourceSettings(cores=1), config_settings=config, snakefile=Path("Snakefile")).list_rules()
        except WorkflowError as error:
            print(error)
"""
"""Reads the workflow with several studies in one process, and prints errors as Snakemake's own command does."""


def test_bad_studies_stop_with_one_line_before_anything_starts(checkout):
    good = (checkout.folder / "config/config.yaml").read_text()
    files = []
    for number, (change, _) in enumerate(BAD_STUDIES.values()):
        study = yaml.safe_load(good)
        change(study)
        files.append(f"config/bad-{number}.yaml")
        (checkout.folder / files[-1]).write_text(yaml.safe_dump(study, sort_keys=False))
    done = subprocess.run(
        [sys.executable, "-c", PARSE, *files],
        cwd=checkout.folder,
        env=checkout.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    errors = done.stdout.splitlines()
    assert len(errors) == len(files)
    for error, file, (_, message) in zip(errors, files, BAD_STUDIES.values(), strict=True):
        assert error.startswith(f"error: {file}: ")
        assert message in error
    assert not checkout.result(".").exists()


def lines(done):
    """The error output of a command, without the line about the profile."""
    assert done.returncode
    assert "Traceback" not in done.stderr
    return [line for line in done.stderr.splitlines() if not line.startswith("Using ")]


def test_a_bad_study_on_the_command_line_is_one_line_under_snakemakes_heading(checkout):
    checkout.study(lambda s: s.update(trainnig={}))
    assert lines(checkout.run(check=False)) == [
        "WorkflowError:",
        "error: config/config.yaml: unknown key `trainnig`; did you mean 'training'?",
    ]
    assert not checkout.result(".").exists()


def test_a_study_that_snakemake_itself_cannot_read_is_one_line(checkout):
    """Snakemake reads --configfile before the workflow, and its errors name neither the file nor the line."""
    (checkout.folder / "tab.yaml").write_text("models:\n\tllama: {}\n")
    assert lines(checkout.run("--configfile", "tab.yaml", check=False)) == [
        "error: tab.yaml: line 2, column 1: a tab cannot indent or begin a value in YAML; use spaces"
    ]
    (checkout.folder / "config/config.yaml").write_bytes(b"models: \xff\n")
    assert lines(checkout.run(check=False)) == [
        "WorkflowError:",
        "error: config/config.yaml: line 1: this is not UTF-8 text; save the file as UTF-8",
    ]


def test_results_that_are_not_a_folder_stop_with_one_line(checkout):
    (checkout.folder / "results").write_text("a file")
    (_, line) = lines(checkout.run(check=False))
    assert line.startswith("error: results is not a folder")


@pytest.fixture
def unwritable(checkout):
    """The results folder without permission to write, even for root."""
    folder = checkout.result(".")
    folder.mkdir(mode=0o500)
    root = os.geteuid() == 0
    if root and subprocess.run(["chattr", "+i", folder], capture_output=True, check=False).returncode:
        pytest.skip("root may write everywhere, and this file system has no immutable folders")
    yield folder
    if root:
        subprocess.run(["chattr", "-i", folder], check=True)


def test_unwritable_results_stop_with_one_line(checkout, unwritable):
    (_, line) = lines(checkout.run(check=False))
    assert line.startswith("error: results is not writable")
    assert list(unwritable.iterdir()) == []


def test_missing_data_is_named_before_anything_starts(checkout):
    checkout.study(lambda s: s["sets"].update(mine={"source": "file", "path": "data/none.json"}))
    (_, line) = lines(checkout.run(check=False))
    assert line.startswith("error: config/config.yaml: `sets.mine.path`: data/none.json: there is no such file")
    assert not checkout.result("models").exists()


def test_a_duplicate_key_is_named(checkout):
    """Snakemake would use the last of the two and ignore the first."""
    study = checkout.folder / "config/config.yaml"
    study.write_text(study.read_text() + "\ntraining: {batch_size: 4}\n")
    (_, line) = lines(checkout.run(check=False))
    assert re.fullmatch(r"error: config/config.yaml: line \d+, column 1: the key `training` is given twice; .*", line)


def test_a_study_can_be_in_its_own_folder(checkout, tmp_path):
    """``--directory`` keeps the results of studies apart, including those of the default study."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    checkout.run("--directory", str(elsewhere), "results/data/examples/mixture.parquet")
    assert (elsewhere / "results/data/examples/mixture.parquet").exists()
    assert not checkout.result(".").exists()
