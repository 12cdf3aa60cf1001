import logging
import shutil
from dataclasses import replace

import pytest

from inversion.artifacts import (
    MARKER,
    ArtifactError,
    complete_folder,
    folder_digest,
    folder_note,
    seal_folder,
    write_json,
)
from inversion.config.evaluation import Prompt
from inversion.config.sets import WorldSet
from inversion.conflict.world_sets import world_items
from inversion.manifests import REMOVED_FILE, RESPONSES_FILE, CheckpointEntry
from inversion.measured_folders import read_responses
from inversion.respond import checkpoint_responses as module
from inversion.respond.checkpoint_responses import respond

PLAIN = {"plain": Prompt()}
TWO = PLAIN | {"question-first": Prompt(order="question_first")}


@pytest.fixture
def items(world):
    return world_items(world, WorldSet(source="world", kind="conflict", items=4), "conflict")


@pytest.fixture
def chunk(tmp_path, tiny_model):
    """Step 0 and two checkpoints."""
    steps = [CheckpointEntry(step=0, epoch=0.0, folder="", digest="base")]
    for step in (10, 20):
        folder = tmp_path / "checkpoints" / f"step-{step:06d}"
        tiny_model(seed=step).save_pretrained(folder)
        seal_folder(folder)
        relative = folder.relative_to(tmp_path).as_posix()
        steps.append(CheckpointEntry(step=step, epoch=step / 10, folder=relative, digest=folder_digest(folder)))
    return steps


@pytest.fixture
def answer(base_folder, tmp_path, items, template):
    def call(chunk, asked=items, tokens=3, prompts=PLAIN):
        manifest = respond(base_folder, "base", tmp_path, chunk, asked, template, prompts, tokens, 8)
        manifest.write(tmp_path / "responses" / "chunk-000.json")
        return read_responses(tmp_path / "responses" / "chunk-000.json")

    return call


@pytest.fixture
def questioned(monkeypatch):
    """The step of every call of a model: one for each step, set and prompt."""
    steps = []
    original = module.answer_decoded

    def spy(model, tokenizer, questions, prompts, template, step, *rest):
        steps.append(step)
        return original(model, tokenizer, questions, prompts, template, step, *rest)

    monkeypatch.setattr(module, "answer_decoded", spy)
    return steps


def test_every_checkpoint_answers_every_item(answer, chunk, items):
    responses = answer(chunk)
    assert [(r.step, r.item_id) for r in responses] == [(s.step, i.item_id) for s in chunk for i in items]
    by_step = {r.step: r.context_logprob for r in responses if r.item_id == items[0].item_id}
    assert len(set(by_step.values())) == 3, "each step has weights of its own"


def test_every_item_is_answered_under_every_prompt(answer, chunk, items):
    responses = answer(chunk, prompts=TWO)
    assert [(r.step, r.prompt, r.item_id) for r in responses] == [
        (s.step, prompt, i.item_id) for s in chunk for prompt in TWO for i in items
    ]
    logprobs = {r.prompt: r.context_logprob for r in responses if (r.step, r.item_id) == (0, items[0].item_id)}
    assert logprobs["plain"] != logprobs["question-first"]


def test_stored_responses_are_not_generated_again(answer, chunk, questioned):
    first = answer(chunk)
    assert questioned == [0, 10, 20]
    assert answer(chunk) == first
    assert questioned == [0, 10, 20]


def test_a_killed_job_resumes(answer, chunk, questioned):
    answer(chunk[:2])
    answer(chunk)
    assert questioned == [0, 10, 20]


@pytest.mark.parametrize("change", ["tokens", "prompts", "checkpoint"])
def test_a_changed_specification_generates_responses_again(answer, chunk, questioned, tmp_path, change):
    answer(chunk)
    if change == "tokens":
        answer(chunk, tokens=2)
    elif change == "prompts":
        answer(chunk, prompts=TWO)
    else:
        folder = tmp_path / chunk[2].folder
        with complete_folder(tmp_path / "made", {"step": 20, "trained": "again"}) as made:
            shutil.copytree(folder, made, dirs_exist_ok=True, ignore=shutil.ignore_patterns(MARKER))
            (made / "more.txt").write_text("another checkpoint")
        shutil.rmtree(folder)
        (tmp_path / "made").rename(folder)
        answer([*chunk[:2], chunk[2].model_copy(update={"digest": folder_digest(folder)})])
    assert questioned[3:] == ([20] if change == "checkpoint" else [0, 10, 20])


@pytest.fixture
def asked_items(monkeypatch):
    """The ids of the items of every call of a model."""
    calls = []
    original = module.answer_decoded

    def spy(model, tokenizer, questions, *rest):
        calls.append([question.item.item_id for question in questions])
        return original(model, tokenizer, questions, *rest)

    monkeypatch.setattr(module, "answer_decoded", spy)
    return calls


def test_more_items_cost_only_the_new_ones(answer, chunk, asked_items, items):
    answer(chunk, asked=[items[3], items[1]])
    asked_items.clear()
    grown = answer(chunk)
    assert asked_items == [[items[0].item_id, items[2].item_id]] * 3
    assert [(r.step, r.item_id) for r in grown] == [(s.step, i.item_id) for s in chunk for i in items]


def test_grown_responses_equal_those_to_all_items_at_once(answer, chunk, items, tmp_path):
    answer(chunk, asked=items[2:])
    grown = answer(chunk, prompts=TWO)
    shutil.rmtree(tmp_path / "responses")
    for one, other in zip(grown, answer(chunk, prompts=TWO), strict=True):
        assert (one.step, one.item_id, one.prompt, one.text) == (other.step, other.item_id, other.prompt, other.text)
        assert one.context_logprob == pytest.approx(other.context_logprob, abs=1e-5)


def test_fewer_items_need_no_model(answer, chunk, asked_items, items):
    whole = answer(chunk)
    asked_items.clear()
    assert answer(chunk, asked=items[1:3]) == [r for r in whole if r.item_id in {i.item_id for i in items[1:3]}]
    assert asked_items == []


def test_only_a_changed_item_is_answered_again(answer, chunk, asked_items, items):
    whole = answer(chunk)
    asked_items.clear()
    changed = replace(items[2], context_answers=[*items[2].context_answers, items[1].context_answers[0]])
    after = answer(chunk, asked=[*items[:2], changed, items[3]])
    assert asked_items == [[changed.item_id]] * 3
    assert [r for r in after if r.item_id != changed.item_id] == [r for r in whole if r.item_id != changed.item_id]


def test_responses_without_hashes_of_items_are_kept_or_generated_again(answer, chunk, asked_items, items, tmp_path):
    """As they were stored before hashes of items were."""
    whole = answer(chunk)
    for folder in (tmp_path / "responses").glob("step-*"):
        (folder / "items.parquet").unlink()
        seal_folder(folder, folder_note(folder))
    asked_items.clear()
    assert answer(chunk) == whole
    assert asked_items == []
    answer(chunk, asked=items[:3])
    assert asked_items == [[item.item_id for item in items[:3]]] * 3


def files(folder):
    return {file.parent.name: file.read_bytes() for file in sorted(folder.glob(f"responses/step-*/{RESPONSES_FILE}"))}


def test_only_an_added_set_or_prompt_is_evaluated(answer, chunk, questioned, items, tmp_path):
    other = [replace(item, set="other") for item in items[:3]]
    answer(chunk)
    answer(chunk, asked=[*items, *other])
    assert questioned[3:] == [0, 10, 20]
    grown = answer(chunk, asked=[*items, *other], prompts=TWO)
    assert questioned[6:] == [0, 0, 10, 10, 20, 20], "both sets with the new prompt"
    before = files(tmp_path)
    shutil.rmtree(tmp_path / "responses")
    assert answer(chunk, asked=[*items, *other], prompts=TWO) == grown
    assert files(tmp_path) == before, "whatever was there first"


def test_removed_sets_and_prompts_need_no_model(answer, chunk, questioned, items, tmp_path):
    other = [replace(item, set="other") for item in items[:3]]
    alone = answer(chunk, prompts={"plain": Prompt()})
    answer(chunk, asked=[*other, *items], prompts=TWO)
    asked = questioned.copy()
    shutil.rmtree(tmp_path / chunk[2].folder)
    write_json(tmp_path / "checkpoints" / REMOVED_FILE, [20])
    assert answer(chunk) == alone
    assert questioned == asked


def test_damaged_responses_are_named_and_generated_again(answer, chunk, questioned, tmp_path, caplog):
    first = answer(chunk)
    damaged = tmp_path / "responses" / "step-000010" / "responses.parquet"
    damaged.write_bytes(damaged.read_bytes()[:50])
    with pytest.raises(ArtifactError, match=r"responses.parquet has 50 bytes.*chunk-000.json"):
        read_responses(tmp_path / "responses" / "chunk-000.json")
    with caplog.at_level(logging.WARNING):
        assert answer(chunk) == first
    assert questioned == [0, 10, 20, 10]
    assert "step-000010" in caplog.text


def test_damaged_checkpoint_is_named_with_the_fix(answer, chunk, tmp_path):
    weights = tmp_path / chunk[2].folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])
    with pytest.raises(ArtifactError, match=r"step-000020.*snakemake --forcerun .*train.json"):
        answer(chunk)


def test_swapped_checkpoints_are_detected(answer, chunk, questioned, tmp_path):
    """Each folder is valid according to its own marker, but the manifest lists which is which."""
    one, other = (tmp_path / entry.folder for entry in chunk[1:3])
    one.rename(tmp_path / "aside")
    other.rename(one)
    (tmp_path / "aside").rename(other)
    (tmp_path / "train.json").write_text("{}")  # a run that this project trained
    with pytest.raises(ArtifactError, match=r"step-000010 is not the checkpoint of step 10 that .*train\.json lists"):
        answer(chunk)
    assert questioned == []


def test_removed_weights_are_an_error_only_if_they_are_needed(answer, chunk, questioned, items, tmp_path):
    first = answer(chunk)
    shutil.rmtree(tmp_path / chunk[2].folder)
    write_json(tmp_path / "checkpoints" / REMOVED_FILE, [20])
    assert answer(chunk) == first
    with pytest.raises(ArtifactError, match=r"step-000020 was deleted by `keep_checkpoints`.*delete .*train.json"):
        answer(chunk, asked=[*items[:3], replace(items[3], item_id="new")])
    assert questioned == [0, 10, 20], "before anything is asked"
