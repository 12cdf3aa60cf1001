import logging
import shutil
from dataclasses import replace

import pytest

from inversion.artifacts import MARKER, ArtifactError, complete_folder, folder_digest, seal_folder, write_json
from inversion.config.evaluation import Prompt
from inversion.config.sets import WorldSet
from inversion.conflict.world_sets import world_items
from inversion.manifests import REMOVED_FILE, CheckpointEntry, read_responses
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


@pytest.mark.parametrize("change", ["items", "tokens", "prompts", "checkpoint"])
def test_a_changed_specification_generates_responses_again(answer, chunk, questioned, items, tmp_path, change):
    answer(chunk)
    if change == "items":
        answer(chunk, asked=items[:2])
    elif change == "tokens":
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


def files(folder):
    return {file.parent.name: file.read_bytes() for file in sorted(folder.glob("responses/step-*/*.parquet"))}


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
        answer(chunk, asked=items[:2])
    assert questioned == [0, 10, 20], "before anything is asked"
