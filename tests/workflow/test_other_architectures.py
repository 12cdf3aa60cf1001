"""Studies of architectures that differ from the default study's, from the base model to the report."""

import json
from pathlib import Path

import polars as pl
import pytest
import torch
import yaml
from elsewhere import make_base, training_rows
from qwen3_chat import chat_rows, save_model, study
from transformers import MixtralConfig, MixtralForCausalLM

TESTS = Path(__file__).parents[1]

pytestmark = pytest.mark.workflow


def run(checkout, model, rows, change):
    """Run the study of ``examples/qwen3_chat.py`` with another model, other rows and a change."""
    file = checkout.folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    values = study(model, file)
    values["training"].update(max_steps=4, batch_size=4, checkpoints=[{"every": 2}])
    values["sets"]["facts"]["limit"] = 6
    change(values)
    (checkout.folder / "config/config.yaml").write_text(yaml.safe_dump(values))
    checkout.run()
    assert "<html" in checkout.result("report.html").read_text(encoding="utf-8")
    items = pl.read_parquet(checkout.result("tables/items.parquet"))
    assert sorted(set(items["step"])) == [0, 2, 4]
    assert not items.filter(step=4)["context_logprob"].equals(items.filter(step=0)["context_logprob"])
    assert checkout.plan() == set()
    return items, json.loads(next(checkout.result("runs").rglob("train.json")).read_text(encoding="utf-8"))


def test_qwen3_with_its_own_tokenizer_and_chat_template(checkout):
    save_model(TESTS / "instruct/qwen3_tokenizer", checkout.folder / "model")
    items, trained = run(checkout, checkout.folder / "model", chat_rows(), lambda values: None)
    assert not items["text"].str.contains("think").any(), "the empty block belongs to the prompt"
    assert trained["examples"] == len(chat_rows())
    assert trained["left_out"] == 0


def test_a_mixture_of_experts(checkout):
    folder = make_base(checkout.folder / "model")
    torch.manual_seed(0)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    sizes = {key: config[key] for key in ("vocab_size", "hidden_size", "num_hidden_layers", "eos_token_id")}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 32, "num_local_experts": 4}
    MixtralForCausalLM(MixtralConfig(**sizes, **heads)).save_pretrained(folder)
    rows = [{"messages": row["prompt"] + row["completion"]} for row in training_rows()]

    def change(values):
        del values["datasets"]["chat"]["template"]["arguments"]
        values["training"]["tuning"] = {"method": "lora", "rank": 2}

    _, trained = run(checkout, folder, rows, change)
    assert any("experts" in name for name in trained["weights"]["trained"]), trained["weights"]
