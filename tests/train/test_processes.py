"""Two processes on CPUs, through gloo, in place of several GPUs."""

import logging
import os
import signal

import pytest
import torch
from accelerate.state import AcceleratorState
from safetensors.torch import load_file

from inversion.artifacts import MARKER
from inversion.config.training import FullTuning, LoraTuning, ScheduleSegment, Training
from inversion.models import load_model
from inversion.train import processes
from inversion.train.finetune import TrainingDataError, finetune, run_job
from inversion.train.processes import ProcessesError, launch, requested_gpus
from inversion.train.trainer import _Trainer

# several forward passes per step in each process
TRAINING = Training(
    max_steps=4,
    batch_size=8,
    learning_rate=1e-3,
    checkpoints=(ScheduleSegment(every=2),),
    micro_batch_tokens=60,
    activation_checkpointing=True,
)
LORA = LoraTuning(method="lora", rank=2, alpha=4.0)
CLOSE = {"abs": 1e-5, "rel": 0}


def run(base_folder, examples, template, store, tuning=TRAINING.tuning, count=1, **changed):
    training = TRAINING.model_copy(update={"tuning": tuning, **changed})
    return finetune(base_folder, "base", examples, "data", template, training, 0, store, count)


def losses(manifest):
    return [point.loss for point in manifest.loss]


@pytest.fixture
def forked(monkeypatch):
    """Start the processes as forks of this one, so that everything is already imported."""

    def work(rank, job, count, meeting_place):
        AcceleratorState._reset_state(reset_partial_state=True)
        sizes = {"WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count), "MASTER_ADDR": "localhost"}
        os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), **sizes}
        torch.set_num_threads(1)
        torch.distributed.init_process_group("gloo", f"file://{meeting_place}", rank=rank, world_size=count)
        run_job(job)
        torch.distributed.destroy_process_group()

    def fork(job, count, store):
        meeting_place = store.root / f"meeting-{job.start}"
        torch.multiprocessing.start_processes(work, (job, count, meeting_place), nprocs=count, start_method="fork")

    monkeypatch.setattr("inversion.train.finetune.launch", fork)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "tuning"),
    [("llama", FullTuning()), ("gpt_neox", FullTuning(weights="query_key")), ("mistral", LORA)],
    ids=["full, sharded", "query-key", "lora"],
)
def test_two_processes_equal_one(family, tuning, tiny_model, tokenizer, examples, template, tmp_path, forked):
    base = tmp_path / "base"
    tiny_model(family).save_pretrained(base)
    tokenizer.save_pretrained(base)
    one = run(base, examples, template, tmp_path / "one", tuning)
    two = run(base, examples, template, tmp_path / "two", tuning, count=2)
    assert losses(two) == pytest.approx(losses(one), **CLOSE)
    assert two.trained_parameters == one.trained_parameters
    for step in ("step-000002", "step-000004"):
        saved = {file.name for file in (tmp_path / "two" / step).iterdir()}
        assert saved == {file.name for file in (tmp_path / "one" / step).iterdir()}
        (name,) = (name for name in saved if name.endswith(".safetensors"))
        whole, expected = load_file(tmp_path / "two" / step / name), load_file(tmp_path / "one" / step / name)
        assert whole.keys() == expected.keys()
        for key in expected:
            torch.testing.assert_close(whole[key], expected[key], atol=1e-5, rtol=0)


@pytest.mark.slow
def test_sharded_training_resumes_exactly(base_folder, examples, template, tmp_path, forked, caplog):
    whole = run(base_folder, examples, template, tmp_path / "whole", count=2)
    with pytest.MonkeyPatch.context() as patch:
        commit = processes.CheckpointStore.commit

        def dies(self, saved, step, scheduled):
            commit(self, saved, step, scheduled)
            if step == 2:
                raise RuntimeError("killed")

        patch.setattr(processes.CheckpointStore, "commit", dies)
        with pytest.raises(Exception, match="killed"):
            run(base_folder, examples, template, tmp_path / "cut", count=2)
    assert (tmp_path / "cut" / "step-000002" / MARKER).exists()
    resumed = run(base_folder, examples, template, tmp_path / "cut", count=2)
    assert resumed.resumed_from == 2
    assert resumed.loss == whole.loss
    for step in ("step-000002", "step-000004"):
        weights = [(tmp_path / name / step / "model.safetensors").read_bytes() for name in ("whole", "cut")]
        assert weights[0] == weights[1]


@pytest.mark.slow
def test_launched_processes_train_and_their_log_arrives(base_folder, examples, template, tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        manifest = run(base_folder, examples, template, tmp_path / "two", count=2, max_steps=2)
    assert "step 2/2" in caplog.text
    assert [entry.step for entry in manifest.steps] == [2]
    assert load_model(tmp_path / "two" / "step-000002").num_parameters() == manifest.trained_parameters


def test_the_failure_of_a_process_is_reported(base_folder, examples, template, tmp_path, monkeypatch):
    def quick(folder):
        (folder / processes.FAILURE).write_text("the disk is full")
        return ["false"]

    monkeypatch.setattr(processes, "_command", lambda folder, count: quick(folder))
    with pytest.raises(ProcessesError, match="training in 2 processes failed: the disk is full"):
        run(base_folder, examples, template, tmp_path / "two", count=2)


def test_missing_gpus_are_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ProcessesError, match="asks for 4 GPUs, but 1 are visible; lower `gpus`"):
        launch(None, 4, None)


def test_a_batch_that_cannot_be_shared_is_refused(base_folder, examples, template, tmp_path):
    with pytest.raises(TrainingDataError, match="3 processes cannot share a batch of 8 examples evenly"):
        run(base_folder, examples, template, tmp_path / "store", count=3)


@pytest.mark.slow
def test_a_signal_to_one_process_stops_all_after_the_same_step(
    base_folder, examples, template, tmp_path, forked, monkeypatch
):
    original = _Trainer.training_step

    def training_step(self, *args, **kwargs):
        if os.environ["RANK"] == "1" and self.state.global_step == 2:
            os.kill(os.getpid(), signal.SIGUSR1)
        return original(self, *args, **kwargs)

    whole = run(base_folder, examples, template, tmp_path / "whole", LORA, 2)
    monkeypatch.setattr(_Trainer, "training_step", training_step)
    with pytest.raises(torch.multiprocessing.ProcessRaisedException, match="saved after step 3 of 4"):
        run(base_folder, examples, template, tmp_path / "cut", LORA, 2)
    monkeypatch.setattr(_Trainer, "training_step", original)
    resumed = run(base_folder, examples, template, tmp_path / "cut", LORA, 2)
    assert resumed.resumed_from == 3
    assert [step.digest for step in resumed.steps] == [step.digest for step in whole.steps]


@pytest.mark.parametrize(
    ("resources", "gpus"),
    [
        ({}, 0),
        ({"gpu": 2, "gres": ""}, 2),
        ({"gpu": 0, "gres": "gpu:4"}, 4),
        ({"gpu": 0, "gres": "gpu:a100:4"}, 4),
        ({"gpu": 0, "gres": "gpu"}, 1),
        ({"gpu": 0, "gres": "gpu:a100"}, 1),
        ({"gpu": 2, "gres": "nvme:10"}, 2),
    ],
)
def test_a_process_per_gpu_however_it_was_requested(resources, gpus):
    assert requested_gpus(resources) == gpus
