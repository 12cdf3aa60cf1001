"""Code counts by what it does, and is read once."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest

from inversion import source_code
from inversion.artifacts import ArtifactError
from inversion.source_code import SourceCode

SCRIPT = """
from inversion.analyse import curve

curve(snakemake.input[0])
"""

PACKAGE = {
    "__init__.py": '"""The library."""\n',
    "analyse.py": """
        \"\"\"Curves.\"\"\"
        from inversion import stats
        from inversion.config.study import Config

        LEVEL = 0.95

        def curve(path):
            \"\"\"The curve.\"\"\"
            return stats.interval(path, LEVEL)  # both sides

        class Point:
            step: int
            \"\"\"Optimizer steps.\"\"\"
        """,
    "stats.py": """
        def interval(path, level):
            from inversion.deep.inner import bootstrap
            return bootstrap(path, level)
        """,
    "config/__init__.py": "from inversion.config.schema import Config\n",
    "config/schema.py": "class Config:\n    pass\n",
    "deep/__init__.py": "",
    "deep/inner.py": """
        from . import draw

        def bootstrap(path, level):
            return draw.once()
        """,
    "deep/draw.py": "def once():\n    return 4\n",
    "plot.py": "COLOUR = 'red'\n",
}


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A folder with a small script and a small package."""
    (tmp_path / "script.py").write_text(SCRIPT)
    for name, text in PACKAGE.items():
        path = tmp_path / "inversion" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return tmp_path


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def print_of(code: Path) -> str:
    return SourceCode(code / "inversion").fingerprint(code / "script.py")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# both sides", "# two-sided"),
        ("  # both sides", ""),
        ('"""The curve."""', '"""Something else\n\n    at length."""'),
        ('    """The curve."""\n', ""),
        ('"""Curves."""\n', ""),
        ('"""Optimizer steps."""', '"""Steps of the optimizer."""'),
        ("LEVEL = 0.95", "\n\n# the usual\nLEVEL = (\n    0.95\n)"),
        ("return stats.interval(path, LEVEL)", "return stats.interval(\n        path,\n        LEVEL,\n    )"),
    ],
)
def test_comments_docstrings_and_layout_do_not_count(code: Path, old: str, new: str) -> None:
    before = print_of(code)
    replace(code / "inversion" / "analyse.py", old, new)
    assert print_of(code) == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("script.py", "input[0]", "input[1]"),
        ("inversion/analyse.py", "0.95", "0.9"),
        ("inversion/analyse.py", "step: int", "step: float"),
        ("inversion/stats.py", "bootstrap(path", "bootstrap(not path"),
        ("inversion/config/schema.py", "pass", "x = 1"),
        ("inversion/config/__init__.py", "Config\n", "Config\nx = 1\n"),
        ("inversion/deep/inner.py", "once()", "once() + 1"),
        ("inversion/deep/draw.py", "4", "5"),
        ("inversion/__init__.py", "\n", "\nx = 1\n"),
    ],
)
def test_code_that_the_script_reaches_counts(code: Path, file: str, old: str, new: str) -> None:
    before = print_of(code)
    replace(code / file, old, new)
    assert print_of(code) != before


def test_a_module_that_the_script_does_not_reach_does_not_count(code: Path) -> None:
    before = print_of(code)
    replace(code / "inversion" / "plot.py", "red", "blue")
    (code / "inversion" / "new.py").write_text("x = 1\n")
    assert print_of(code) == before


def test_a_module_that_the_script_resolves_by_name_counts_with_all_that_it_reaches(code: Path) -> None:
    def named() -> str:
        return SourceCode(code / "inversion").fingerprint(code / "script.py", ["inversion.plot", "json"])

    before, alone = named(), print_of(code)
    assert before != alone
    replace(code / "inversion" / "plot.py", "red", "blue")
    assert named() != before
    assert print_of(code) == alone


def test_a_reference_to_a_module_that_does_not_exist_is_refused(code: Path) -> None:
    with pytest.raises(ArtifactError, match=r"inversion\.plots is not a module"):
        SourceCode(code / "inversion").fingerprint(code / "script.py", ["inversion.plots"])


def test_the_path_of_the_checkout_does_not_count(code: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    before = print_of(code)
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "checkout"
    code.rename(elsewhere)
    assert print_of(elsewhere) == before


def test_the_real_library_can_be_followed() -> None:
    sources = SourceCode(Path(source_code.__file__).parent)
    assert sources.fingerprint(sources.package / "stats.py") != sources.fingerprint(sources.package / "artifacts.py")


# --- the memory ---------------------------------------------------------------------------------


def remembered(code: Path) -> SourceCode:
    return SourceCode(code / "inversion", code / "memory.json")


@pytest.fixture
def memory(code: Path) -> Path:
    """The memory of a process that took the fingerprint of the script."""
    sources = remembered(code)
    sources.fingerprint(code / "script.py")
    sources.remember()
    return code / "memory.json"


def unreadable(*_: object, **__: object) -> Any:
    raise AssertionError("a source was read again")


def test_a_second_process_reads_no_source_again(code: Path, memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inversion.source_code.ast.parse", unreadable)
    sources = remembered(code)
    written = memory.stat().st_mtime_ns
    monkeypatch.undo()
    expected = print_of(code)
    monkeypatch.setattr("inversion.source_code.ast.parse", unreadable)
    assert sources.fingerprint(code / "script.py") == expected
    sources.remember()
    assert memory.stat().st_mtime_ns == written


@pytest.mark.parametrize("file", ["script.py", "inversion/stats.py", "inversion/deep/draw.py"])
def test_a_changed_source_is_read_again_and_the_old_one_forgotten(code: Path, memory: Path, file: str) -> None:
    before, known = print_of(code), len(json.loads(memory.read_text())["files"])
    (code / file).write_text((code / file).read_text() + "\nANOTHER = 1\n")
    sources = remembered(code)
    assert sources.fingerprint(code / "script.py") == print_of(code) != before
    sources.remember()
    assert len(json.loads(memory.read_text())["files"]) == known


def test_a_file_with_the_content_of_another_has_its_own_relative_imports(code: Path, memory: Path) -> None:
    (code / "inversion" / "deep" / "inner.py").rename(code / "inversion" / "inner.py")
    replace(code / "inversion" / "stats.py", "inversion.deep.inner", "inversion.inner")
    assert remembered(code).fingerprint(code / "script.py") == print_of(code)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "nonsense",
        "[]",
        "{}",
        '{"reader": "another Python", "files": {}}',
        '{"reader": null, "files": []}',
    ],
)
def test_a_memory_that_cannot_be_used_is_replaced(code: Path, memory: Path, content: str) -> None:
    before = memory.read_bytes()
    memory.write_text(content)
    sources = remembered(code)
    assert sources.fingerprint(code / "script.py") == print_of(code)
    sources.remember()
    assert memory.read_bytes() == before


def test_damaged_entries_of_a_memory_are_not_used(code: Path, memory: Path) -> None:
    content = json.loads(memory.read_text())
    memory.write_text(json.dumps(content | {"files": dict.fromkeys(content["files"], 3)}))
    assert remembered(code).fingerprint(code / "script.py") == print_of(code)


def test_a_memory_that_cannot_be_written_is_no_error(code: Path) -> None:
    (code / "file").write_text("")
    sources = SourceCode(code / "inversion", code / "file" / "memory.json")
    assert sources.fingerprint(code / "script.py") == print_of(code)
    sources.remember()
