"""Tiny worlds, tokenizers and base models that many tests share."""

import gc
import os
import sys
from pathlib import Path

import hypothesis
import pytest

from inversion.config.datasets import WORLD_TEMPLATE, WorldDataset
from inversion.config.models import Architecture
from inversion.config.world import World
from inversion.instruct.world_mixture import world_examples
from inversion.world.facts import build_world

# As in the Makefile: without stored byte code, every process that a test starts compiles torch again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")  # as in jobs: see CHEAPER_JOBS in workflow/main_process.py

TESTS = Path(__file__).parent

# long, so that a busy machine does not make a test fail
hypothesis.settings.register_profile("project", deadline=None)
hypothesis.settings.load_profile("project")

LONGEST = (
    "workflow/test_reruns.py",
    "train/test_processes.py",
    "workflow/test_series.py",
    "workflow/test_paper_data.py",
    "workflow/test_faults.py",
    "workflow/test_extensions.py",
    "workflow/test_profiles.py",
    "workflow/test_module_use.py",
    "workflow/test_probe_rules.py",
    "train/test_finetune.py",
    "train/test_pretrain.py",
    "analyse/test_panels.py",
    "series/test_exact.py",
    "respond/test_benchmarks.py",
    "instruct/test_hub_rows.py",
    "plot/test_plot_theory.py",
    "plot/test_probe_figures.py",
    "score/test_judgement.py",
)
"""The files that take longest, in the order in which pytest's workers get them. If a long file began last, the other
worker would have nothing to do meanwhile. The second file needs no finished study, because the first one makes the
study that other files copy."""


def pytest_collection_modifyitems(items):
    """Run the longest files first (`--no-loadscope-reorder` in pyproject.toml keeps this order)."""
    places = {TESTS / name: place for place, name in enumerate(LONGEST)}
    assert all(path.is_file() for path in places)
    items.sort(key=lambda item: places.get(item.path, len(places)))


# Fixtures import torch and transformers themselves: pytest's main process, which runs no test, reads this file before
# it starts its workers.


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    """Use one thread, because two pytest workers share two cores."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="module", autouse=True)
def _no_garbage_in_modules():
    """Exclude everything imported so far from garbage collection, which libraries trigger often (see
    ``inversion.job``)."""
    gc.enable()
    gc.freeze()


@pytest.fixture(scope="session")
def world():
    return build_world(World(known_subjects=24, new_subjects=24, relations=2, answers=8))


@pytest.fixture(scope="session")
def tokenizer(world):
    from inversion.world.tokenizer import build_tokenizer

    return build_tokenizer(world, 128)


@pytest.fixture(scope="session")
def template():
    return WORLD_TEMPLATE


def tiny_architecture(family):
    return Architecture(family=family, layers=2, hidden_size=16, heads=2, intermediate_size=32, max_positions=128)


@pytest.fixture
def tiny_model(tokenizer):
    """A function that returns a random tiny model of a family."""
    from inversion.models import new_model

    return lambda family="llama", seed=0: new_model(tiny_architecture(family), tokenizer, seed)


@pytest.fixture(scope="session")
def base_folder(tmp_path_factory, tokenizer) -> Path:
    """A folder with a random tiny Llama and its tokenizer."""
    from inversion.models import new_model

    folder = tmp_path_factory.mktemp("base")
    new_model(tiny_architecture("llama"), tokenizer, 0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def examples(world):
    return world_examples(world, WorldDataset(source="world", examples=48), "tiny")


@pytest.fixture(scope="session")
def series_of_trl(tmp_path_factory) -> Path:
    """Checkpoints that TRL trained (:func:`elsewhere.make_series`). A test that changes them must copy them first."""
    from elsewhere import make_series  # the import is here because it imports peft, which takes seconds

    return make_series(tmp_path_factory.mktemp("elsewhere"))
