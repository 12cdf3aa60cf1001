"""Each reference in the configuration's tables (``module:function``) resolves to the right kind of object."""

import inspect
from pkgutil import resolve_name

import pytest

from inversion.config.evaluation import CONTRAST_CHECK
from inversion.config.figures import FIGURES
from inversion.config.probes import PROBES
from inversion.config.scorers import SCORERS
from inversion.config.sets import SET_FORMATS
from inversion.config.tasks import TASKS
from inversion.config.training import TUNINGS, AdapterTuning

FUNCTIONS = (
    {f"set format {name}": (form.read, 3 if form.mapped else 2) for name, form in SET_FORMATS.items()}
    | {f"scorer {name}": (scorer.label, 2) for name, scorer in SCORERS.items()}
    | {f"figure {name}": (figure.draw, len(figure.tables) + 1) for name, figure in FIGURES.items()}
    | {f"probe {name} measures": (probe.measure, 2) for name, probe in PROBES.items()}
    | {f"probe {name} checks a model": (probe.check, 1) for name, probe in PROBES.items() if probe.check}
    | {"decoding checks a model": (CONTRAST_CHECK, 1)}
    | {f"task {name} reads a row": (task.question, 1) for name, task in TASKS.items()}
    | {f"{n} makes adapters": (t.adapter, 2) for n, t in TUNINGS.items() if issubclass(t, AdapterTuning)}
    | {f"probe {name} tabulates": (probe.tabulate, 3) for name, probe in PROBES.items()}
)


@pytest.mark.parametrize(("reference", "arguments"), FUNCTIONS.values(), ids=FUNCTIONS)
def test_a_reference_resolves_to_a_function_with_the_right_arguments(reference: str, arguments: int) -> None:
    inspect.signature(resolve_name(reference)).bind(*range(arguments))


@pytest.mark.parametrize("name", PROBES)
def test_a_probe_has_a_record_for_its_facts(name: str) -> None:
    assert hasattr(resolve_name(PROBES[name].facts), "__dataclass_fields__")
