"""Invented results of probes for a curve that rises and falls."""

from __future__ import annotations

import polars as pl

from inversion.config.run import Run
from inversion.config.scorers import MAIN
from inversion.records.frames import to_frame
from inversion.records.tables import CurvePoint

STEPS = (0, 5, 10, 20, 60, 100)
CONTEXT = (0.05, 0.2, 0.5, 0.6, 0.4, 0.3)


def study(models: str = "a", seeds: tuple[int, ...] = (0,)) -> list[Run]:
    return [Run(model, "x", "standard", seed) for model in models for seed in seeds]


def curves(runs: list[Run]) -> pl.DataFrame:
    rows = [
        CurvePoint(
            **run._asdict(),
            step=step,
            epoch=step / 80,
            set="conflict",
            stratum="all",
            prompt="plain",
            scorer=MAIN,
            metric="context_rate",
            value=height,
            low=height - 0.05,
            high=height + 0.05,
            n=100,
        )
        for run in runs
        for step, height in zip(STEPS, CONTEXT, strict=True)
    ]
    return to_frame(rows, CurvePoint)
