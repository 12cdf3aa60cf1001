"""Where in the model organism the rise and the fall happen: the probes of the 30 runs of ``standard``, with base models
as replicates. benchmarks/organism/mechanism.yaml has the commands.

A share is the mean effect over the base models of a family divided by their mean change, so that a run that hardly
falls counts little. Its 95 % interval is that of a ratio of two means (the delta method, with a t distribution over
base models).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import t

from inversion.artifacts import write_text
from inversion.records.frames import read_frame
from inversion.records.mechanism import DIRECTIONS, KnockoutPoint, LensPoint, PatchPoint, WeightPoint
from inversion.stats import Floats

ROOT = Path(__file__).parents[2]
BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#5f5f5f"
FAMILIES = {"neox": "GPT-NeoX", "llama": "Llama", "mistral": "Mistral"}
PLACES = {
    ("attention", 1, "last"): "attention of the last layer, last token",
    ("mlp", 1, "last"): "MLP of the last layer, last token",
    ("residual", 0, "question"): "first layer, question",
    ("residual", 0, "subject"): "first layer, subject in the question",
    ("residual", 0, "context"): "first layer, context",
    ("residual", 0, "last"): "first layer, last token",
}
"""The patches that are summarised: component, layer and tokens, with a name. All toy models have two layers."""
GROUPS = {"query_key": "query and key", "value_output": "value and output", "mlp": "MLP"}
DONORS = {"rival": "the other checkpoint", "other_item": "the same, reading an unrelated item"}
RECEIVERS = ("peak", "end")
MILESTONES = ("start", "peak", "end")
HEAD = """`benchmarks/organism/mechanism.py` writes this page (benchmarks/organism/mechanism.yaml). Base models: {runs}.
Intervals are 95 % t-intervals over the base models of a family; a share is the ratio of the mean effect to the mean
change.
*receiver* and *donor* are explained in [docs/mechanism.md](../../docs/mechanism.md#patching-between-checkpoints).
"""


class Estimate(NamedTuple):
    """A mean or a ratio over base models, with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"

    @property
    def percent(self) -> str:
        """As whole percent."""
        return f"{100 * self.value:.0f} % ({100 * self.low:.0f} to {100 * self.high:.0f})"


def mean(values: Floats) -> Estimate:
    """The mean of independent values (n,) with a t-interval."""
    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return Estimate(float(values.mean()), float(values.mean() - half), float(values.mean() + half))


def ratio(effects: Floats, changes: Floats) -> Estimate:
    """The ratio of the means of two paired samples (n,), by the delta method."""
    value = effects.mean() / changes.mean()
    around = mean((effects - value * changes) / changes.mean())
    return Estimate(float(value), float(value + around.low), float(value + around.high))


def by_family(table: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """The rows of each family of base models, with the family's name."""
    for family, name in FAMILIES.items():
        rows = table.filter(pl.col("model").str.starts_with(f"{family}-"))
        if not rows.is_empty():
            yield name, rows.sort("model")


def patched(table: pl.DataFrame) -> pl.DataFrame:
    """The share of the fall by family, receiver, donor and place, with the columns of :class:`Estimate`."""
    effects = table.filter(measure="effect")
    # the residual stream after the last layer at the last token decides the answer, so its effect is the whole change
    whole = effects.filter(donor="rival", component="residual", layer=effects["layer"].max(), positions="last")
    rows = []
    for family, found in by_family(effects):
        for receiver in RECEIVERS:
            changes = whole.join(found, on="model", how="semi").filter(receiver=receiver).sort("model")["value"]
            for donor in DONORS:
                for (component, layer, positions), place in PLACES.items():
                    chosen = found.filter(receiver=receiver, donor=donor, component=component, layer=layer)
                    values = chosen.filter(positions=positions)["value"]
                    rows.append((family, receiver, donor, place, *ratio(values.to_numpy(), changes.to_numpy())))
    return pl.DataFrame(rows, ["family", "receiver", "donor", "place", *Estimate._fields], orient="row")


def exchanged(table: pl.DataFrame) -> pl.DataFrame:
    """The share of rise and fall by family, interval, direction and group of weights, likewise."""
    rows = []
    for family, found in by_family(table.filter(pl.col("set").is_not_null())):
        for interval in ("rise", "fall"):
            here = found.filter(interval=interval)
            changes = here.filter(measure="change")["value"].to_numpy()
            for direction in DIRECTIONS:
                for group, name in GROUPS.items():
                    effects = here.filter(measure=direction, part=group)["value"].to_numpy()
                    rows.append((family, interval, direction, name, *ratio(effects, changes)))
    return pl.DataFrame(rows, ["family", "interval", "direction", "group", *Estimate._fields], orient="row")


def knocked(table: pl.DataFrame) -> pl.DataFrame:
    """Knock-outs by family: the effect of the two heads with the largest effects and of two random heads at each
    milestone (nats), and in how many runs the same heads matter at the peak and at the end."""
    rows = []
    for family, found in by_family(table.filter(scale=0.0)):
        effects = [
            str(mean(found.filter(milestone=milestone, measure=measure)["value"].to_numpy()))
            for measure in ("top", "random")
            for milestone in MILESTONES
        ]
        same = found.filter(milestone="peak", measure="end")
        above = same.filter(pl.col("value") > pl.col("null_high")).height
        rows.append((family, *effects, f"{same['value'].median():.2f}", f"{above} of {same.height}"))
    names = [f"{what} heads, {milestone}" for what in ("top two", "two random") for milestone in MILESTONES]
    return pl.DataFrame(
        rows, ["family", *names, "rank correlation, peak and end (median)", "above the null"], orient="row"
    )


def lens(table: pl.DataFrame, patches: pl.DataFrame) -> pl.DataFrame:
    """The log-odds (nats) by family and depth at the last token of the peak and of the end."""
    steps = patches.select("model", "step", milestone="receiver").unique()
    rows = []
    for family, found in by_family(table.filter(measure="margin", position="last").join(steps, on=["model", "step"])):
        for (depth,), at in found.sort("depth").group_by("depth", maintain_order=True):
            levels = [str(mean(at.filter(milestone=each)["value"].to_numpy())) for each in RECEIVERS]
            rows.append((family, depth, *levels))
    return pl.DataFrame(rows, ["family", "layers passed", *RECEIVERS], orient="row")


def as_markdown(table: pl.DataFrame) -> str:
    """A table in markdown. Columns of an estimate become one cell in percent."""
    shown = table
    if "low" in table.columns:
        cells = [Estimate(*row).percent for row in table.select(Estimate._fields).iter_rows()]
        shown = table.drop(Estimate._fields).with_columns(pl.Series("share (95 % interval)", cells))
    lines = ["| " + " | ".join(shown.columns) + " |", "|" + " --- |" * shown.width]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in shown.iter_rows()]
    return "\n".join(lines) + "\n"


def _bars(axes: Axes, rows: pl.DataFrame, places: list[str], offset: float, color: str, filled: bool) -> None:
    """Points with intervals, one line per place."""
    heights = np.array([places.index(place) for place in rows["place"]]) + offset
    value, low, high = (100 * rows[name].to_numpy() for name in Estimate._fields)
    face = color if filled else "white"
    axes.hlines(heights, low, high, color=color, linewidth=1.2, alpha=0.8)
    axes.plot(value, heights, "o", color=color, markerfacecolor=face, markersize=4.5, linestyle="")


def draw(patches: pl.DataFrame, weights: pl.DataFrame) -> Figure:
    """One column per family: above the share of the fall by patched place, below that of rise and fall by group of
    weights."""
    families = patches["family"].unique(maintain_order=True).to_list()
    places, groups = list(PLACES.values()), list(GROUPS.values())
    figure, panels = plt.subplots(
        2,
        len(families),
        figsize=(2.5 * len(families) + 2.3, 5.6),
        sharex="row",
        sharey="row",
        squeeze=False,
        layout="constrained",
        height_ratios=[len(places), 1.35 * len(groups)],
    )
    caused = patches.filter(receiver="peak")
    for (above, below), family in zip(panels.T, families, strict=True):
        for donor, offset, color in (("rival", -0.14, BLUE), ("other_item", 0.14, GREY)):
            _bars(above, caused.filter(family=family, donor=donor), places, offset, color, donor == "rival")
        of_family = weights.filter(family=family).rename({"group": "place"})
        for place, (interval, direction) in enumerate((i, d) for i in ("rise", "fall") for d in DIRECTIONS):
            rows, color = (
                of_family.filter(interval=interval, direction=direction),
                BLUE if interval == "rise" else ORANGE,
            )
            _bars(below, rows, groups, 0.2 * (place - 1.5), color, direction == "insert")
        above.set_title(family, fontsize=10)
        for axes, names in ((above, places), (below, groups)):
            axes.axvline(0, color=GREY, linewidth=0.6)
            axes.axvline(100, color=GREY, linewidth=0.6, linestyle=":")
            axes.set_yticks(range(len(names)), names, fontsize=8)
            axes.set_ylim(len(names) - 0.5, -0.5)
            axes.tick_params(axis="x", labelsize=8)
    mark = {"marker": "o", "linestyle": "-", "markersize": 4.5}
    legends = (
        (
            panels[0, -1],
            [plt.Line2D([], [], color=BLUE, **mark), plt.Line2D([], [], color=GREY, mfc="white", **mark)],
            list(DONORS.values()),
        ),
        (
            panels[1, -1],
            [
                plt.Line2D([], [], color=color, mfc=face, **mark)
                for color in (BLUE, ORANGE)
                for face in (color, "white")
            ],
            ["rise, this group alone", "rise, lost without it", "fall, this group alone", "fall, lost without it"],
        ),
    )
    for axes, handles, labels in legends:
        axes.legend(handles, labels, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=8)
    middle = len(families) // 2
    panels[0, middle].set_xlabel("share of the fall that the patch causes in the peak, %", fontsize=8)
    panels[1, middle].set_xlabel("share of the rise or fall in log-odds, %", fontsize=8)
    sns.despine(figure)
    return figure


def main() -> None:
    """Write the tables and the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=ROOT / "results")
    parser.add_argument("--output", type=Path, default=ROOT / "docs/img", help="folder of the figure")
    options = parser.parse_args()

    tables = options.results / "tables"
    patch_table = read_frame(tables / "patching.parquet", PatchPoint)
    patches = patched(patch_table)
    weights = exchanged(read_frame(tables / "weights.parquet", WeightPoint))
    sections = {
        "Patching: share of the fall": patches,
        "Weights: share of rise and fall": weights,
        "Knock-outs: change of the log-odds (nats)": knocked(read_frame(tables / "knockouts.parquet", KnockoutPoint)),
        "Logit lens: log-odds at the last token (nats)": lens(
            read_frame(tables / "lens.parquet", LensPoint), patch_table
        ),
    }
    runs = ", ".join(f"{rows['model'].n_unique()} {family}" for family, rows in by_family(patch_table))
    text = f"# Probes of the model organism: base models as replicates\n\n{HEAD.format(runs=runs)}\n"
    text += "\n".join(f"## {title}\n\n{as_markdown(table)}" for title, table in sections.items())
    draw(patches, weights).savefig(options.output / "organism-mechanism.png", dpi=150)
    write_text(ROOT / "benchmarks/results/organism-mechanism.md", text)
    print(text)


if __name__ == "__main__":
    main()
