"""Arrays (items, steps) of a run's answers to one set, from which every table of this package is computed."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from inversion.config.run import Run
from inversion.records.answers import Item
from inversion.records.frames import require_schema
from inversion.score.scorers import SCORERS
from inversion.stats import Bools, Floats, Ints

CONTROL_SCORERS = tuple(name for name, scorer in SCORERS.items() if scorer.reads == "text")
"""The scorers that also label control sets."""
SIDES = ("context", "parametric", "both")
"""The labels of answers that follow the context, memory, or both. Answers with any other label follow neither."""
ALL = "all"
"""The stratum of the whole set."""
KNOWN = "known"
"""The stratum of the items whose fact the base model knows."""
Strings = npt.NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Panel:
    """All answers of one run to one set under one prompt."""

    run: Run
    set: str
    prompt: str
    role: str
    steps: Ints
    epochs: Floats
    items: Strings
    clusters: Strings
    strata: Strings
    known: Strings
    """True, False, or None if knowledge cannot be probed."""
    factors: list[list[str]]
    labels: Mapping[str, Strings]
    """The labels of each scorer: (items, steps)."""
    margin: Floats
    """Log-probability of the context answer minus that of the parametric answer at the first token in which they
    differ, in nats: (items, steps). NaN if there is no such token."""

    def take(self, chosen: Bools) -> Panel:
        """The panel with only the ``chosen`` items."""
        return dataclasses.replace(
            self,
            items=self.items[chosen],
            clusters=self.clusters[chosen],
            strata=self.strata[chosen],
            known=self.known[chosen],
            factors=[self.factors[i] for i in np.flatnonzero(chosen)],
            labels={scorer: labels[chosen] for scorer, labels in self.labels.items()},
            margin=self.margin[chosen],
        )

    def in_strata(self) -> Iterator[tuple[str, Panel]]:
        """The panel as the stratum ``all``, each of its strata if there are several, and ``known`` if it has items."""
        yield ALL, self
        names = sorted(set(self.strata))
        for name in names if len(names) > 1 else []:
            yield name, self.take(np.asarray(self.strata == name))
        yield from list(whole_and_known(self))[1:]

    def gives(self, scorer: str, side: Literal["context", "parametric"]) -> Bools:
        """Whether each response gives the answer of a side, alone or together with the other: (items, steps)."""
        labels = self.labels[scorer]
        return np.asarray((labels == side) | (labels == "both"))


def panels(items: pl.DataFrame) -> Iterator[Panel]:
    """The panels of the table ``items``, sorted by run, set and prompt.

    Raises :class:`ValueError` if a column is missing, an item lacks a step or has two rows at a step, or a conflict
    item lacks a log-probability.
    """
    require_schema(items, Item, "items", defaults=True)
    keys = [*Run._fields, "set", "prompt"]
    # drop the texts, which take up most of the table and are already labelled
    for frame in (
        items.drop("text", "context_answers", "parametric_answers", "judge_span", "judge_rule", strict=False)
        .sort(*keys, "item_id", "step")
        .partition_by(keys, maintain_order=True)
    ):
        yield _panel(frame)


def scorers_in(items: pl.DataFrame) -> list[str]:
    """The scorers that have a column in the table ``items``, the main one first."""
    return [name for name in SCORERS if name in items.columns]


def _panel(frame: pl.DataFrame) -> Panel:
    """The panel from the rows of one run, set and prompt, sorted by item and step."""
    first = frame.row(0, named=True)
    run = Run(**{name: first[name] for name in Run._fields})
    where = f"{run.path}, set {first['set']!r}, prompt {first['prompt']!r}"
    _require_grid(frame, where)
    _require_logprobs(frame, where)
    shape = frame["item_id"].n_unique(), frame["step"].n_unique()

    def grid(column: str) -> Strings:
        return frame[column].to_numpy().astype(object).reshape(shape)

    return Panel(
        run=run,
        set=first["set"],
        prompt=first["prompt"],
        role=first["role"],
        steps=frame["step"].to_numpy()[: shape[1]],
        epochs=frame["epoch"].to_numpy()[: shape[1]],
        items=grid("item_id")[:, 0],
        clusters=grid("cluster")[:, 0],
        strata=grid("stratum")[:, 0],
        known=grid("known")[:, 0],
        factors=frame["factors"].gather_every(shape[1]).to_list(),
        labels={scorer: grid(scorer) for scorer in scorers_in(frame)},
        margin=(frame["context_first_logprob"] - frame["parametric_first_logprob"])
        .fill_null(float("nan"))
        .to_numpy()
        .reshape(shape),
    )


def _require_grid(frame: pl.DataFrame, where: str) -> None:
    """Raises :class:`ValueError` unless every item has exactly one row per step."""
    steps = frame["step"].n_unique()
    counts = frame.group_by("item_id", maintain_order=True).agg(n=pl.len(), distinct=pl.col("step").n_unique())
    bad = counts.filter((pl.col("n") != steps) | (pl.col("distinct") != steps))
    if not bad.is_empty():
        item, n, distinct = bad.row(0)
        raise ValueError(
            f"{where}: item {item!r} has {n} rows at {distinct} of {steps} steps; delete the run's labels and rerun"
        )


def _require_logprobs(frame: pl.DataFrame, where: str) -> None:
    """Raises :class:`ValueError` if a conflict item lacks the log-probability of an answer."""
    lacking = frame.filter(
        pl.col("role") == "conflict", pl.any_horizontal(pl.col("context_logprob", "parametric_logprob").is_null())
    )
    if not lacking.is_empty():
        raise ValueError(
            f"{where}: conflict item {lacking['item_id'][0]!r} lacks the log-probability of an answer; give it both "
            "answers or make it a control item"
        )


def whole_and_known(panel: Panel) -> Iterator[tuple[str, Panel]]:
    """The panel as the stratum ``all``, and its ``known`` items if there are any."""
    yield ALL, panel
    known = np.array([fact is True for fact in panel.known], dtype=bool)
    if known.any():
        yield KNOWN, panel.take(known)


def is_correct(control: Panel, scorer: str) -> Bools:
    """Whether the items of a control set are answered correctly: (items, steps)."""
    return np.isin(control.labels[scorer].astype(str), SIDES)


def generator(seed: int, set_name: str) -> np.random.Generator:
    """The random number generator of a set."""
    return np.random.default_rng([seed, zlib.crc32(set_name.encode())])


def cluster_codes(names: Strings) -> Ints:
    """The index of each name among the sorted unique names."""
    return np.unique(names, return_inverse=True)[1].astype(np.int64)
