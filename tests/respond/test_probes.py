from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inversion.artifacts import ArtifactError, folder_digest, seal_folder, write_json
from inversion.manifests import REMOVED_FILE, Step
from inversion.respond.probes import probe_checkpoints, sample


@dataclass(frozen=True)
class Fact:
    step: int
    value: float


@pytest.fixture
def steps(tmp_path):
    """The base model and two checkpoints."""
    listed = [Step(step=0, epoch=0.0, folder="", digest="base")]
    for step in (10, 20):
        folder = tmp_path / "checkpoints" / f"step-{step:06d}"
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(bytes([step]))
        seal_folder(folder)
        relative = folder.relative_to(tmp_path).as_posix()
        listed.append(Step(step=step, epoch=step / 10, folder=relative, digest=folder_digest(folder)))
    return listed


@pytest.fixture
def probe(tmp_path):
    """A function that probes steps, and says which it measured."""

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
def test_a_sample_keeps_the_order_and_a_larger_one_holds_it(names, count, seed):
    rows = sorted(names)
    chosen = sample(rows, str, count, seed)
    assert chosen == [row for row in rows if row in chosen]
    assert len(chosen) == min(count, len(rows))
    assert set(chosen) <= set(sample(rows[::-1], str, count + 1, seed))


def test_a_probe_goes_on_where_it_stopped_and_measures_what_changed(probe, steps, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        probe(steps, stop_at=20)
    assert probe(steps) == [20]
    assert probe(steps) == []
    assert probe([*steps[:2], steps[2].model_copy(update={"digest": "another"})]) == [20]
    assert probe(steps, version=2) == [0, 10, 20]
    facts = tmp_path / "probes" / "thing" / "step-000010" / "facts.parquet"
    facts.write_bytes(facts.read_bytes()[:-4])
    assert probe(steps, version=2) == [10]


def test_weights_that_are_gone_are_named_before_anything_is_loaded(probe, steps, tmp_path):
    probe(steps[:2])
    write_json(tmp_path / "checkpoints" / REMOVED_FILE, [10, 20])
    assert probe(steps[:2]) == [], "what is measured needs them no more"
    with pytest.raises(ArtifactError, match=r"step-000020 was removed by `keep_checkpoints`"):
        probe_checkpoints(tmp_path, "thing", steps, {}, pytest.fail, Fact)
