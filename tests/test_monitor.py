"""The callback in TRL's SFTTrainer, and the rules by which it saves and stops."""

import json
import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from elsewhere import conflict_rows, make_base, sft_trainer
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from inversion.analyse.stopping import has_fallen
from inversion.config.datasets import ChatTemplate
from inversion.monitor import BEST_FOLDER, ContextReliance, Measurement, evaluation_mode
from inversion.records.data import ConflictItem, control_set
from inversion.stats import fall_p_values


def items():
    """Twelve conflict items, with one control each."""
    rows = list(enumerate(conflict_rows()))
    conflicts = [
        ConflictItem(
            f"i{i}", "lands", "conflict", r["question"], r["context"], [r["answer"]], [r["memory_answer"]], f"c{i}", "s"
        )
        for i, r in rows
    ]
    controls = [
        ConflictItem(
            f"i{i}",
            control_set("lands", "no_context"),
            "control",
            r["question"],
            None,
            [],
            [r["memory_answer"]],
            f"c{i}",
            "s",
        )
        for i, r in rows
    ]
    return [*conflicts, *controls]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two trainings of the same model on the same data, one of them with the callback."""
    root = tmp_path_factory.mktemp("monitor")
    base = make_base(root / "base")
    watched = None
    for name in ("alone", "watched"):
        torch.manual_seed(0)
        trainer = sft_trainer(base, root / name, lora=True, steps=12, save_steps=6)
        if name == "watched":
            watched = ContextReliance(trainer, {"lands": items()}, every=4, max_new_tokens=4, keep_best="lands")
            trainer.add_callback(watched)
        trainer.train()
    return root, trainer, watched


def test_the_callback_does_not_change_the_weights(trained):
    root, _, _ = trained
    for step in (6, 12):
        weights = [
            load_file(root / name / f"checkpoint-{step}" / "adapter_model.safetensors") for name in ("alone", "watched")
        ]
        assert weights[0].keys() == weights[1].keys()
        assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
        states = [torch.load(root / name / f"checkpoint-{step}" / "optimizer.pt") for name in ("alone", "watched")]
        assert str(states[0]) == str(states[1])


def test_rates_are_logged_with_the_other_metrics(trained):
    _, trainer, watched = trained
    logged = [row for row in trainer.state.log_history if "context_reliance/lands/context_rate" in row]
    assert [row["step"] for row in logged] == [0, 4, 8, 12]
    for row, measurement in zip(logged, watched.measurements, strict=True):
        assert row["context_reliance/lands/context_rate"] == measurement.rates["lands"]["context_rate"]
        assert 0 <= row["context_reliance/lands/control"] <= 1
        assert row["context_reliance/seconds"] > 0
    # TRL's own averages are not reset early, and are not in our rows
    assert any("loss" in row and "mean_token_accuracy" in row for row in trainer.state.log_history)
    assert not any("mean_token_accuracy" in row for row in logged)


def test_the_best_weights_are_saved_with_their_measurement(trained):
    root, _, watched = trained
    kept = root / "watched" / BEST_FOLDER
    assert (kept / "adapter_model.safetensors").is_file()
    record = json.loads((kept / "context_reliance.json").read_text())
    rates = [one.rates["lands"]["context_rate"] for one in watched.measurements]
    assert record["lands"]["context_rate"] == watched.best.rates["lands"]["context_rate"] <= max(rates)
    assert record["step"] == watched.best.step


def test_a_block_changes_neither_modes_nor_generators():
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout())
    model[1].eval()
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    with evaluation_mode(model):
        assert not model.training
        random.random(), np.random.rand(), torch.rand(1)
    assert (model.training, model[0].training, model[1].training) == (True, True, False)
    assert states[0] == random.getstate()
    assert states[1] == np.random.get_state()[1].tolist()
    assert torch.equal(states[2], torch.get_rng_state())


def watcher(**keys):
    """A callback with invented measurements."""
    made = ContextReliance.__new__(ContextReliance)
    made.measurements, made.best, made.keep_best, made.stop_on, made.alpha, made.every = [], None, None, None, 0.05, 10
    made.items = [item for item in items() if item.role == "conflict"]
    for name, value in keys.items():
        setattr(made, name, value)
    return made


def test_the_best_is_the_earliest_highest_whose_control_has_not_fallen():
    made = watcher(keep_best="lands")
    rates = [(0.2, 0.9), (0.6, 0.9), (0.6, 0.95), (0.8, 0.84), (0.7, 0.85)]
    best = []
    for step, (context, control) in enumerate(rates):
        now = Measurement(step, {"lands": {"context_rate": context, "parametric_rate": 0.0, "control": control}}, {})
        made.measurements.append(now)
        best.append(made._is_best(now))
    assert best == [True, True, False, False, True]


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ({"keep_best": "other"}, "keep_best is 'other', which is not among the sets: lands"),
        ({"every": 0}, "every must be at least 1"),
        ({"sets": {"none": []}}, "the sets contain no conflict item with a context"),
        ({"sets": "facts"}, "write a list of sets"),
    ],
)
def test_unsupported_settings_are_refused_immediately(keys, line):
    trainer = SimpleNamespace(is_fsdp_enabled=False, is_deepspeed_enabled=False)
    with pytest.raises(ValueError, match=line):
        ContextReliance(trainer, **{"sets": {"lands": items()}, **keys})


def test_a_sharded_model_is_refused():
    with pytest.raises(ValueError, match="FSDP and DeepSpeed shard it"):
        ContextReliance(SimpleNamespace(is_fsdp_enabled=True))


CLUSTERS = [str(i) for i in range(200)]


def curve(rates, n=200):
    """Answers with exactly these rates. The same items follow the context first and are lost last."""
    return np.array([np.arange(n) < rate * n for rate in rates])


def test_a_clear_fall_stops_after_two_measurements_and_a_single_one_does_not():
    assert has_fallen(curve([0.2, 0.7, 0.7, 0.4, 0.4]), CLUSTERS, planned=20)
    assert not has_fallen(curve([0.2, 0.7, 0.7, 0.4]), CLUSTERS, planned=20)
    assert not has_fallen(curve([0.2, 0.7, 0.4, 0.7]), CLUSTERS, planned=20)
    assert not has_fallen(curve([0.2, 0.4, 0.6, 0.7]), CLUSTERS, planned=20)
    assert not has_fallen(curve([0.7]), CLUSTERS, planned=20)


def test_items_of_one_cluster_count_once():
    assert not has_fallen(curve([0.7, 0.7, 0.4, 0.4]), ["one"] * 200, planned=20)


@given(st.integers(2, 40), st.integers(0, 2**16))
def test_a_plateau_stops_at_most_at_the_stated_rate(planned, seed):
    # independent answers at every measurement, with probability one half: the union bound has a large margin here
    rng = np.random.default_rng(seed)
    history = rng.random((planned, 50)) < 0.5
    stops = has_fallen(history, CLUSTERS[:50], planned, alpha=1e-6)
    assert not stops


def test_the_sign_test_counts_clusters_that_change():
    then = np.array([True, True, True, False, True, False])
    now = np.array([False, False, True, False, False, True])
    # clusters 0 and 1 fall, 2 stays, 3 falls by one and rises by one
    p_values = fall_p_values(np.array([then, now]), np.array([0, 1, 2, 2, 3, 3]))
    assert p_values[0, 1] == 0.25
    assert p_values[1, 0] == 1.0
    assert p_values[0, 0] == p_values[1, 1] == 1.0


def test_the_default_template_is_the_tokenizers(trained):
    _, _, watched = trained
    assert watched.template == ChatTemplate()
    assert len(watched.questions) == 24
