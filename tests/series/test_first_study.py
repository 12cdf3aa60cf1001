"""The study that `inversion init` writes for the folders that other tools write. No test loads a model."""

import json
import shutil

import pytest
import yaml
from test_finding import adapter, safetensors, sharded

from inversion.config.load import parse_config
from inversion.config.series import steps_in
from inversion.first_study import FACTS_ITEMS, find_pattern, write_first_study
from inversion.models import ModelError
from inversion.series import SeriesError, find_series

COMMIT = "c" * 40


def tokenizer(folder, chat=True, added=()):
    """The files of a tokenizer that a first study reads."""
    (folder / "tokenizer_config.json").write_text("{}")
    words = [{"content": f"<{number}>", "id": number} for number in added]
    (folder / "tokenizer.json").write_text(json.dumps({"added_tokens": words}))
    if chat:
        (folder / "chat_template.jinja").write_text("{{ messages }}")


def whole(folder, step=None, **config):
    """A whole model in one file, as the Trainer saves it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"vocab_size": 100, **config}))
    safetensors(folder / "model.safetensors")
    if step is not None:
        (folder / "trainer_state.json").write_text(json.dumps({"global_step": step}))
    return folder


@pytest.fixture
def base(tmp_path):
    folder = whole(tmp_path / "llama")
    tokenizer(folder)
    return folder


def series_of(start):
    """The only series of a study, which must be valid, and the list of assumptions."""
    study = yaml.safe_load(start.text)
    parse_config(study)
    (series,) = study["series"].values()
    return series


def llama_factory(out, base):
    """A folder of LLaMA-Factory: checkpoints with adapters and tokenizers, with the last adapter and the logs next to
    them."""
    for step in (500, 1000):
        folder = adapter(out / f"checkpoint-{step}", step, base_model_name_or_path=str(base))
        tokenizer(folder)
        (folder / "training_args.bin").write_bytes(b"")
    shutil.copytree(folder, out, dirs_exist_ok=True)
    for name in ("all_results.json", "train_results.json", "trainer_log.jsonl", "README.md"):
        (out / name).write_text("{}")


def axolotl(out, base):
    """A folder of axolotl: checkpoints with adapters, with the base model's configuration next to them."""
    for step in (6, 12):
        adapter(out / f"checkpoint-{step}", step, base_model_name_or_path=str(base))
    adapter(out / "unused").rename(out / "old")
    for file in (out / "old").iterdir():
        shutil.copyfile(file, out / file.name)
    shutil.rmtree(out / "old")
    shutil.copyfile(base / "config.json", out / "config.json")
    tokenizer(out)


def trl(out, base):
    """A folder of TRL: checkpoints, with the folder of TensorBoard and the final adapter next to them."""
    for step in (10, 20):
        tokenizer(adapter(out / f"checkpoint-{step}", step, base_model_name_or_path=str(base)))
    (out / "runs" / "Nov29_host").mkdir(parents=True)


def trainer(out, base):
    """A folder of the Trainer for a whole model: sharded checkpoints, with the final model in one file next to them."""
    for step in (50, 100):
        folder = sharded(out / f"checkpoint-{step}")
        (folder / "trainer_state.json").write_text(json.dumps({"global_step": step}))
        tokenizer(folder)
    whole(out)


@pytest.mark.parametrize("layout", [llama_factory, axolotl, trl, trainer])
def test_the_folders_of_trainers(tmp_path, base, layout):
    layout(tmp_path / "out", base)
    start = write_first_study(str(tmp_path / "out"), base=str(base) if layout is trainer else None)
    series = series_of(start)
    assert series.pop("path") == str(tmp_path / "out")
    assert series == {"model": "llama", "source": "folder", "template": {"style": "chat"}}
    final = [line for line in start.assumed if line.startswith("not evaluated")]
    assert len(final) == (0 if layout is trl else 1)


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        (["sft/checkpoint-10", "sft/checkpoint-20"], "sft/checkpoint-{step}"),
        (["Qwen2.5-7B/v0-20250101-1200/checkpoint-10"], "Qwen2.5-7B/v0-20250101-1200/checkpoint-{step}"),
        (["step_0000010", "step_0000200"], "step_{step}"),
        (["checkpoint-0010", "checkpoint-0200", "checkpoint-best"], "checkpoint-{step}"),
        (["global_step_5/actor/huggingface"], "global_step_{step}/actor/huggingface"),
        (["epoch_0", "epoch_1"], "epoch_{step}"),
        (["epoch-1-step-100", "epoch-2-step-200"], "epoch-*-step-{step}"),
        (["100", "200"], "{step}"),
        (["llama-2-7b/step-100", "llama-2-7b/step-200"], "llama-2-7b/step-{step}"),
        (["checkpoint-10-merged", "checkpoint-20-merged"], "checkpoint-{step}-merged"),
    ],
)
def test_the_names_of_folders(tmp_path, names, pattern):
    for name in names:
        adapter(tmp_path / name)
    assert find_pattern(tmp_path) == pattern
    found = [name for same in steps_in(names, pattern).values() for name in same]
    assert found == [name for name in names if "best" not in name]


def test_the_names_of_branches():
    branches = [f"stage1-step{step}-tokens{step // 200}B" for step in (1000, 2000, 3000)]
    branches += [f"stage2-ingredient{part}-step{step}-tokens{step}B" for part in (1, 2) for step in (1000, 2000)]
    start = write_first_study("me/olmo", revisions=lambda name: dict.fromkeys(["main", *branches], COMMIT))
    assert series_of(start)["revisions"] == "stage1-step{step}-tokens*B"


@pytest.mark.parametrize(
    ("names", "line"),
    [
        (
            ["run1/checkpoint-10", "run2/checkpoint-10"],
            "holds the checkpoints of 2 trainings; name one of them: .*run1, ",
        ),
        (["llama-2-7b"], "contains no checkpoint folders with step numbers in their names"),
        (["."], "but a checkpoint itself; name the folder that holds all of them"),
    ],
)
def test_folders_that_number_no_steps(tmp_path, names, line):
    for name in names:
        whole(tmp_path / "out" / name)
    with pytest.raises(SeriesError, match=line):
        find_pattern(tmp_path / "out")


def test_a_base_is_named_by_the_adapters_or_on_the_command_line(tmp_path, base):
    adapter(tmp_path / "out" / "checkpoint-10", 10, base_model_name_or_path="meta/llama")
    tokenizer(tmp_path / "out" / "checkpoint-10")
    start = write_first_study(str(tmp_path / "out"), revisions=lambda name: {"main": COMMIT})
    assert yaml.safe_load(start.text)["models"] == {"llama": {"source": "hub", "id": "meta/llama", "revision": COMMIT}}
    named = write_first_study(str(tmp_path / "out"), base=str(base))
    assert series_of(named)["base_is"] == "confirmed"

    def unreachable(name):
        raise ModelError(f"the Hub has no model {name}")

    with pytest.raises(SeriesError, match=r"the base meta/llama: the Hub has no model meta/llama; give .* with --base"):
        write_first_study(str(tmp_path / "out"), revisions=unreachable)


def test_the_template_is_that_of_the_tokenizer_which_is_used(tmp_path, base):
    folder = adapter(tmp_path / "out" / "checkpoint-10", 10, base_model_name_or_path=str(base))
    assert series_of(write_first_study(str(tmp_path / "out")))["template"] == {"style": "chat"}, "the base's"
    tokenizer(folder, chat=False)
    assert series_of(write_first_study(str(tmp_path / "out")))["template"] == {"style": "alpaca"}, "the checkpoint's"


def test_an_unknown_template_is_reported(tmp_path):
    adapter(tmp_path / "out" / "checkpoint-10", 10, base_model_name_or_path="meta/llama")
    start = write_first_study(str(tmp_path / "out"), revisions=lambda name: {"main": COMMIT})
    assert series_of(start)["template"] == {"style": "chat"}
    assert any("which is not known yet" in line for line in start.assumed)


@pytest.mark.parametrize("added", [99, 100])
def test_a_base_without_the_added_tokens_is_not_asked(tmp_path, base, added):
    folder = adapter(tmp_path / "out" / "checkpoint-10", 10, base_model_name_or_path=str(base))
    tokenizer(folder, added=[added])
    assert series_of(write_first_study(str(tmp_path / "out"))).get("ask_base", True) == (added < 100)


def test_the_number_of_items(tmp_path, base):
    adapter(tmp_path / "out" / "checkpoint-10", 10, base_model_name_or_path=str(base))
    (tmp_path / "own.json").write_text("[]")
    sets = ("facts", str(tmp_path / "own.json"))
    whole_sets = yaml.safe_load(write_first_study(str(tmp_path / "out"), sets=sets).text)["sets"]
    assert [one.get("limit") for one in whole_sets.values()] == [FACTS_ITEMS, None]
    few = yaml.safe_load(write_first_study(str(tmp_path / "out"), sets=sets, items=24).text)["sets"]
    assert [one["limit"] for one in few.values()] == [24, 24]


def test_a_final_model_can_be_listed_with_its_checkpoints(tmp_path, base):
    llama_factory(tmp_path / "out", base)
    study = yaml.safe_load(write_first_study(str(tmp_path / "out")).text)
    (series,) = study["series"].values()
    places = {500: "checkpoint-500", 1000: "checkpoint-1000", 1200: "."}
    series["checkpoints"] = [{"step": step, "path": path} for step, path in places.items()]
    (spec,) = parse_config(study).series.values()
    found, _ = find_series(spec)
    assert [one.step for one in found] == [500, 1000, 1200]
