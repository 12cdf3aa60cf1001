"""How far evaluation is from the limit of the machine's matrix products, in CPU seconds.

One checkpoint of `benchmarks/evaluation.py` is evaluated three times. The first time is not counted, the second is
timed, and in the third every matrix product is recorded with the shapes of its operands. Then each shape is multiplied
alone, with nothing else to do. The sum of these times is the limit: no evaluation that computes the same products on
this machine with the same library can take less. PyTorch's profiler tells what the rest of the time is.

    OMP_NUM_THREADS=1 python benchmarks/evaluation_limit.py            # writes results/evaluation_limit.md
    OMP_NUM_THREADS=1 python benchmarks/evaluation_limit.py --items 40 --output /tmp/limit.md
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from evaluation import NEW_TOKENS, TEMPLATE, invented_items, make_run
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode

from inversion.artifacts import write_text
from inversion.config.evaluation import Prompt
from inversion.respond.checkpoint_responses import respond

aten = torch.ops.aten
PRODUCTS = {"aten::mm": aten.mm, "aten::addmm": aten.addmm, "aten::bmm": aten.bmm}
ATTENTION = ("flash_attention", "scaled_dot_product")
Shape = tuple[str, tuple[tuple[int, ...], ...]]
"""A product's name and the shapes of its operands."""
REPETITIONS = 5


class Products(TorchDispatchMode):
    """Counts the matrix products by shape."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[Shape] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name = func.overloadpacket._qualified_op_name
        if name in PRODUCTS:
            shapes = tuple(tuple(each.shape) for each in args if isinstance(each, torch.Tensor))
            self.counts[name, shapes] += 1
        return func(*args, **(kwargs or {}))


def operations(shape: Shape) -> int:
    """Floating-point operations of one product."""
    *_, left, right = shape[1]
    return 2 * torch.Size(left).numel() * right[-1]


@torch.inference_mode()
def seconds_alone(shape: Shape) -> float:
    """CPU seconds of one product of random matrices, the shortest of some repetitions. The right one is transposed in
    memory, as weights are."""
    name, shapes = shape
    *first, right = [torch.randn(each) for each in shapes]
    operands = [*first, right.mT.contiguous().mT]
    return min(timed(lambda: PRODUCTS[name](*operands)) for _ in range(REPETITIONS))


def timed(call: Callable[[], object]) -> float:
    """CPU seconds of this process."""
    begin = time.process_time()
    call()
    return time.process_time() - begin


def shares(events: Iterable[Any]) -> dict[str, float]:
    """The seconds that the profiler saw in matrix products, in attention, and in all other operations."""
    found = {"matrix products": 0.0, "attention": 0.0, "other operations of PyTorch": 0.0}
    for event in events:
        kind = (
            "matrix products"
            if event.key in PRODUCTS
            else "attention"
            if any(name in event.key for name in ATTENTION)
            else "other operations of PyTorch"
        )
        found[kind] += event.self_cpu_time_total / 1e6
    return found


def table(seconds: float, limit: float, total: int, shapes: int, parts: Mapping[str, float]) -> list[str]:
    return [
        f"Evaluation took {seconds:.1f} CPU seconds. Its {total / 1e12:.2f} T floating-point operations in matrix "
        f"products, of {shapes} different shapes, take {limit:.1f} s when each product is computed alone "
        f"({total / limit / 1e9:.0f} GFLOP/s): {limit / seconds:.0%} of the time. The profiler, which slows things "
        "down a little, sees:",
        "",
        "| part | CPU seconds | share |",
        "| --- | --- | --- |",
        *(f"| {name} | {value:.1f} | {value / sum(parts.values()):.0%} |" for name, value in parts.items()),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=400)
    parser.add_argument("--rank", type=int, default=8, help="of the adapters")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--output", default="benchmarks/results/evaluation_limit.md")
    options = parser.parse_args(arguments)
    items = invented_items(options.items)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        steps = make_run(folder, items, 1, options.rank)

        def evaluate() -> None:
            with tempfile.TemporaryDirectory(dir=folder) as fresh:
                (Path(fresh) / "checkpoints").symlink_to(folder / "checkpoints")
                respond(
                    folder / "base", "base", fresh, steps, items, TEMPLATE, {"plain": Prompt()}, NEW_TOKENS,
                    options.batch_size,
                )  # fmt: skip

        evaluate()
        seconds = timed(evaluate)
        with Products() as products:
            evaluate()
        limit = sum(count * seconds_alone(shape) for shape, count in products.counts.items())
        total = sum(count * operations(shape) for shape, count in products.counts.items())
        with profile(activities=[ProfilerActivity.CPU]) as profiled:
            began = time.process_time()
            evaluate()
            whole = time.process_time() - began
    parts = shares(profiled.key_averages())
    parts["Python, tokenizer and files"] = max(0.0, whole - sum(parts.values()))
    title = (
        f"# The limit of matrix products: 1 checkpoint, {len(items)} items, CPU, {torch.get_num_threads()} thread(s)"
    )
    lines = [
        title,
        "",
        f"The model of `evaluation.py` in batches of {options.batch_size}; torch {torch.__version__}.",
        "",
    ]
    write_text(options.output, "\n".join([*lines, *table(seconds, limit, total, len(products.counts), parts)]) + "\n")


if __name__ == "__main__":
    main()
