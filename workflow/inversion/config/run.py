"""The name of a finetuning run."""

from __future__ import annotations

from typing import NamedTuple


class Run(NamedTuple):
    """One finetuning run; the fields are the folders of ``results/runs/``."""

    model: str
    dataset: str
    recipe: str
    seed: int

    @property
    def path(self) -> str:
        """``{model}/{dataset}/{recipe}/seed{seed}``."""
        return f"{self.model}/{self.dataset}/{self.recipe}/seed{self.seed}"
