"""What the hash of a finetuning run depends on."""

from __future__ import annotations

import pytest

from inversion.config.datasets import WORLD_TEMPLATE
from inversion.config.training import LoraTuning, QloraTuning, Training
from inversion.train.specification import training_specification


def specification(training: Training) -> str:
    return training_specification("base", "data", WORLD_TEMPLATE, training, seed=0)


def test_a_raised_version_of_a_tuning_method_changes_its_runs_only(monkeypatch: pytest.MonkeyPatch) -> None:
    lora, qlora = Training(tuning=LoraTuning(method="lora")), Training(tuning=QloraTuning(method="qlora"))
    before = specification(lora), specification(qlora)
    monkeypatch.setattr(QloraTuning, "version", QloraTuning.version + 1)
    assert specification(lora) == before[0]
    assert specification(qlora) != before[1]


def test_four_bit_runs_from_before_their_gradients_were_right_are_trained_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    qlora = Training(tuning=QloraTuning(method="qlora"))
    now = specification(qlora)
    monkeypatch.setattr(QloraTuning, "version", 1)
    assert specification(qlora) != now
