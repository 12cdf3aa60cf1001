"""The configuration: one clear line for every fault, and generated files that are up to date."""

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
from errors.studies import STUDY, with_value, without
from hypothesis import given
from hypothesis import strategies as st

from inversion.config import organism, render
from inversion.config.base import config_from_json
from inversion.config.datasets import WORLD_TEMPLATE, AlpacaTemplate, ChatTemplate, FileDataset, TuluTemplate
from inversion.config.files import command_fault, read_values
from inversion.config.load import ConfigError, parse_config, read_config
from inversion.config.models import WorldModel
from inversion.config.sets import ConflictSet, FileSet
from inversion.config.study import Config
from inversion.config.training import LoraTuning, ScheduleSegment, Training

ROOT = Path(__file__).parents[1]


def fault(study: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(study, "study.yaml")
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("study.yaml: ")
    return message.removeprefix("study.yaml: ")


def test_the_study_of_these_tests_is_valid() -> None:
    config = parse_config(STUDY)
    assert [run.path for run in config.runs()] == [
        "neox/tulu/standard/seed0",
        "neox/tulu/standard/seed1",
        "neox/tulu/half/seed0",
        "neox/tulu/half/seed1",
    ]


# --- faults -------------------------------------------------------------------------------------


def test_a_file_at_an_address_needs_a_checksum() -> None:
    address = "https://example.org/sets/capitals.json"
    spec = {"source": "file", "path": address}
    assert "sets.capitals: https://example.org/sets/capitals.json needs `sha256`" in fault(
        with_value("sets.capitals", spec)
    )
    for folder in ("https://example.org/", "https://example.org/sets/.."):
        assert f"{folder} does not name a file" in fault(
            with_value("sets.capitals", spec | {"path": folder, "sha256": "0" * 64})
        )
    local = {"source": "file", "path": "capitals.json", "sha256": "0" * 64}
    assert "`sha256` is for https URLs, but 'capitals.json' is a local path" in fault(
        with_value("sets.capitals", local)
    )
    found = parse_config(with_value("sets.capitals", spec | {"sha256": "0" * 64})).sets["capitals"]
    assert isinstance(found, FileSet)
    assert found.files("raw") == [f"raw/{'0' * 64}/capitals.json"]


@pytest.mark.parametrize("written", ["1e-4", "5E-4", "1.0e-5", "3"])
def test_a_number_that_yaml_reads_as_text_is_explained_and_the_fix_works(written: str) -> None:
    message = fault(with_value("training.learning_rate", written))
    fix = message.split("; write ")[1].split(",")[0]
    assert yaml.safe_load(fix) == pytest.approx(float(written))


def test_a_long_value_is_cut_short() -> None:
    assert len(fault(with_value("training.batch_size", list(range(10_000))))) < 200


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "a b", "a\nb", "ä", "-x", "a\\b"])
def test_a_name_that_is_not_a_plain_folder_name(name: str) -> None:
    message = fault({**STUDY, "models": {name: STUDY["models"]["neox"]}})
    assert "a name starts with a letter or digit" in message


def test_files_are_fetched_from_https_addresses_only() -> None:
    message = fault(with_value("sets.facts.path", "http://example.org/facts.json"))
    assert "http://example.org/facts.json: only https URLs are downloaded" in message
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


def test_a_run_of_two_experiments_exists_once() -> None:
    config = parse_config(with_value("experiments.again", STUDY["experiments"]["all"]))
    assert len(config.runs()) == 4


def test_settings_that_determine_the_size_of_a_recipe() -> None:
    config = parse_config(with_value("recipes.like", {"select": [{"by": "random", "like": "half"}]}))
    assert list(config.matched_recipes("like")) == ["half"]
    assert [selection.by for selection in config.selections_of("like")] == ["random", "random"]
    assert config.matched_recipes("half") == {}


def test_a_study_without_world_parts_needs_no_world() -> None:
    study = without("world")
    study["models"] = {"neox": {"source": "folder", "path": "base"}}
    del study["datasets"]["tulu"], study["sets"]["conflict"]
    study["experiments"]["all"]["datasets"] = ["own"]
    assert parse_config(study).world is None


def test_values_that_yaml_misreads_are_refused() -> None:
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
    """YAML 1.1 reads `yes` and `on` as the same name, and `010` and `8` too, so that one of two sets would be lost."""
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
def test_numbers_in_base_8_or_60_are_refused_as_values(tmp_path: Path, word: str) -> None:
    (tmp_path / "study.yaml").write_text(f"training: {{max_steps: {word}}}\n")
    with pytest.raises(ConfigError, match=r"line 1, column 23: the value .* in plain decimal digits if it is a number"):
        read_values(tmp_path / "study.yaml")


def test_values_that_yaml_reads_as_written_are_accepted(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(
        "8: {a: yes, b: 1_000, c: 0x1F}\nlist: [1, -2, 0, 0.50, 1.0e-3, .5, true, null, word]\n"
    )
    assert read_values(tmp_path / "study.yaml") == {
        8: {"a": True, "b": 1000, "c": 31},
        "list": [1, -2, 0, 0.5, 0.001, 0.5, True, None, "word"],
    }


@pytest.mark.parametrize("key", [True, None, 1.5])
def test_keys_of_a_host_workflow_that_are_not_text_are_refused(key: object) -> None:
    with pytest.raises(ConfigError, match=rf"configuration: the key {key} is not text but \w+; quote it"):
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


def test_merge_keys_can_override(tmp_path: Path) -> None:
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
def test_a_recipes_epochs_remove_the_limit_on_steps(
    override: dict[str, Any], expected: tuple[float, int | None]
) -> None:
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
def test_generated_file_is_current(path: str) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == render.generated_files()[path], "run `make config`"


def rich() -> Config:
    """A study with the keys that the default study does not set, and with names and texts that YAML could misread."""
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


def test_every_help_text_is_in_the_default_once() -> None:
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


def test_prompts_follow_the_datasets_template():
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
def test_question_first_swaps_question_and_context(wording, swapped):
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
        "experiments.all.figures lists 'attention', which shows a probe that the study does not have; add "
        "`probes: {attention: {}}` or remove the figure"
    )
    assert parse_config(bare | {"probes": {"attention": {}}}).probes.attention is not None
    kinds = with_value("experiments.all.figures", ["gradients"]) | {"probes": {"gradients": {"examples": 3}}}
    assert parse_config(kinds).probes.gradients is not None
    assert [run.seed for run in parse_config(kinds).probed_runs("gradients")] == [0, 1, 0, 1]
    assert fault(STUDY | {"probes": {"attention": {}}}) == (
        "probes.attention is set, but no experiment lists the figure 'attention', which selects the runs to "
        "probe; add it to the figures of an experiment, or remove the probe"
    )
    kinds["experiments"]["all"]["datasets"] = ["tulu", "own"]
    assert fault(kinds) == (
        "experiments.all.figures lists 'gradients', but the examples of 'own' have no kinds; use a "
        "dataset with `source: world`"
    )


# --- properties of sources that rules need ------------------------------------------------------------------


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
def test_a_set_says_whether_its_knowledge_is_probed_and_what_it_reads(values, asked_for_knowledge, files):
    spec = config_from_json(ConflictSet, json.dumps(values))
    assert (spec.has_context and not spec.is_control) == asked_for_knowledge
    assert spec.files("in") == files
    assert spec.with_downloads_in("in").files("elsewhere") == files


@pytest.mark.parametrize("rank", [2, 64])
def test_adapters_without_alpha_use_twice_their_rank(rank: int) -> None:
    assert LoraTuning(method="lora", rank=rank).alpha == 2 * rank
    assert LoraTuning(method="lora", rank=rank, alpha=3.0).alpha == 3.0
    assert LoraTuning(method="lora").model_dump()["alpha"] == 256.0
