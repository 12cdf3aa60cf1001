"""Checkpoints of TRL, asked through the library, against plain peft and transformers one prompt at a time."""

import logging
from pathlib import Path

import pytest
import torch
from elsewhere import conflict_rows, make_base, sft_trainer
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from inversion.config.datasets import ChatTemplate
from inversion.config.evaluation import Prompt
from inversion.config.series import FolderSeries
from inversion.instruct.templates import encode_answer, encode_prompt
from inversion.manifests import read_responses
from inversion.models import describe_base
from inversion.records.data import ConflictItem
from inversion.respond.listing import describe_start, examine_series
from inversion.respond.run import respond

ITEMS = [
    ConflictItem(
        f"i{i}", "lands", "conflict", row["question"], row["context"], [row["answer"]], [row["memory_answer"]], "c", "s"
    )
    for i, row in enumerate(conflict_rows())
]
NEW_TOKENS = 8


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A base model; adapters and whole models of it by SFTTrainer; the latter again in bfloat16 shards."""
    root = tmp_path_factory.mktemp("elsewhere")
    base = make_base(root / "tiny-llama")
    sft_trainer(base, root / "lora", lora=True, steps=40, save_steps=10).train()
    sft_trainer(base, root / "full", lora=False, steps=20, save_steps=10).train()
    for step in (10, 20):
        model = AutoModelForCausalLM.from_pretrained(root / "full" / f"checkpoint-{step}", dtype=torch.bfloat16)
        model.save_pretrained(root / "sharded" / f"global_step{step}", max_shard_size="20KB")
        assert len(list((root / "sharded" / f"global_step{step}").glob("model-*.safetensors"))) > 1
    return root


def asked(spec, base, location, run):
    """The responses of a series, by step and item."""
    listed, _ = examine_series(spec, base, location, run, per_job=100)
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


@torch.no_grad()
def require_equal(responses, steps, tokenizer, load):
    """Every step and item must be there, with the log-probabilities and text that plain passes give."""
    assert responses.keys() == {(step, item.item_id) for step in steps for item in ITEMS}
    for step in steps:
        model = load(step)
        for item in ITEMS:
            row = responses[step, item.item_id]
            for side in ("context", "parametric"):
                prompt, ids = encode_answer(tokenizer, ChatTemplate(), item, getattr(item, f"{side}_answers")[0])
                logits = model(torch.tensor([[*prompt, *ids]])).logits[0, len(prompt) - 1 : -1].float()
                said = torch.log_softmax(logits, -1).gather(1, torch.tensor(ids)[:, None]).sum()
                assert getattr(row, f"{side}_logprob") == pytest.approx(float(said), abs=1e-5)
            prompt = torch.tensor([encode_prompt(tokenizer, ChatTemplate(), item)])
            said = model.generate(
                prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=NEW_TOKENS, do_sample=False
            )
            assert row.text == tokenizer.decode(said[0, prompt.shape[1] :], skip_special_tokens=True).strip()


def plain(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def test_adapters_of_trl(place, tmp_path):
    base = place / "tiny-llama"
    spec = FolderSeries(source="folder", path=str(place / "lora"), model="base")
    responses = asked(spec, describe_base(base, "folder", str(base)), base, tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(base)

    def load(step):
        return (
            PeftModel.from_pretrained(plain(base), place / "lora" / f"checkpoint-{step}").eval()
            if step
            else plain(base)
        )

    require_equal(responses, [0, 10, 20, 30, 40], tokenizer, load)
    assert len({responses[step, "i0"].context_logprob for step in (0, 10, 20, 30, 40)}) == 5


def test_whole_models_of_trl_start_from_the_first(place, tmp_path):
    spec = FolderSeries(source="folder", path=str(place / "full"))
    base = describe_start(spec)
    responses = asked(spec, base, Path(base.folder), tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(place / "tiny-llama")
    require_equal(responses, [10, 20], tokenizer, lambda step: plain(place / "full" / f"checkpoint-{step}"))


def test_shards_in_bfloat16(place, tmp_path):
    base = place / "tiny-llama"
    spec = FolderSeries(source="folder", path=str(place / "sharded"), model="base", checkpoints="global_step{step}")
    responses = asked(spec, describe_base(base, "folder", str(base)), base, tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(base)
    require_equal(
        responses,
        [0, 10, 20],
        tokenizer,
        lambda step: plain(place / "sharded" / f"global_step{step}" if step else base),
    )


def test_a_step_that_is_added_is_asked_alone(place, tmp_path, caplog):
    base = place / "tiny-llama"
    description = describe_base(base, "folder", str(base))
    some = FolderSeries(source="folder", path=str(place / "lora"), model="base", steps=(10,))
    first = asked(some, description, base, tmp_path)
    with caplog.at_level(logging.INFO):
        every = asked(some.model_copy(update={"steps": (10, 20)}), description, base, tmp_path)
    assert "1 of 3 checkpoints to go" in caplog.text
    assert every.items() >= first.items()
