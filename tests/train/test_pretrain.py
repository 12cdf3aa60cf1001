import pytest

from inversion.artifacts import file_hashes
from inversion.config.datasets import WORLD_TEMPLATE
from inversion.config.models import Architecture, WorldModel
from inversion.config.world import Pretraining, World
from inversion.models import load_model, load_tokenizer
from inversion.train import pretrain as module
from inversion.train.pretrain import pretrain
from inversion.train.trainer import _SaveCheckpoints

WORLD = World(known_subjects=8, new_subjects=8, relations=2, answers=4)
SPEC = WorldModel(
    source="world",
    architecture=Architecture(
        family="llama", layers=1, hidden_size=16, heads=2, intermediate_size=32, max_positions=64
    ),
    pretraining=Pretraining(steps=8, batch_size=4, sequence_length=48),
)


class Killed(BaseException):
    pass


def run(folder, spec=SPEC):
    return pretrain(WORLD, spec, WORLD_TEMPLATE, folder)


@pytest.fixture
def trained(monkeypatch):
    """The steps from which each training started."""
    starts = []
    original = module.train

    def spy(**kwargs):
        starts.append(kwargs["start"])
        return original(**kwargs)

    monkeypatch.setattr(module, "train", spy)
    return starts


def test_a_base_model_is_a_folder_that_loads(tmp_path):
    loss = run(tmp_path)
    assert loss > 0
    assert len(load_tokenizer(tmp_path / "base")) == load_model(tmp_path / "base").config.vocab_size
    assert [path.name for path in tmp_path.iterdir()] == ["base"], "nothing of the training is left"


def test_a_base_with_the_same_specification_is_kept(tmp_path, trained):
    first = run(tmp_path)
    assert run(tmp_path) == first
    assert trained == [0]
    run(tmp_path, SPEC.model_copy(update={"pretraining": SPEC.pretraining.model_copy(update={"seed": 1})}))
    assert trained == [0, 0]


def test_a_killed_pretraining_resumes_to_the_same_bytes(tmp_path, trained, monkeypatch):
    run(tmp_path / "undisturbed")
    original = _SaveCheckpoints.on_save

    def killed(self, args, state, control, **kwargs):
        original(self, args, state, control, **kwargs)
        if state.global_step == 4:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(_SaveCheckpoints, "on_save", killed)
        with pytest.raises(Killed):
            run(tmp_path / "killed")
    run(tmp_path / "killed")
    assert trained == [0, 0, 4]
    assert file_hashes(tmp_path / "killed/base") == file_hashes(tmp_path / "undisturbed/base")
