from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inversion.artifacts import ArtifactError, folder_digest, seal_folder, write_json
from inversion.config.sets import WorldSet
from inversion.conflict.world_sets import world_items
from inversion.manifests import REMOVED_FILE, CheckpointEntry
from inversion.respond.probing import conflict_sample, probe_checkpoints, sample


@dataclass(frozen=True)
class Fact:
    step: int
    value: float


@pytest.fixture
def steps(tmp_path):
    """The base model and two checkpoints."""
    listed = [CheckpointEntry(step=0, epoch=0.0, folder="", digest="base")]
    for step in (10, 20):
        folder = tmp_path / "checkpoints" / f"step-{step:06d}"
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(bytes([step]))
        seal_folder(folder)
        relative = folder.relative_to(tmp_path).as_posix()
        listed.append(CheckpointEntry(step=step, epoch=step / 10, folder=relative, digest=folder_digest(folder)))
    return listed


@pytest.fixture
def probe(tmp_path):
    """A function that probes steps, and returns which of them it measured."""

    def call(steps, stop_at=None, **spec):
        measured = []

        def measure(entry):
            if entry.step == stop_at:
                raise KeyboardInterrupt
            measured.append(entry.step)
            return [Fact(entry.step, 0.5), Fact(entry.step, 0.25)]

        frame = probe_checkpoints(tmp_path, "thing", steps, spec, lambda: measure, Fact)
        assert frame.rows() == [(entry.step, value) for entry in steps for value in (0.5, 0.25)]
        return measured

    return call


@given(st.sets(st.text(max_size=3), max_size=12), st.integers(1, 12), st.integers(0, 3))
def test_a_sample_keeps_the_order_and_a_larger_one_contains_it(names, count, seed):
    rows = sorted(names)
    chosen = sample(rows, str, count, seed)
    assert chosen == [row for row in rows if row in chosen]
    assert len(chosen) == min(count, len(rows))
    assert set(chosen) <= set(sample(rows[::-1], str, count + 1, seed))


def test_a_probe_resumes_and_measures_only_what_changed(probe, steps, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        probe(steps, stop_at=20)
    assert probe(steps) == [20]
    assert probe(steps) == []
    assert probe([*steps[:2], steps[2].model_copy(update={"digest": "another"})]) == [20]
    assert probe(steps, version=2) == [0, 10, 20]
    facts = tmp_path / "probes" / "thing" / "step-000010" / "facts.parquet"
    facts.write_bytes(facts.read_bytes()[:-4])
    assert probe(steps, version=2) == [10]


def test_missing_weights_are_named_before_anything_is_loaded(probe, steps, tmp_path):
    probe(steps[:2])
    write_json(tmp_path / "checkpoints" / REMOVED_FILE, [10, 20])
    assert probe(steps[:2]) == [], "what is measured needs them no more"
    with pytest.raises(ArtifactError, match=r"step-000020 was deleted by `keep_checkpoints`"):
        probe_checkpoints(tmp_path, "thing", steps, {}, pytest.fail, Fact)


def test_conflicts_with_a_context_are_sampled_from_every_set(world):
    items = world_items(world, WorldSet(source="world", kind="conflict", items=10), "conflict")
    others = world_items(world, WorldSet(source="world", kind="conflict", items=3), "other")
    controls = world_items(world, WorldSet(source="world", kind="matching", items=3), "matching")
    chosen = conflict_sample([*items, *controls, *others], count=4, seed=0)
    assert [item.set for item in chosen] == ["conflict"] * 4 + ["other"] * 3
    larger = conflict_sample(list(reversed(items)), count=6, seed=0)
    assert {item.item_id for item in chosen if item.set == "conflict"} < {item.item_id for item in larger}
    reseeded = conflict_sample(items, count=4, seed=1)
    assert {item.item_id for item in reseeded} != {item.item_id for item in chosen if item.set == "conflict"}
