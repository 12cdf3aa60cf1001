import json

import pytest

from inversion.artifacts import ArtifactError
from inversion.manifests import BaseManifest, CheckpointEntry, CheckpointList, TrainManifest

BASE = BaseManifest(source="world", folder="base", digest="d", architecture="A", parameters=1, pretraining_loss=0.5)
STEPS = [CheckpointEntry(step=s, epoch=s / 10, folder=f"checkpoints/step-{s:06d}", digest=str(s)) for s in (10, 20, 30)]


def manifest(**changes):
    values = {
        "spec": "s",
        "steps": STEPS,
        "steps_per_epoch": 10.0,
        "examples": 80,
        "left_out": 0,
        "loss": [],
        "trained_parameters": 1,
        "wall_s": 1.0,
        "tokens_per_s": 1.0,
        "peak_memory_mib": 1.0,
        "resumed_from": 0,
        "versions": {},
    }
    return TrainManifest(**values | changes)


def test_round_trip(tmp_path):
    manifest().write(tmp_path / "train.json")
    assert TrainManifest.read(tmp_path / "train.json") == manifest()


def test_broken_manifests_are_named_with_the_fix(tmp_path):
    path = tmp_path / "train.json"
    with pytest.raises(ArtifactError, match=r"train.json is missing"):
        TrainManifest.read(path)
    path.write_text("{")
    with pytest.raises(ArtifactError, match=r"train.json is not JSON"):
        TrainManifest.read(path)
    path.write_text(json.dumps(manifest().model_dump(mode="json") | {"steps": "none"}))
    with pytest.raises(ArtifactError, match=r"train.json: `steps`.*delete it and rerun"):
        TrainManifest.read(path)


@pytest.mark.parametrize(
    ("per_job", "expected"), [(1, [[0], [10], [20], [30]]), (3, [[0, 10, 20], [30]]), (9, [[0, 10, 20, 30]])]
)
def test_checkpoints_are_listed_in_chunks_with_the_base_first(per_job, expected):
    listed = CheckpointList.of(manifest(), BASE, per_job)
    assert [[entry.step for entry in chunk] for chunk in listed.chunks] == expected
    assert listed.chunks[0][0] == CheckpointEntry(step=0, epoch=0.0, folder="", digest="d")


def test_models_made_here_are_next_to_their_manifest(tmp_path):
    assert BASE.location(tmp_path / "base.json") == tmp_path / "base"
    elsewhere = BASE.model_copy(update={"source": "folder", "folder": "models/mine"})
    assert str(elsewhere.location(tmp_path / "base.json")) == "models/mine"
