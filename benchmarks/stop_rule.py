"""Measures how often the rule of inversion.monitor stops a training on a plateau, and one in which context reliance
falls.

Answers are simulated. Every item has its own probability of being answered with the context, which is constant on a
plateau, and decreases for all items after the peak in a fall. The answers of an item are drawn independently at every
measurement, or are kept from one measurement to the next with some probability (sticky), as at neighbouring
checkpoints.

    python benchmarks/stop_rule.py
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from inversion.analyse.stopping import PATIENCE, has_fallen
from inversion.artifacts import write_text

Floats = np.ndarray


def answers(rates: Sequence[float], items: int, sticky: float, rng: np.random.Generator) -> Floats:
    """Which items are answered with the context, (measurements, items): ``rates`` of them on average."""
    spread = rng.random(items)
    history = np.zeros((len(rates), items), dtype=bool)
    for step, rate in enumerate(rates):
        # the probability of an item is u ** (1 / rate - 1), whose mean over uniform u is the rate
        drawn = rng.random(items) < spread ** (1 / rate - 1)
        stays = rng.random(items) < (sticky if step and rates[step - 1] == rate else 0.0)
        history[step] = np.where(stays, history[step - 1], drawn) if step else drawn
    return history


def stopped_at(history: Floats, alpha: float) -> int | None:
    """The measurement at which the rule stops; None if it never does."""
    planned = len(history)
    clusters = [str(index) for index in range(history.shape[1])]
    for count in range(PATIENCE + 1, planned + 1):
        if has_fallen(history[:count], clusters, planned, alpha):
            return count - 1
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trainings", type=int, default=1000)
    parser.add_argument("--measurements", type=int, default=20)
    parser.add_argument("--items", type=int, nargs="+", default=[100, 200])
    parser.add_argument("--alpha", type=float, default=0.05)
    parser.add_argument("--output", default="benchmarks/results/stop_rule.md")
    options = parser.parse_args()
    n, peak = options.measurements, options.measurements // 4
    curves = {"plateau at 50 %": [0.5] * n, "plateau at 90 %": [0.9] * n}
    for points in (10, 20, 30):
        end = 0.7 - points / 100
        down = np.linspace(0.7, end, n // 2).tolist()
        curves[f"70 %, then {points} points down over {n // 2} measurements"] = (
            [0.7] * peak + down + [end] * (n - peak - n // 2)
        )
    lines = [
        f"# The rule that stops a training: {options.trainings} simulated trainings each, {n} measurements, "
        f"alpha {options.alpha}",
        "",
        "| context answers | items | answers that stay | stopped | median measurement of the stop |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, rates in curves.items():
        for items in options.items:
            for sticky in (0.0, 0.8):
                rng = np.random.default_rng([items, int(sticky * 10)])
                stops = [
                    stopped_at(answers(rates, items, sticky, rng), options.alpha) for _ in range(options.trainings)
                ]
                found = [stop for stop in stops if stop is not None]
                median = f"{np.median(found):.0f} of {n - 1}" if found else "-"
                share = len(found) / len(stops)
                lines.append(f"| {name} | {items} | {sticky:.0%} | {share:.2%} | {median} |")
    write_text(options.output, "\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
