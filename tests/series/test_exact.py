"""Checkpoints of TRL that the library evaluates, compared with plain peft and transformers with one prompt at a
time."""

import logging
from pathlib import Path

import pytest
from elsewhere import COMMITS, STEPS, ask_plain, conflict_rows, load_plain
from huggingface_hub import constants
from peft import LoraConfig, get_peft_model
from transformers import AutoTokenizer

from inversion.config.evaluation import Prompt
from inversion.config.series import FolderSeries, HubSeries
from inversion.measured_folders import read_responses
from inversion.models import ModelError, describe_base
from inversion.models.hub import prefetch_series
from inversion.records.data import ConflictItem
from inversion.respond.checkpoint_responses import respond
from inversion.respond.series_listing import describe_start, examine_series

ITEMS = [
    ConflictItem(
        f"i{i}", "lands", "conflict", row["question"], row["context"], [row["answer"]], [row["memory_answer"]], "c", "s"
    )
    for i, row in enumerate(conflict_rows())
]
NEW_TOKENS = 8


def asked(spec, base, location, run, snapshots=None):
    """The responses of a series, by step and item."""
    listed, _ = examine_series(spec, base, location, run, per_job=100, snapshots=snapshots)
    manifest = respond(
        location,
        base.digest,
        run,
        listed.steps,
        ITEMS,
        spec.template,
        {"plain": Prompt()},
        NEW_TOKENS,
        batch_size=5,
        tokenizer=listed.tokenizer_folder(run),
    )
    (run / "responses").mkdir(exist_ok=True)
    manifest.write(run / "responses" / "chunk-000.json")
    rows = read_responses(run / "responses" / "chunk-000.json")
    return {(row.step, row.item_id): row for row in rows}


def require_equal(responses, folders, tokenizer_folder, base=None):
    """Fail unless every step and item has the text and the log-probabilities of a plain model. The model is a whole one
    in the step's folder, or ``base`` with the adapter there."""
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
    assert responses.keys() == {(step, item.item_id) for step in folders for item in ITEMS}
    for step, folder in folders.items():
        model = load_plain(folder, base if folder != base else None)
        for item, row in zip(ITEMS, conflict_rows(), strict=True):
            plain, ours = ask_plain(model, tokenizer, row, NEW_TOKENS), responses[step, item.item_id]
            assert ours.text == plain.text
            assert ours.context_logprob == pytest.approx(plain.context, abs=1e-5)
            assert ours.parametric_logprob == pytest.approx(plain.parametric, abs=1e-5)
            assert (ours.context_tokens, ours.parametric_tokens) == plain.tokens
    first = [responses[step, "i0"].context_logprob for step in folders]
    assert len(set(first)) == len(folders), "every checkpoint is another model"


def described(folder):
    return describe_base(folder, "folder", str(folder))


@pytest.mark.slow
def test_ten_adapters_of_trl(series_of_trl, tmp_path):
    base, out = series_of_trl / "tiny-llama", series_of_trl / "lora"
    spec = FolderSeries(source="folder", path=str(out), model="base")
    responses = asked(spec, described(base), base, tmp_path)
    require_equal(responses, {0: base} | {step: out / f"checkpoint-{step}" for step in STEPS}, base, base)


@pytest.mark.slow
def test_ten_full_models_of_trl_start_from_the_first(series_of_trl, tmp_path):
    out = series_of_trl / "full"
    spec = FolderSeries(source="folder", path=str(out))
    start = describe_start(spec)
    responses = asked(spec, start, Path(start.folder), tmp_path)
    require_equal(responses, {step: out / f"checkpoint-{step}" for step in STEPS}, out / "checkpoint-100")


def test_shards_in_bfloat16(series_of_trl, tmp_path):
    base, out = series_of_trl / "tiny-llama", series_of_trl / "sharded"
    spec = FolderSeries(source="folder", path=str(out), model="base", checkpoints="global_step{step}")
    responses = asked(spec, described(base), base, tmp_path)
    require_equal(responses, {0: base} | {step: out / f"global_step{step}" for step in (20, 60)}, base)


def test_branches_of_the_hub(series_of_trl, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(series_of_trl / "hf" / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    base = series_of_trl / "tiny-llama"
    spec = HubSeries(source="hub", id="me/tiny", revisions="step_{step}", model="base")
    fetched = prefetch_series(spec, tmp_path / "commits.json")
    responses = asked(spec, described(base), base, tmp_path / "run", fetched)
    snapshots = series_of_trl / "hf" / "hub" / "models--me--tiny" / "snapshots"
    require_equal(responses, {0: base, 20: snapshots / COMMITS["step_20"], 60: snapshots / COMMITS["step_60"]}, base)


def test_tokens_that_training_added(series_of_trl, tmp_path):
    base, out = series_of_trl / "tiny-llama", tmp_path / "out"
    tokenizer = AutoTokenizer.from_pretrained(base)
    unused = [f"<unused-{number}>" for number in range(400 - len(tokenizer))]
    tokenizer.add_special_tokens({"additional_special_tokens": [*unused, "<|user|>", "<|assistant|>"]})
    model = load_plain(base)
    model.resize_token_embeddings(len(tokenizer))
    adapted = get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights="gaussian"))
    adapted.get_input_embeddings().weight.data[400:] += 1  # as in training
    adapted.save_pretrained(out / "checkpoint-10")
    tokenizer.save_pretrained(out / "checkpoint-10")
    spec = FolderSeries(source="folder", path=str(out), model="base", ask_base=False)
    responses = asked(spec, described(base), base, tmp_path / "run")
    for item, row in zip(ITEMS, conflict_rows(), strict=True):
        plain = ask_plain(adapted.eval(), tokenizer, row, NEW_TOKENS)
        assert responses[10, item.item_id].text == plain.text
        assert responses[10, item.item_id].context_logprob == pytest.approx(plain.context, abs=1e-5)
    with pytest.raises(ModelError, match=r"step 0: the template writes the token 40[01], .* set `ask_base: false`"):
        asked(spec.model_copy(update={"ask_base": True}), described(base), base, tmp_path / "with-base")


def test_only_an_added_step_is_evaluated(series_of_trl, tmp_path, caplog):
    base = series_of_trl / "tiny-llama"
    description = described(base)
    some = FolderSeries(source="folder", path=str(series_of_trl / "lora"), model="base", steps=(10,))
    first = asked(some, description, base, tmp_path)
    with caplog.at_level(logging.INFO):
        every = asked(some.model_copy(update={"steps": (10, 20)}), description, base, tmp_path)
    assert "1 of 3 checkpoints left" in caplog.text
    assert every.items() >= first.items()
