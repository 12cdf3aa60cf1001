"""The name of a finetuning run."""

from __future__ import annotations

from typing import NamedTuple

RUN = "{model}/{dataset}/{recipe}/seed{seed}"
"""The folder of a run under ``results/runs/``, and of what is about it under other folders: a pattern of wildcards."""


class Run(NamedTuple):
    """One finetuning run; the fields are the folders of ``results/runs/``."""

    model: str
    dataset: str
    recipe: str
    seed: int

    @property
    def path(self) -> str:
        """Its folder, as :data:`RUN` says."""
        return RUN.format(**self._asdict())
