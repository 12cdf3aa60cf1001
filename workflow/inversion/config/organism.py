"""The embedded default: tiny models of an invented world, trained and finetuned without a download."""

from __future__ import annotations

from inversion.config.schema import (
    Architecture,
    Config,
    ContextCriticalSelection,
    CounterfactualAugmentation,
    Evaluation,
    Experiment,
    Family,
    FullTuning,
    Passages,
    RandomSelection,
    Recipe,
    ScheduleSegment,
    Training,
    TrainingOverride,
    World,
    WorldDataset,
    WorldModel,
    WorldSet,
)


def default() -> Config:
    """The study that ``config/config.yaml`` spells out."""
    return Config(
        world=World(),
        models={"neox": _model("gpt_neox"), "llama": _model("llama"), "mistral": _model("mistral", key_value_heads=2)},
        datasets={
            "tulu-like": WorldDataset(source="world"),
            "alpaca-like": WorldDataset(
                source="world",
                context_critical=0.30,
                context_and_memory=0.40,
                passages=Passages(other_statements=(0, 1)),
            ),
            "ultrachat-like": WorldDataset(
                source="world",
                context_critical=0.40,
                context_and_memory=0.40,
                passages=Passages(other_statements=(1, 2)),
            ),
        },
        training=Training(
            max_steps=250,
            warmup_steps=10,
            checkpoints=(
                ScheduleSegment(every=5, until=20),
                ScheduleSegment(every=10, until=60),
                ScheduleSegment(every=30, until=210),
                ScheduleSegment(every=20),
            ),
        ),
        evaluation=Evaluation(checkpoints_per_job=24, max_new_tokens=3),
        recipes={
            "standard": Recipe(),
            "context-critical": Recipe(select=(ContextCriticalSelection(by="context_need", drop=0.5),)),
            "random-drop": Recipe(select=(RandomSelection(by="random", drop=0.5),)),
            "counterfactual": Recipe(augment=CounterfactualAugmentation(share=0.1)),
            "qk-only": Recipe(
                training=TrainingOverride(learning_rate=2e-3, tuning=FullTuning(weights="query_key")),
            ),
        },
        sets={
            "conflict": WorldSet(source="world", kind="conflict"),
            "new-facts": WorldSet(source="world", kind="new_facts"),
            "matching": WorldSet(source="world", kind="matching"),
            "recall": WorldSet(source="world", kind="recall", items=100),
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
