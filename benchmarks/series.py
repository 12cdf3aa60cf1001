"""Compares the cost of a series with that of the same run trained here, and with a loop over its adapters with
lm-eval's HFLM.

The model is the random Llama of 50 M parameters of `evaluation.py`, with its generated items. The same adapters are
evaluated in three ways: as the checkpoints of a run that was trained here; as a series, which is the output folder of a
Trainer that is first searched, verified, hashed and linked; and by a loop that loads the base and one adapter after the
other with peft and evaluates it with HFLM. Each way computes the greedy answer of 16 tokens and the log-probabilities
of both answers, with and without the context. The loop is measured on the first adapters and extrapolated, because it
starts again with each adapter. The run and the series evaluate all adapters, and are measured alternately `--repeats`
times. Finding, verifying, hashing and linking the checkpoints of the series is also measured separately. Every
measurement runs in a separate process; imports are not counted.

    OMP_NUM_THREADS=1 python benchmarks/series.py
    OMP_NUM_THREADS=1 python benchmarks/series.py --checkpoints 2 --items 8 --output /tmp/series.md
"""

from __future__ import annotations

import argparse
import importlib
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import torch
from evaluation import (
    NEW_TOKENS,
    TEMPLATE,
    Facts,
    Measured,
    agreement,
    apart,
    harness,
    invented_items,
    make_run,
    ours,
    peak_mb,
)

from inversion.artifacts import write_json, write_text
from inversion.config.series import FolderSeries
from inversion.manifests import BaseManifest, CheckpointEntry
from inversion.models import describe_base
from inversion.records.data import ConflictItem
from inversion.respond.series_listing import examine_series

PATTERN = "checkpoint-{step}"
Way = Callable[[Path, Sequence[CheckpointEntry], Sequence[ConflictItem], int], Measured]


class Clocked(NamedTuple):
    """The measurements of evaluating some checkpoints in one way."""

    wall: float
    cpu: float
    """CPU seconds, like all times here."""
    peak_mb: float
    facts: Facts

    def times(self, factor: float) -> Clocked:
        """The same for more checkpoints."""
        return Clocked(self.wall * factor, self.cpu * factor, self.peak_mb, self.facts)


def clocked(
    way: Way,
    modules: Sequence[str],
    folder: Path,
    steps: Sequence[CheckpointEntry],
    items: Sequence[ConflictItem],
    batch_size: int,
) -> Clocked:
    """Measure one ``way``; ``modules`` is what it imports, which is done before the clocks start."""
    for module in modules:
        importlib.import_module(module)
    wall, cpu = time.perf_counter(), time.process_time()
    measured = way(folder, steps, items, batch_size)
    return Clocked(time.perf_counter() - wall, time.process_time() - cpu, measured.peak_mb, measured.facts)


def as_trainer_output(folder: Path, steps: Sequence[CheckpointEntry]) -> None:
    """Write the adapters of a run again as the Trainer saves them, below ``folder``/out."""
    for entry in steps:
        target = folder / "out" / PATTERN.format(step=entry.step)
        target.mkdir(parents=True)
        for file in ("adapter_config.json", "adapter_model.safetensors"):
            shutil.copyfile(folder / entry.folder / file, target / file)
        write_json(target / "trainer_state.json", {"global_step": entry.step, "epoch": entry.epoch})


def examine(base: BaseManifest, folder: Path, steps: Sequence[CheckpointEntry], run: Path) -> list[CheckpointEntry]:
    """What a series does before its checkpoints are evaluated: find, verify, hash and link them in ``run``."""
    wanted = tuple(one.step for one in steps)
    spec = FolderSeries(
        source="folder", path=str(folder / "out"), model="base", steps=wanted, ask_base=False, template=TEMPLATE
    )
    return examine_series(spec, base, folder / "base", run, per_job=len(steps))[0].steps


def series(
    base: BaseManifest, folder: Path, steps: Sequence[CheckpointEntry], items: Sequence[ConflictItem], batch_size: int
) -> Measured:
    """The same checkpoints as a series: examined, listed and then evaluated like those of a run."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        (Path(place) / "base").symlink_to(folder / "base")
        listed = examine(base, folder, steps, Path(place))
        return ours(Path(place), listed, items, batch_size) if items else Measured(0.0, 0.0, peak_mb(), {})


def row(name: str, measured: Clocked, to: Clocked) -> str:
    """A line of the table; ``to`` is what its ratios are to."""
    ratios = " | ".join(f"{mine / theirs:.2f}" for mine, theirs in zip(measured[:3], to[:3], strict=True))
    return f"| {name} | {measured.wall:.1f} | {measured.cpu:.1f} | {measured.peak_mb:.0f} | {ratios} |"


def mean_of(measured: Sequence[Clocked]) -> Clocked:
    """The mean of several measurements of the same."""
    wall, cpu, peak = (mean(one[place] for one in measured) for place in range(3))
    return Clocked(wall, cpu, peak, measured[0].facts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoints", type=int, default=20)
    parser.add_argument("--loop-checkpoints", type=int, default=4, help="that the loop is measured on")
    parser.add_argument("--items", type=int, default=16)
    parser.add_argument("--rank", type=int, default=8, help="of the adapters")
    parser.add_argument("--batch-size", type=int, default=64, help="prompts a forward pass of ours")
    parser.add_argument("--harness-batch-size", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=1, help="measurements of the run and of the series")
    parser.add_argument("--output", default="benchmarks/results/series.md")
    options = parser.parse_args()

    items = invented_items(options.items)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        steps = make_run(folder, items, options.checkpoints, options.rank)
        as_trainer_output(folder, steps)
        described = describe_base(folder / "base", "folder", str(folder / "base"))
        base = described.model_copy(update={"digest": "base"})  # what `make_run` and `ours` call it

        def measure(name: str, way: Way, these: Sequence[CheckpointEntry], item_count: int, batch_size: int) -> Clocked:
            modules = ["peft", "lm_eval.models.huggingface"] if way is harness else ["peft"]
            found = apart(clocked, way, modules, folder, these, items[:item_count], batch_size)
            print(f"{name}: {len(these)} checkpoints, {found.wall:.1f} s, {found.cpu:.1f} s of CPU", flush=True)
            return found

        elsewhere = partial(series, base)
        trained, as_series = [], []
        for _ in range(options.repeats):
            trained.append(measure("run", ours, steps, len(items), options.batch_size))
            as_series.append(measure("series", elsewhere, steps, len(items), options.batch_size))
        examined = measure("examination", elsewhere, steps, 0, options.batch_size)
        first = steps[: options.loop_checkpoints]
        measured = measure("loop", harness, first, len(items), options.harness_batch_size)

    mine, theirs = mean_of(trained), mean_of(as_series)
    loop = measured.times(len(steps) / len(first))
    differs = {name: agreement(theirs.facts, other.facts) for name, other in (("run", mine), ("loop", loop))}
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {torch.get_num_threads()} thread(s)"
    lines = [
        f"# A series of {len(steps)} adapters, {len(items)} items, {device}",
        "",
        f"Random Llama of 50 M parameters, LoRA of rank {options.rank} on all linear layers, float32; torch "
        f"{torch.__version__}. Of every item a greedy answer of {NEW_TOKENS} tokens and both log-probabilities with "
        f"and without the context. Batches: {options.batch_size} (ours), {options.harness_batch_size} (HFLM). The "
        f"loop is measured on {len(first)} of the adapters and multiplied by {len(steps) / len(first):g}. Measurements "
        f"of the run and of the series: {options.repeats} each.",
        "",
        "| | wall (s) | CPU (s) | peak memory (MB) | wall, times the run's | CPU, times the run's | memory, times the "
        "run's |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        row("a run that was trained here", mine, mine),
        row("the same adapters as a series", theirs, mine),
        row("of that: finding, verifying, hashing, linking", examined, mine),
        row("a loop: peft loads each adapter, lm-eval's HFLM asks", loop, mine),
        "",
        f"The loop takes {loop.cpu / theirs.cpu:.1f} times the series' CPU time and {loop.wall / theirs.wall:.1f} "
        "times its wall time.",
        "",
        "| the series' answers against those of | largest difference (nats) | equal texts |",
        "| --- | --- | --- |",
        *(f"| the {name} | {apart_by:.1e} | {texts:.1%} |" for name, (apart_by, texts) in differs.items()),
    ]
    write_text(options.output, "\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
