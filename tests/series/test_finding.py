"""Which checkpoints in a folder are found, skipped and refused. No test loads a model."""

import json
import os
import re
import shutil
import struct

import pytest

from inversion.config.series import FolderCheckpoint, FolderSeries
from inversion.series import SeriesError, content_fingerprint, find_series, link_checkpoint


def safetensors(file, cut=0, **tensors):
    """A safetensors file of zeros with tensors of these shapes, from whose end ``cut`` bytes are missing."""
    header, end = {}, 0
    for name, shape in (tensors or {"weight": [2, 2]}).items():
        size = 4 * shape[0] * shape[1]
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    data = struct.pack("<Q", len(text)) + text + bytes(end)
    file.write_bytes(data[: len(data) - cut])


def adapter(folder, step=None, cut=0, **config):
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 2, "lora_alpha": 4, **config}))
    safetensors(folder / "adapter_model.safetensors", cut)
    if step is not None:
        state = {"global_step": step, "epoch": step / 50}
        (folder / "trainer_state.json").write_text(json.dumps(state))
    _age(folder)
    return folder


def sharded(folder, names=("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    index = {"weight_map": {f"w{i}": name for i, name in enumerate(names)}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    for name in names:
        safetensors(folder / name)
    _age(folder)
    return folder


def _age(folder):
    """Set back the time stamps of files, as if they had not changed for a while."""
    for file in folder.iterdir():
        os.utime(file, (1_600_000_000, 1_600_000_000))


def series(path, **keys):
    return FolderSeries(source="folder", path=str(path), **keys)


def steps(path, **keys):
    return [one.step for one in find_series(series(path, **keys))[0]]


def test_steps_are_sorted_as_numbers_and_their_epochs_are_read(tmp_path):
    for step in (1000, 500, 50):
        adapter(tmp_path / f"checkpoint-{step}", step)
    (tmp_path / "runs").mkdir()
    (tmp_path / "checkpoint-best").mkdir()
    (tmp_path / "tmp-checkpoint-1500").mkdir()
    found, skipped = find_series(series(tmp_path))
    assert [(one.step, one.kind, one.epoch) for one in found] == [
        (50, "adapter", 1.0),
        (500, "adapter", 10.0),
        (1000, "adapter", 20.0),
    ]
    assert not skipped


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("step_{step}", {"step_0000010": 10, "step_0000200": 200}),
        ("global_step_{step}/actor/huggingface", {"global_step_5/actor/huggingface": 5}),
        ("step{step}-tokens*B", {"step1000-tokens4B": 1000, "step2000-tokens8B": 2000}),
        ("epoch[{step}]", {"epoch[1]": 1, "epoch[2]": 2}),
    ],
)
def test_other_names_are_matched_by_their_pattern(tmp_path, pattern, names):
    for name in names:
        adapter(tmp_path / name)
    (tmp_path / "step_10_old").mkdir()
    assert steps(tmp_path, checkpoints=pattern) == list(names.values())


def test_a_number_that_is_too_large_for_a_table_is_not_a_step(tmp_path):
    for step in (10**15, 10**15 - 1):
        adapter(tmp_path / f"checkpoint-{step}", step)
    assert steps(tmp_path) == [10**15 - 1]


def test_checkpoints_can_be_listed(tmp_path):
    sharded(tmp_path / "sft")
    sharded(tmp_path / "dpo")
    listed = (FolderCheckpoint(step=2, path="dpo", label="DPO"), FolderCheckpoint(step=1, path="sft", label="SFT"))
    found, _ = find_series(series(tmp_path, checkpoints=listed))
    assert [(one.step, one.folder.name, one.kind, len(one.weights)) for one in found] == [
        (1, "sft", "full", 2),
        (2, "dpo", "full", 2),
    ]


def half_written(folder, how):
    match how:
        case "empty":
            folder.mkdir()
        case "no trainer_state":
            adapter(folder)
        case "cut adapter":
            adapter(folder, 20, cut=3)
        case "no adapter weights":
            (adapter(folder, 20) / "adapter_model.safetensors").unlink()
        case "no shard":
            (sharded(folder) / "model-00002-of-00002.safetensors").unlink()
            (folder / "trainer_state.json").write_text('{"global_step": 20}')
        case "cut index":
            (sharded(folder) / "model.safetensors.index.json").write_text('{"weight_map": {"a": ')
            (folder / "trainer_state.json").write_text('{"global_step": 20}')
        case "no weights":
            folder.mkdir()
            (folder / "trainer_state.json").write_text('{"global_step": 20}')
        case "cut state":
            (adapter(folder, 20) / "trainer_state.json").write_text('{"global_st')


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("empty", "the folder is empty"),
        ("no trainer_state", "lacks trainer_state.json, which the Trainer writes last"),
        ("cut adapter", "adapter_model.safetensors has .* bytes of"),
        ("no adapter weights", "lacks adapter_model.safetensors"),
        ("no shard", "lacks model-00002-of-00002.safetensors, which its"),
        ("cut index", "its model.safetensors.index.json is truncated"),
        ("no weights", "contains no weights"),
        ("cut state", "its trainer_state.json is truncated"),
    ],
)
def test_incomplete_checkpoints_are_skipped_by_name_until_they_are_complete(tmp_path, how, reason):
    adapter(tmp_path / "checkpoint-10", 10)
    half_written(tmp_path / "checkpoint-20", how)
    found, skipped = find_series(series(tmp_path))
    assert [one.step for one in found] == [10]
    assert [one.step for one in skipped] == [20]
    assert re.search(reason, skipped[0].reason)
    before = content_fingerprint(series(tmp_path))
    shutil.rmtree(tmp_path / "checkpoint-20")
    adapter(tmp_path / "checkpoint-20", 20)
    assert steps(tmp_path) == [10, 20]
    assert content_fingerprint(series(tmp_path)) != before


@pytest.mark.parametrize("name", ["adapter_model.bin", "pytorch_model.bin", "pytorch_model-00001-of-00002.bin"])
def test_pickled_weights_are_refused(tmp_path, name):
    adapter(tmp_path / "checkpoint-10", 10)
    folder = adapter(tmp_path / "checkpoint-20", 20)
    (folder / "adapter_model.safetensors").unlink()
    if not name.startswith("adapter"):
        (folder / "adapter_config.json").unlink()
    (folder / name).write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(SeriesError, match=f"checkpoint-20 has its weights as a pickle .{name}"):
        find_series(series(tmp_path))


def test_the_parts_of_a_distributed_training_are_named(tmp_path):
    folder = tmp_path / "checkpoint-5"
    (folder / "pytorch_model_fsdp_0").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    with pytest.raises(SeriesError, match=r"sharded by training process \(FSDP or DeepSpeed\)"):
        find_series(series(tmp_path))


def test_steps_select_checkpoints_and_name_missing_ones(tmp_path):
    for step in (10, 20, 30):
        adapter(tmp_path / f"checkpoint-{step}", step)
    found, skipped = find_series(series(tmp_path, steps=(10, 30, 40)))
    assert [one.step for one in found] == [10, 30]
    assert [(one.step, one.reason) for one in skipped] == [(40, "there is no checkpoint for this step")]


def test_a_change_of_equal_size_and_time_is_noticed(tmp_path):
    """``rsync --times`` and ``cp --preserve`` make such changes."""
    file = adapter(tmp_path / "checkpoint-10", 10) / "adapter_model.safetensors"
    (found,), _ = find_series(series(tmp_path))
    before, digest = content_fingerprint(series(tmp_path)), link_checkpoint(found, tmp_path / "run", "base")
    assert link_checkpoint(found, tmp_path / "run", "base") == digest
    state, content = file.stat(), file.read_bytes()
    file.write_bytes(content[:-1] + b"\x01")
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (state.st_size, state.st_mtime_ns)
    assert content_fingerprint(series(tmp_path)) != before
    assert link_checkpoint(found, tmp_path / "run", "base") != digest


def test_the_fingerprint_changes_only_with_the_files(tmp_path):
    folder = adapter(tmp_path / "checkpoint-10", 10)
    before = content_fingerprint(series(tmp_path))
    assert content_fingerprint(series(tmp_path)) == before
    (folder / "optimizer.pt").write_bytes(b"1234")
    assert content_fingerprint(series(tmp_path)) == before, "evaluation does not read it"
    safetensors(folder / "adapter_model.safetensors", other=[2, 2])
    assert content_fingerprint(series(tmp_path)) != before
    assert "no folder" in content_fingerprint(series(tmp_path / "nowhere"))
