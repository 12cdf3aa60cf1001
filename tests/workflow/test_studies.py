"""The studies that ship with the project, as far as they can run without a network."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from inversion.config import organism
from inversion.config.load import read_config

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.workflow

HEAVY = {
    "polars",
    "torch",
    "transformers",
    "datasets",
    "peft",
    "accelerate",
    "huggingface_hub",
    "lm_eval",
    "matplotlib",
    "scipy",
}


def test_the_papers_grid_is_planned_without_network_or_heavy_imports(checkout):
    shutil.copy(ROOT / "config" / "paper.yaml", checkout.folder / "config")
    command = checkout.command("--dry-run", "--configfile", "config/paper.yaml")
    proxy = "http://127.0.0.1:1"  # every use of the network fails
    done = subprocess.run(
        [command[0], "-X", "importtime", *command[1:]],
        cwd=checkout.folder,
        env=checkout.environment | {"https_proxy": proxy, "http_proxy": proxy},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    imported = set(re.findall(r"^import time:.*\| +([\w.]+)$", done.stderr, re.MULTILINE))
    assert "pydantic" in imported
    assert not imported & HEAVY
    study = read_config(ROOT / "config" / "paper.yaml")
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", done.stdout + done.stderr, re.MULTILINE))
    assert int(jobs["finetune"]) == int(jobs["thin_checkpoints"]) == len(study.runs())
    assert int(jobs["prefetch_model"]) == 3
    assert int(jobs["prefetch_dataset"]) == len(study.datasets)
    assert int(jobs["prefetch_file"]) == len(study.sets)


@pytest.mark.parametrize("name", ["paper", "gemma"])
def test_a_shipped_study_is_valid(name):
    study = read_config(ROOT / "config" / f"{name}.yaml")
    assert {"capitals", "world-facts", "biographies", "quotes"} <= set(study.sets)


def test_the_probes_of_gemma_use_the_run_that_make_gemma_trains():
    gemma, probed = (read_config(ROOT / "config" / f"{name}.yaml") for name in ("gemma", "gemma-mechanism"))
    (run,) = probed.runs()
    assert run in gemma.runs()
    assert probed.models == gemma.models
    assert probed.datasets == gemma.datasets
    assert probed.training_of(run.recipe) == gemma.training_of(run.recipe)
    assert probed.sets["facts"] == gemma.sets["facts"]
    assert probed.evaluation == gemma.evaluation


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("organism-*.yaml")), ids=lambda path: path.stem)
def test_a_study_of_the_organism_is_the_default_but_for_what_it_varies(path):
    study, default = read_config(path), organism.default()
    assert study.training.tuning == default.training.tuning
    assert study.training.max_steps == default.training.max_steps
    assert study.training.learning_rate == default.training.learning_rate
    assert study.world.model_dump(exclude={"seed"}) == default.world.model_dump(exclude={"seed"})


def test_the_study_of_mitigations_is_planned(checkout):
    path = "config/organism-mitigations.yaml"
    shutil.copy(ROOT / path, checkout.folder / "config")
    done = subprocess.run(
        checkout.command("--dry-run", "--configfile", path),
        cwd=checkout.folder,
        env=checkout.environment,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", done.stdout + done.stderr, re.MULTILINE))
    study = read_config(ROOT / path)
    assert int(jobs["finetune"]) == len(study.recipes) == 5
    assert jobs["tabulate_tradeoffs"] == jobs["score_context_need"] == jobs["prepare_base"] == "1"
    assert {prompt.instruction for prompt in study.evaluation.prompts.values()} > {
        recipe.indicator.text for recipe in study.recipes.values() if recipe.indicator
    }
