"""The house: rooms import downwards only, and a stage depends on no more of the library than it uses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import inversion
from inversion.artifacts import code_fingerprint
from inversion.config.figures import FIGURES
from inversion.config.probes import PROBES

ROOT = Path(__file__).parents[1]
WORKFLOW = ROOT / "workflow"
LIBRARY = WORKFLOW / "inversion"
ROOMS = re.findall(r"``(\w+)``", (inversion.__doc__ or "").partition("A room imports")[0])
IMPORT = re.compile(r"^\s*(?:from|import) inversion\.(\w+)", re.MULTILINE)


def modules(room: str) -> list[Path]:
    return sorted((LIBRARY / room).rglob("*.py")) or [LIBRARY / f"{room}.py"]


def test_every_module_is_in_a_room_that_the_map_lists() -> None:
    there = {path.stem for path in LIBRARY.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert there - {"__init__", "job"} == set(ROOMS)
    listed = re.findall(r"^\| `(\w+)` \|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert listed == ROOMS


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_import_only_rooms_below_them(room: str) -> None:
    allowed = {*ROOMS[: ROOMS.index(room) + 1]}
    imported = {name for path in modules(room) for name in IMPORT.findall(path.read_text(encoding="utf-8"))}
    assert imported <= allowed


@pytest.mark.parametrize(
    ("changed", "scripts"),
    [
        ("records/theory.py", {"simulate_theory", "draw_theory"}),
        ("config/theory.py", {"simulate_theory"}),
        ("config/load.py", set()),
        (
            "records/measurements.py",
            {f"{stage} {probe}" for stage in ("tabulate_probe", "draw_figure") for probe in PROBES},
        ),
        ("plot/tradeoffs.py", {"draw_figure tradeoffs"}),
        ("plot/curves.py", {"draw_figure accuracy", "draw_figure grid", "draw_figure recipes"}),
        ("theory/descent.py", {"simulate_theory"}),
    ],
)
def test_a_change_reaches_only_the_stages_that_use_it(changed: str, scripts: set[str], tmp_path: Path) -> None:
    rules = "".join(path.read_text(encoding="utf-8") for path in (WORKFLOW / "rules").glob("*.smk"))
    stages = {name: (name, ()) for name in re.findall(r'code_of\("(\w+)"\)', rules)}
    stages |= {f"draw_figure {name}": ("draw_figure", (figure.draw,)) for name, figure in FIGURES.items()}
    stages |= {
        f"tabulate_probe {name}": ("tabulate_probe", (probe.tabulate, probe.facts)) for name, probe in PROBES.items()
    }
    package = tmp_path / "inversion"
    for path in LIBRARY.rglob("*.py"):
        copy = package / path.relative_to(LIBRARY)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())

    def prints() -> dict[str, str]:
        return {
            stage: code_fingerprint(
                WORKFLOW / "scripts" / f"{script}.py", package, [each.partition(":")[0] for each in references]
            )
            for stage, (script, references) in stages.items()
        }

    before = prints()
    with open(package / changed, "a", encoding="utf-8") as handle:
        handle.write("\nANOTHER = 1\n")
    assert {name for name, digest in prints().items() if digest != before[name]} == scripts
