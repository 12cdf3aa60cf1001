"""The benchmark of the limit of matrix products."""

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def limit():
    sys.path.insert(0, str(FOLDER))
    try:
        spec = importlib.util.spec_from_file_location("evaluation_limit", FOLDER / "evaluation_limit.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(FOLDER))
    return module


def test_products_are_counted_by_shape(limit):
    layer = torch.nn.Linear(3, 5)
    with torch.no_grad(), limit.Products() as products:
        for _ in range(2):
            layer(torch.ones(7, 3))
        torch.bmm(torch.ones(2, 4, 3), torch.ones(2, 3, 6))
        torch.ones(4) + 1
    linear = ("aten::addmm", ((5,), (7, 3), (3, 5)))
    batched = ("aten::bmm", ((2, 4, 3), (2, 3, 6)))
    assert products.counts == {linear: 2, batched: 1}
    assert limit.operations(linear) == 2 * 7 * 3 * 5
    assert limit.operations(batched) == 2 * 2 * 4 * 3 * 6
    assert 0 < limit.seconds_alone(linear) < 1


def test_every_operation_belongs_to_one_part(limit):
    events = [
        SimpleNamespace(key=key, self_cpu_time_total=1e6 * seconds)
        for key, seconds in (
            ("aten::mm", 3.0),
            ("aten::addmm", 1.0),
            ("aten::_scaled_dot_product_flash_attention_for_cpu", 2.0),
            ("aten::add", 0.5),
        )
    ]
    found = limit.shares(events)
    assert list(found.values()) == [4.0, 2.0, 0.5]
    lines = limit.table(10.0, 4.0, 8 * 10**12, 12, found)
    assert "40% of the time" in lines[0]
    assert "2000 GFLOP/s" in lines[0]
    assert lines[4:] == [
        "| matrix products | 4.0 | 62% |",
        "| attention | 2.0 | 31% |",
        "| other operations of PyTorch | 0.5 | 8% |",
    ]
