"""Which weights each tuning method changes, measured by real training on the checkpoints that it saves."""

import pytest
import torch
from safetensors.torch import load_file

from inversion.config.training import DoraTuning, FullTuning, LoraTuning, QloraTuning, ScheduleSegment, Training
from inversion.models import CheckpointLoader, load_model, value_rows
from inversion.train.finetune import finetune

RANK = {"rank": 2, "alpha": 4.0}
DECAYING = Training(
    max_steps=3, batch_size=8, learning_rate=1e-3, weight_decay=0.1, checkpoints=(ScheduleSegment(every=3),)
)
"""Weight decay changes weights without a gradient too, unless they are excluded from it."""


@pytest.fixture
def tuned(tiny_model, tokenizer, examples, template, tmp_path):
    """A function that finetunes a tiny model. It returns the folders of the base model and of the last checkpoint."""

    def tune(family, tuning):
        base = tmp_path / "base"
        tiny_model(family).save_pretrained(base)
        tokenizer.save_pretrained(base)
        training = DECAYING.model_copy(update={"tuning": tuning})
        finetune(base, "base", examples, "data", template, training, 0, tmp_path / "store")
        return base, tmp_path / "store" / "step-000003"

    return tune


def changed_rows(before, after):
    """For each weight, a mask of the rows that changed."""
    return {name: (before[name] != after[name]).reshape(len(before[name]), -1).any(dim=1) for name in before}


@pytest.mark.parametrize("family", ["llama", "mistral"])
def test_query_key_tuning_does_not_change_other_weights(tuned, family):
    base, checkpoint = tuned(family, FullTuning(weights="query_key"))
    rows = changed_rows(load_model(base).state_dict(), load_model(checkpoint).state_dict())
    assert {n for n, changed in rows.items() if changed.any()} == {
        n for n in rows if ".q_proj." in n or ".k_proj." in n
    }


def test_query_key_tuning_keeps_value_rows_and_biases_bit_equal(tuned):
    base, checkpoint = tuned("gpt_neox", FullTuning(weights="query_key"))
    rows = changed_rows(load_model(base).state_dict(), load_model(checkpoint).state_dict())
    values = value_rows(48, head_size=8)
    for name, changed in rows.items():
        if ".query_key_value." in name:
            assert not changed[values].any(), name
            assert changed[~values].any(), name
        else:
            assert not changed.any(), name


@pytest.mark.parametrize("family", ["gpt_neox", "llama"])
@pytest.mark.parametrize(
    "method",
    [
        LoraTuning(method="lora", **RANK),
        DoraTuning(method="dora", **RANK),
        QloraTuning(method="qlora", **RANK),
    ],
)
def test_adapter_checkpoints_contain_the_trained_weights_and_load(tuned, family, method):
    base, checkpoint = tuned(family, method.model_copy(update={"weights": "query_key"}))
    weights = load_file(checkpoint / "adapter_model.safetensors")
    fused = family == "gpt_neox"
    modules = {"query_key_value"} if fused else {"q_proj", "k_proj"}
    assert {part for name in weights for part in name.split(".") if part.endswith(("_proj", "_value"))} == modules
    for name, weight in weights.items():
        if "lora_B" in name:
            frozen = value_rows(48, head_size=8) if fused else torch.zeros(len(weight), dtype=torch.bool)
            assert not weight[frozen].any()
            assert weight[~frozen].any()
    ids = torch.arange(5, 15).unsqueeze(0)
    checkpoints = CheckpointLoader.on(base, "base")
    with torch.no_grad():
        before = checkpoints.model(ids).logits.clone()
        after = checkpoints.load(checkpoint)(ids).logits
        assert not torch.equal(after, before)
        merged = CheckpointLoader.on(base, "base", merging=True).load(checkpoint)(ids).logits
        torch.testing.assert_close(merged, after, atol=1e-5, rtol=1e-5)
        assert torch.equal(checkpoints.load(base)(ids).logits, before)


@pytest.mark.parametrize("kind", [DoraTuning, QloraTuning])
def test_adapters_resume_exactly(base_folder, examples, template, tmp_path, monkeypatch, kind):
    tuning = kind(method=kind.__name__.removesuffix("Tuning").lower(), dropout=0.1, **RANK)
    training = DECAYING.model_copy(update={"tuning": tuning, "max_steps": 6})

    def run(store):
        return finetune(base_folder, "base", examples, "data", template, training, 0, tmp_path / store)

    whole = run("whole")

    class Killed(BaseException):
        pass

    from inversion.train import trainer as module

    original = module._SaveCheckpoints.on_save

    def on_save(self, args, state, control, **kwargs):
        original(self, args, state, control, **kwargs)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(module._SaveCheckpoints, "on_save", on_save)
        with pytest.raises(Killed):
            run("parts")
    parts = run("parts")
    assert parts.resumed_from == 3
    assert [step.digest for step in parts.steps] == [step.digest for step in whole.steps]
