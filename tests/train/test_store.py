import logging
import os
import shutil
import socket
from contextlib import suppress

import pytest

from inversion.artifacts import MARKER, ArtifactError, folder_digest
from inversion.manifests import CheckpointEntry, KeptCheckpoints, TrainManifest, removed_steps
from inversion.train.store import STATES_KEPT, NoProgressError, RunLockedError, open_store, thin_checkpoints


def saved_folder(root, step):
    """Small versions of the files that the Trainer writes at a step."""
    folder = root / "saving" / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    for name in ("model.safetensors", "config.json", "optimizer.pt", "scheduler.pt", "rng_state.pth"):
        (folder / name).write_text(f"{name} at {step}")
    (folder / "trainer_state.json").write_text("{}")
    (folder / "training_args.bin").write_text("a pickle, which nobody may load")
    return folder


def filled(root, steps, spec="a"):
    with open_store(root, spec) as store:
        for step in steps:
            store.commit(saved_folder(root, step), step)
        return store


def test_weights_and_resume_state_are_kept_apart(tmp_path):
    store = filled(tmp_path, [10])
    assert {f.name for f in store.step_folder(10).iterdir()} == {"model.safetensors", "config.json", MARKER}
    assert {f.name for f in store.state_folder(10).iterdir()} == {
        "optimizer.pt",
        "scheduler.pt",
        "rng_state.pth",
        "trainer_state.json",
        MARKER,
    }
    assert not list(tmp_path.rglob("*.bin"))


def test_only_the_newest_resume_states_are_kept(tmp_path):
    store = filled(tmp_path, [10, 20, 30, 40])
    assert [store.state_folder(step).exists() for step in (10, 20, 30, 40)] == [False, False, True, True]
    assert STATES_KEPT == 2
    assert all(store.step_folder(step).exists() for step in (10, 20, 30, 40))


def test_resumes_from_the_newest_step(tmp_path):
    assert filled(tmp_path, [10, 20, 30]).resume_step([0, 10, 20, 30, 40]) == 30


def test_nothing_to_resume_from(tmp_path):
    assert filled(tmp_path, []).resume_step([0, 10]) == 0


@pytest.mark.parametrize("harm", ["truncate", "flip", "no marker", "missing file"])
def test_damaged_newest_checkpoint_is_named_and_ignored(tmp_path, caplog, harm):
    store = filled(tmp_path, [10, 20, 30])
    weights = store.step_folder(30) / "model.safetensors"
    if harm == "truncate":
        weights.write_bytes(weights.read_bytes()[:-3])
    elif harm == "flip":
        weights.write_bytes(b"X" + weights.read_bytes()[1:])
    elif harm == "no marker":
        (store.step_folder(30) / MARKER).unlink()
    else:
        weights.unlink()
    with caplog.at_level(logging.WARNING):
        assert store.resume_step([0, 10, 20, 30]) == 20
    assert "step-000030" in caplog.text
    assert not store.step_folder(30).exists()


def test_a_damaged_resume_state_falls_back_to_the_previous_one(tmp_path, caplog):
    store = filled(tmp_path, [10, 20, 30])
    (store.state_folder(30) / "optimizer.pt").write_text("")
    assert store.resume_step([0, 10, 20, 30]) == 20
    assert "state-000030" in caplog.text


def test_a_missing_early_checkpoint_is_created_again(tmp_path):
    store = filled(tmp_path, [10, 20, 30])
    (store.step_folder(10) / "model.safetensors").unlink()
    assert store.resume_step([0, 10, 20, 30]) == 0


def test_a_swapped_checkpoint_is_created_again(tmp_path, caplog):
    store = filled(tmp_path, [10, 20, 30])
    shutil.rmtree(store.step_folder(30))
    shutil.copytree(store.step_folder(10), store.step_folder(30))
    assert store.resume_step([0, 10, 20, 30]) == 20
    assert f"{store.step_folder(30)} contains the weights of step 10" in caplog.text


def test_another_specification_empties_the_store(tmp_path):
    filled(tmp_path, [10], spec="a")
    assert filled(tmp_path, [], spec="b").resume_step([0, 10]) == 0
    assert not list(tmp_path.glob("step-*"))


def test_leftovers_of_a_kill_are_removed(tmp_path):
    filled(tmp_path, [10])
    (tmp_path / ".step-000020.x1").mkdir()
    saved_folder(tmp_path, 20)
    with open_store(tmp_path, "a"):
        assert not (tmp_path / ".step-000020.x1").exists()
        assert not (tmp_path / "saving").exists()


def test_two_processes_never_write_one_run(tmp_path):
    owner = f"process {os.getpid()} on {socket.gethostname()}"
    with (
        open_store(tmp_path, "a"),
        pytest.raises(RunLockedError, match=rf"{tmp_path} \({owner}\)"),
        open_store(tmp_path, "a"),
    ):
        pass
    with open_store(tmp_path, "a"):
        pass


def test_a_lock_whose_owner_is_dead_blocks_nobody(tmp_path, caplog):
    (tmp_path / ".lock").write_text("process 7 on node1, Slurm job 3")
    with caplog.at_level(logging.INFO), open_store(tmp_path, "a"):
        assert "process 7 on node1, Slurm job 3" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.INFO), open_store(tmp_path, "a"):
        assert not caplog.text


# --- interruption off the schedule --------------------------------------------------------------


def test_a_state_saved_off_the_schedule_is_resumed_from_but_not_a_checkpoint(tmp_path):
    store = filled(tmp_path, [10])
    store.commit(saved_folder(tmp_path, 13), 13, scheduled=False)
    assert sorted(folder.name for folder in tmp_path.glob("step-*")) == ["step-000010"]
    with store.resuming([0, 10, 20]) as step:
        assert step == 13
        assert (store.resume_folder(13) / "model.safetensors").read_text() == "model.safetensors at 13"
        assert (store.resume_folder(13) / "optimizer.pt").read_text() == "optimizer.pt at 13"
    store.drop_states()
    assert store.resume_step([0, 10, 20]) == 0


def test_a_damaged_earlier_checkpoint_invalidates_it(tmp_path):
    store = filled(tmp_path, [10, 20])
    store.commit(saved_folder(tmp_path, 23), 23, scheduled=False)
    (store.step_folder(20) / "model.safetensors").unlink()
    assert store.resume_step([0, 10, 20, 30]) == 0  # the state at 23 has replaced the one at 10
    assert not list(tmp_path.glob("state-*"))


def test_a_damaged_state_falls_back_to_the_previous_checkpoint(tmp_path, caplog):
    store = filled(tmp_path, [10, 20])
    store.commit(saved_folder(tmp_path, 23), 23, scheduled=False)
    (store.state_folder(23) / "model.safetensors").write_text("")
    assert store.resume_step([0, 10, 20, 30]) == 20
    assert "state-000023" in caplog.text


def attempt(store, start, first=False, error=None):
    with suppress(KeyError), store.attempting(start, first):
        if error:
            raise error


def test_a_third_attempt_from_the_same_step_is_refused(tmp_path):
    store = filled(tmp_path, [])
    attempt(store, 0, first=True)
    attempt(store, 0, error=KeyError("no memory"))
    with pytest.raises(NoProgressError, match=r"2 attempts in a row did not get past step 0 .*'no memory'"):
        attempt(store, 0)
    attempt(store, 0, first=True)  # a person fixed something and started it again


def test_attempts_with_progress_are_not_counted(tmp_path):
    store = filled(tmp_path, [])
    for start in (0, 0, 3, 3, 5):
        attempt(store, start)
    attempt(store, 5)
    with pytest.raises(NoProgressError, match=r"step 5 .*killed before it could save"):
        attempt(store, 5)


def test_resume_folder_contains_weights_and_state(tmp_path):
    store = filled(tmp_path, [10])
    with store.resuming([0, 10]) as step:
        folder = store.resume_folder(step)
        assert {f.name for f in folder.iterdir()} >= {"model.safetensors", "optimizer.pt", "trainer_state.json"}
        assert (folder / "model.safetensors").read_text() == "model.safetensors at 10"
    assert not folder.exists()


# --- thinning -----------------------------------------------------------------------------------


def ended(root, steps):
    """The store and the manifest of a finished training."""
    store = filled(root, steps)
    store.drop_states()
    manifest = TrainManifest(
        spec="a",
        steps=[
            CheckpointEntry(step=step, epoch=0.0, folder=f"x/{step}", digest=folder_digest(store.step_folder(step)))
            for step in steps
        ],
        steps_per_epoch=1.0,
        examples=1,
        left_out=0,
        loss=[],
        trained_parameters=1,
        wall_s=1.0,
        tokens_per_s=1.0,
        peak_memory_mib=1.0,
        resumed_from=0,
        versions={},
    )
    store.write_manifest(manifest)
    return store, manifest


def test_thinned_checkpoints_are_not_trained_again(tmp_path):
    store, manifest = ended(tmp_path, [10, 20, 30])
    kept = thin_checkpoints(tmp_path, manifest, {0, 20}, "extremes")
    assert kept == KeptCheckpoints(keep="extremes", kept=[20], removed=[10, 30])
    assert sorted(folder.name for folder in tmp_path.glob("step-*")) == ["step-000020"]
    assert store.read_manifest() == manifest
    assert thin_checkpoints(tmp_path, manifest, {10, 20}, "all").kept == [20], "what is gone stays gone"


def test_a_damaged_thinned_store_trains_again_and_forgets_removals(tmp_path):
    store, manifest = ended(tmp_path, [10, 20])
    thin_checkpoints(tmp_path, manifest, {20}, "extremes")
    (store.step_folder(20) / "model.safetensors").unlink()
    assert store.read_manifest() is None
    filled(tmp_path, [10, 20])
    assert store.read_manifest() == manifest
    assert removed_steps(tmp_path) == set()


def test_only_the_run_of_the_manifest_is_thinned(tmp_path):
    store, manifest = ended(tmp_path, [10])
    with pytest.raises(ArtifactError, match=r"does not contain the checkpoints that train.json lists"):
        thin_checkpoints(tmp_path, manifest.model_copy(update={"spec": "b"}), set(), "none")
    assert store.fault(10) is None
