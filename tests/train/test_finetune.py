import hashlib
import logging
import os
import signal
from contextlib import contextmanager

import pytest
import torch
from transformers import TrainingArguments

from inversion.config.training import FullTuning, LoraTuning, ScheduleSegment, Training
from inversion.models import load_model
from inversion.train.finetune import TrainingDataError, finetune
from inversion.train.interruption import SIGNALS, Interrupted
from inversion.train.packing import PackedData
from inversion.train.store import CheckpointStore, NoProgressError, open_store
from inversion.train.trainer import NonFiniteLossError, Optimization, _arguments, _SaveCheckpoints, _Trainer

FULL = FullTuning()
QUERY_KEY = FullTuning(weights="query_key")
LORA = LoraTuning(method="lora", rank=2, alpha=4.0, dropout=0.1)
PLAIN = Training(
    max_steps=10, batch_size=8, learning_rate=1e-3, checkpoints=(ScheduleSegment(every=3),)
)  # 48 examples: an epoch ends at step 6, between two checkpoints


def run(base_folder, examples, template, store, training=PLAIN, seed=0):
    return finetune(base_folder, "base", examples, "data", template, training, seed, store)


def weights(store):
    return {
        file.parent.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(store.glob("step-*/*.safetensors"))
    }


class Killed(BaseException):
    pass


@contextmanager
def killed_after(step):
    """Training ends immediately after the checkpoint of a step, as if it was killed."""
    original = _SaveCheckpoints.on_save

    def on_save(self, args, state, control, **kwargs):
        original(self, args, state, control, **kwargs)
        if state.global_step == step:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_SaveCheckpoints, "on_save", on_save)
        with pytest.raises(Killed):
            yield


def test_checkpoints_are_at_the_scheduled_steps(base_folder, examples, template, tmp_path):
    manifest = run(base_folder, examples, template, tmp_path / "store")
    assert [entry.step for entry in manifest.steps] == [3, 6, 9, 10]
    assert [entry.epoch for entry in manifest.steps] == [0.5, 1.0, 1.5, pytest.approx(10 / 6)]
    assert manifest.resumed_from == 0
    assert [point.step for point in manifest.loss][-1] == 10
    assert not list((tmp_path / "store").glob("state-*"))


def test_weights_are_deterministic_and_depend_on_the_seed(base_folder, examples, template, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run(base_folder, examples, template, tmp_path / name, seed=seed)
    assert weights(tmp_path / "a") == weights(tmp_path / "b")
    assert weights(tmp_path / "a") != weights(tmp_path / "c")


@pytest.mark.parametrize(
    ("family", "tuning", "accumulated", "step"),
    [
        ("llama", FULL, 1, 3),
        ("gpt_neox", FULL, 2, 9),
        ("gpt_neox", QUERY_KEY, 1, 6),
        ("mistral", LORA, 2, 9),
        ("gpt_neox", LORA, 2, 3),
        ("llama", FULL, 1, 10),
    ],
    ids=[
        "full",
        "accumulated, second epoch",
        "query-key",
        "lora with dropout, accumulated, second epoch",
        "lora with dropout, accumulated, before the epoch ends",
        "after the last step",
    ],
)
def test_interrupted_equals_uninterrupted(
    tiny_model, tokenizer, examples, template, tmp_path, family, tuning, accumulated, step, caplog
):
    base = tmp_path / "base"
    tiny_model(family).save_pretrained(base)
    tokenizer.save_pretrained(base)
    training = PLAIN.model_copy(update={"tuning": tuning, "micro_batch_tokens": 2048 if accumulated == 1 else 80})
    whole = run(base, examples, template, tmp_path / "whole", training)
    with killed_after(step):
        run(base, examples, template, tmp_path / "cut", training)
    with caplog.at_level(logging.INFO):
        resumed = run(base, examples, template, tmp_path / "cut", training)
    assert f"resuming from step {step} of 10" in caplog.text
    assert resumed.resumed_from == step
    assert weights(tmp_path / "cut") == weights(tmp_path / "whole")
    assert resumed.loss == whole.loss


@contextmanager
def signalled_in(step, number=signal.SIGUSR1):
    """Training gets a signal in the middle of a step, as before a job's time limit, and ends."""
    original = _Trainer.training_step

    def training_step(self, *args, **kwargs):
        if self.state.global_step == step - 1:
            os.kill(os.getpid(), number)
        return original(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_Trainer, "training_step", training_step)
        yield


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
@pytest.mark.parametrize("tuning", [FULL, LORA], ids=["full", "lora with dropout"])
def test_a_run_that_is_asked_to_stop_resumes_to_the_same_bytes(
    base_folder, examples, template, tmp_path, tuning, number
):
    """It is stopped twice at unscheduled steps, one in each epoch, and once at a scheduled step."""
    training = PLAIN.model_copy(update={"tuning": tuning})
    before = [signal.getsignal(number) for number in SIGNALS]
    whole = run(base_folder, examples, template, tmp_path / "whole", training)
    for step in (2, 6, 8):
        with (
            signalled_in(step, number),
            pytest.raises(Interrupted, match=f"^to be continued: .*saved after step {step} of 10"),
        ):
            run(base_folder, examples, template, tmp_path / "cut", training)
    resumed = run(base_folder, examples, template, tmp_path / "cut", training)
    assert resumed.resumed_from == 8
    assert [(s.step, s.digest) for s in resumed.steps] == [(s.step, s.digest) for s in whole.steps]
    assert weights(tmp_path / "cut") == weights(tmp_path / "whole")
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_a_signal_in_the_last_step_changes_nothing(base_folder, examples, template, tmp_path):
    with signalled_in(10):
        assert run(base_folder, examples, template, tmp_path / "store").steps[-1].step == 10


def test_attempts_without_progress_are_refused(base_folder, examples, template, tmp_path, monkeypatch):
    def out_of_memory(*args, **kwargs):
        raise MemoryError("the node is full")

    monkeypatch.setattr(_Trainer, "training_step", out_of_memory)
    for attempt in (1, 2):
        with pytest.raises(MemoryError):
            finetune(base_folder, "base", examples, "data", template, PLAIN, 0, tmp_path / "store", attempt=attempt)
    with pytest.raises(NoProgressError, match=r"did not get past step 0 .*the node is full"):
        finetune(base_folder, "base", examples, "data", template, PLAIN, 0, tmp_path / "store", attempt=3)


def test_truncated_checkpoint_is_named_and_trained_again(base_folder, examples, template, tmp_path, caplog):
    run(base_folder, examples, template, tmp_path / "whole")
    with killed_after(9):
        run(base_folder, examples, template, tmp_path / "cut")
    broken = tmp_path / "cut" / "step-000009" / "model.safetensors"
    broken.write_bytes(broken.read_bytes()[:100])
    with caplog.at_level(logging.WARNING):
        assert run(base_folder, examples, template, tmp_path / "cut").resumed_from == 6
    assert "step-000009/model.safetensors has 100 bytes" in caplog.text
    assert weights(tmp_path / "cut") == weights(tmp_path / "whole")


def test_finished_training_is_not_repeated(base_folder, examples, template, tmp_path, monkeypatch):
    first = run(base_folder, examples, template, tmp_path / "store")
    monkeypatch.setattr("inversion.train.trainer._Trainer.train", lambda *a, **k: pytest.fail("trained again"))
    assert run(base_folder, examples, template, tmp_path / "store") == first


def test_a_checkpoint_damaged_after_the_end_is_created_again(base_folder, examples, template, tmp_path, caplog):
    run(base_folder, examples, template, tmp_path / "store")
    good = weights(tmp_path / "store")
    (tmp_path / "store" / "step-000006" / "model.safetensors").write_bytes(b"")
    run(base_folder, examples, template, tmp_path / "store")
    assert "step-000006" in caplog.text
    assert weights(tmp_path / "store") == good


def test_a_changed_hyperparameter_starts_again(base_folder, examples, template, tmp_path):
    run(base_folder, examples, template, tmp_path / "store")
    good = weights(tmp_path / "store")
    run(base_folder, examples, template, tmp_path / "store", PLAIN.model_copy(update={"learning_rate": 2e-3}))
    assert weights(tmp_path / "store") != good


def test_infinite_loss_stops_and_keeps_the_last_good_checkpoint(base_folder, examples, template, tmp_path, monkeypatch):
    original = _SaveCheckpoints.on_save

    def poison(self, args, state, control, model=None, **kwargs):
        original(self, args, state, control, model=model, **kwargs)
        if state.global_step == 6:
            with torch.no_grad():
                next(model.parameters()).fill_(float("nan"))

    monkeypatch.setattr(_SaveCheckpoints, "on_save", poison)
    with pytest.raises(NonFiniteLossError, match="after step 6; the checkpoints up to there are kept"):
        run(base_folder, examples, template, tmp_path / "store")
    assert CheckpointStore(tmp_path / "store").fault(6) is None
    assert not (tmp_path / "store" / "step-000009").exists()


def test_weights_that_became_nan_are_not_saved(base_folder, tmp_path, tiny_model):
    model = tiny_model()
    with torch.no_grad():
        next(model.parameters()).fill_(float("inf"))
    with open_store(tmp_path, "spec") as store, pytest.raises(NonFiniteLossError, match="weight"):
        _SaveCheckpoints({1}, store).on_save(None, _State(1), None, model=model)


class _State:
    def __init__(self, step):
        self.global_step = step


def test_lora_checkpoints_are_adapters_that_load(base_folder, examples, template, tmp_path):
    from inversion.models import CheckpointLoader

    run(base_folder, examples, template, tmp_path / "store", PLAIN.model_copy(update={"tuning": LORA}))
    folder = tmp_path / "store" / "step-000010"
    assert (folder / "adapter_model.safetensors").is_file()
    ids = torch.arange(5, 15).unsqueeze(0)
    with torch.no_grad():
        tuned = CheckpointLoader.on(base_folder, "base").load(folder)(ids).logits
        assert not torch.equal(tuned, load_model(base_folder)(ids).logits)


def test_too_long_examples_are_omitted_and_counted(base_folder, examples, template, tmp_path):
    lengths = Training(max_steps=2, batch_size=4, max_length=14, checkpoints=(ScheduleSegment(every=2),))
    manifest = run(base_folder, examples, template, tmp_path / "store", lengths)
    assert manifest.left_out > 0
    assert manifest.examples + manifest.left_out == len(examples)
    with pytest.raises(TrainingDataError, match="max_length 2"):
        run(base_folder, examples, template, tmp_path / "none", lengths.model_copy(update={"max_length": 2}))


def test_examples_beyond_the_context_window_are_omitted(tiny_model, tokenizer, examples, template, tmp_path):
    for window in (14, 2):
        model = tiny_model()
        model.config.max_position_embeddings = window
        model.save_pretrained(tmp_path / f"base{window}")
        tokenizer.save_pretrained(tmp_path / f"base{window}")
    two_steps = PLAIN.model_copy(update={"max_steps": 2, "batch_size": 1})
    assert run(tmp_path / "base14", examples, template, tmp_path / "store", two_steps).left_out > 0
    with pytest.raises(TrainingDataError, match="max_length 2, which is the model's context window"):
        run(tmp_path / "base2", examples, template, tmp_path / "none", two_steps)


@pytest.mark.parametrize("change", [{"gpus": 2}, {"micro_batch_tokens": 64}, {"activation_checkpointing": True}])
def test_the_division_of_a_step_is_not_part_of_the_specification(
    base_folder, examples, template, tmp_path, monkeypatch, change
):
    two_steps = PLAIN.model_copy(update={"max_steps": 2})
    first = run(base_folder, examples, template, tmp_path / "store", two_steps)
    monkeypatch.setattr("inversion.train.trainer._Trainer.train", lambda *a, **k: pytest.fail("trained again"))
    assert run(base_folder, examples, template, tmp_path / "store", two_steps.model_copy(update=change)) == first


def rates(base_folder, examples, template, store, **changes):
    training = PLAIN.model_copy(update={"max_steps": 4, **changes})
    manifest = run(base_folder, examples, template, store, training)
    return [point.learning_rate for point in manifest.loss]


def test_a_constant_rate_warms_up(base_folder, examples, template, tmp_path):
    warmed = rates(base_folder, examples, template, tmp_path / "a", scheduler="constant", warmup_steps=2)
    assert warmed[0] < warmed[-1] == pytest.approx(1e-3)
    assert set(rates(base_folder, examples, template, tmp_path / "b", scheduler="constant")) == {1e-3}


def test_one_process_trains_on_one_of_several_gpus(base_folder, tmp_path, monkeypatch):
    """transformers counts GPUs, and its Trainer would distribute each packed row over them."""
    monkeypatch.setattr(TrainingArguments, "_setup_devices", property(lambda self: setattr(self, "_n_gpu", 2)))
    data = PackedData.of([[1, 2, 3]], [[True] * 3], torch.tensor([[0]], dtype=torch.int32))
    optimization = Optimization(1e-3, "cosine", {}, 0, 0.0, 1.0, 0, 64)
    assert _arguments(optimization, data, tmp_path, torch.float32).n_gpu == 1
