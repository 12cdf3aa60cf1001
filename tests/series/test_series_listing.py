"""The checkpoints of a series are listed like those of a run, and those that cannot be evaluated are refused."""

import json
import shutil

import pytest
import torch
from huggingface_hub import constants
from peft import LoraConfig, get_peft_model

from inversion.artifacts import folder_fault, write_json
from inversion.config.datasets import AlpacaTemplate, ChatTemplate
from inversion.config.series import FolderSeries, HubCheckpoint, HubSeries
from inversion.models import CheckpointLoader, ModelError, describe_base, load_model
from inversion.models.hub import prefetch_series
from inversion.respond.series_listing import describe_start, examine_series
from inversion.series import SeriesError

IDS = torch.arange(5, 15).unsqueeze(0)
WORDS = {"with_context": "context : {context} {question}"}


def save_adapter(base, folder, seed=0, alpha=4, zero=False):
    """An adapter with random weights as the Trainer saves it, without its state."""
    config = LoraConfig(r=2, lora_alpha=alpha, target_modules=["q_proj", "v_proj"])
    adapted = get_peft_model(load_model(base), config)
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name and not zero:
                parameter.normal_()
    adapted.save_pretrained(folder)
    step = int(folder.name.rsplit("-", 1)[1])
    write_json(folder / "trainer_state.json", {"global_step": step, "epoch": step / 20})
    return folder


@pytest.fixture
def base(base_folder):
    return describe_base(base_folder, "folder", str(base_folder))


def series(path, **keys):
    template = keys.pop("template", ChatTemplate(**WORDS))
    return FolderSeries(source="folder", path=str(path), model="base", template=template, **keys)


def examine(spec, base, base_folder, run, per_job=12, **keys):
    return examine_series(spec, base, base_folder, run, per_job, **keys)


def test_a_series_is_listed_like_a_run_and_loads_like_one(base, base_folder, tmp_path):
    for step in (10, 20):
        save_adapter(base_folder, tmp_path / "out" / f"checkpoint-{step}", seed=step, alpha=step)
    before = {file: file.stat().st_mode for file in (tmp_path / "out").rglob("*")}
    listed, manifest = examine(series(tmp_path / "out"), base, base_folder, tmp_path / "run", per_job=2)
    assert [[entry.step for entry in chunk] for chunk in listed.chunks] == [[0, 10], [20]]
    assert listed.steps_per_epoch == 20
    assert [one.kind for one in manifest.checkpoints] == ["base", "adapter", "adapter"]
    assert manifest.checkpoints[2].notes == ["its scaling is 10, but 5 at the previous checkpoint"]
    assert before == {file: file.stat().st_mode for file in (tmp_path / "out").rglob("*")}, "the user's files stay"
    checkpoints = CheckpointLoader.on(base_folder, base.digest)
    with torch.no_grad():
        for entry in listed.steps[1:]:
            assert folder_fault(tmp_path / "run" / entry.folder) is None
            logits = checkpoints.load(tmp_path / "run" / entry.folder)(IDS).logits
            assert not torch.equal(logits, checkpoints.load(base_folder)(IDS).logits)
    again, _ = examine(series(tmp_path / "out"), base, base_folder, tmp_path / "run", per_job=2)
    assert again == listed


def test_a_replaced_checkpoint_gets_another_hash_and_the_others_keep_theirs(base, base_folder, tmp_path):
    for step in (10, 20):
        save_adapter(base_folder, tmp_path / "out" / f"checkpoint-{step}")
    first, _ = examine(series(tmp_path / "out"), base, base_folder, tmp_path / "run")
    shutil.rmtree(tmp_path / "out" / "checkpoint-20")
    save_adapter(base_folder, tmp_path / "out" / "checkpoint-20", seed=1)
    second, _ = examine(series(tmp_path / "out"), base, base_folder, tmp_path / "run")
    assert [one.digest == other.digest for one, other in zip(first.steps, second.steps, strict=True)] == [1, 1, 0]


def test_answered_steps_stay_when_the_trainer_removes_their_weights(base, base_folder, tmp_path):
    for step in (10, 20, 30):
        save_adapter(base_folder, tmp_path / "out" / f"checkpoint-{step}")
    first, _ = examine(series(tmp_path / "out"), base, base_folder, tmp_path / "run")
    (tmp_path / "run" / "responses" / "step-000010").mkdir(parents=True)
    for step in (10, 20):
        shutil.rmtree(tmp_path / "out" / f"checkpoint-{step}")
    second, manifest = examine(series(tmp_path / "out"), base, base_folder, tmp_path / "run")
    assert [entry.step for entry in second.steps] == [0, 10, 30]
    assert second.steps[1].digest == first.steps[1].digest
    assert manifest.checkpoints[1].kind == "gone"


def test_an_adapter_that_changes_nothing_is_noted(base, base_folder, tmp_path):
    save_adapter(base_folder, tmp_path / "out" / "checkpoint-10", zero=True)
    _, manifest = examine(series(tmp_path / "out"), base, base_folder, tmp_path / "run")
    assert manifest.checkpoints[1].notes == [
        "its weights have no effect: every lora_B is zero, so it equals the base model"
    ]


def named(folder, base):
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": base}))


@pytest.mark.parametrize("name", ["meta-llama/Llama-2-7b-hf", "/elsewhere/other"])
def test_an_adapter_that_names_another_base_needs_a_confirmation(base, base_folder, tmp_path, name):
    named(save_adapter(base_folder, tmp_path / "out" / "checkpoint-10"), name)
    line = f"checkpoint-10 was trained on {name} according to its adapter_config.json, .* `base_is: confirmed`"
    with pytest.raises(SeriesError, match=line):
        examine(series(tmp_path / "out"), base, base_folder, tmp_path / "run")
    listed, _ = examine(series(tmp_path / "out", base_is="confirmed"), base, base_folder, tmp_path / "run")
    assert [entry.step for entry in listed.steps] == [0, 10]


def test_names_agree_where_they_end_in_the_same_folder(base, base_folder, tmp_path):
    named(save_adapter(base_folder, tmp_path / "out" / "checkpoint-10"), f"/scratch/models/{base_folder.name}/")
    listed, _ = examine(series(tmp_path / "out"), base, base_folder, tmp_path / "run")
    assert len(listed.steps) == 2


def test_an_adapter_with_other_shapes_is_refused_even_if_confirmed(base, base_folder, tmp_path, tiny_model):
    tiny_model("gpt_neox").save_pretrained(tmp_path / "neox")
    adapted = get_peft_model(load_model(tmp_path / "neox"), LoraConfig(r=2, target_modules="all-linear"))
    adapted.save_pretrained(tmp_path / "out" / "checkpoint-10")
    with pytest.raises(ModelError, match="checkpoint-10 does not fit"):
        examine(series(tmp_path / "out", base_is="confirmed"), base, base_folder, tmp_path / "run")


def test_an_adapter_without_a_base_is_refused(base, base_folder, tmp_path):
    save_adapter(base_folder, tmp_path / "out" / "checkpoint-10")
    spec = FolderSeries(source="folder", path=str(tmp_path / "out"))
    with pytest.raises(SeriesError, match="checkpoint-10 is an adapter, which needs its base: set the series' `model`"):
        describe_start(spec)


def test_a_template_that_the_tokenizer_lacks_is_refused(base, base_folder, tmp_path, tokenizer):
    save_adapter(base_folder, tmp_path / "out" / "checkpoint-10")
    other = shutil.copytree(base_folder, tmp_path / "base")
    (other / "chat_template.jinja").unlink(missing_ok=True)
    config = json.loads((other / "tokenizer_config.json").read_text())
    config.pop("chat_template", None)
    (other / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(SeriesError, match="template `chat` cannot be written: the tokenizer has no chat template"):
        examine(series(tmp_path / "out", base_is="confirmed"), base, other, tmp_path / "run")


def test_the_tokenizer_of_the_checkpoints_is_used_and_must_number_words_alike(base, base_folder, tmp_path, tokenizer):
    folder = save_adapter(base_folder, tmp_path / "out" / "checkpoint-10")
    tokenizer.save_pretrained(folder)
    listed, _ = examine(series(tmp_path / "out"), base, base_folder, tmp_path / "run")
    assert listed.tokenizer_folder(tmp_path / "run") == tmp_path / "run" / "tokenizer"
    assert listed.steps[0].digest != base.digest, "step 0 is asked with it too"
    file = folder / "tokenizer.json"
    words = json.loads(file.read_text())
    vocabulary = words["model"]["vocab"]
    one, other = list(vocabulary)[-2:]
    vocabulary[one], vocabulary[other] = vocabulary[other], vocabulary[one]
    file.write_text(json.dumps(words))
    with pytest.raises(SeriesError, match=r"has a different tokenizer from .*checkpoint-10"):
        examine(series(tmp_path / "out"), base, base_folder, tmp_path / "run")


def test_other_templates_need_an_end_of_sequence_only(base, base_folder, tmp_path):
    save_adapter(base_folder, tmp_path / "out" / "checkpoint-10")
    listed, _ = examine(series(tmp_path / "out", template=AlpacaTemplate()), base, base_folder, tmp_path / "run")
    assert listed.tokenizer is None


# --- the Hub, as far as its cache knows it ------------------------------------------------------


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def publish(cache, base_folder, name="me/tiny", subfolder="", **branches):
    """Branches of a repository in the cache, with commits that repeat one digit."""
    repository = cache / f"models--{name.replace('/', '--')}"
    for branch, digit in branches.items():
        folder = repository / "snapshots" / (digit * 40) / subfolder
        if not folder.exists():
            shutil.copytree(base_folder, folder)
        (repository / "refs").mkdir(exist_ok=True)
        (repository / "refs" / branch).write_text(digit * 40)


def test_branches_become_commits_once(cache, base_folder, tmp_path, caplog):
    publish(cache, base_folder, main="a", step_100="b", step_20="c")
    spec = HubSeries(source="hub", id="me/tiny", revisions="step_{step}")
    fetched = prefetch_series(spec, tmp_path / "commits.json").checkpoints
    assert [(one.step, one.revision, one.commit[0]) for one in fetched] == [
        (20, "step_20", "c"),
        (100, "step_100", "b"),
    ]
    assert fetched[0].location() == cache / "models--me--tiny" / "snapshots" / ("c" * 40)
    assert not caplog.records
    publish(cache, base_folder, step_20="d", step_300="e")
    again = prefetch_series(spec, tmp_path / "commits.json").checkpoints
    assert [(one.step, one.commit[0]) for one in again] == [(20, "c"), (100, "b"), (300, "e")]
    assert "me/tiny: step_20 has moved from cccccccc to dddddddd since it was downloaded" in caplog.text


def test_subfolders_and_lists(cache, base_folder, tmp_path):
    publish(cache, base_folder, subfolder="step7/model", main="a")
    spec = HubSeries(source="hub", id="me/tiny", subfolders="step{step}/model")
    (only,) = prefetch_series(spec, tmp_path / "one.json").checkpoints
    assert only.location().parts[-2:] == ("step7", "model")
    publish(cache, base_folder, name="me/other", main="b")
    entries = (
        HubCheckpoint(step=1, id="me/other", label="SFT"),
        HubCheckpoint(step=2, id="me/other", revision="b" * 40),
    )
    listed = prefetch_series(HubSeries(source="hub", revisions=entries), tmp_path / "two.json").checkpoints
    assert [(one.step, one.commit[0]) for one in listed] == [(1, "b"), (2, "b")]


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ({"revisions": "stage{step}"}, r"me/tiny has no branch or tag named like stage\{step\}"),
        ({"revisions": (HubCheckpoint(step=1, revision="stpe_20"),)}, "no branch, tag or commit stpe_20; did you mean"),
        ({"revisions": (HubCheckpoint(step=1, revision="main"), HubCheckpoint(step=1, revision="step_20"))}, "twice"),
        ({"subfolders": "step{step}"}, r"me/tiny at main has no folder named like step\{step\}"),
        (
            {"revisions": (HubCheckpoint(step=1, revision="main", subfolder="x"),)},
            "me/tiny/x at main contains no checkpoint",
        ),
        ({"revisions": "*{step}"}, "are both step"),
    ],
)
def test_missing_repositories_are_named_in_one_line(cache, base_folder, tmp_path, keys, line):
    publish(cache, base_folder, main="a", step_20="b", old_20="c")
    with pytest.raises(ModelError, match=line) as error:
        prefetch_series(HubSeries(source="hub", id="me/tiny", **keys), tmp_path / "commits.json")
    assert "\n" not in str(error.value)


def test_a_repository_that_cannot_be_reached_is_named(cache, tmp_path):
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE is set, and me/tiny at revision main is not complete"):
        prefetch_series(HubSeries(source="hub", id="me/tiny", revisions="step_{step}"), tmp_path / "commits.json")
