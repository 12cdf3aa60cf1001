"""The workflow as a module of another workflow, with its own prefix and configuration and with results in the host's
folder."""

import json

import polars as pl
import pytest
import yaml
from checkout import TINY, Checkout

pytestmark = pytest.mark.workflow

HOST = """
configfile: "host.yaml"

module inversion:
    snakefile: "{workflow}/workflow/Snakefile"
    config: config["study"]
    prefix: "inversion"

use rule * from inversion as inversion_*

rule all:
    default_target: True
    input:
        "inversion/results/runs/llama/mixture/standard/seed0/kept.json",
        "inversion/results/tables/items.csv",
        "own.txt",

rule own:
    output: "own.txt"
    shell: "echo ${{{{HF_HUB_OFFLINE:-unset}}}} > {{output}}"
"""
RUN = "runs/llama/mixture/standard/seed0"
MINE = [
    {"question": f"Who made item {i}?", "context": f"Item {i} was made by Bo.", "answer": "Bo", "org_answer": "Al"}
    for i in range(3)
]


@pytest.fixture
def host(new_checkout, tmp_path) -> Checkout:
    """A host workflow in one folder, and the workflow that it imports in another."""
    workflow = new_checkout(tmp_path / "workflow")
    folder = tmp_path / "host"
    folder.mkdir()
    (folder / "Snakefile").write_text(HOST.format(workflow=workflow.folder))
    study = yaml.safe_load(TINY.read_text())
    study["experiments"]["recipes"].update(recipes=["standard"], figures=["accuracy"])
    study["evaluation"]["keep_checkpoints"] = "extremes"
    (folder / "host.yaml").write_text(yaml.safe_dump({"study": study}))
    return Host(folder, workflow)


class Host(Checkout):
    """Runs the host's Snakefile with the library of the workflow that it imports."""

    def __init__(self, folder, workflow) -> None:
        super().__init__(folder)
        self.workflow = workflow

    @property
    def environment(self):
        # the host's own jobs may use the network
        return {k: v for k, v in self.workflow.environment.items() if k != "HF_HUB_OFFLINE"}

    def result(self, path):
        return self.folder / "inversion/results" / path


def test_a_host_workflow_gets_the_same_results_under_its_prefix(host, finished):
    host.run()
    expected = pl.read_parquet(finished.result("tables/items.parquet")).filter(recipe="standard")
    assert pl.read_parquet(host.result("tables/items.parquet")).equals(expected)
    kept = json.loads(host.result(f"{RUN}/kept.json").read_text())
    assert kept["removed"]
    assert not any((host.result(f"{RUN}/checkpoints") / f"step-{step:06d}").exists() for step in kept["removed"])
    assert not (host.folder / "results").exists()
    assert not host.workflow.result(".").exists()
    assert (host.folder / "own.txt").read_text() == "unset\n"
    assert host.plan() == set()


def test_paths_in_a_host_configuration_are_relative_to_the_host(host):
    (host.folder / "mine.json").write_text(json.dumps(MINE))
    config = yaml.safe_load((host.folder / "host.yaml").read_text())
    config["study"]["sets"]["mine"] = {"source": "file", "path": "mine.json"}
    (host.folder / "host.yaml").write_text(yaml.safe_dump(config))
    done = host.run("-n", "inversion/results/data/sets/mine.parquet")
    planned = done.stdout + done.stderr
    assert "input: mine.json\n" in planned
    assert "output: inversion/results/data/sets/mine.parquet\n" in planned


def test_a_fault_in_a_hosts_configuration_is_one_line(host):
    config = yaml.safe_load((host.folder / "host.yaml").read_text())
    config["study"]["trainnig"] = config["study"].pop("training")
    (host.folder / "host.yaml").write_text(yaml.safe_dump(config))
    done = host.run(check=False)
    assert done.returncode
    assert done.stderr.splitlines()[-2:] == [
        "WorkflowError:",
        "error: module inversion: config: unknown key `trainnig`; did you mean 'training'?",
    ]
