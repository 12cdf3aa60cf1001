"""The results of a study of the model organism, as a table and a figure:
``make seeds`` or ``make ablation``, which make the study's tables first.

Models are named ``{what}-{seed}``; those of one ``what`` are one row, for each mixture and recipe. All numbers are
those of the tables ``inversions`` and ``curves`` by the main scorer.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
import seaborn as sns
from matplotlib.figure import Figure
from scipy.stats import t

from inversion.analyse.verdicts import VERDICTS
from inversion.artifacts import write_text
from inversion.config.scorers import MAIN
from inversion.records.frames import read_frame
from inversion.records.tables import CurvePoint, Inversion
from inversion.stats import Floats

ROOT = Path(__file__).parents[2]
RUN = ("model", "dataset", "recipe", "seed")
CONTROLS = {"new-facts": "new facts", "recall": "recall", "matching": "matching"}
CLEAR = 25
"""Points by which context answers at the end exceed those of `standard` if a recipe clearly helps."""
FAMILIES = {"neox": "GPT-NeoX", "llama": "Llama", "mistral": "Mistral"}
BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#5f5f5f"
LINES = {
    "conflict": ("context answers", BLUE, "-"),
    "new-facts": ("new facts read", ORANGE, (0, (4, 1.4))),
    "recall": ("recall", GREY, (0, (1, 1.2))),
}
"""The content of the figure of the seeds, by set: label, colour, dashes."""


def verdicts(inversions: pl.DataFrame) -> pl.DataFrame:
    """The relevant rows of ``inversions``, with the column ``what`` for everything that varies besides the seed."""
    chosen = inversions.filter(set="conflict", stratum="all", scorer=MAIN)
    return chosen.with_columns(what=pl.col("model").str.replace(r"-\d+$", ""))


def rates(curves: pl.DataFrame) -> pl.DataFrame:
    """Context answers under conflict and accuracy on the controls, by run and step."""
    wanted = pl.col("metric").is_in(["context_rate", "accuracy"]) & pl.col("set").is_in(["conflict", *CONTROLS])
    chosen = curves.filter(wanted, stratum="all", scorer=MAIN)
    return chosen.with_columns(what=pl.col("model").str.replace(r"-\d+$", ""))


def at_turns(found: pl.DataFrame, points: pl.DataFrame) -> pl.DataFrame:
    """The controls of each run at the peak and at the end of its curve, and the epoch of the peak."""
    for moment in ("peak", "end"):
        for name in CONTROLS:
            values = points.filter(set=name).select(*RUN, pl.col("step").alias(f"{moment}_step"), "value")
            found = found.join(values, on=[*RUN, f"{moment}_step"], how="left").rename({"value": f"{name} {moment}"})

    epochs = points.filter(set="conflict").select(*RUN, pl.col("step").alias("peak_step"), "epoch")
    return found.join(epochs, on=[*RUN, "peak_step"], how="left")


def as_table(found: pl.DataFrame, by: Mapping[str, str]) -> str:
    """One row per group of runs: how many have each verdict, medians with the range over seeds, controls.

    ``by`` maps the columns that define a group to their headings.
    """
    levels = ("start", "peak", "trough", "end", "rise", "fall", "recovery")
    names = [f"{verdict.symbol} {verdict.words}" for verdict in VERDICTS.values()]
    head = [*by.values(), "runs", *names, *levels, "epoch of peak"]
    head += [f"{control}, peak to end" for control in CONTROLS.values()]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for key, rows in found.group_by(*by, maintain_order=True):
        counts = [str(rows.filter(verdict=verdict).height) for verdict in VERDICTS]
        spans = [_span(rows[level], 100) for level in levels]
        controls = [f"{_median(rows[f'{name} peak'])} to {_median(rows[f'{name} end'])}" for name in CONTROLS]
        cells = [*map(str, key), str(rows.height), *counts, *spans]
        lines.append("| " + " | ".join([*cells, _span(rows["epoch"], 1, 2), *controls]) + " |")
    return "\n".join(lines) + "\n"


def differences(found: pl.DataFrame) -> str:
    """A table of the change in context answers at the end, and in the fall, that each recipe makes: the mean of the
    differences from `standard` on the same base model, in points, with a 95 % t interval over base models."""
    standard = found.filter(recipe="standard").select("model", "end", "fall")
    pairs = found.filter(pl.col("recipe") != "standard").join(standard, on="model", suffix="_standard")
    head = ["model", "recipe", "base models", "end", f"end at least {CLEAR} points higher", "fall"]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for key, rows in pairs.sort("what", "recipe").group_by("what", "recipe", maintain_order=True):
        end, fall = (100 * (rows[name] - rows[f"{name}_standard"]).to_numpy() for name in ("end", "fall"))
        clear = f"{(end >= CLEAR).sum()} of {len(end)}"
        lines.append("| " + " | ".join([*key, str(len(end)), _interval(end), clear, _interval(fall)]) + " |")
    return "\n".join(lines) + "\n"


def _interval(values: Floats) -> str:
    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():+.0f} ({values.mean() - half:+.0f} to {values.mean() + half:+.0f})"


def _median(values: pl.Series) -> str:
    return f"{100 * values.median():.0f}"


def _span(values: pl.Series, scale: float, digits: int = 0) -> str:
    low, middle, high = (scale * value for value in (values.min(), values.median(), values.max()))
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def draw_seeds(points: pl.DataFrame) -> Figure:
    """One column per family, one row per recipe: every seed's curve, and the medians of the controls."""
    families, recipes = (points[key].unique(maintain_order=True).to_list() for key in ("what", "recipe"))
    recipes.sort(key=lambda recipe: recipe != "standard")
    size = (2.4 * len(families) + 1.1, 1.9 * len(recipes) + 0.5)
    figure, panels = plt.subplots(
        len(recipes), len(families), figsize=size, sharex=True, sharey=True, squeeze=False, layout="constrained"
    )
    for row, recipe in zip(panels, recipes, strict=True):
        for axes, family in zip(row, families, strict=True):
            here = points.filter(what=family, recipe=recipe)
            for _, seed in here.filter(set="conflict").group_by(RUN, maintain_order=True):
                axes.plot(seed["epoch"], 100 * seed["value"], color=BLUE, linewidth=0.6, alpha=0.5)
            axes.set_visible(not here.is_empty())
            ends = []
            for name, (text, color, dashes) in LINES.items():
                middle = here.filter(set=name).group_by("epoch").agg(pl.col("value").median()).sort("epoch")
                axes.plot(middle["epoch"], 100 * middle["value"], color=color, linestyle=dashes, linewidth=1.8)
                if axes is row[-1]:
                    ends.append((100 * middle["value"][-1], middle["epoch"][-1], text, color))
            below = float("inf")
            for height, epoch, text, color in sorted(ends, reverse=True):
                below = min(height, below - 8)  # labels of curves that end together stand one below the other
                place = {"xytext": (5, 0), "textcoords": "offset points", "va": "center", "fontsize": 8}
                axes.annotate(text, (epoch, below), color=color, **place)
            name = FAMILIES.get(family, family)
            axes.set_title(f"{name}, {recipe}" if len(recipes) > 1 else name, fontsize=9)
            axes.set_ylim(-2, 102)
    figure.supxlabel("epochs of finetuning", fontsize=9)
    figure.supylabel("% of items", fontsize=9)
    sns.despine(figure)
    return figure


def draw_ablation(found: pl.DataFrame) -> Figure:
    """One line per variant with the start, peak and end of context answers: the median over seeds, and each seed.

    Variants are grouped by what they change. Faint lines are the medians of the default.
    """
    groups = list(found.group_by("part", "variant", maintain_order=True))
    figure, axes = plt.subplots(figsize=(6.4, 0.25 * len(groups) + 1.3), layout="constrained")
    marks = {"start": (GREY, "|"), "peak": (BLUE, "o"), "end": (ORANGE, "s")}
    places, place, above = {}, 0.0, "default"
    for (part, variant), rows in groups:
        if part != above:
            place, above = place + 0.9, part
            heading = {"ha": "right", "va": "center", "fontsize": 8, "fontweight": "bold", "annotation_clip": False}
            axes.annotate(part, (0, place - 0.75), (-6, 0), ("axes fraction", "data"), "offset points", **heading)
        middle = {key: 100 * rows[key].median() for key in marks}
        axes.plot([middle["start"], middle["peak"]], [place - 0.12] * 2, color=BLUE, linewidth=1.2, alpha=0.6)
        axes.plot([middle["peak"], middle["end"]], [place + 0.12] * 2, color=ORANGE, linewidth=1.2, alpha=0.6)
        for key, (color, marker) in marks.items():
            height = place + (0.12 if key == "end" else -0.12)
            axes.plot(100 * rows[key], [height] * rows.height, marker, color=color, markersize=3, alpha=0.4)
            axes.plot(middle[key], height, marker, color=color, markersize=6)
            if variant == "default":
                axes.axvline(middle[key], color=color, linewidth=0.6, alpha=0.35, zorder=0)
        places[variant] = place
        place += 1
    axes.set_yticks(list(places.values()), list(places), fontsize=8)
    axes.set(xlim=(-3, 103), ylim=(place - 0.4, -0.6), xlabel="context answers under conflict, % of items")
    handles = [plt.Line2D([], [], color=color, marker=marker, linestyle="") for color, marker in marks.values()]
    figure.legend(handles, marks, loc="outside upper center", ncols=3, frameon=False, fontsize=8)
    sns.despine(figure)
    return figure


def with_variant(found: pl.DataFrame) -> pl.DataFrame:
    """The runs with what differs from the default: ``part``, and its name as ``variant``. The default comes first."""
    parts = {"pretraining": ("what", "neox"), "mixture": ("dataset", "tulu-like"), "tuning": ("recipe", "standard")}
    default = pl.lit("default")
    part, variant = default, default
    for name, (column, usual) in parts.items():
        part = pl.when(pl.col(column) != usual).then(pl.lit(name)).otherwise(part)
        variant = pl.when(pl.col(column) != usual).then(pl.col(column)).otherwise(variant)
    order = pl.Enum(["default", *parts])
    return found.with_columns(part=part.cast(order), variant=variant).sort("part", maintain_order=True)


def main() -> None:
    """Write the table and the figure of a study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=["seeds", "ablation"])
    parser.add_argument("--results", type=Path, default=ROOT / "results")
    parser.add_argument("--output", type=Path, default=ROOT / "docs/img", help="folder of the figure")
    options = parser.parse_args()

    tables = options.results / "tables"
    points = rates(read_frame(tables / "curves.parquet", CurvePoint))
    found = at_turns(verdicts(read_frame(tables / "inversions.parquet", Inversion)), points)
    if options.study == "seeds":
        figure = draw_seeds(points)
        table = as_table(found, {"what": "model", "recipe": "recipe"})
        heading = "Differences from `standard` in points, means with 95 % t intervals over base models:"
        table += f"\n{heading}\n\n{differences(found)}"
    else:
        found = with_variant(found)
        figure = draw_ablation(found)
        table = as_table(found, {"part": "changed", "variant": "variant"})
    figure.savefig(options.output / f"organism-{options.study}.png", dpi=150)
    write_text(ROOT / f"benchmarks/results/organism-{options.study}.md", table)
    print(table)


if __name__ == "__main__":
    main()
