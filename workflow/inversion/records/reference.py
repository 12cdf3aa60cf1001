"""Generates docs/tables.md, the meaning of every column of every table, from the records."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
import types
import typing
from collections.abc import Mapping
from dataclasses import fields
from typing import NamedTuple

from inversion.config.scorers import SCORERS
from inversion.records.answers import Item, Knowledge, Labels, Response
from inversion.records.measurements import AttentionPoint, GradientPoint
from inversion.records.mechanism import KnockoutPoint, LensPoint, PatchPoint, WeightPoint
from inversion.records.tables import (
    Agreement,
    Contribution,
    CurvePoint,
    ExperimentRow,
    FactorRate,
    Flip,
    FlipOverlap,
    Inversion,
    PublishedMeasures,
    SeriesStep,
    StylePoint,
    Tradeoff,
)
from inversion.records.theory import TheoryClaim

PATH = "docs/tables.md"


class Table(NamedTuple):
    """One table of a study."""

    rows: str
    """The meaning of one row."""
    records: tuple[type, ...]
    """The records whose fields are the columns, in order."""
    described_by: type | None = None
    """Another record, whose docstrings describe columns of the same names."""


TABLES = {
    "items": Table("One response: a run, step, item and prompt.", (Item, Labels), Response),
    "curves": Table("One rate of a run at one step, with its interval.", (CurvePoint,)),
    "inversions": Table("One curve: one run on one conflict set, and its verdict.", (Inversion,)),
    "experiments": Table("The result of an experiment on one set; seeds are the replicates.", (ExperimentRow,)),
    "contributions": Table("How much of a run's fall is due to one part of a conflict set.", (Contribution,)),
    "knowledge": Table("Whether a base model knows the fact that one conflict item contradicts.", (Knowledge,)),
    "agreement": Table("Agreement of two scorers on one conflict set, over all runs and steps.", (Agreement,)),
    "style": Table("The wording of a run's answers to one conflict set at one step.", (StylePoint,)),
    "measures": Table("The measures of ConFiQA and CUB, for one run, conflict set and step.", (PublishedMeasures,)),
    "flips": Table("One item of one run whose label at the end differs from that at the peak.", (Flip,)),
    "flip_overlap": Table("Whether the same items change from context to memory in two runs.", (FlipOverlap,)),
    "factors": Table("Context reliance at one level of one factor, in a set whose factors are crossed.", (FactorRate,)),
    "tradeoffs": Table("The scores of one run of an experiment on one set, next to the reference.", (Tradeoff,)),
    "series": Table("One checkpoint trained elsewhere; only in studies with series.", (SeriesStep,)),
    "attention": Table("Mean attention on one part of the prompt; only with the probe `attention`.", (AttentionPoint,)),
    "gradients": Table(
        "One measure of the gradients of one kind of example; only with the probe `gradients`.", (GradientPoint,)
    ),
    "lens": Table("The answers that the layers of a checkpoint would give; only with the probe `lens`.", (LensPoint,)),
    "patching": Table(
        "How much one part of one checkpoint changes the answers of another; only with the probe `patching`.",
        (PatchPoint,),
    ),
    "knockouts": Table(
        "The effect of one attention head on the answers; only with the probe `knockouts`.", (KnockoutPoint,)
    ),
    "weights": Table(
        "The update of some weights, or its effect on the answers; only with the probe `weights`.", (WeightPoint,)
    ),
    "theory": Table("One claim of the paper's section 5, checked at one setting.", (TheoryClaim,)),
}
"""The tables in ``results/tables``, by name."""

COMMON = {
    "model": "Name of the base model.",
    "dataset": "Name of the instruction dataset; in a series, the name of the series.",
    "recipe": "Name of the recipe; `external` in series.",
    "seed": "Seed of the run.",
    "step": "Optimizer steps taken; 0 is the base model.",
    "epoch": "`step` in epochs of the run's training set; NaN if unknown.",
    "set": "Name of the conflict set, control set or benchmark.",
    "role": "`conflict` or `control`.",
    "prompt": "Name of the prompt.",
    "scorer": "Name of the scorer whose labels are used.",
    "item_id": "Name of the item within its set.",
    "cluster": "Items in the same cluster are not independent, and are resampled together.",
    "stratum": "The category of the item within its set, such as a relation.",
    "experiment": "Name of the experiment.",
    "factor": "Name of the factor.",
    "level": "Level of the factor.",
    "known": "Whether the base model knows the fact; null if it cannot be probed.",
    "context_answers": "The context's answer and its aliases, the preferred one first.",
    "parametric_answers": "The answer of the model's memory and its aliases, the preferred one first.",
    "kind": "Kind of example: `C`, `C+S`, `S` or `counterfactual`.",
    "layer": "Index of the layer; 0 is the layer next to the input.",
    "low": "Lower bound of the value.",
    "parametric_logprob": "The same for the parametric answer.",
    "parametric_tokens": "The same for the parametric answer.",
    "parametric_first_logprob": "The same for the parametric answer.",
    "parametric_logprob_closed": "The same for the parametric answer.",
}
"""The meaning of columns that many tables share."""

HEAD = """\
# Tables and their columns

Generated by `make config` from the records in `workflow/inversion/records/`: do not edit this file.

Every table is in `results/tables/` as `NAME.parquet` and as `NAME.csv`. Parquet is exact; in CSV, lists are joined
by ` | `.

```python
import polars as pl

curves = pl.read_parquet("results/tables/curves.parquet")
curves.filter(metric="context_rate", stratum="all").select("model", "recipe", "seed", "set", "step", "value")
```

A run is named by `model`, `dataset`, `recipe` and `seed`. Shares are between 0 and 1. Columns that
end in `_low` and `_high` are the bounds of the column without that ending.

| table | one row |
| - | - |
"""


def tables_reference() -> str:
    """The text of docs/tables.md: every table with its columns, their types and their meanings."""
    listed = "".join(f"| [{name}](#{name}) | {table.rows} |\n" for name, table in TABLES.items())
    return HEAD + listed + "".join(_chapter(name, table) for name, table in TABLES.items())


def columns(table: Table) -> dict[str, tuple[str, str]]:
    """The type and the meaning of every column of a table, as text, by name."""
    found: dict[str, tuple[str, str]] = {}
    described = {} if table.described_by is None else _docstrings(table.described_by)
    for record in table.records:
        docstrings, hints = described | _docstrings(record), typing.get_type_hints(record)
        for field in fields(record):
            if field.name not in found:
                found[field.name] = _type(hints[field.name]), _meaning(field.name, docstrings)
    return found


def _chapter(name: str, table: Table) -> str:
    listed = columns(table)
    if name == "items":
        listed |= {scorer: ("text", f"Label by the scorer `{scorer}`.") for scorer in SCORERS if scorer not in listed}
    rows = "".join(f"| `{column}` | {kind} | {meaning} |\n" for column, (kind, meaning) in listed.items())
    return f"\n## {name}\n\n{table.rows}\n\n| column | type | meaning |\n| - | - | - |\n{rows}"


def _meaning(name: str, docstrings: Mapping[str, str]) -> str:
    """The docstring of the record's field. Without one: for a bound, which column it is the bound of; for other fields,
    the meaning in :data:`COMMON`."""
    if docstrings.get(name):
        return docstrings[name]
    for ending, words in (("_low", "Lower"), ("_high", "Upper")):
        if name.endswith(ending):
            return f"{words} bound of `{name.removesuffix(ending)}`."
    return COMMON.get(name, "")


def _docstrings(record: type) -> dict[str, str]:
    """The docstring of each field of a record, as Markdown on one line."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(record))).body
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for before, after in zip(body.body, body.body[1:], strict=False):
        match before, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = _markdown(text)
    return found


def _markdown(text: str) -> str:
    """A docstring on one line, with single backticks. References to code are shortened to the last part of their
    name."""
    plain = " ".join(text.replace("|", "\\|").split())
    return re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"`\1`", plain).replace("``", "`")


def _type(hint: typing.Any) -> str:
    """The name of a type in the reference."""
    if isinstance(hint, types.UnionType):
        (inner,) = (part for part in typing.get_args(hint) if part is not type(None))
        return f"{_type(inner)} or null"
    if typing.get_origin(hint) is list:
        return f"list of {_type(typing.get_args(hint)[0])}"
    return {str: "text", int: "integer", float: "number", bool: "true or false"}[hint]
