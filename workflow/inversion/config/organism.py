"""The default study: tiny models of an invented world, trained and finetuned without a download."""

from __future__ import annotations

from inversion.config.datasets import Passages, WorldDataset
from inversion.config.evaluation import Evaluation
from inversion.config.models import Architecture, Family, WorldModel
from inversion.config.recipes import ContextCriticalSelection, CounterfactualAugmentation, RandomSelection, Recipe
from inversion.config.sets import WorldSet
from inversion.config.study import Config, Experiment
from inversion.config.training import LoraTuning, ScheduleSegment, Training, TrainingOverride
from inversion.config.world import World

_LORA = LoraTuning(method="lora", rank=16, alpha=32)


def default() -> Config:
    """The study from which ``config/config.yaml`` is generated."""
    return Config(
        world=World(),
        models={"neox": _model("gpt_neox"), "llama": _model("llama"), "mistral": _model("mistral", key_value_heads=2)},
        datasets={
            "tulu-like": WorldDataset(source="world"),
            "alpaca-like": WorldDataset(
                source="world",
                context_critical=0.65,
                context_and_memory=0.15,
                passages=Passages(other_statements=(0, 1), same_relation=0.6),
            ),
            "ultrachat-like": WorldDataset(
                source="world",
                context_critical=0.70,
                context_and_memory=0.20,
                passages=Passages(other_statements=(1, 2), same_relation=0.6),
            ),
        },
        training=Training(
            max_steps=300,
            learning_rate=2e-3,
            warmup_steps=10,
            tuning=_LORA,
            checkpoints=(
                ScheduleSegment(every=5, until=40),
                ScheduleSegment(every=10, until=100),
                ScheduleSegment(every=40, until=260),
                ScheduleSegment(every=10),
            ),
        ),
        evaluation=Evaluation(checkpoints_per_job=24, max_new_tokens=3),
        recipes={
            "standard": Recipe(),
            "context-critical": Recipe(select=(ContextCriticalSelection(by="context_need", drop=0.3),)),
            "random-drop": Recipe(select=(RandomSelection(by="random", drop=0.3),)),
            "counterfactual": Recipe(augment=CounterfactualAugmentation(share=0.1)),
            "qk-only": Recipe(
                training=TrainingOverride(tuning=_LORA.model_copy(update={"weights": "query_key"})),
            ),
        },
        sets={
            "conflict": WorldSet(source="world", kind="conflict"),
            "new-facts": WorldSet(source="world", kind="new_facts"),
            "matching": WorldSet(source="world", kind="matching"),
            "recall": WorldSet(source="world", kind="recall", items=80),
        },
        experiments={
            "families": Experiment(
                models=("neox", "llama", "mistral"),
                datasets=("tulu-like",),
                recipes=("standard",),
                seeds=(0, 1),
                figures=("accuracy",),
            ),
            "mixtures": Experiment(
                models=("neox",),
                datasets=("tulu-like", "alpaca-like", "ultrachat-like"),
                recipes=("standard",),
                seeds=(0,),
                figures=("grid",),
            ),
            "recipes": Experiment(
                models=("neox",),
                datasets=("tulu-like",),
                recipes=("standard", "context-critical", "random-drop", "counterfactual", "qk-only"),
                seeds=(0,),
                figures=("recipes", "tradeoffs"),
            ),
        },
    )


def _model(family: Family, key_value_heads: int | None = None) -> WorldModel:
    return WorldModel(source="world", architecture=Architecture(family=family, key_value_heads=key_value_heads))
