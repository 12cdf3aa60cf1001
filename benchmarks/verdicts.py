"""Measures how often the verdicts are right, on simulated answers whose trend is known.

An item gives the context answer at a checkpoint if the sum of three normal variables is below a threshold: its ability
(half of which is shared by its cluster), a variable that is autocorrelated over checkpoints, and an independent one.
The threshold is set so that the rate over all items is the trend of training plus the scatter of the checkpoint. The
scatter is the same for all items and is a first-order autoregression.

Most cells call :func:`inversion.analyse.trend.fit_trend` and :func:`inversion.analyse.verdicts.decide` with the
defaults of a study; some repetitions also go through the table ``inversions``, which must agree.

    OMP_NUM_THREADS=1 python benchmarks/verdicts.py     # 500 repetitions per cell; writes results/verdicts.md
    python benchmarks/verdicts.py --repetitions 50 --seed 1 --only dip --output /tmp/verdicts.md
"""

from __future__ import annotations

import argparse
import math
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from scipy.signal import lfilter
from scipy.stats import norm

from inversion.analyse.inversions import inversions
from inversion.analyse.moments import CROSS_FIT_VARIANCE, moments
from inversion.analyse.panels import Panel
from inversion.analyse.trend import fit_trend, window_length
from inversion.analyse.verdicts import FALLS, VERDICTS, decide
from inversion.artifacts import write_text
from inversion.config.evaluation import Evaluation
from inversion.config.run import Run
from inversion.config.scorers import MAIN
from inversion.records.answers import Item
from inversion.records.frames import schema_of
from inversion.stats import Bools, Floats, Ints, cluster_influence, cluster_sums, rate_interval, sign_flip_test

ROOT = Path(__file__).parents[1]
BOOTSTRAP = 200
"""Bootstrap resamples: fewer than the default of a study, to save time."""
DRAWS = 2 * BOOTSTRAP - 1
"""Simulated curves of a verdict, as in the table ``inversions``."""
MORE = 4
"""The factor by which the fast tables have more repetitions."""
ABILITY, LASTING = 0.6, 0.2
"""Shares of an item's variance that never change, and that are autocorrelated over checkpoints."""
LASTING_RHO = 0.7
CLAIMED = ("inversion", "recovery")


def autoregression(series: int, length: int, rho: float, rng: np.random.Generator) -> Floats:
    """Stationary first-order autoregressions of unit variance: (series, length)."""
    shocks = rng.standard_normal((series, length))
    shocks[:, 1:] *= math.sqrt(1 - rho**2)
    return np.asarray(lfilter([1.0], [1.0, -rho], shocks, axis=1))


def clusters_of(items: int, size: int) -> Ints:
    """Items in clusters of equal size, the last one possibly smaller."""
    return np.arange(items) // size


def answers(trend: Floats, scatter: float, rho: float, clusters: Ints, rng: np.random.Generator) -> Bools:
    """Which items are answered with the context at which checkpoint: (items, checkpoints)."""
    n, m = len(clusters), len(trend)
    rates = np.clip(trend + scatter * autoregression(1, m, rho, rng)[0], 1e-4, 1 - 1e-4)
    ability = rng.standard_normal(n)
    if clusters[-1] + 1 < n:
        ability = math.sqrt(0.5) * ability + math.sqrt(0.5) * rng.standard_normal(clusters[-1] + 1)[clusters]
    latent = math.sqrt(1 - ABILITY - LASTING) * rng.standard_normal((n, m))
    latent += math.sqrt(LASTING) * autoregression(n, m, LASTING_RHO, rng)
    latent += math.sqrt(ABILITY) * ability[:, None]
    return np.asarray(latent < norm.ppf(rates))


@dataclass(frozen=True, slots=True)
class Course:
    """A trend: straight lines between points (share of training, rate)."""

    name: str
    points: tuple[tuple[float, float], ...]

    def at(self, shares: Floats) -> Floats:
        """The rates at shares of training between 0 and 1."""
        return np.interp(shares, *zip(*self.points, strict=True))


PLATEAU = Course("10 to 60 %, then flat", ((0, 0.1), (0.2, 0.6), (1, 0.6)))
QUICK_PLATEAU = Course("10 to 60 % at once, then flat", ((0, 0.1), (0.05, 0.6), (1, 0.6)))
SLOW_PLATEAU = Course("10 to 60 % in half of training, then flat", ((0, 0.1), (0.5, 0.6), (1, 0.6)))
HIGH_PLATEAU = Course("10 to 97 %, then flat", ((0, 0.1), (0.2, 0.97), (1, 0.97)))
SHARES = np.linspace(0, 1, 41)
SATURATING = Course(
    "saturating, 5 to 85 %", tuple(zip(SHARES.tolist(), (0.05 + 0.8 * (1 - np.exp(-5 * SHARES))).tolist(), strict=True))
)
FLAT = Course("flat at 50 %", ((0, 0.5), (1, 0.5)))
LINEAR = Course("linear, 10 to 80 %", ((0, 0.1), (1, 0.8)))
MONOTONE_FALL = Course("72 to 52 %, linear", ((0, 0.72), (1, 0.52)))
FALL_15 = Course("10 to 75 %, then linear to 60 %", ((0, 0.1), (0.2, 0.75), (1, 0.6)))
LATE_FALL_15 = Course("10 to 75 % in half of training, then linear to 60 %", ((0, 0.1), (0.5, 0.75), (1, 0.6)))
FALL_30 = Course("10 to 80 %, then linear to 50 %", ((0, 0.1), (0.2, 0.8), (1, 0.5)))
DIPS = (
    Course("40 to 93, 77, 91 %, then flat", ((0, 0.4), (0.2, 0.93), (0.5, 0.77), (0.8, 0.91), (1, 0.91))),
    Course("40 to 93, 77, 91 %, V", ((0, 0.4), (0.2, 0.93), (0.55, 0.77), (1, 0.91))),
    Course("60 to 93, 77, 91 %, U", ((0, 0.6), (0.15, 0.93), (0.4, 0.77), (0.6, 0.77), (0.85, 0.91), (1, 0.91))),
)
FALLING = (
    *DIPS,
    FALL_15,
    Course("10 to 70 %, then linear to 60 %", ((0, 0.1), (0.2, 0.7), (1, 0.6))),
    Course("10 to 70 %, flat, 60 % in the last fifth", ((0, 0.1), (0.2, 0.7), (0.75, 0.7), (0.85, 0.6), (1, 0.6))),
    Course("10 to 97 %, then linear to 87 %", ((0, 0.1), (0.2, 0.97), (1, 0.87))),
    Course("10 to 80, 70, 80 %, V", ((0, 0.1), (0.2, 0.8), (0.6, 0.7), (1, 0.8))),
    Course("10 to 75 % at once, 60 % soon after, then flat", ((0, 0.1), (0.05, 0.75), (0.1, 0.6), (1, 0.6))),
    Course("10 to 75 % at once, then linear to 60 %", ((0, 0.1), (0.05, 0.75), (1, 0.6))),
    Course("75 % at the start, then linear to 60 %", ((0, 0.75), (1, 0.6))),
)


@dataclass(frozen=True, slots=True)
class Cell:
    """The simulated curve, the verdicts to count, and the limits on their frequency."""

    claim: str
    course: Course
    counted: tuple[str, ...]
    required: tuple[str, float] | None
    """The requirement: ``at most`` or ``at least`` a share of the repetitions; None if there is none."""
    items: int = 400
    checkpoints: int = 21
    rho: float = 0.3
    scatter: float = 0.03
    cluster: int = 1
    """Items per cluster."""
    uneven: bool = False
    """Whether most checkpoints are early: the i-th at the share of training (i / last) squared."""

    @property
    def name(self) -> str:
        """One word per setting, which seeds the cell."""
        shape = (self.items, self.checkpoints, self.rho, self.scatter, self.cluster, self.uneven)
        return " ".join(map(str, (self.claim, self.course.name, *shape)))

    def trend(self) -> Floats:
        """The rate at each checkpoint, without scatter."""
        shares = np.linspace(0, 1, self.checkpoints)
        return self.course.at(shares**2 if self.uneven else shares)

    def draws(self, repetitions: int, seed: int) -> Iterator[tuple[Bools, Ints]]:
        """Simulated answers (items, checkpoints), with the clusters of the items."""
        rng = np.random.default_rng([seed, zlib.crc32(self.name.encode())])
        clusters = clusters_of(self.items, self.cluster)
        for _ in range(repetitions):
            yield answers(self.trend(), self.scatter, self.rho, clusters, rng), clusters


def cells() -> Iterator[Cell]:
    """All cells of the verdicts, by claim."""
    plateau = "A plateau after a rise is an `inversion` or `recovery`"
    for checkpoints in (12, 21, 100):
        for n in (200, 400, 1000, 4464):
            for rho, limit in ((0.0, 0.05), (0.5, 0.05), (0.8, 0.1)):
                yield Cell(plateau, PLATEAU, CLAIMED, ("at most", limit), n, checkpoints, rho)
    for course in (QUICK_PLATEAU, SLOW_PLATEAU, HIGH_PLATEAU):
        for rho, limit in ((0.5, 0.05), (0.8, 0.1)):
            yield Cell(plateau, course, CLAIMED, ("at most", limit), 1000, 21, rho)
    for rho, limit in ((0.5, 0.05), (0.8, 0.1)):
        yield Cell(plateau, PLATEAU, CLAIMED, ("at most", limit), 1000, 21, rho, uneven=True)
        yield Cell(plateau, PLATEAU, CLAIMED, ("at most", limit), 1000, 21, rho, cluster=10)
    yield Cell(plateau, PLATEAU, CLAIMED, ("at most", 0.05), 1000, 21, 0.5, scatter=0.01)
    yield Cell(plateau, PLATEAU, CLAIMED, None, 1000, 21, 0.5, scatter=0.05)

    rising = "A curve that does not fall is an `inversion`, `recovery` or `fall`"
    for course in (SATURATING, FLAT, LINEAR):
        for checkpoints in (12, 21, 100):
            for rho in (0.0, 0.5):
                yield Cell(rising, course, FALLS, ("at most", 0.05), 400, checkpoints, rho)
        yield Cell(rising, course, FALLS, ("at most", 0.1), 400, 21, 0.8)
        yield Cell(rising, course, FALLS, ("at most", 0.05), 4464, 21, 0.5)

    for checkpoints in (12, 21, 100):
        fall = "A monotone fall of 20 points is a `fall`"
        yield Cell(fall, MONOTONE_FALL, ("fall",), ("at least", 0.95), 400, checkpoints)
    yield Cell(fall, MONOTONE_FALL, ("fall",), ("at least", 0.95), 400, 21, 0.5)

    inversion = ("inversion",)
    for checkpoints, required in ((21, ("at least", 0.8)), (100, ("at least", 0.8)), (12, None)):
        gradual = "A gradual fall of 15 points after a rise is an `inversion`"
        yield Cell(gradual, FALL_15, inversion, required, 400, checkpoints)
    yield Cell(gradual, FALL_15, inversion, None, 400, 21, uneven=True)
    yield Cell(gradual, FALL_15, inversion, None, 400, 21, cluster=10)
    yield Cell(gradual, FALL_15, inversion, None, 200, 21)
    yield Cell(gradual, LATE_FALL_15, inversion, None, 400, 21)
    for checkpoints in (21, 100, 12):
        steep = "A gradual fall of 30 points after a rise is an `inversion`"
        yield Cell(steep, FALL_30, inversion, ("at least", 0.98), 400, checkpoints)
    yield Cell(steep, FALL_30, inversion, None, 400, 21, uneven=True)

    for course in DIPS:
        dip = "A fall from 93 to 77 % that comes back to 91 % is a `recovery`"
        for checkpoints, required in ((21, ("at least", 0.8)), (100, ("at least", 0.8)), (12, None)):
            yield Cell(dip, course, ("recovery",), required, 400, checkpoints)

    for course in FALLING:
        kept = "A curve that falls by 10 points or more is a `no_drop`"
        for n, checkpoints, scatter in ((400, 21, 0.03), (400, 12, 0.03), (4464, 21, 0.01), (4464, 12, 0.01)):
            yield Cell(kept, course, ("no_drop",), ("at most", 0.05), n, checkpoints, scatter=scatter)
    for scatter in (0.01, 0.02):
        stays = "A curve that stays where it rose to is a `no_drop` (nothing is required)"
        for course in (PLATEAU, HIGH_PLATEAU, SATURATING, LINEAR):
            yield Cell(stays, course, ("no_drop",), None, 1000, 21, scatter=scatter)


def verdict_of(given: Bools, clusters: Ints) -> str:
    """The verdict on simulated answers."""
    sizes = np.bincount(clusters).astype(np.float64)
    return decide(fit_trend(cluster_sums(given.astype(np.float64), clusters), sizes, DRAWS))


def as_items(given: Bools, clusters: Ints) -> pl.DataFrame:
    """Simulated answers as the table ``items`` of one run."""
    n, m = given.shape
    frame = pl.DataFrame(
        {
            "step": np.tile(np.arange(m) * 50, n),
            "item_id": [f"item{i:05d}" for i in np.repeat(np.arange(n), m)],
            "cluster": [f"cluster{i:05d}" for i in np.repeat(clusters, m)],
            MAIN: np.where(given.ravel(), "context", "parametric").astype(str),
        }
    )
    text = {"model": "simulated", "dataset": "simulated", "recipe": "standard", "set": "conflict", "role": "conflict"}
    text |= {"prompt": "plain", "stratum": "", "text": ""}
    numbers = {"context_logprob": -1.0, "parametric_logprob": -1.0, "epoch": 0.0}
    counts = {"seed": 0, "context_tokens": 1, "parametric_tokens": 1, "finished": True, "known": None, "factors": []}
    lists = {"context_answers": ["a"], "parametric_answers": ["b"]}
    labels = dict.fromkeys(("containment", "first_mention", "logprob"), pl.col(MAIN))
    nothing = {name: None for name in schema_of(Item) if name.endswith(("_closed", "first_logprob"))}
    constant = {name: pl.lit(value) for name, value in (text | numbers | counts | lists | nothing).items()}
    frame = frame.with_columns(**constant, **labels)
    return frame.with_columns(pl.col(name).cast(dtype) for name, dtype in schema_of(Item).items())


def through_the_table(cell: Cell, repetitions: int, seed: int) -> int:
    """In how many repetitions the table ``inversions`` has the verdict that :func:`verdict_of` gives."""
    same = 0
    for given, clusters in cell.draws(repetitions, seed):
        rows = inversions(as_items(given, clusters), BOOTSTRAP).filter(scorer=MAIN)
        same += rows["verdict"].to_list() == [verdict_of(given, clusters)]
    return same


def paired_p_value(given: Bools, clusters: Ints) -> float:
    """The p-value of the column ``p_items`` of the table ``inversions``."""
    n, m = given.shape
    names = np.array([f"cluster{code:05d}" for code in clusters], dtype=object)
    labels = np.where(given, "context", "parametric").astype(object)
    empty = np.full(n, "", dtype=object)
    panel = Panel(
        Run("simulated", "simulated", "standard", 0), "conflict", "plain", "conflict", np.arange(m),
        np.zeros(m), names, names, empty, empty, [[]] * n, {MAIN: labels}, np.zeros((n, m)),
    )  # fmt: skip
    read = moments(panel, MAIN, 0)
    at_peak, at_end = (read.read(given, moment).sum(axis=1) for moment in ("peak", "end"))
    return sign_flip_test(cluster_sums(at_end - at_peak, clusters), variance_ratio=CROSS_FIT_VARIANCE)


def paired_sizes(repetitions: int, seed: int) -> Iterator[list[str]]:
    """How often the paired test rejects at 5 % where nothing changes."""
    for checkpoints in (5, 12, 21, 30, 55):
        for rate in (0.2, 0.5, 0.8):
            for size in (1, 10):
                rng = np.random.default_rng([seed, checkpoints, round(100 * rate), size])
                clusters, trend = clusters_of(400, size), np.full(checkpoints, rate)
                rejected = sum(
                    paired_p_value(answers(trend, 0.0, 0.0, clusters, rng), clusters) <= 0.05
                    for _ in range(repetitions)
                )
                share = rejected / repetitions
                setting = [f"flat at {rate:.0%}".replace("%", " %"), "400", str(size), str(checkpoints)]
                yield [*setting, str(window_length(checkpoints)), *judged(share, ("at most", 0.06))]


def coverages(repetitions: int, seed: int) -> Iterator[list[str]]:
    """How often the interval of a rate holds the true rate, at its worst over rates from 0.02 to 0.98."""
    for count in (5, 8, 10, 20, 100):
        for size in ("1", "10", "1 to 10"):
            for shared in (0.0, 0.4):
                rng = np.random.default_rng([seed, count, len(size), round(10 * shared)])
                found = {
                    rate: sum(_covers(rate, count, size, shared, rng) for _ in range(repetitions)) / repetitions
                    for rate in (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98)
                }
                worst = min(found, key=lambda rate: (found[rate], rate))
                row = [str(count), size, f"{shared:g}", f"{100 * worst:.0f} %"]
                yield [*row, *judged(found[worst], ("at least", 0.93))]


def _covers(rate: float, count: int, size: str, shared: float, rng: np.random.Generator) -> bool:
    sizes = rng.integers(1, 11, count) if size == "1 to 10" else np.full(count, int(size))
    clusters = np.repeat(np.arange(count), sizes)
    latent = math.sqrt(shared) * rng.standard_normal(count)[clusters]
    latent += math.sqrt(1 - shared) * rng.standard_normal(len(clusters))
    given = (latent < norm.ppf(rate)).astype(np.float64)
    low, high = rate_interval(np.asarray(given.mean()), cluster_influence(given, clusters), len(given))
    return bool(low <= rate <= high)


def judged(share: float, required: tuple[str, float] | None) -> list[str]:
    """The cells of what is required, what was found, and whether that will do."""
    found = f"{100 * share:.1f} %"
    if required is None:
        return ["-", found, "-"]
    relation, limit = required
    passed = share <= limit if relation == "at most" else share >= limit
    return [f"{relation} {100 * limit:.0f} %", found, "pass" if passed else "**miss**"]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def verdict_rows(chosen: Sequence[Cell], repetitions: int, seed: int) -> Iterator[tuple[str, list[str]]]:
    """The claim and the table row of each cell."""
    for cell in chosen:
        counts = Counter(verdict_of(given, clusters) for given, clusters in cell.draws(repetitions, seed))
        share = sum(counts[name] for name in cell.counted) / repetitions
        others = ", ".join(
            f"{name} {100 * counts[name] / repetitions:.0f} %"
            for name in VERDICTS
            if name not in cell.counted and counts[name]
        )
        setting = [cell.course.name, str(cell.items), str(cell.checkpoints), f"{100 * cell.scatter:g}", f"{cell.rho:g}"]
        notes = ["uneven schedule"] * cell.uneven + [f"clusters of {cell.cluster}"] * (cell.cluster > 1)
        row = [*setting, ", ".join(notes) or "-", *judged(share, cell.required), others or "-"]
        print(cell.claim, *row, sep=" | ", flush=True)
        yield cell.claim, row


INTRODUCTION = """# Operating characteristics of the verdicts

`python benchmarks/verdicts.py --repetitions {repetitions} --seed {seed}`: {repetitions} simulated runs per row,
with the defaults of a study (margin of 5 points, expected scatter of {scatter:g} points), but {draws} simulated curves.
A share of 5 % is known to within {error:.1f} points (two standard errors). Items persist: {ability:.0f} % of an item's
latent variance never changes, {lasting:.0f} % is autocorrelated over checkpoints ({lasting_rho:g} from one to the next)
and the rest is independent. *Scatter* is the standard deviation, in points, of checkpoints around the trend, which all
items share; *rho* is its autocorrelation from one checkpoint to the next. *Required* is the bound that was set
before the method was built; misses are in bold, and a row without a requirement has a dash.
"""


def main() -> None:
    """Simulate all cells and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=500)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--only", default="", help="cells of verdicts with this text in their name; no other tables")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks/results/verdicts.md")
    options = parser.parse_args()

    chosen = [cell for cell in cells() if options.only in cell.name]
    found = list(verdict_rows(chosen, options.repetitions, options.seed))
    text = INTRODUCTION.format(
        repetitions=options.repetitions,
        seed=options.seed,
        scatter=100 * Evaluation().scatter,
        draws=DRAWS,
        error=200 * math.sqrt(0.05 * 0.95 / options.repetitions),
        ability=100 * ABILITY,
        lasting=100 * LASTING,
        lasting_rho=LASTING_RHO,
    )
    lines = text.splitlines()
    setting = ["trend", "items", "checkpoints", "scatter", "rho", "also"]
    for claim in dict.fromkeys(cell.claim for cell in chosen):
        rows = [row for name, row in found if name == claim]
        lines += ["", f"## {claim}", "", *table([*setting, "required", "found", "", "other verdicts"], rows)]
    if not options.only:
        head = ["curve", "items", "per cluster", "checkpoints", "window", "required", "found", ""]
        lines += ["", "## The paired test (`p_items`) finds a change where there is none", ""]
        lines += [f"{MORE * options.repetitions} repetitions per row, without scatter of checkpoints.", ""]
        lines += table(head, list(paired_sizes(MORE * options.repetitions, options.seed)))
        head = ["clusters", "items per cluster", "shared variance", "worst rate", "required", "found", ""]
        lines += ["", "## The 95 % interval of a rate holds the true rate", ""]
        lines += [f"{MORE * options.repetitions} repetitions per rate; the worst of seven rates from 2 to 98 %.", ""]
        lines += table(head, list(coverages(MORE * options.repetitions, options.seed)))
        checked = chosen[:: len(chosen) // 8]
        few = min(10, options.repetitions)
        same = sum(through_the_table(cell, few, options.seed) for cell in checked)
        lines += ["", "## Through the table `inversions`", ""]
        lines += [f"{same} of {few * len(checked)} verdicts of {len(checked)} cells are the same as above."]
    write_text(options.output, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
