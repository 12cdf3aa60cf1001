"""Modules are imported in dependency order only, and a stage depends on no more of the library than it uses."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import inversion
from inversion.config.figures import FIGURES
from inversion.config.probes import PROBES
from inversion.source_code import SourceCode

ROOT = Path(__file__).parents[1]
WORKFLOW = ROOT / "workflow"
LIBRARY = WORKFLOW / "inversion"
MODULES = re.findall(r"``(\w+)``", (inversion.__doc__ or "").partition("Each module imports")[0])
IMPORT = re.compile(r"^\s*(?:from|import) inversion\.(\w+)", re.MULTILINE)


def files(module: str) -> list[Path]:
    return sorted((LIBRARY / module).rglob("*.py")) or [LIBRARY / f"{module}.py"]


def test_every_module_is_listed() -> None:
    there = {path.stem for path in LIBRARY.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert there - {"__init__", "job"} == set(MODULES)
    listed = re.findall(r"^\| `(\w+)` \|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert listed == MODULES


@pytest.mark.parametrize("module", MODULES)
def test_modules_import_only_modules_above_them(module: str) -> None:
    allowed = {*MODULES[: MODULES.index(module) + 1]}
    imported = {name for path in files(module) for name in IMPORT.findall(path.read_text(encoding="utf-8"))}
    assert imported <= allowed


WITH_MODELS = {
    "finetune",
    "generate_responses",
    "list_series",
    "prepare_base",
    "prepare_start",
    "probe_checkpoints",
    "probe_knowledge",
    "run_benchmarks",
    "score_context_need",
    "thin_checkpoints",
}
"""Scripts that import torch, which takes seconds. Scripts that download are not checked."""


@pytest.mark.slow
def test_other_scripts_do_not_wait_for_torch() -> None:
    imports = [
        ast.unparse(statement)
        for path in (WORKFLOW / "scripts").glob("*.py")
        if path.stem not in WITH_MODELS and not path.stem.startswith("prefetch_")
        for statement in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(statement, ast.Import | ast.ImportFrom)
    ]
    program = "\n".join([*dict.fromkeys(imports), "import sys", "print({'torch', 'transformers'} & {*sys.modules})"])
    environment = os.environ | {"PYTHONPATH": str(WORKFLOW)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


class Copy(NamedTuple):
    """A copy of the library, which tests may change if they undo the change."""

    package: Path
    stages: dict[str, tuple[str, list[str]]]
    """Each stage with a fingerprint: its script, and the modules that it imports by reference while it runs."""
    before: dict[str, str]

    def prints(self) -> dict[str, str]:
        sources = SourceCode(self.package, self.package.with_name("memory.json"))
        prints = {
            stage: sources.fingerprint(WORKFLOW / "scripts" / f"{script}.py", modules)
            for stage, (script, modules) in self.stages.items()
        }
        sources.remember()
        return prints


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    rules = "".join(path.read_text(encoding="utf-8") for path in (WORKFLOW / "rules").glob("*.smk"))
    references = {name: (name, ()) for name in re.findall(r'code_of\("(\w+)"\)', rules)}
    references |= {f"draw_figure {name}": ("draw_figure", (figure.draw,)) for name, figure in FIGURES.items()}
    references |= {
        f"tabulate_probe {name}": ("tabulate_probe", (probe.tabulate, probe.facts)) for name, probe in PROBES.items()
    }
    stages = {
        stage: (script, [each.partition(":")[0] for each in references])
        for stage, (script, references) in references.items()
    }
    package = tmp_path_factory.mktemp("library") / "inversion"
    shutil.copytree(LIBRARY, package, ignore=shutil.ignore_patterns("__pycache__"))
    unchanged = Copy(package, stages, {})
    return unchanged._replace(before=unchanged.prints())


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
def test_a_change_reaches_only_the_stages_that_use_it(changed: str, scripts: set[str], library: Copy) -> None:
    file = library.package / changed
    source = file.read_text(encoding="utf-8")
    file.write_text(source + "\nANOTHER = 1\n", encoding="utf-8")
    try:
        after = library.prints()
    finally:
        file.write_text(source, encoding="utf-8")
    assert {name for name, digest in after.items() if digest != library.before[name]} == scripts
