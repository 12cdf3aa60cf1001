"""A toy can be added to every extension point by a declaration and an implementation, without any other change.

CONTRIBUTING describes how to extend each point.
"""

import json
import subprocess
import sys
from typing import NamedTuple

import polars as pl
import pytest

pytestmark = pytest.mark.workflow

LIBRARY = "workflow/inversion"


class Toy(NamedTuple):
    """A declaration and an implementation: text that replaces an anchor in a file, or a new file."""

    declared_in: str
    declaration: dict[str, str]
    implemented_in: str
    implementation: dict[str, str] | str

    def add_to(self, checkout) -> None:
        for anchor, text in self.declaration.items():
            checkout.edit(self.declared_in, anchor, text)
        if isinstance(self.implementation, str):
            file = checkout.folder / self.implemented_in
            assert not file.exists()
            file.write_text(self.implementation)
        else:
            for anchor, text in self.implementation.items():
                checkout.edit(self.implemented_in, anchor, text)


TOYS = {
    "set format": Toy(
        f"{LIBRARY}/config/sets.py",
        {"SET_FORMATS = {\n": 'SET_FORMATS = {\n    "toy": SetFormat("inversion.conflict.toy:read"),\n'},
        f"{LIBRARY}/conflict/toy.py",
        """
from pathlib import Path

from inversion.records.data import ConflictItem


def read(path, name):
    rows = [line.split("|") for line in Path(path).read_text().splitlines()]
    return [
        ConflictItem(f"{name}-{i}", name, "conflict", question, context, [new], [known], question, name)
        for i, (question, context, new, known) in enumerate(rows)
    ]
""",
    ),
    "scorer": Toy(
        f"{LIBRARY}/config/scorers.py",
        {
            '    "logprob": ScorerKind(': '    "toy_scorer": ScorerKind("inversion.score.toy:label", "text", "any"),\n'
            '    "logprob": ScorerKind('
        },
        f"{LIBRARY}/score/toy.py",
        """
def label(item, response):
    return "context"
""",
    ),
    "figure": Toy(
        f"{LIBRARY}/config/figures.py",
        {
            "FIGURES: dict[str, FigureKind] = {\n": """FIGURES: dict[str, FigureKind] = {
    "toy_figure": FigureKind("inversion.plot.toy:draw", "a toy of a figure"),
"""
        },
        f"{LIBRARY}/plot/toy.py",
        """
from matplotlib.figure import Figure


def draw(curves, runs):
    figure = Figure()
    figure.subplots().plot(curves["step"], curves["value"])
    return figure
""",
    ),
    "probe": Toy(
        f"{LIBRARY}/config/probes.py",
        {
            "class Probes(Strict):": '''class ToyProbe(Probe):
    """A toy."""

    version: ClassVar[int] = 1
    measure: ClassVar[str] = "inversion.respond.toy:measure"
    facts: ClassVar[str] = "inversion.respond.toy:Fact"
    tabulate: ClassVar[str] = "inversion.respond.toy:tabulate"
    draw: ClassVar[str] = "inversion.respond.toy:draw"
    shows: ClassVar[str] = "what a toy probe found"

    scale: PositiveInt = 1


class Probes(Strict):''',
            "    attention: AttentionProbe | None = None": "    toy: ToyProbe | None = None\n"
            "    attention: AttentionProbe | None = None",
        },
        f"{LIBRARY}/respond/toy.py",
        """
from dataclasses import dataclass

import polars as pl
from matplotlib.figure import Figure

from inversion.respond.probing import probe_checkpoints


@dataclass(frozen=True, slots=True)
class Fact:
    step: int
    value: float


def measure(run, probe):
    def prepare():
        return lambda entry: [Fact(entry.step, float(probe.scale * entry.step))]

    return probe_checkpoints(run.folder, "toy", run.steps, {"scale": probe.scale}, prepare, Fact)


def tabulate(run, facts, bootstrap):
    return facts.select(pl.lit(run.recipe).alias("recipe"), "step", "value")


def draw(table, runs):
    figure = Figure()
    figure.subplots().plot(table["step"], table["value"])
    return figure
""",
    ),
    "tuning": Toy(
        f"{LIBRARY}/config/training.py",
        {
            "class QloraTuning(AdapterTuning):": '''class ToyTuning(AdapterTuning):
    """A toy."""

    adapter: ClassVar[str] = "inversion.models.toy:config"

    method: Literal["toy"]


class QloraTuning(AdapterTuning):''',
            "Tuning = Annotated[FullTuning |": "Tuning = Annotated[ToyTuning | FullTuning |",
        },
        f"{LIBRARY}/models/toy.py",
        """
from peft import LoraConfig


def config(tuning, modules):
    return LoraConfig(task_type="CAUSAL_LM", r=1, target_modules=modules, init_lora_weights=False)
""",
    ),
    "template": Toy(
        f"{LIBRARY}/config/datasets.py",
        {
            "class ChatTemplate(": '''class ToyTemplate(Strict):
    """A toy."""

    style: Literal["toy"]


class ChatTemplate(''',
            "Template = Annotated[": "Template = Annotated[ToyTemplate | ",
        },
        f"{LIBRARY}/instruct/templates.py",
        {
            "_TEXT_STYLES: dict[type, TextStyle] = {\n": """from inversion.config.datasets import ToyTemplate


class ToyStyle(TextStyle):
    def lead(self, boundary):
        return "toy : " + " ".join([*filter(None, [boundary.context]), *(turn.content for turn in boundary.turns)])


_TEXT_STYLES: dict[type, TextStyle] = {
    ToyTemplate: ToyStyle(),
"""
        },
    ),
    "benchmark task": Toy(
        f"{LIBRARY}/config/tasks.py",
        {
            "TASKS: dict[str, BenchmarkTask] = {\n": """TASKS: dict[str, BenchmarkTask] = {
    "toy": BenchmarkTask(
        "acc,none", "inversion.respond.benchmark_files:squad", questions=7_000_000, tokens_read=1
    ),
"""
        },
        f"{LIBRARY}/respond/tasks/toy.yaml",
        """
task: toy
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_choice: ["a", "b"]
doc_to_target: 0
num_fewshot: 0
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]
metadata: {version: 1.0}
""",
    ),
}


def use_toys(study):
    """A study that uses every toy."""
    study["sets"]["toys"] = {"source": "file", "path": "toys.txt", "format": "toy"}
    study["probes"] = {"toy": {"scale": 3}}
    study["recipes"]["toy-tuned"] = {"training": {"tuning": {"method": "toy"}}}
    study["datasets"]["own"] = {
        "source": "file",
        "path": "own.json",
        "format": "alpaca",
        "template": {"style": "toy"},
    }
    study["benchmarks"] = {"played": {"task": "toy", "path": "played.json"}}
    study["experiments"] = {
        "toys": {
            "models": ["llama"],
            "datasets": ["mixture"],
            "recipes": ["standard", "toy-tuned"],
            "seeds": [0],
            "figures": ["toy_figure", "toy"],
        },
        "own": {"models": ["llama"], "datasets": ["own"], "recipes": ["standard"], "seeds": [0], "figures": ["grid"]},
    }


@pytest.fixture(scope="module")
def extended(finished, tmp_path_factory):
    """A finished study to which every toy was added. It has not run again yet."""
    checkout = finished.copy(tmp_path_factory.mktemp("extended") / "checkout")
    for toy in TOYS.values():
        toy.add_to(checkout)
    (checkout.folder / "toys.txt").write_text("what is a ?|a is b .|b|c\nwhat is d ?|d is e .|e|f\n")
    row = {"instruction": "what is a ?", "input": "a is b .", "output": "b"}
    (checkout.folder / "own.json").write_text(json.dumps([row] * 8))
    (checkout.folder / "played.json").write_text(
        json.dumps([{"context": "a", "question": "b ?", "answers": {"text": ["c"]}}])
    )
    checkout.study(use_toys)
    return checkout


def python(checkout, code):
    """The output of ``code`` in Python with the extended library."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=checkout.folder, env=checkout.environment, capture_output=True, text=True
    )
    assert not done.returncode, done.stderr
    return done.stdout


def test_the_plan_lists_every_toy(extended):
    command = "import sys; sys.argv = ['', 'config/config.yaml']; import runpy; "
    plan = python(extended, command + "runpy.run_path('workflow/print_plan.py', run_name='__main__')")
    stages = {line.split()[0]: line.split() for line in plan.splitlines() if line[:1].isalpha()}
    assert stages["probe_toy"][1:4] == ["2", "0", "2"], "one job for each run of the experiment that lists its figure"
    assert stages["draw_figure"][1] == "3", "the toy figure, the figure of the toy probe, and the other experiment's"
    assert stages["probe_knowledge"][1] == "2", "knowledge is probed for the toy set too"
    # the third is the existing run: its examples depend on the code of templates, and the job finds it already trained
    assert int(stages["finetune"][3]) == 3, "the toy tuning, the run with the toy template, and the existing run"
    assert "benchmark played: 7000000 questions, each 1 tokens read and 0 written" in plan


def test_the_reference_of_the_configuration_lists_every_toy(extended):
    text = python(extended, "from inversion.config.render import reference; print(reference())")
    for chapter in ("ToyProbe", "ToyTuning", "ToyTemplate"):
        assert f"## {chapter}" in text
    assert "`toy_figure`: a toy of a figure" in text
    assert "`toy` or `release`" in text


def test_the_run_shows_every_toy_in_its_tables_figures_and_report(extended):
    extended.study(lambda study: study["experiments"].pop("own"))
    extended.run()
    items = pl.read_parquet(extended.result("tables/items.parquet"))
    assert items.filter(set="toys")["item_id"].n_unique() == 2
    assert set(items["recipe"]) == {"standard", "toy-tuned"}
    assert "toys" in set(pl.read_parquet(extended.result("tables/knowledge.parquet"))["set"])
    curves = pl.read_parquet(extended.result("tables/curves.parquet"))
    assert {"toys", "played"} <= set(curves["set"])
    assert set(items["toy_scorer"]) == {"context"}
    scored = curves.filter(scorer="toy_scorer", set="toys", metric="context_rate")
    assert set(scored["value"]) == {1.0}
    assert "toy_scorer" in set(pl.read_parquet(extended.result("tables/inversions.parquet"))["scorer"])
    probed = pl.read_parquet(extended.result("tables/toy.parquet"))
    assert probed.filter(recipe="toy-tuned").rows() == [("toy-tuned", step, 3.0 * step) for step in (0, 2, 4, 6)]
    report = extended.result("report.html").read_text()
    assert report.count("data:image/svg+xml") == 2
    assert "A toy of a figure." in report
    assert "What a toy probe found; needs the probe of the same name." in report
    assert extended.plan() == set()


def test_the_code_of_an_implementation_counts(extended):
    """This test must run after the one above: a change in the function that a declaration refers to reruns the rules
    that use it, and no others."""
    extended.edit(f"{LIBRARY}/plot/toy.py", "figure.subplots()", "figure.subplots(2)[0]")
    assert {job.rule for job in extended.plan()} == {"draw_figure", "write_report", "all"}


def test_a_conversation_is_written_in_the_toy_template(extended):
    code = (
        "from inversion.config.datasets import ToyTemplate; from inversion.instruct.templates import style_of\n"
        "print(type(style_of(ToyTemplate(style='toy'))).__name__)"
    )
    assert python(extended, code).strip() == "ToyStyle"
