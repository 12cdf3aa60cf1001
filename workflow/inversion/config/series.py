"""Series: checkpoints trained elsewhere, in a folder or on the Hub."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from inversion.config.base import Name, Seed, Step, Strict, hub_id, local_path
from inversion.config.datasets import ChatTemplate, Template

EXTERNAL = "external"
"""The recipe of every series in the tables, because the pipeline does not know how it was trained."""

Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)]


def step_pattern(text: str) -> str:
    """``text`` if it is a pattern of names: ``{step}``, exactly once, for an integer, and ``*`` for any text
    without a slash. Raises :class:`ValueError` otherwise."""
    if text.count("{step}") != 1:
        raise ValueError(f"{text!r} must contain {{step}} exactly once, as in checkpoint-{{step}}")
    if re.search(r"[{}]", text.replace("{step}", "")):
        raise ValueError(f"{text!r} has braces other than {{step}}; write * for other text that varies")
    if text.startswith("/") or ".." in text.split("/"):
        raise ValueError(f"{text!r} must be a relative name; `path` names the folder that contains the checkpoints")
    return text


class FolderCheckpoint(Strict):
    """One checkpoint of a series, named by its folder."""

    step: Step
    """Its position on the axis."""
    path: Annotated[str, AfterValidator(local_path)]
    """Its folder, relative to the series' ``path``."""
    label: Label | None = None
    """Its name on the axis: ``SFT``, ``DPO``, ..."""


class HubCheckpoint(Strict):
    """One checkpoint of a series, given by its location on the Hub."""

    step: Step
    """Its position on the axis."""
    id: Annotated[str, AfterValidator(hub_id)] | None = None
    """Its repository; by default the series' ``id``."""
    revision: str = "main"
    """A branch, tag or commit."""
    subfolder: str | None = None
    """The folder within the repository, if its files are not at the top level."""
    label: Label | None = None
    """Its name on the axis: ``SFT``, ``DPO``, ..."""


class ExternalSeries(Strict):
    """What all series have in common."""

    fetched: ClassVar[bool]
    """Whether a separate rule downloads it from the Hub; otherwise its folder is listed at every start."""

    model: Name | None = None
    """The entry of ``models`` that training started from: step 0, and the base of adapters. Without it the series
    starts at its first checkpoint, and all checkpoints must be full models."""
    template: Template = ChatTemplate()
    """How questions are formatted. ``chat`` uses the chat template of the checkpoints' own tokenizer, or else the
    model's."""
    steps: tuple[Step, ...] | None = Field(default=None, min_length=1)
    """Evaluate only these steps and the start; by default all steps that are found."""
    labels: dict[Step, Label] = Field(default={})
    """Names of steps on the axis: ``{0: base, 500: SFT}``."""
    ask_base: bool = True
    """Whether the model itself is evaluated as step 0. Set it to false if the model lacks tokens that training
    added and the template uses."""
    base_is: Literal["confirmed"] | None = None
    """``confirmed``: the adapters were trained on ``model``, although their configuration names it differently."""
    seed: Seed = 0
    """The seed of the training, shown in tables; it has no other effect."""

    @model_validator(mode="after")
    def _start(self) -> Self:
        if self.model is None and not self.ask_base:
            raise ValueError("ask_base is false, but `model` is not set, so there is no base to skip; remove it")
        if self.steps is not None and len(set(self.steps)) < len(self.steps):
            raise ValueError("steps lists a step twice; remove one")
        return self


class FolderSeries(ExternalSeries):
    """Checkpoints in a folder, as the Trainer of transformers, TRL, LLaMA-Factory and axolotl write them."""

    fetched: ClassVar[bool] = False
    source: Literal["folder"]
    path: Annotated[str, AfterValidator(local_path)]
    """The folder that contains the checkpoints; relative paths start where snakemake runs."""
    checkpoints: str | tuple[FolderCheckpoint, ...] = "checkpoint-{step}"
    """The names of their folders, with ``{step}`` for the step number and ``*`` for other text that varies, or a list
    of checkpoints."""

    @model_validator(mode="after")
    def _pattern(self) -> Self:
        if isinstance(self.checkpoints, str):
            step_pattern(self.checkpoints)
        return self

    def listed_checkpoints(self) -> tuple[FolderCheckpoint, ...]:
        """The checkpoints that are listed one by one; none if they are given by a pattern."""
        return () if isinstance(self.checkpoints, str) else self.checkpoints


class HubSeries(ExternalSeries):
    """Checkpoints on the Hugging Face Hub: a branch or folder for each step, or repositories listed one by one."""

    fetched: ClassVar[bool] = True
    source: Literal["hub"]
    id: Annotated[str, AfterValidator(hub_id)] | None = None
    """The repository."""
    revisions: str | tuple[HubCheckpoint, ...] | None = None
    """The names of branches or tags, with ``{step}`` for the step number and ``*`` for other text that varies, or a
    list of checkpoints."""
    subfolders: str | None = None
    """Instead of ``revisions``: the names of folders in one revision."""
    revision: str = "main"
    """The branch, tag or commit that contains ``subfolders``."""

    def listed_checkpoints(self) -> tuple[HubCheckpoint, ...]:
        """The checkpoints that are listed one by one; none if they are given by a pattern."""
        return self.revisions if isinstance(self.revisions, tuple) else ()

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        for pattern in (self.revisions, self.subfolders):
            if isinstance(pattern, str):
                step_pattern(pattern)
        if (self.revisions is None) == (self.subfolders is None):
            raise ValueError("a series on the Hub needs either `revisions` or `subfolders`; set one of them")
        if self.id is None and (
            not self.listed_checkpoints() or any(entry.id is None for entry in self.listed_checkpoints())
        ):
            raise ValueError("a series on the Hub needs `id`, or a list of `revisions` that each have one; set `id`")
        return self


Series = Annotated[FolderSeries | HubSeries, Field(discriminator="source")]


def labels_of(series: FolderSeries | HubSeries) -> dict[int, str]:
    """The labels of a series' steps: those of its list, overridden by ``labels``."""
    listed = {entry.step: entry.label for entry in series.listed_checkpoints() if entry.label}
    return {**listed, **series.labels}


def steps_in(names: list[str], pattern: str) -> dict[int, list[str]]:
    """The names that ``pattern`` matches, by the step in them, both sorted."""
    parts = re.split(r"(\{step\}|\*)", pattern)
    expression = "".join({"{step}": r"(\d{1,15})", "*": r"[^/]*"}.get(part, re.escape(part)) for part in parts)
    # next to other text that varies, all digits belong to the number
    number = r"(\d{1,15})"  # a number with more digits is not a step, see LARGEST_STEP
    expression = expression.replace(rf"[^/]*{number}", rf"[^/]*(?<!\d){number}")
    expression = expression.replace(rf"{number}[^/]*", rf"{number}(?!\d)[^/]*")
    found: dict[int, list[str]] = {}
    for name in sorted(names):
        if match := re.fullmatch(expression, name):
            found.setdefault(int(match[1]), []).append(name)
    return dict(sorted(found.items()))
