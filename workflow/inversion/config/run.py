"""The name of a finetuning run."""

from __future__ import annotations

from typing import NamedTuple

RUN = "{model}/{dataset}/{recipe}/seed{seed}"
"""The folder of a run under ``results/runs/`` and other folders, as a pattern of wildcards."""


class Run(NamedTuple):
    """One finetuning run; the fields are the folders of ``results/runs/``."""

    model: str
    dataset: str
    recipe: str
    seed: int

    @property
    def path(self) -> str:
        """The run's folder, in the form of :data:`RUN`."""
        return RUN.format(**self._asdict())
