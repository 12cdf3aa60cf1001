"""The one-layer transformer."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field, model_validator

from inversion.config.base import PositiveFloat, PositiveInt, Strict


class Theory(Strict):
    """The one-layer transformer of the paper's section 5 and appendix B, and its experiments. Parameters that
    violate an assumption of the paper are refused; only ``shares`` and the phase diagrams go beyond the assumptions."""

    k_s: PositiveInt = 40
    """K_S: number of subjects. Each training point has a subject of its own, and two are reserved (a conflict, a new S
    point)."""
    k_a: PositiveInt = 40
    """K_A: number of answers, which are also the contexts. Each training point has an answer of its own, and three are
    reserved."""
    delta_c: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    """delta_C: the probability that the value of a context gives to its answer, before training."""
    delta_m: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    """delta_M: the probability that the value of a memorised subject gives to its answer, before training."""
    o_c: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    """The logit that every value gives to a wrong answer, before training."""
    o_r: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    """The logit that every value gives to the relation, before training."""
    context_critical: PositiveInt = 8
    """|D_C|: points [c, s, r] whose subject says nothing about the answer."""
    context_and_memory: PositiveInt = 8
    """|D_C+S|: points [c, s, r] whose subject was memorised with the context's answer."""
    learning_rate: PositiveFloat = 0.1
    """Learning rate of W_KQ, in full-batch gradient descent on the loss summed over the points."""
    value_learning_rate: PositiveFloat = 0.01
    """Learning rate of W_V, if it is trained as well."""
    steps: Annotated[int, Field(ge=2)] = 200
    """Steps of gradient descent."""
    shares: tuple[PositiveInt, ...] = Field(default=(6, 8, 12), min_length=1, max_length=5)
    """Numbers of C points among all points, for the figures with steps on the axis."""
    learning_rates: tuple[PositiveFloat, PositiveFloat] = (0.01, 10.0)
    """Lowest and highest learning rate that is searched and plotted."""
    grid: Annotated[int, Field(ge=2)] = 24
    """Cells per axis of a phase diagram; the axis of shares has one for every possible share."""

    @property
    def points(self) -> int:
        """C and C+S points together."""
        return self.context_critical + self.context_and_memory

    def violations(self) -> dict[str, str]:
        """The assumptions of appendix B that these parameters violate, each with the change that is needed."""
        least = 3 / (self.k_a - 1) if self.k_a > 1 else math.inf
        checks = {
            "delta_C > 3 / (K_A - 1)": (
                self.delta_c > least,
                f"delta_c is {self.delta_c:g} and 3 / (k_a - 1) is {least:g}; raise delta_c or k_a",
            ),
            "delta_M > 2 delta_C": (
                self.delta_m > 2 * self.delta_c,
                f"delta_m is {self.delta_m:g} and 2 delta_c is {2 * self.delta_c:g}; raise delta_m or lower delta_c",
            ),
            "o_r <= o_c": (
                self.o_r <= self.o_c,
                f"o_r is {self.o_r:g} and o_c is {self.o_c:g}; lower o_r or raise o_c",
            ),
            "|D_C| >= |D_C+S|": (
                self.context_critical >= self.context_and_memory,
                f"context_critical is {self.context_critical} and context_and_memory is {self.context_and_memory}; "
                "raise the former or lower the latter",
            ),
        }
        return {assumption: fix for assumption, (holds, fix) in checks.items() if not holds}

    @model_validator(mode="after")
    def _assumptions(self) -> Theory:
        for assumption, fix in self.violations().items():
            raise ValueError(f"the assumption {assumption} is violated: {fix}")
        return self

    @model_validator(mode="after")
    def _room(self) -> Theory:
        for key, found, spare in (("k_s", self.k_s, 2), ("k_a", self.k_a, 3)):
            if found < self.points + spare:
                raise ValueError(
                    f"{key} is {found}, but {self.points} points and {spare} reserved ones need {self.points + spare}; "
                    f"raise {key} or use fewer points"
                )
        if max(self.shares) >= self.points:
            raise ValueError(
                f"shares lists {max(self.shares)} C points, but of {self.points} points at least one is a C+S point; "
                f"list numbers below {self.points}"
            )
        if self.learning_rates[0] >= self.learning_rates[1]:
            raise ValueError(f"learning_rates is {list(self.learning_rates)}; write the lowest first, then the highest")
        return self
